"""What receivers have measured since last time, told to health; and what was heard, kept over a restart.

Knows feeds, the monitor and one small file beside the archive. Judges nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from agent.errors import SinkUnavailable
from agent.health.monitor import Monitor
from agent.health.transmitter.replay_memory import REMEMBERED_S, ReplayMemory
from agent.records import Frame, UtcNs
from agent.runtime.feed import Feed
from agent.sinks.archive import Archive

log = logging.getLogger("agent.health")

KEEP_EVERY_S: Final = 3600.0
CATCH_UP_READS, CATCH_UP_RECORDS = 50, 2000
"""What a crash left unsaved is read from the archive: at most so many of its newest frames."""
NS_PER_S = 1_000_000_000
MAX_OCTETS = 64 * 1024 * 1024


def tell_measurements(monitor: Monitor, feeds: Iterable[Feed], now_utc_ns: UtcNs) -> None:
    """Pass on noise, missing counts, and which sources' times are not those of reception."""
    untimed = set()
    for feed in feeds:
        if not feed.state.timed:
            untimed.add(feed.source_id)
        for noise in feed.receiver.take_noise():
            monitor.observe_noise(*noise.key, noise.readings, noise.fault, now_utc_ns, first=noise.first)
        for (slug, downlink), missing in feed.receiver.gaps_by_downlink().items():
            if missing:
                monitor.note_missing(slug, downlink, missing)
    monitor.untimed_sources = untimed


class ReplayFile:
    """Keeps a replay memory in a file, replaced whole, every hour and at the end."""

    def __init__(self, path: Path, memory: Callable[[], ReplayMemory]) -> None:
        self._path = path
        self._memory = memory

    async def run(self, archive: Archive) -> None:
        """Take up what an earlier run remembered, then keep it until cancelled."""
        await self.take_up(archive)
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await asyncio.to_thread(self.save)

    async def take_up(self, archive: Archive) -> None:
        """Read the file, and from the archive what came after it was written."""
        memory = self._memory()
        dumped = await asyncio.to_thread(self._read)
        if dumped is not None and not memory.load(dumped):
            log.warning("%s is damaged; what was heard is read from the archive", self._path)
        newest_utc_ns = max(memory.kept_utc_ns, 0)
        before = archive.newest_seq + 1
        for _ in range(CATCH_UP_READS):
            try:
                found = await archive.read_before(before, CATCH_UP_RECORDS, "frame")
            except SinkUnavailable:
                return
            if not found:
                return
            before = found[-1].seq
            frames = [item.record for item in found if isinstance(item.record, Frame)]
            for frame in frames:
                if frame.satellite is not None:
                    memory.meet(frame.satellite, frame.link_frame.data, frame.received_utc_ns)
            oldest_utc_ns = min((frame.received_utc_ns for frame in frames), default=newest_utc_ns)
            if frames and oldest_utc_ns < max(newest_utc_ns, frames[0].received_utc_ns - REMEMBERED_S * NS_PER_S):
                return

    def _read(self) -> bytes | None:
        try:
            if self._path.stat().st_size > MAX_OCTETS:
                return None
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            log.warning("%s: %s", self._path, exc.strerror)
            return None

    def save(self) -> None:
        """Write the file anew; a disk that refuses is no reason to stop receiving."""
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("wb") as file:
                file.write(self._memory().dump())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as exc:
            log.warning("%s: %s; what was heard is not kept", self._path, exc.strerror)
