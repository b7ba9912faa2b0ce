"""The two ends of a delivery as processes that can be killed: an archive with its publisher, and a consumer.

``python -m hil_tests.rigs.custody station DIRECTORY PORT FIRST RATE_HZ`` makes frames numbered from FIRST, archives
and publishes them, and prints ``ready`` and then each number after the commit that holds it: what it has printed it
must never lose. RATE_HZ 0 makes none: it only delivers.
``python -m hil_tests.rigs.custody consumer DATABASE PORT`` keeps what the station publishes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

from agent.definitions import Broker
from agent.records import Frame
from agent.sinks.archive import Archive
from agent.sinks.consumer import Consumer, Delivery
from agent.sinks.publisher import Publisher
from firmware_protocols.interface import LinkFrame

TICK_S = 0.05


def numbered_frame(number: int, octets: int = 256) -> Frame:
    """Make a frame whose first eight octets are its number."""
    data = number.to_bytes(8, "big") + bytes(octets - 8)
    return Frame("link", "uhf", LinkFrame(data, 0, 0, "fcs"), 1_790_000_000_000_000_000 + number)


async def station(directory: Path, port: int, first: int, rate_hz: float) -> None:
    """Make, archive and publish frames until killed."""
    async with Archive(directory, "here", commit_interval_s=0.1, boot="rig") as archive:
        broker = Broker(port=port, consumers=("ops",), keepalive_s=5)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Publisher(broker, "here", archive, boot="rig", version="0").run())
            print("ready", flush=True)
            number = first
            while True:
                await asyncio.sleep(TICK_S)
                count = int(rate_hz * TICK_S)
                if not count and archive.newest_seq and not await archive.read_after(archive.cursor("local"), 1):
                    print("delivered", flush=True)
                    await asyncio.sleep(1.0)
                made = list(range(number, number + count))
                number += count
                tasks.create_task(_keep(archive, made))


async def _keep(archive: Archive, numbers: list[int]) -> None:
    if numbers:
        await archive.write([numbered_frame(number) for number in numbers])
        print(*numbers, flush=True)


def keep(store: sqlite3.Connection, delivery: Delivery) -> None:
    """Keep a frame's number, once for each time the effect is done."""
    store.execute("CREATE TABLE IF NOT EXISTS kept (archive TEXT, seq INTEGER, number INTEGER)")
    number = int(delivery.values["hex"][:16], 16)
    store.execute("INSERT INTO kept VALUES (?, ?, ?)", (delivery.archive, delivery.seq, number))


def main() -> None:
    """Run one end."""
    with contextlib.suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["station", directory, port, first, rate_hz]:
                asyncio.run(station(Path(directory), int(port), int(first), float(rate_hz)))
            case ["consumer", database, port]:
                asyncio.run(Consumer("ops", "here", Path(database), keep, port=int(port)).run())


if __name__ == "__main__":
    main()
