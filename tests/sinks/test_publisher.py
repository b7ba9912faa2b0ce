"""The publisher against real brokers: birth, will, retained state, order, reconnection, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from agent.records import HealthStatus, LinkStatus
from agent.sinks.archive import Archive
from agent.sinks.embedded_broker import EmbeddedBroker, Kind
from agent.sinks.publisher import Publisher
from tests.sinks.listening import broker, listening, needs_mosquitto, retained, running, until
from tests.sinks.proxy import Link
from tests.sinks.samples import ALARM, PASS_EVENT, RECEIVED_UTC_NS, REPORT, frame

MARKINGS = ("U", "S REL USA", "S REL ROK", "S REL USA, ROK", "S")
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]


@pytest.fixture(params=KINDS)
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    kind: Kind = request.param
    async with EmbeddedBroker(kind=kind) as embedded:
        yield embedded.port


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.01, boot="b007") as archive:
        yield archive


def publisher(archive: Archive, port: int, **options: object) -> Publisher:
    return Publisher(broker(port, **options), "here", archive, boot="b007", version="0.1")


async def test_birth_records_and_farewell_are_heard(port: int, archive: Archive) -> None:
    async with listening(port) as heard:
        async with running(publisher(archive, port).run()):
            await archive.write([frame(1), REPORT, ALARM, PASS_EVENT])
            await heard.until(lambda heard: len(heard.on("gs/here/pass/event")) == 1)
        await heard.until(lambda heard: heard.on("gs/here/status")[-1]["online"] is False)
    status = heard.on("gs/here/status")[0]
    assert status["online"] is True
    assert (status["boot"], status["version"]) == ("b007", "0.1")
    assert status["delivery"] == "at_least_once_to_broker"
    (told,) = heard.on("gs/here/sat/link/frame")
    assert bytes.fromhex(told["hex"]) == frame(1).link_frame.data
    assert (told["archive"], told["seq"], told["prev"]) == (archive.archive_id, 1, 0)
    (beacon,) = heard.on("gs/here/sat/link/tm/beacon")
    assert beacon["battery_voltage_v"] == 7.41
    assert beacon["ts"] == RECEIVED_UTC_NS // 1_000_000
    assert (beacon["seq"], beacon["prev"]) == (2, 1)
    assert heard.on("gs/here/alarm/link/battery_voltage")[0]["state"] == "triggered"
    assert archive.cursor("local") == 4


async def test_a_new_client_is_told_the_state_and_no_event(port: int, archive: Archive) -> None:
    unit = publisher(archive, port)
    unit.publish_state(HealthStatus("link", RECEIVED_UTC_NS, "watch", ()))
    unit.publish_state(LinkStatus("link", "uhf", RECEIVED_UTC_NS, "nominal", 3, {"bad_fcs": 2}))
    async with listening(port) as heard, running(unit.run()):
        await archive.write([frame(1), REPORT, ALARM, PASS_EVENT])
        await heard.until(lambda heard: len(heard.on("gs/here/pass/event")) == 1)
        await heard.until(lambda heard: len(heard.on("gs/here/sat/link/link")) == 1)
        told = await retained(port)
    assert set(told) == {
        "gs/here/status",
        "gs/here/sat/link/health",
        "gs/here/sat/link/link",
        "gs/here/sat/link/link/uhf",
        "gs/here/sat/link/tm/beacon",
        "gs/here/alarm/link/battery_voltage",
    }
    assert told["gs/here/sat/link/link"]["rejected_bad_fcs"] == 2


async def test_an_alarm_that_cleared_leaves_its_topic(port: int, archive: Archive) -> None:
    topic = "gs/here/alarm/link/battery_voltage"
    async with listening(port) as heard, running(publisher(archive, port).run()):
        await archive.write([ALARM])
        await heard.until(lambda heard: len(heard.on(topic)) == 1)
        assert topic in await retained(port)
        await archive.write([dataclasses.replace(ALARM, state="cleared")])
        await heard.until(lambda heard: len(heard.on(topic)) == 3)
        assert topic not in await retained(port)
    assert [told and told["state"] for told in heard.on(topic)] == ["triggered", "cleared", None]


async def test_the_will_is_left_when_the_connection_dies_and_corrected_when_it_returns(
    port: int, archive: Archive
) -> None:
    async with Link(port) as link, listening(port) as heard:
        unit = publisher(archive, link.port)
        async with running(unit.run()):
            await until(lambda: unit.connected)
            link.cut()
            await heard.until(
                lambda heard: [told["online"] for told in heard.on("gs/here/status")] == [True, False]
            )
            await heard.until(lambda heard: heard.on("gs/here/status")[-1]["online"] is True)
    assert {told["boot"] for told in heard.on("gs/here/status")} == {"b007"}


async def test_a_link_that_swallows_everything_is_noticed_and_nothing_is_lost(archive: Archive) -> None:
    async with EmbeddedBroker() as embedded, Link(embedded.port) as link, listening(embedded.port) as heard:
        unit = publisher(archive, link.port, keepalive_s=2)
        async with running(unit.run()):
            await until(lambda: unit.connected)
            link.swallow()
            await archive.write([frame(1)])
            await until(lambda: not unit.connected, timeout_s=10)
            link.cut()
            link.heal()
            await archive.write([frame(2)])
            await heard.until(lambda heard: set(heard.seqs()) == {1, 2})


async def test_a_late_will_is_corrected_by_another_birth(port: int, archive: Archive) -> None:
    unit = publisher(archive, port)
    async with listening(port) as heard, running(unit.run()):
        await until(lambda: unit.connected)
        async with aiomqtt.Client("127.0.0.1", port) as late:
            await late.publish("gs/here/status", b'{"online":false,"boot":"b006"}', qos=1, retain=True)
        await heard.until(lambda heard: len(heard.on("gs/here/status")) >= 3)
        assert heard.on("gs/here/status")[-1]["online"] is True
        assert (await retained(port))["gs/here/status"]["online"] is True


async def test_two_agents_of_one_name_are_noticed(port: int, archive: Archive, tmp_path: Path) -> None:
    async with Archive(tmp_path / "other", "here", commit_interval_s=0.01) as other_archive:
        one = publisher(archive, port, client_id="one")
        other = Publisher(broker(port, client_id="other"), "here", other_archive, boot="b999", version="0.1")
        async with listening(port) as heard, running(one.run()):
            await until(lambda: one.connected)
            async with running(other.run()):
                await heard.until(
                    lambda heard: any(
                        "another_agent" in told.get("degraded", ()) for told in heard.on("gs/here/status")
                    )
                )


async def test_backlog_is_sent_in_order_and_does_not_replace_newer_state(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        for number in range(300):
            archive.submit([dataclasses.replace(REPORT, received_utc_ns=number * 1_000_000)])
        await archive.write([frame(1)])
        async with listening(port) as heard, running(publisher(archive, port).run()):
            await heard.until(lambda heard: len(heard.on("gs/here/sat/link/frame")) == 1)
            told = [item for item in heard.on("gs/here/sat/link/tm/beacon") if "prev" in item]
            assert [item["seq"] for item in told] == list(range(1, 301))
            assert [item["prev"] for item in told] == list(range(300))
            assert (await retained(port))["gs/here/sat/link/tm/beacon"]["ts"] == 299


async def test_after_a_restart_only_what_was_not_confirmed_is_sent_again(port: int, tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        await archive.write([frame(number) for number in range(20)])
        async with listening(port) as heard, running(publisher(archive, port).run()):
            await heard.until(lambda heard: len(heard.seqs()) == 20)
            await until_delivered(archive, 20)
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        await archive.write([frame(number) for number in range(20, 25)])
        async with listening(port) as heard, running(publisher(archive, port).run()):
            await heard.until(lambda heard: len(heard.seqs()) == 5)
            await asyncio.sleep(0.2)
            assert heard.seqs() == [21, 22, 23, 24, 25]
            assert heard.on("gs/here/sat/link/frame")[0]["prev"] == 20


async def test_a_filter_leaves_records_out_and_prev_still_shows_every_gap(port: int, archive: Archive) -> None:
    unit = publisher(archive, port, records=("frame",), satellites=("link",))
    async with listening(port) as heard, running(unit.run()):
        await archive.write([frame(1), REPORT, frame(2, satellite="other"), ALARM, frame(3)])
        await archive.write([REPORT])
        await heard.until(lambda heard: len(heard.seqs()) == 2)
        await until_delivered(archive, 6)
        assert [(told["seq"], told["prev"]) for told in heard.on("gs/here/sat/link/frame")] == [(1, 0), (5, 1)]
        assert not heard.on("gs/here/sat/link/tm/beacon")
        assert not heard.on("gs/here/sat/other/frame")


async def test_an_allys_broker_gets_what_is_released_to_it_and_prev_shows_the_rest(
    port: int, archive: Archive
) -> None:
    unit = publisher(archive, port, community="ROK")
    unit.publish_state(HealthStatus("link", RECEIVED_UTC_NS, "watch", (), marking="S REL ROK USA"))
    unit.publish_state(HealthStatus("theirs", RECEIVED_UTC_NS, "watch", (), marking="S REL USA"))
    unit.set_state("forgotten", b'{"secret":1}')
    marked = [dataclasses.replace(frame(n + 1), marking=marking) for n, marking in enumerate(MARKINGS)]
    async with listening(port) as heard, running(unit.run()):
        await archive.write([*marked, dataclasses.replace(REPORT, marking="S REL USA")])
        await heard.until(lambda heard: len(heard.seqs()) == 3)
        await until_delivered(archive, 6)
        assert [(told["seq"], told["prev"]) for told in heard.on("gs/here/sat/link/frame")] == [
            (1, 0),
            (3, 1),
            (4, 3),
        ]
        assert not heard.on("gs/here/sat/link/tm/beacon")
        assert set(await retained(port)) == {"gs/here/status", "gs/here/sat/link/health"}


async def test_a_broker_that_comes_back_gets_birth_state_and_everything_since(archive: Archive) -> None:
    async with EmbeddedBroker() as first:
        port = first.port
        unit = publisher(archive, port)
        async with listening(port) as heard:
            task = asyncio.create_task(unit.run())
            await archive.write([frame(1), REPORT])
            await heard.until(lambda heard: len(heard.on("gs/here/sat/link/tm/beacon")) == 1)
            await until_delivered(archive, 2)
    await archive.write([frame(2)])
    async with EmbeddedBroker(port), listening(port) as heard:
        await heard.until(lambda heard: heard.seqs() == [3])
        await heard.until(lambda heard: "gs/here/sat/link/tm/beacon" in {topic for topic, _, _ in heard.messages})
        assert heard.on("gs/here/status")[-1]["online"] is True
        assert heard.on("gs/here/sat/link/tm/beacon")[0]["seq"] == 2
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert unit.counters["connected"] == 2


async def test_an_orderly_end_waits_for_what_was_kept_last(port: int, archive: Archive) -> None:
    unit = publisher(archive, port)
    async with listening(port) as heard:
        async with running(unit.run()):
            await until(lambda: unit.connected)
            await archive.write([frame(number) for number in range(300)])
            await unit.settled()
        await heard.until(lambda heard: heard.on("gs/here/status")[-1]["online"] is False)
    assert archive.cursor("local") == 300
    await unit.settled()


async def test_a_broker_that_is_not_there_is_said_once(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    unit = publisher(archive, 1)
    async with running(unit.run()):
        await asyncio.sleep(2.5)
        assert not unit.connected
        await archive.write([frame(1)])
    assert [record.getMessage() for record in caplog.records] == [
        "broker local (127.0.0.1:1): nothing listens there (start the broker, or mend host and port)"
    ]


async def until_delivered(archive: Archive, seq: int, destination: str = "local") -> None:
    await until(lambda: archive.cursor(destination) >= seq)
