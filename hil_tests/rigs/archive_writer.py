"""Writes numbered frames into an archive and says what was promised, for tests that take it at its word.

``python -m hil_tests.rigs.archive_writer plain DIRECTORY FIRST BATCHES`` commits batches of six, one after the
other, and prints their numbers when the commit has returned. ``… shell …`` does so through the asynchronous
archive, prints ``degraded REASON`` when that changes, and its counters as JSON in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from agent.sinks.archive import Archive
from agent.sinks.archived import pack
from agent.sinks.segments import Segments
from hil_tests.rigs.custody import numbered_frame

BATCH = 6
DAYS_NS = 86_400 * 1_000_000_000
PACE_S = 0.01
MEND_S = 20.0


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def plain(directory: Path, first: int, batches: int) -> None:
    """Commit batches; a new day half way, so that a segment is sealed and another begun."""
    segments = Segments.open(directory, "here")
    for batch in range(batches):
        numbers = range(first + batch * BATCH, first + (batch + 1) * BATCH)
        day_ns = DAYS_NS * (20_000 + (batch >= batches // 2))
        records = [pack(numbered_frame(number), "rig") for number in numbers]
        segments.append(records, {"local": first}, now_utc_ns=day_ns)
        say(" ".join(map(str, numbers)))
    segments.close()


async def shell(directory: Path, first: int, batches: int) -> None:
    """Write batches at a pace, and wait in the end until everything is on the medium."""
    async with Archive(directory, "here", commit_interval_s=0.02, boot="rig", min_free_mb=0) as archive:
        told = ""
        for batch in range(batches):
            numbers = range(first + batch * BATCH, first + (batch + 1) * BATCH)
            await archive.write([numbered_frame(number) for number in numbers])
            if archive.degraded != told:
                told = archive.degraded
                say(f"degraded {told or 'no more'}")
            say(" ".join(map(str, numbers)))
            await asyncio.sleep(PACE_S)
        for _ in range(int(MEND_S / 0.1)):
            if not archive.degraded:
                break
            await asyncio.sleep(0.1)
        say(json.dumps(asdict(await archive.stats())))


def main() -> None:
    """Run one of them."""
    kind, directory, first, batches = sys.argv[1:]
    if kind == "plain":
        plain(Path(directory), int(first), int(batches))
    else:
        asyncio.run(shell(Path(directory), int(first), int(batches)))


if __name__ == "__main__":
    main()
