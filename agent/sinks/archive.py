"""The archive: every frame, report, alarm transition and pass event, on the medium before anything is published.

Knows group commit, cursors, what happens while the medium refuses, and word to those who wait for new records.
``segments_thread`` keeps SQLite in a thread of its own, ``waiting_records`` what is not committed yet.

Records are taken at once (``submit``) and committed together after ``commit_interval_s``, 200 records or 64 KiB,
whichever is first. While the medium refuses (full, read-only, failing) they are held in a ring of 32 MiB, the
status says ``storage``, and a new segment is tried every second; what falls out of the ring is counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.errors import SinkUnavailable
from agent.records import Record
from agent.sinks.archive_stats import ArchiveStats
from agent.sinks.archived import MAX_RECORD_OCTETS, ArchivedRecord, Kind, archivable, pack
from agent.sinks.segment import StorageFault
from agent.sinks.segments import MIN_FREE_MB, Segments
from agent.sinks.segments_thread import SegmentsThread
from agent.sinks.waiting_records import Waiting, WaitingRecords, finish

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
CURSOR_INTERVAL_S: Final = 5.0
CLOSE_S: Final = 5.0

Listener = Callable[[Sequence[ArchivedRecord]], None]


class Archive:
    """One station's archive on this machine; ``async with`` opens it.

    Opening raises ``SinkUnavailable`` when the directory cannot be this station's archive (it is in use, belongs to
    another station, or was written by a later version). A medium that refuses is no reason to raise: the archive
    opens degraded.
    """

    def __init__(
        self,
        directory: Path,
        station: str,
        *,
        max_mb: int = 2048,
        commit_interval_s: float = 0.25,
        boot: str = "",
        min_free_mb: int = MIN_FREE_MB,
    ) -> None:
        self.directory = directory
        self.station = station
        self.boot = boot
        self._commit_interval_s = commit_interval_s
        self._thread = SegmentsThread(directory, station, max_mb=max_mb, min_free_mb=min_free_mb)
        self._waiting = WaitingRecords()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._grown = asyncio.Event()
        self._listeners: list[Listener] = []
        self._new_cursors: dict[str, int] = {}
        self._cursors: dict[str, int] = {}
        self._destinations: set[str] = set()
        self._cursor_due_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._broken: BaseException | None = None
        self._degraded = ""
        self._archive_id = ""
        self._newest_seq = 0
        self._committed = 0
        self._lost = 0
        self._lag_ms = 0.0
        self._lag_max_ms = 0.0

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except StorageFault as fault:
            self._degrade(fault)
        except SinkUnavailable:
            self._thread.give_up()
            raise
        self._room.set()
        self._task = asyncio.create_task(self._commit_groups(), name="archive")
        self._task.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        try:
            if self._task is not None:
                async with asyncio.timeout(CLOSE_S):
                    await self._task
        except TimeoutError:
            log.warning("archive: %d records could not be written in time", len(self._waiting))
        finally:
            await self._thread.close()

    async def until_it_fails(self) -> None:
        """Wait for ever; raises what ended the archive if nobody foresaw it: the agent must not go on without."""
        if self._task is not None:
            await asyncio.shield(self._task)

    # -- what the agent calls ------------------------------------------------------------------------------------

    @property
    def archive_id(self) -> str:
        """The id made when the archive was; empty as long as the medium has never let it be read."""
        return self._archive_id

    @property
    def newest_seq(self) -> int:
        """The highest number committed."""
        return self._newest_seq

    @property
    def degraded(self) -> str:
        """Why the medium refuses, or empty when all is well."""
        return self._degraded

    @property
    def commit_interval_s(self) -> float:
        """How long the oldest record may wait for its commit; may be changed at any time."""
        return self._commit_interval_s

    @commit_interval_s.setter
    def commit_interval_s(self, seconds: float) -> None:
        if seconds != self._commit_interval_s:
            self._commit_interval_s = seconds
            self._wake.set()

    async def has_room(self) -> None:
        """Wait as long as the medium is too slow for what was taken already."""
        await self._room.wait()

    def submit(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Take records without waiting; the future is done when they are committed.

        Records that are state and not history are passed over. While the medium refuses the future is done at
        once: the records are in the ring, which is all that can be done.
        """
        if self._broken is not None:
            raise self._broken
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now_s = time.monotonic()
        taken = [Waiting(pack(record, self.boot), record, now_s, None) for record in archivable(records)]
        fits = [item for item in taken if item.packed.size <= MAX_RECORD_OCTETS]
        if len(fits) < len(taken):
            self._lose(len(taken) - len(fits), "larger than a record may be")
        self._waiting.add(fits)
        if not fits or self._degraded:
            done.set_result(None)
        else:
            fits[-1].done = done
        if self._degraded:
            self._tell([ArchivedRecord(0, self.boot, item.record) for item in fits])
            self._trim()
        if self._waiting.is_full:
            self._room.clear()
        self._wake.set()
        return done

    async def write(self, records: Sequence[Record]) -> None:
        """Take records and return when the commit that holds them has; waits for room when the medium is slow."""
        await self._room.wait()
        await asyncio.shield(self.submit(records))

    async def read_after(self, seq: int, limit: int = 500) -> list[ArchivedRecord]:
        """Read up to ``limit`` records after ``seq``, in order; raises ``SinkUnavailable``."""
        return await self._thread.read_after(seq, limit)

    async def read_before(self, seq: int, limit: int = 500, kind: Kind | None = None) -> list[ArchivedRecord]:
        """Read up to ``limit`` records (of a kind) before ``seq``, newest first; raises ``SinkUnavailable``."""
        return await self._thread.read_before(seq, limit, kind)

    async def count_after(self, seq: int) -> int:
        """Count the records after ``seq``; raises ``SinkUnavailable``."""
        return await self._thread.ask(lambda segments: segments.count_after(seq))

    def cursor(self, destination: str) -> int:
        """Return how far a destination has acknowledged, 0 for a new one; it counts as configured from now on."""
        self._destinations.add(destination)
        return self._cursors.get(destination, 0)

    def advance(self, destination: str, seq: int) -> None:
        """Note that a destination has everything through ``seq``; written with the next group commit."""
        self._destinations.add(destination)
        self.remember(destination, seq)

    def forget(self, destination: str) -> None:
        """Note that a destination is configured no more: it holds back no eviction; its cursor stays."""
        self._destinations.discard(destination)

    def note(self, name: str) -> int:
        """Return a number kept beside the cursors that holds back no eviction, 0 when there is none."""
        return self._cursors.get(name, 0)

    def remember(self, name: str, seq: int) -> None:
        """Keep such a number; written with the next group commit."""
        self._cursors[name] = seq
        self._new_cursors[name] = seq
        if self._cursor_due_s == 0.0:
            self._cursor_due_s = time.monotonic() + CURSOR_INTERVAL_S
            self._wake.set()

    async def wait_after(self, seq: int) -> None:
        """Return when a record after ``seq`` is committed."""
        while self._newest_seq <= seq:
            self._grown.clear()
            await self._grown.wait()

    def listen(self, listener: Listener) -> None:
        """Have new records told, in order, just after their commit.

        While the medium refuses they are told at once with ``seq`` 0: not kept, fit only to show.
        """
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Tell a listener no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def stats(self) -> ArchiveStats:
        """Return the archive in numbers."""
        oldest, megabytes, segments, counters = await self._thread.survey()
        return ArchiveStats(
            archive=self._archive_id,
            newest_seq=self._newest_seq,
            oldest_seq=oldest,
            megabytes=round(megabytes, 3),
            segments=segments,
            committed=self._committed,
            pending=len(self._waiting),
            commit_lag_ms=round(self._lag_ms, 1),
            commit_lag_max_ms=round(self._lag_max_ms, 1),
            lost=counters.get("lost", 0) + self._lost,
            evicted_acked=counters.get("evicted_acked", 0),
            evicted_unacked=counters.get("evicted_unacked", 0),
            damaged=counters.get("damaged", 0),
            quarantined=counters.get("quarantined", 0),
            salvaged=counters.get("salvaged", 0),
            degraded=self._degraded,
        )

    # -- group commit --------------------------------------------------------------------------------------------

    async def _commit_groups(self) -> None:
        while True:
            await self._wait_for_group()
            if self._degraded and not await self._recovered():
                if self._closing:
                    self._lose(len(self._waiting), "the medium refuses")
                    return
                continue
            if self._waiting or self._new_cursors:
                await self._commit_group()
            elif self._closing:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Pass an error nobody foresaw on to those who write: the agent must not go on without its archive."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._broken = error
        self._waiting.release(error)

    async def _wait_for_group(self) -> None:
        """Return when there is a group to commit, cursors to note, or the end has come."""
        while not self._closing:
            now_s = time.monotonic()
            if self._degraded:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._sleep_until_closing()
                return
            due = []
            if self._waiting:
                if self._waiting.group_is_full:
                    return
                due.append(self._waiting.oldest_s + self._commit_interval_s)
            if self._cursor_due_s:
                due.append(self._cursor_due_s)
            if due and min(due) <= now_s:
                return
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(due) - now_s if due else None):
                    await self._wake.wait()

    async def _sleep_until_closing(self) -> None:
        while not self._closing:
            self._wake.clear()
            await self._wake.wait()

    async def _commit_group(self) -> bool:
        """Commit what is pending, up to a bound; ``False`` when the medium refused."""
        group = self._waiting.take_group()
        cursors, self._new_cursors, self._cursor_due_s = self._new_cursors, {}, 0.0
        lost, self._lost = self._lost, 0
        now_utc_ns = time.time_ns()

        def commit(segments: Segments | None) -> list[int]:
            if segments is None:
                raise StorageFault("cannot_open", str(self.directory))
            segments.counters["lost"] += lost
            segments.destinations = set(self._destinations)
            try:
                rows = segments.append([item.packed for item in group], cursors, now_utc_ns=now_utc_ns)
            except StorageFault:
                segments.counters["lost"] -= lost
                raise
            return [row.seq for row in rows]

        try:
            seqs = await self._thread.run(commit)
        except StorageFault as fault:
            self._waiting.put_back(group)
            self._new_cursors = {**cursors, **self._new_cursors}
            self._lost += lost
            self._degrade(fault)
            return False
        except BaseException:
            self._waiting.put_back(group)
            raise
        if self._waiting.has_room_again:
            self._room.set()
        if not seqs:
            return True
        self._committed += len(seqs)
        self._newest_seq = seqs[-1]
        self._lag_ms = (time.monotonic() - group[0].taken_s) * 1e3
        self._lag_max_ms = max(self._lag_max_ms, self._lag_ms)
        for item in group:
            finish(item)
        self._grown.set()
        self._tell([ArchivedRecord(seq, self.boot, item.record) for seq, item in zip(seqs, group, strict=True)])
        return True

    def _tell(self, records: Sequence[ArchivedRecord]) -> None:
        for listener in self._listeners:
            listener(records)

    # -- while the medium refuses --------------------------------------------------------------------------------

    def _degrade(self, fault: StorageFault) -> None:
        before, self._degraded = self._degraded, fault.reason
        if before != fault.reason:
            log.error("archive %s: %s; records are held in memory until it is mended", self.directory, fault)
        self._room.set()
        self._waiting.release()
        if not before:
            self._tell([ArchivedRecord(0, self.boot, record) for record in self._waiting.records()])
        self._trim()

    async def _recovered(self) -> bool:
        """Try whether the medium takes a commit again."""
        try:
            if self._thread.segments is None:
                await self._open()
        except StorageFault as fault:
            self._degrade(fault)
            return False
        except SinkUnavailable as exc:
            log.error("archive: %s", exc)
            return False
        if not await self._commit_group():
            return False
        log.warning("archive %s: writing again after %s", self.directory, self._degraded)
        self._degraded = ""
        return True

    def _trim(self) -> None:
        dropped = self._waiting.trim()
        if dropped:
            self._lose(dropped, "the medium refuses and the ring is full")

    def _lose(self, count: int, why: str) -> None:
        if count and not self._lost:
            log.error("archive: records are being lost: %s", why)
        self._lost += count

    async def _open(self) -> None:
        segments = await self._thread.open()
        self._archive_id = segments.identity.archive
        self._newest_seq = segments.next_seq - 1
        self._cursors = {**segments.cursors, **self._new_cursors}
