"""The segments in a thread of their own: the event loop never waits for a disk.

Knows how to open, ask and close them from the loop, and that a reader hears ``SinkUnavailable`` when the medium
refuses. Knows no group commit and no cursor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from agent.errors import SinkUnavailable
from agent.sinks.archived import KINDS, ArchivedRecord, Kind, UnreadableRecord, unpack
from agent.sinks.segment import StorageFault, fault_of
from agent.sinks.segments import Segments

log = logging.getLogger(__name__)

T = TypeVar("T")


class SegmentsThread:
    """One archive's segments; ``segments`` is ``None`` until ``open`` has returned, and after ``close``."""

    def __init__(self, directory: Path, station: str, *, max_mb: int, min_free_mb: int) -> None:
        self.directory = directory
        self.segments: Segments | None = None
        self._station = station
        self._max_mb = max_mb
        self._min_free_mb = min_free_mb
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archive")

    async def open(self) -> Segments:
        """Open them; raises ``StorageFault``, or ``SinkUnavailable`` when they cannot be this station's."""

        def open_segments(_: Segments | None) -> Segments:
            return Segments.open(self.directory, self._station, max_mb=self._max_mb, min_free_mb=self._min_free_mb)

        self.segments = await self.run(open_segments)
        return self.segments

    async def close(self) -> None:
        """Leave them in order and end the thread."""

        def close(segments: Segments | None) -> None:
            if segments is not None:
                segments.close()

        try:
            await self.run(close)
        except StorageFault as fault:
            log.error("archive: %s", fault)
        self.segments = None
        await asyncio.to_thread(self._thread.shutdown)

    def give_up(self) -> None:
        """End the thread of segments that were never opened."""
        self._thread.shutdown(wait=False)

    async def run(self, work: Callable[[Segments | None], T]) -> T:
        """Do work in the thread; raises ``StorageFault``, ``SinkUnavailable``."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self.segments)
        except OSError as exc:
            raise fault_of(exc) from exc

    async def ask(self, work: Callable[[Segments], T]) -> T:
        """Do work that needs them open; raises ``SinkUnavailable``."""

        def ask(segments: Segments | None) -> T:
            if segments is None:
                raise StorageFault("cannot_open", "not open")
            return work(segments)

        try:
            return await self.run(ask)
        except StorageFault as fault:
            raise SinkUnavailable(f"archive {self.directory}: {fault}") from fault

    async def read_after(self, seq: int, limit: int) -> list[ArchivedRecord]:
        """Read up to ``limit`` records after ``seq``, in order; raises ``SinkUnavailable``."""

        def read(segments: Segments) -> list[ArchivedRecord]:
            found: list[ArchivedRecord] = []
            after = seq
            while not found:
                rows = segments.read_after(after, limit)
                if not rows:
                    break
                after = rows[-1].seq
                for row in rows:
                    with suppress(UnreadableRecord):
                        found.append(unpack(row))
            return found

        return await self.ask(read)

    async def read_before(self, seq: int, limit: int, kind: Kind | None = None) -> list[ArchivedRecord]:
        """Read up to ``limit`` records (of a kind) before ``seq``, newest first; raises ``SinkUnavailable``."""
        number = None if kind is None else KINDS.index(kind)

        def read(segments: Segments) -> list[ArchivedRecord]:
            found = []
            for row in segments.read_before(seq, limit, number):
                with suppress(UnreadableRecord):
                    found.append(unpack(row))
            return found

        return await self.ask(read)

    async def survey(self) -> tuple[int, float, int, dict[str, int]]:
        """Return the oldest number, the size in MB, the count of segments, and the counters."""

        def survey(segments: Segments | None) -> tuple[int, float, int, dict[str, int]]:
            if segments is None:
                return 0, 0.0, 0, {}
            try:
                octets = segments.octets()
            except OSError:
                octets = 0
            return segments.oldest_seq() or 0, octets / 1e6, len(segments.paths()), dict(segments.counters)

        return await self.run(survey)
