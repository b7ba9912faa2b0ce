"""The station's own alarms: what raises each, how long it must last, and that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.definitions import Broker, Satellite
from agent.runtime import Agent
from agent.runtime.feed import FeedState
from agent.runtime.passes import Sky
from agent.runtime.station_alarms import CLOCK_S, LOST_S, OVERRUN_S, UNREACHABLE_S, Sign, StationAlarms
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.segment import StorageFault
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, circular
from tests.runtime.test_reload import Station, broker, heard, newest, until, working

__all__ = ["broker"]


@dataclass
class Source:
    """A source as the alarms see it."""

    source_id: str = "tnc-1"
    octets: bool = True
    state: FeedState = field(default_factory=FeedState)


def holding(alarms: StationAlarms, signs: Iterator[Sign], now_s: float) -> dict[str, Sign]:
    return {sign.name: sign for sign in alarms.lasting(signs, now_s) if sign.holds}


def test_a_source_that_is_back_within_two_seconds_raises_nothing_one_that_stays_away_does() -> None:
    alarms, source = StationAlarms(), Source()
    feeds: Any = [source]
    source.state.error = "/dev/ttyUSB0 was unplugged"
    assert holding(alarms, alarms.sources(feeds, 100.0), 100.0) == {}
    source.state.error = None
    assert holding(alarms, alarms.sources(feeds, 102.0), 102.0) == {}
    source.state.error = "/dev/ttyUSB0 was unplugged"
    assert holding(alarms, alarms.sources(feeds, 103.0), 103.0) == {}
    found = holding(alarms, alarms.sources(feeds, 103.0 + LOST_S), 103.0 + LOST_S)
    assert found["source_tnc_1_lost"].evidence == "/dev/ttyUSB0 was unplugged"
    assert list(found) == ["source_tnc_1_lost"]


def test_a_source_that_stands_still_is_stalled_and_not_lost() -> None:
    alarms, source = StationAlarms(), Source(octets=False)
    feeds: Any = [source]
    source.state.error, source.state.stalled = "rtl_tcp is connected but has stalled for 3 s", True
    for now_s in (1.0, 20.0):
        assert list(holding(alarms, alarms.sources(feeds, now_s), now_s)) == ["source_tnc_1_stalled"]


def test_an_overrun_is_over_a_minute_after_the_last_drop() -> None:
    alarms, source = StationAlarms(), Source(octets=False)
    feeds: Any = [source]
    assert holding(alarms, alarms.sources(feeds, 0.0), 0.0) == {}
    source.state.dropped = 4096
    found = holding(alarms, alarms.sources(feeds, 10.0), 10.0)
    assert found["source_tnc_1_overrun"].evidence == "4096 samples dropped since it began"
    assert holding(alarms, alarms.sources(feeds, 9.9 + OVERRUN_S), 9.9 + OVERRUN_S) != {}
    assert holding(alarms, alarms.sources(feeds, 10.0 + OVERRUN_S), 10.0 + OVERRUN_S) == {}


def test_what_is_configured_no_more_is_over() -> None:
    alarms, source = StationAlarms(), Source()
    source.state.error = "gone"
    feeds: Any = [source]
    list(alarms.lasting(alarms.sources(feeds, 0.0), 0.0))
    over = [sign for sign in alarms.lasting(iter(()), 10.0) if sign.name == "source_tnc_1_lost"]
    assert [(sign.holds, sign.evidence) for sign in over] == [(False, "no longer configured")]


def test_a_broker_has_ten_seconds_and_the_clock_two_minutes() -> None:
    alarms = StationAlarms()
    publishers: Any = [SimpleNamespace(broker=Broker(name="ops"), connected=False, failure="nothing listens there")]

    def signs() -> Iterator[Sign]:
        yield from alarms.brokers(publishers)
        yield from alarms.machine("not_synchronised", "", "")

    assert holding(alarms, signs(), 0.0) == {}
    found = holding(alarms, signs(), UNREACHABLE_S)
    assert {name: sign.evidence for name, sign in found.items()} == {
        "broker_ops_unreachable": "nothing listens there"
    }
    assert "clock_not_synchronised" in holding(alarms, signs(), CLOCK_S)
    publishers[0].connected = True
    assert "broker_ops_unreachable" not in holding(alarms, signs(), CLOCK_S + 1)


@pytest.mark.parametrize(
    ("orbit", "age_d", "old"),
    [("leo", 6.9, False), ("leo", 7.1, True), ("geo", 29.0, False), ("geo", 31.0, True), ("leo", -8.0, True)],
)
def test_elements_are_too_old_after_a_week_in_leo_and_a_month_elsewhere(
    orbit: Any, age_d: float, old: bool
) -> None:
    alarms = StationAlarms()
    elements = replace(circular(bstar=0.0), epoch_utc_ns=AUGUST_23_UTC_NS)
    satellites = {"one": Satellite(name="ONE", norad=90001, orbit=orbit)}
    (sign,) = alarms.elements(Sky(elements={"one": elements}), satellites, AUGUST_23_UTC_NS + round(age_d * DAY_NS))
    assert sign.name == "elements_too_old"
    assert sign.holds is old
    assert not old or sign.evidence == f"one {abs(age_d):.1f} d"


async def test_an_alarm_of_the_station_is_archived_published_and_ends(
    tmp_path: Path, broker: EmbeddedBroker
) -> None:
    async with heard(broker.port) as listener, working(tmp_path, broker.port) as station:
        station.tnc.unplug()
        (raised,) = await listener.wait_for("alarm/station/source_tnc_lost")
        assert (raised["state"], raised["level"]) == ("triggered", "warning")
        assert "was unplugged" in raised["limit"] or "is not there" in raised["limit"]
        assert raised["seq"] > 0
        station.tnc.plug()
        await until(lambda: station.tnc.listened_to)
        await station.send(3)
        told = await listener.wait_for("alarm/station/source_tnc_lost", 2)
        assert told[1]["state"] == "returned_to_normal"
        states = [alarm.state for alarm in await station.alarms() if alarm.parameter == "source_tnc_lost"]
        assert states == ["triggered", "returned_to_normal"]


async def test_a_medium_that_refuses_is_said_by_an_alarm_and_its_end(
    tmp_path: Path, broker: EmbeddedBroker
) -> None:
    async with heard(broker.port) as listener, working(tmp_path, broker.port) as station:
        archive = station.agent._archive
        await until(lambda: bool(listener.messages.get("status")))
        await station.send(1)
        await until(lambda: archive.newest_seq > 0)
        segments = archive._thread.segments
        assert segments is not None
        append = segments.append

        def refuse(*_: Any, **__: Any) -> Any:
            raise StorageFault("full", "no space left on device")

        segments.append = refuse  # type: ignore[method-assign]  # a medium that is full
        await station.send(1)
        await until(lambda: archive.degraded == "full")
        (raised,) = await listener.wait_for("alarm/station/archive_degraded")
        assert (raised["state"], raised["level"], raised["limit"]) == ("triggered", "critical", "full")
        await until(lambda: "storage_full" in newest(listener, "status")["degraded"])
        segments.append = append  # type: ignore[method-assign]
        await until(lambda: archive.degraded == "")
        topic = "alarm/station/archive_degraded"
        await until(lambda: any(item["state"] == "returned_to_normal" for item in listener.messages[topic] if item))
        await until(lambda: "storage_full" not in newest(listener, "status")["degraded"])


def agent_with_two_satellites(folder: Path) -> Agent:
    station = Station(folder, 1883)
    station.tnc.close()
    second = station.satellite.with_name("second.toml")
    second.write_text(station.satellite.read_text(encoding="utf-8").replace("99001", "99002"), encoding="utf-8")
    station.file.write_text(station.text.replace('["testsat"]', '["testsat", "second"]'), encoding="utf-8")
    from agent.config import load_station_config

    return Agent(load_station_config(station.file))


async def test_commits_are_seldom_only_while_every_satellite_is_known_to_be_down(tmp_path: Path) -> None:
    agent = agent_with_two_satellites(tmp_path)
    archive = agent._archive = SimpleNamespace(commit_interval_s=0.05)  # type: ignore[assignment]
    paces = []
    for slug, up in (
        ("testsat", False),
        ("second", None),
        ("second", False),
        ("testsat", True),
        ("testsat", False),
    ):
        agent._set_in_view(slug, up)
        paces.append(archive.commit_interval_s)
    assert paces == [0.05, 0.05, 5.0, 0.05, 5.0]


async def test_a_group_that_waits_is_committed_soon_after_a_satellite_rises(tmp_path: Path) -> None:
    from agent.sinks.archive import Archive
    from hil_tests.rigs.custody import numbered_frame

    async with Archive(tmp_path / "archive", "here", commit_interval_s=5.0) as archive:
        done = archive.submit([numbered_frame(1)])
        await asyncio.sleep(0.3)
        assert archive.newest_seq == 0
        archive.commit_interval_s = 0.05
        async with asyncio.timeout(2.0):
            await done
        assert archive.newest_seq == 1
