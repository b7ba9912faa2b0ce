"""Nothing is lost: station, broker and consumer killed at random while frames arrive (catalogue F1, F5)."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from agent.records import Frame
from agent.sinks.archived import unpack
from agent.sinks.embedded_broker import find_mosquitto
from agent.sinks.segment_reading import ReadableSegments
from hil_tests.rigs.mosquitto import Mosquitto

pytestmark = [
    pytest.mark.hil,
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
]

RATE_HZ = 400
READY_S = 3.0
SETTLE_S = 90.0
KILLS = int(os.environ.get("GSAGENT_KILLS", "40"))
"""200 in `make faults`; fewer here, so that the hil run stays short."""


class End:
    """One end of the delivery as a process; ``numbers`` are those it said were kept."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.numbers: set[int] = set()
        self.ready_s: list[float] = []
        self.delivered = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self, *more: str) -> None:
        self._ready.clear()
        began_s = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hil_tests.rigs.custody", *self.arguments, *more, stdout=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read(self._process))
        if self.arguments[0] == "station":
            await asyncio.wait_for(self._ready.wait(), 20)
            self.ready_s.append(time.monotonic() - began_s)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            words = line.split()
            if not line.endswith(b"\n"):
                return
            if words == [b"ready"]:
                self._ready.set()
            elif words == [b"delivered"]:
                self.delivered.set()
            else:
                self.numbers.update(int(word) for word in words)

    async def kill(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.kill()
        await self._process.wait()
        await self._reader


def archived(directory: Path) -> list[int]:
    segments = ReadableSegments.look(directory)
    numbers = []
    seq = 0
    while rows := segments.read_after(seq, 1000):
        seq = rows[-1].seq
        for row in rows:
            record = unpack(row).record
            assert isinstance(record, Frame)
            numbers.append(int.from_bytes(record.link_frame.data[:8], "big"))
    segments.abandon()
    return numbers


def consumed(database: Path) -> list[int]:
    store = sqlite3.connect(database)
    found = [number for (number,) in store.execute("SELECT number FROM kept")]
    store.close()
    return found


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victims", ["station", "all"])
async def test_every_frame_kept_is_at_the_consumer_exactly_once_whoever_is_killed(
    tmp_path: Path, victims: str
) -> None:
    chance = random.Random(7)
    killed = {"station": 0, "broker": 0, "consumer": 0}
    async with Mosquitto(tmp_path) as broker:
        station = End("station", str(tmp_path / "archive"), str(broker.port))
        consumer = End("consumer", str(tmp_path / "consumer.sqlite"), str(broker.port))
        await consumer.start()
        await station.start("0", str(RATE_HZ))
        for kill in range(1, KILLS + 1):
            await asyncio.sleep(chance.uniform(0.05, 0.8))
            victim = "station" if victims == "station" else chance.choice(list(killed))
            killed[victim] += 1
            match victim:
                case "station":
                    await station.kill()
                    await station.start(str(kill * 1_000_000), str(RATE_HZ))
                case "broker":
                    await broker.kill()
                    await broker.start()
                case _:
                    await consumer.kill()
                    await consumer.start()
        await station.kill()
        await station.start("0", "0")
        await asyncio.wait_for(station.delivered.wait(), SETTLE_S)
        await station.kill()
        await consumer.kill()
    kept = archived(tmp_path / "archive")
    have = consumed(tmp_path / "consumer.sqlite")
    assert len(kept) == len(set(kept))
    assert station.numbers <= set(kept), "a committed frame is missing from the archive"
    assert len(have) == len(set(have)), "a frame took effect twice"
    assert set(have) == set(kept), "the consumer misses frames"
    print(
        f"{KILLS} kills {killed}: {len(station.numbers)} committed, {len(kept)} archived, {len(have)} "
        f"consumed once, 0 lost; ready after {max(station.ready_s):.2f} s at most"
    )
    assert sorted(station.ready_s)[len(station.ready_s) * 9 // 10] <= READY_S
