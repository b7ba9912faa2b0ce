"""A backlog, and brokers that hang or come and go: order, pace, and state that never waits (L5, F6, F8)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.definitions import Broker
from agent.records import HealthStatus
from agent.sinks.archive import Archive
from agent.sinks.embedded_broker import find_mosquitto
from agent.sinks.publisher import Publisher
from hil_tests.rigs.custody import numbered_frame
from hil_tests.rigs.mosquitto import Mosquitto, free_port
from tests.sinks.listening import listening, running, until

pytestmark = [
    pytest.mark.hil,
    pytest.mark.timeout(240 + int(float(os.environ.get("GSAGENT_BROKER_HANG_S", "0")))),
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]

BACKLOG = 20_000
DRAIN_HZ = 2000
LIVE_S = 2.0
NOTICED_S = 30.0
HANG_S = float(os.environ.get("GSAGENT_BROKER_HANG_S", "0"))
"""How long the broker hangs at the least; 300 in `make faults`."""

BACK_S = 5.0


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Archive(tmp_path / "archive", "here", commit_interval_s=0.05, boot="rig") as archive:
        yield archive


def health(now_ns: int) -> HealthStatus:
    return HealthStatus("link", now_ns, "normal", ())


async def test_a_backlog_drains_in_order_at_pace_and_live_state_does_not_wait(
    archive: Archive, tmp_path: Path
) -> None:
    for start in range(0, BACKLOG, 1000):
        await archive.write([numbered_frame(number, 200) for number in range(start, start + 1000)])
    delays_s: list[float] = []
    async with Mosquitto(tmp_path) as broker, listening(broker.port, "gs/here/sat/link/health") as heard:
        unit = Publisher(Broker(port=broker.port), "here", archive, boot="rig", version="0")

        async def live() -> None:
            while True:
                unit.publish_state(health(time.time_ns()))
                await asyncio.sleep(0.2)

        async def listen() -> None:
            seen = 0
            while True:
                for _, payload, _ in heard.messages[seen:]:
                    delays_s.append(time.time() - json.loads(payload)["ts"] / 1e3)
                seen = len(heard.messages)
                await asyncio.sleep(0.005)

        async with running(unit.run()), running(live()), running(listen()):
            await until(lambda: unit.connected)
            began_s = time.monotonic()
            await until(lambda: unit.delivered == BACKLOG, timeout_s=60)
            drain_hz = BACKLOG / (time.monotonic() - began_s)
    print(f"backlog of {BACKLOG}: {drain_hz:.0f} messages/s; live state behind by {max(delays_s):.2f} s at most")
    assert len(delays_s) > 5
    assert max(delays_s) < LIVE_S
    assert drain_hz >= DRAIN_HZ


async def test_order_and_prev_are_whole_for_one_who_listens(archive: Archive, tmp_path: Path) -> None:
    for start in range(0, 5000, 1000):
        await archive.write([numbered_frame(number, 100) for number in range(start, start + 1000)])
    lines = ("allow_anonymous true", "persistence false", "set_tcp_nodelay true", "max_queued_messages 0")
    async with Mosquitto(tmp_path, *lines) as broker, listening(broker.port, "gs/here/sat/link/frame") as heard:
        unit = Publisher(Broker(port=broker.port), "here", archive, boot="rig", version="0")
        async with running(unit.run()):
            await heard.until(lambda heard: len(heard.messages) == 5000, timeout_s=60)
    told = heard.on("gs/here/sat/link/frame")
    assert [item["seq"] for item in told] == list(range(1, 5001))
    assert [item["prev"] for item in told] == list(range(5000))


async def test_a_broker_that_hangs_is_noticed_and_loses_nothing(archive: Archive, tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        unit = Publisher(Broker(port=broker.port, keepalive_s=10), "here", archive, boot="rig", version="0")
        async with running(unit.run()):
            await until(lambda: unit.connected)
            broker.stop()
            hung_s = time.monotonic()
            kept = 1000
            for start in range(0, 1000, 100):
                written_s = time.monotonic()
                await archive.write([numbered_frame(number) for number in range(start, start + 100)])
                assert time.monotonic() - written_s < 1.0, "ingest waits for the broker"
            await until(lambda: not unit.connected, timeout_s=NOTICED_S)
            noticed_s = time.monotonic() - hung_s
            while time.monotonic() - hung_s < HANG_S:
                await archive.write([numbered_frame(kept)])
                kept += 1
                await asyncio.sleep(0.05)
            broker.go_on()
            went_on_s = time.monotonic()
            await until(lambda: unit.delivered == kept, timeout_s=30 + kept / DRAIN_HZ)
    delivered_s = time.monotonic() - went_on_s
    print(
        f"hung broker: noticed after {noticed_s:.1f} s, all {kept} delivered {delivered_s:.1f} s after it went on"
    )


async def test_a_broker_that_comes_and_goes_is_found_within_five_seconds_without_a_storm(
    archive: Archive, tmp_path: Path
) -> None:
    attempts: list[float] = []
    port = free_port()
    unit = Publisher(Broker(port=port), "here", archive, boot="rig", version="0")
    async with running(unit.run()):
        for number in range(6):
            await archive.write([numbered_frame(number)])
            await asyncio.sleep(2.0)
            async with Mosquitto(tmp_path, port=port):
                up_s = time.monotonic()
                await until(lambda: unit.connected, timeout_s=10)
                attempts.append(time.monotonic() - up_s)
                await asyncio.sleep(0.5)
            await until(lambda: not unit.connected)
        async with Mosquitto(tmp_path, port=port):
            await until(lambda: unit.delivered == 6)
    print(f"flapping broker: found again after {max(attempts):.1f} s at most")
    assert max(attempts) < BACK_S + 0.5


async def test_one_who_accepts_and_never_answers_is_tried_at_most_once_a_second(archive: Archive) -> None:
    accepted: list[float] = []
    held: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(time.monotonic())
        held.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    unit = Publisher(
        Broker(port=server.sockets[0].getsockname()[1], keepalive_s=2), "here", archive, boot="rig", version="0"
    )
    async with running(unit.run()):
        await asyncio.sleep(25)
        assert "does not answer" in unit.failure
    assert 1 <= len(accepted) <= 4
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()
