"""Faults of the disk under the archive: each write or sync of the agent fails as the kernel would say it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Happening, Kind, Scene


def _failing(error: str, *calls: str) -> Happening:
    @asynccontextmanager
    async def happen(scene: Scene, _: Fault) -> AsyncIterator[None]:
        async with scene.surroundings.disk.failing(error, calls):
            yield

    return happen


WRITES = ("pwrite64", "ftruncate", "fallocate")

KINDS = {
    "disk_full": Kind("disk", "ENOSPC on every write", _failing("ENOSPC", *WRITES), loses=False),
    "disk_read_only": Kind("disk", "EROFS on every write", _failing("EROFS", *WRITES), loses=False),
    "disk_error": Kind("disk", "EIO on every sync", _failing("EIO", "fdatasync", "fsync"), loses=False),
}
