"""Station and satellite files that change while the agent works: what is good is taken up, what is bad is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_station_config
from agent.errors import ConfigError
from agent.records import Alarm, Frame
from agent.runtime import Agent
from agent.runtime.difference import differences
from agent.runtime.reload import Reload, prepare
from agent.runtime.service_manager import ServiceManager
from agent.runtime.station import run_agent
from agent.simulator.pty_tnc import PtyTnc
from agent.sinks.embedded_broker import EmbeddedBroker
from firmware_protocols import kiss
from tests import signals
from tests.runtime.test_station import Listener
from tests.sinks.listening import until
from tests.test_command_line import SATELLITE_TOML

STATION = """\
satellites = ["testsat"]
satellite_directories = ["satellites"]
health_tick_s = 0.1

[station]
name = "test"
latitude_deg = 36.372
longitude_deg = 127.363

[archive]
commit_interval_s = 0.05

[[broker]]
port = {port}

[[source]]
id = "tnc"
kind = "serial_port"
port = "{tnc}"
"""

FRAMES = 400
SECOND_SOURCE = '\n[[source]]\nid = "second"\nkind = "kiss_tcp"\nport = 8001\n'
SECOND_BROKER = '\n[[broker]]\nname = "second"\nport = {port}\ntopic_prefix = "second"\n'


class Station:
    """An agent on a pty and a broker, its files, and the frames sent to it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.file = folder / "station.toml"
        self.satellite = folder / "satellites" / "testsat.toml"
        self.satellite.parent.mkdir()
        self.satellite.write_text(SATELLITE_TOML, encoding="utf-8")
        self.tnc = PtyTnc()
        self.tnc.plug()
        self.text = STATION.format(port=port, tnc=self.tnc.path)
        self.file.write_text(self.text, encoding="utf-8")
        self.said: list[tuple[str, ...]] = []
        self.sent = 0
        service = ServiceManager({})
        service.say = lambda *lines: self.said.append(lines)  # type: ignore[method-assign]  # what systemd hears
        self.agent = Agent(load_station_config(self.file), service=service)

    async def reload(self, text: str | None = None) -> None:
        """Write the station file and have the agent look at once."""
        if text is not None:
            self.file.write_text(text, encoding="utf-8")
        done = self.agent.reload.done
        self.agent.reload.ask()
        await until(lambda: self.agent.reload.done > done)

    async def send(self, count: int, rate_hz: float = 0.0, cut: int = 11) -> None:
        """Send frames, each in two writes with its end in the next one's, as lines do."""
        octets = b""
        for _ in range(count):
            octets += kiss.encode(signals.frame(self.sent % 65536), kiss.Options())
            self.sent += 1
            part, octets = octets[:-cut], octets[-cut:]
            await self.write(part)
            if rate_hz:
                await asyncio.sleep(1 / rate_hz)
        await self.write(octets)

    async def write(self, octets: bytes) -> None:
        while octets:
            octets = octets[self.tnc.write(octets) :]
            if octets:
                await asyncio.sleep(0.002)

    async def archived(self) -> list[int]:
        """The numbers of the frames in the archive, in order."""
        await self.agent.flow.all_kept()
        found: list[int] = []
        seq = 0
        while items := await self.agent._archive.read_after(seq, 2000):
            seq = items[-1].seq
            found += [
                int.from_bytes(item.record.link_frame.data[18:20], "big")
                for item in items
                if isinstance(item.record, Frame)
            ]
        return found

    async def alarms(self) -> list[Alarm]:
        await self.agent.flow.all_kept()
        items = await self.agent._archive.read_after(0, 5000)
        return [item.record for item in items if isinstance(item.record, Alarm)]


@asynccontextmanager
async def working(folder: Path, port: int) -> AsyncIterator[Station]:
    station = Station(folder, port)
    running = asyncio.create_task(run_agent(station.agent))
    try:
        await until(lambda: station.tnc.listened_to or running.done())
        await asyncio.sleep(0.05)
        yield station
    finally:
        station.agent.stop.set()
        await running
        station.tnc.close()


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker() as broker:
        yield broker


@asynccontextmanager
async def heard(port: int) -> AsyncIterator[Listener]:
    listener, ready = Listener(), asyncio.Event()
    listening = asyncio.create_task(listener.listen(port, ready))
    await ready.wait()
    try:
        yield listener
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def newest(listener: Listener, topic: str) -> Any:
    return listener.messages[topic][-1]


async def test_reloading_again_and_again_loses_no_frame_of_a_busy_line(
    tmp_path: Path, broker: EmbeddedBroker
) -> None:
    async with working(tmp_path, broker.port) as station:
        feed = station.agent.feeds[0]
        sending = asyncio.create_task(station.send(FRAMES, 400.0))
        reloads = 0
        while not sending.done():
            reloads += 1
            text = SATELLITE_TOML.replace('name = "TEST', f'description = "{reloads}"\nname = "TEST')
            assert text != SATELLITE_TOML
            station.satellite.write_text(text, encoding="utf-8")
            # Every third time the station file is wrong, every third time the satellite's.
            broken = station.text.replace("kind", "knid") if reloads % 3 == 0 else station.text
            if reloads % 3 == 1:
                station.satellite.write_text(text.replace('"fsk"', '"fks"'), encoding="utf-8")
            await station.reload(broken)
            assert bool(station.agent.reload.trouble) == (reloads % 3 != 2)
            await asyncio.sleep(0.1)
        await sending
        await until(lambda: feed.state.frames == station.sent, 30.0)
        assert await station.archived() == list(range(FRAMES))
        assert station.agent.feeds == [feed], "the source was not opened again"
        assert feed.state.dropped == 0
        assert reloads >= 5
        print(f"{reloads} reloads at 400 frames/s: {station.sent} frames sent, 0 lost")


async def test_a_bad_file_is_said_in_the_log_the_status_and_an_alarm_until_it_is_mended(
    tmp_path: Path, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with heard(broker.port) as listener, working(tmp_path, broker.port) as station:
        await until(lambda: any(item["online"] for item in listener.messages.get("status", [])))
        await station.reload(station.text.replace("longitude_deg = 127.363", 'longitude_deg = "east"'))
        why = station.agent.reload.trouble
        assert "station.toml:8: station.longitude_deg" in why
        assert why in caplog.text
        assert station.said[-1] == ("READY=1",)
        assert station.said[-2][0] == "RELOADING=1"
        assert station.said[-2][1].startswith("MONOTONIC_USEC=")
        await until(lambda: newest(listener, "status")["degraded"] == ["configuration_refused"])
        await until(lambda: newest(listener, "station")["configuration"] == why)
        (raised,) = await listener.wait_for("alarm/station/configuration_refused")
        assert (raised["state"], raised["level"], raised["limit"]) == ("triggered", "warning", why[:256])
        await station.send(20)
        await until(lambda: station.agent.feeds[0].state.frames == 20)
        await station.reload(station.text)
        assert station.agent.reload.trouble == ""
        await until(lambda: newest(listener, "status")["degraded"] == [])
        await until(lambda: newest(listener, "station")["configuration"] == "good")
        told = await listener.wait_for("alarm/station/configuration_refused", 2)
        assert told[1]["state"] == "returned_to_normal"
        assert [alarm.state for alarm in await station.alarms() if alarm.parameter == "configuration_refused"] == [
            "triggered",
            "returned_to_normal",
        ]


async def test_a_file_that_is_written_is_noticed_without_being_asked(
    tmp_path: Path, broker: EmbeddedBroker
) -> None:
    async with working(tmp_path, broker.port) as station:
        await asyncio.sleep(0.1)
        station.file.write_text(station.text + SECOND_SOURCE, encoding="utf-8")
        await until(lambda: [feed.source_id for feed in station.agent.feeds] == ["tnc", "second"], 6.0)
        station.satellite.write_text(SATELLITE_TOML + "\n# nothing new\n", encoding="utf-8")
        done = station.agent.reload.done
        await until(lambda: station.agent.reload.done > done, 6.0)
        assert station.agent.reload.trouble == ""


async def test_only_the_source_that_changed_begins_anew(tmp_path: Path, broker: EmbeddedBroker) -> None:
    async with working(tmp_path, broker.port) as station:
        tnc = station.agent.feeds[0]
        await station.reload(station.text + SECOND_SOURCE)
        second = station.agent.feeds[1]
        assert station.agent.feeds[0] is tnc
        await station.reload(station.text + SECOND_SOURCE.replace("8001", "8002"))
        assert station.agent.feeds[0] is tnc
        assert station.agent.feeds[1] is not second
        await station.reload(station.text)
        assert station.agent.feeds == [tnc]
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "reader second" not in names
        assert "receiver second" not in names
        await station.send(10)
        await until(lambda: tnc.state.frames == 10)


async def test_limits_that_change_keep_the_alarms_there_are(tmp_path: Path, broker: EmbeddedBroker) -> None:
    async with working(tmp_path, broker.port) as station:
        await station.write(kiss.encode(signals.frame(1, 6.5), kiss.Options()))
        await until(lambda: len(station.agent.monitor.active_alarms()) == 1)
        (before,) = station.agent.monitor.active_alarms()
        station.satellite.write_text(SATELLITE_TOML.replace("min = 7.0", "min = 6.9"), encoding="utf-8")
        await station.reload()
        assert station.agent.reload.trouble == ""
        (after,) = station.agent.monitor.active_alarms()
        assert after.alarm_id == before.alarm_id
        assert station.agent._orders.monitor is station.agent.monitor
        await station.write(kiss.encode(signals.frame(2, 8.0), kiss.Options()))
        await until(lambda: station.agent.monitor.active_alarms()[0].state == "returned_to_normal")
        await station.reload(station.text.replace('["testsat"]', "[]"))
        await until(lambda: not station.agent.monitor.active_alarms())
        await asyncio.sleep(0.3)
        assert (await station.alarms())[-1].state == "cleared", (
            "the retained alarm of a satellite that went is taken away"
        )


async def test_a_broker_more_or_less_leaves_the_others_alone(tmp_path: Path, broker: EmbeddedBroker) -> None:
    async with working(tmp_path, broker.port) as station:
        (first,) = station.agent.announcer.publishers
        await until(lambda: first.connected)
        await station.reload(station.text + SECOND_BROKER.format(port=broker.port))
        assert station.agent.announcer.publishers[0] is first
        second = station.agent.announcer.publishers[1]
        await until(lambda: second.connected)
        await station.send(5)
        await until(lambda: min(first.delivered, second.delivered) >= 10)
        await station.reload(station.text)
        assert station.agent.announcer.publishers == [first]
        assert first.counters["births"] == 1
        assert "publisher second" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('name = "test"', 'name = "other"', "station.name"),
        ("commit_interval_s = 0.05", 'directory = "elsewhere"', "archive.directory"),
        ("commit_interval_s = 0.05", "max_mb = 99", "archive.max_mb"),
        ("[[broker]]\nport", "[[removed]]\nport", "removed"),
    ],
)
async def test_what_needs_a_restart_is_refused_and_named(
    tmp_path: Path, broker: EmbeddedBroker, old: str, new: str, place: str
) -> None:
    async with working(tmp_path, broker.port) as station:
        await station.reload(station.text.replace(old, new))
        assert place in station.agent.reload.trouble
        assert station.agent.config.file.station.name == "test"


async def test_a_shorter_commit_interval_is_taken_up_at_once(tmp_path: Path, broker: EmbeddedBroker) -> None:
    async with working(tmp_path, broker.port) as station:
        await station.reload(station.text.replace("= 0.05", "= 5.0"))
        assert station.agent._archive.commit_interval_s == 5.0
        await station.send(1)
        await asyncio.sleep(0.3)
        assert station.agent._archive.newest_seq == 0
        began_s = time.monotonic()
        await station.reload(station.text)
        await until(lambda: station.agent._archive.newest_seq > 0)
        assert time.monotonic() - began_s < 2.0


def test_files_that_say_the_same_in_other_words_differ_in_nothing(tmp_path: Path) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    file = tmp_path / "station.toml"
    file.write_text(STATION.format(port=1883, tnc="/dev/ttyS0"), encoding="utf-8")
    old = prepare(file)
    file.write_text("# a comment\n" + STATION.format(port=1883, tnc="/dev/ttyS0"), encoding="utf-8")
    new = prepare(file)
    assert not differences(old.config, new.config, old.tables, new.tables)


MUTATIONS: list[tuple[str, str]] = [
    (line, change)
    for line in STATION.splitlines()
    if line.strip()
    for change in (line[:-1], f"{line}{line}", line.replace("=", ""), f"x{line}", line.replace('"', "'''"), "[[[")
]


@pytest.mark.parametrize("part", range(4))
def test_no_mutation_of_a_station_file_does_more_than_be_refused(tmp_path: Path, part: int) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    file = tmp_path / "station.toml"
    whole = STATION.format(port=1883, tnc="/dev/ttyS0")
    refused: list[str] = []
    for line, change in MUTATIONS[part::4]:
        text = STATION.replace(line, change, 1)
        file.write_text(whole if text == STATION else text, encoding="utf-8")
        try:
            prepare(file)
        except ConfigError as exc:
            refused.append(str(exc))
    assert len(refused) > 10
    assert all("\n" not in why and why.startswith(str(tmp_path)) for why in refused)


async def test_a_station_file_that_is_away_for_a_moment_is_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    file = tmp_path / "station.toml"
    file.write_text(STATION.format(port=1883, tnc="/dev/ttyS0"), encoding="utf-8")
    told: list[str] = []

    async def take_up(_: object) -> str:
        return ""

    async def tell(trouble: str) -> None:
        told.append(trouble)

    reload = Reload(load_station_config(file), take_up=take_up, tell=tell, service=ServiceManager({}))
    watching = asyncio.create_task(reload.run())
    await asyncio.sleep(0.1)
    file.rename(tmp_path / "away.toml")
    reload.ask()
    await until(lambda: reload.done == 1)
    assert "no such file" in told[0]
    (tmp_path / "away.toml").rename(file)
    await until(lambda: reload.done == 2, 6.0)
    assert told[1] == ""
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
