"""The archive as a directory of segments: which to write, which to read, which to give up.

Synchronous; used by one thread at a time, the archive's worker. Knows the sequence, rotation (a new UTC day, or the
size), eviction (the oldest first, counted), quarantine and salvage; ``segment_reading`` knows how to read. Knows no
event loop and no broker.

::

    archive.json  sequence  lock
    segment-0000000000000001-20261122.sqlite      first sequence number, UTC day it was begun
    segment-0000000000004097-20261123.sqlite
    quarantine/                                   damaged files as they were found

A segment's valid rows are those from its first number up to the next segment's: what a failed commit may have left
behind is thereby never counted twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from agent.errors import AgentError, SinkUnavailable
from agent.sinks import sequence
from agent.sinks.archived import Packed, Row
from agent.sinks.quarantine import Remains, State, replace_damaged
from agent.sinks.salvage import hidden_rows
from agent.sinks.segment import Damaged, Segment, StorageFault, fault_of
from agent.sinks.segment_files import content, has_log, log_of, octets_of, unlink
from agent.sinks.segment_reading import ReadableSegments
from agent.sinks.thinning import put_in_place, thin

log = logging.getLogger(__name__)

SEGMENT_MB: Final = 64
MIN_FREE_MB: Final = 256
_SURVEY_EVERY_S = 5.0


class Segments(ReadableSegments):
    """The segments of one station's archive; ``open`` finds or makes them, ``close`` leaves them in order."""

    def __init__(self, directory: Path, *, max_mb: int, min_free_mb: int) -> None:
        super().__init__(directory)
        self.next_seq = 1
        self.destinations: set[str] = set()
        """Those now configured: only what one of these has not acknowledged is unacknowledged."""
        self._max_octets = max_mb << 20
        self._segment_octets = min(SEGMENT_MB << 20, self._max_octets // 8)
        self._min_free_octets = min_free_mb << 20
        self._reserved_through = 0
        self._jump: tuple[int, int] | None = None
        self._surveyed_s = 0.0
        self._current: Segment | None = None
        self._salvaged: set[Path] = set()
        self._thinned: set[Path] = set()
        self._told: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    # -- opening and closing -----------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        directory: Path,
        station: str,
        *,
        max_mb: int = 2048,
        min_free_mb: int = MIN_FREE_MB,
    ) -> Self:
        """Open an archive to be written, making it when it is not there.

        A damaged newest segment is set aside and its rows salvaged. Raises ``SinkUnavailable`` when this cannot be
        this station's archive, ``StorageFault`` when the medium refuses.
        """
        segments = cls(directory, max_mb=max_mb, min_free_mb=min_free_mb)
        try:
            segments._files.lock()
            segments._identify(station)
            segments._find()
            segments._recover()
        except OSError as exc:
            segments.abandon()
            raise fault_of(exc) from exc
        except AgentError:
            segments.abandon()
            raise
        return segments

    def close(self) -> None:
        """Close every file; what was reserved and not used is given back. Raises ``StorageFault``."""
        try:
            if self._reserved_through >= self.next_seq:
                sequence.write_reservation(self.directory, self.next_seq - 1)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close every file as after a crash."""
        super().abandon()
        self._current = None
        self._files.unlock()

    def _identify(self, station: str) -> None:
        found = sequence.read_identity(self.directory)
        if found is None:
            found = self._identity_from_segments()
            if found is None:
                found = sequence.new_identity(station)
            sequence.write_identity(self.directory, found)
        if found.station != station:
            raise SinkUnavailable(
                f"archive {self.directory} belongs to station {found.station!r}, not {station!r} "
                "(name another archive.directory)"
            )
        self.identity = found

    def _find(self) -> None:
        self._files.remove_scratch()
        self._starts = self._files.listing()

    def _recover(self) -> None:
        """Bring what the last run left into order, and continue its sequence, cursors and counters."""
        last = 0
        told = False
        for first, path in reversed(list(self._starts)):
            newest = path == self._starts[-1][1]
            if told and not has_log(path):
                continue
            try:
                segment = self._segment(path, writable=newest)
                segment.check()
                self._take_hidden(segment, segment.last_seq() or first - 1, newest=newest)
                if not told:
                    told = self._take_state(segment)
                last = max(last, first - 1, segment.last_seq() or 0)
            except Damaged as damage:
                told = told or self._take_state_of(path)
                last = max(last, first - 1, self._quarantine(first, path, damage))
        self._last_seq = last
        reserved = sequence.read_reservation(self.directory)
        if reserved is None:
            self.next_seq = last + sequence.LEAP if self._starts else 1
        else:
            self.next_seq = reserved + 1 if reserved >= last else last + sequence.LEAP
        if last and self.next_seq > last + 1:
            self._jump = (last, self.next_seq)
        if self._starts:
            newest_segment = self._segment(self._starts[-1][1], writable=True)
            self._current = newest_segment if newest_segment.writable else None

    def _take_hidden(self, segment: Segment, last_seq: int, *, newest: bool) -> None:
        """Make sure that SQLite shows all that was committed to a segment's log; raises ``Damaged``.

        What is intact of a last group that a power cut tore is kept, though nobody was promised it: another cause
        cannot be told from that, and then it was. The rest of it is counted apart from damage, as ``torn``.
        """
        # Never the index (-shm) beside it: closing a file that SQLite has open takes this process's locks away, and
        # the next process to open the archive would cut the index off under it.
        hidden = hidden_rows(content(log_of(segment.path)), last_seq)
        if not hidden.rows:
            return
        if not (hidden.torn and newest):
            raise Damaged(
                f"{segment.path.name}: {len(hidden.rows)} committed records stand behind a damaged place of its log"
            )
        before, missing = last_seq, 0
        for row in hidden.rows:
            gap = (before, row.seq) if row.seq > before + 1 else None
            missing += row.seq - before - 1 if gap is not None and before != last_seq else 0
            segment.append([row], cursors={}, counters={}, jumps=[gap] if gap else [])
            before = row.seq
        log.warning(
            "%s: its last group was torn by a power cut; %d records of it kept", segment.path.name, len(hidden.rows)
        )
        self.counters["torn"] += missing

    def _take_state(self, segment: Segment) -> bool:
        self.cursors = segment.cursors()
        self.counters = Counter(segment.counters()) + self.counters
        self._told, self._counted = dict(self.cursors), dict(self.counters)
        return True

    def _take_state_of(self, path: Path) -> bool:
        """Take cursors and counters from a damaged segment, if that part of it can still be read."""
        segment = self._open.get(path)
        try:
            return segment is not None and self._take_state(segment)
        except AgentError:
            return False

    @property
    def acked_through(self) -> int:
        """What every configured destination has: all there is when none is configured."""
        return min((self.cursors.get(name, 0) for name in self.destinations), default=self.next_seq - 1)

    # -- writing -----------------------------------------------------------------------------------------------

    def append(self, records: Sequence[Packed], cursors: Mapping[str, int], *, now_utc_ns: int) -> list[Row]:
        """Give records their numbers and commit them; returns when they are durable.

        ``cursors`` are the destinations' new places, committed along. On ``StorageFault`` nothing was taken, and
        the next call begins a new segment.
        """
        self.cursors.update(cursors)
        try:
            return self._append(records, now_utc_ns)
        except StorageFault:
            self._current = None
            raise
        except Damaged as damage:
            current, self._current = self._current, None
            if current is not None:
                self._quarantine(self._starts[-1][0], current.path, damage)
            raise StorageFault("damaged", str(damage)) from damage
        except OSError as exc:
            raise fault_of(exc) from exc

    def _append(self, records: Sequence[Packed], now_utc_ns: int) -> list[Row]:
        through = self.next_seq + len(records) - 1
        if through > self._reserved_through:
            sequence.write_reservation(self.directory, through + sequence.BLOCK)
            self._reserved_through = through + sequence.BLOCK
        segment = self._writable_segment(now_utc_ns)
        rows = [record.row(self.next_seq + index) for index, record in enumerate(records)]
        told = {name: seq for name, seq in self.cursors.items() if self._told.get(name) != seq}
        counted = {name: value for name, value in self.counters.items() if self._counted.get(name) != value}
        segment.append(rows, cursors=told, counters=counted, jumps=[self._jump] if rows and self._jump else [])
        self._told.update(told)
        self._counted.update(counted)
        if rows:
            self._jump = None
            self._last_seq = through
            self.next_seq = through + 1
        return rows

    def _writable_segment(self, now_utc_ns: int) -> Segment:
        day = time.strftime("%Y%m%d", time.gmtime(now_utc_ns // 1_000_000_000))
        now_s = time.monotonic()
        survey = now_s - self._surveyed_s > _SURVEY_EVERY_S
        current = self._current
        if current is not None and current.writable:
            full = octets_of(current.path) > self._segment_octets
            if not full and current.path.stem.endswith(day):
                if survey:
                    self._surveyed_s = now_s
                    self.evict()
                return current
            if self.next_seq == self._starts[-1][0] and not full:
                return current  # a day without a record needs no file of its own
            current.seal()
            self._close_file(current.path)
        self._surveyed_s = now_s
        self.evict()
        path = self._files.name(self.next_seq, day)
        if self._starts and self._starts[-1][0] == self.next_seq:
            self._close_file(self._starts[-1][1])
            self._files.set_aside(self._starts[-1][1])  # holds nothing that was acknowledged
            self._starts.pop()
        self._current = self._create(path)
        self._starts.append((self.next_seq, path))
        self._jump = None  # a new segment begins at its own number
        return self._current

    def _create(self, path: Path) -> Segment:
        created = Segment.create(
            path, identity=self._told_identity(self._last_seq or 0), cursors=self.cursors, counters=self.counters
        )
        self._told, self._counted = dict(self.cursors), dict(self.counters)
        self._open[path] = created
        return created

    def _told_identity(self, follows: int) -> dict[str, str]:
        """Say whose segment it is, and after which number: so that a segment's lost end is noticed by the next."""
        return {"archive": self.identity.archive, "station": self.identity.station, "follows": str(follows)}

    # -- giving up -----------------------------------------------------------------------------------------------

    def evict(self) -> None:
        """Make room, what matters least first, then the oldest, every row counted; raises ``OSError``.

        What exceeds the archive's own bound goes, acknowledged or not. For the medium's sake (another program
        filled it) only what every destination has goes.
        """
        while len(self._starts) > 1 or self._files.quarantined():
            free, total = self._files.disk()
            over = self.octets() + self._segment_octets > self._max_octets
            tight = free < min(self._min_free_octets, total // 10)
            quarantined = self._files.quarantined()
            if quarantined and (over or tight):
                quarantined[0].unlink(missing_ok=True)
                self.counters["quarantine_evicted"] += 1
            elif over and self._starts[1][0] - 1 > self.acked_through and self._thin_one():
                continue
            elif over or (tight and self._starts[1][0] - 1 <= self.acked_through):
                self._evict_oldest()
            else:
                return

    def _thin_one(self) -> bool:
        """Take what matters least out of the oldest segment that has not been thinned; says whether any was."""
        for (first, path), (following, _) in pairwise(self._starts):
            if path in self._thinned or following - 1 <= self.acked_through:
                continue
            self._thinned.add(path)
            try:
                last = self._last_of(path)  # looks into the next segment: few are open at a time
                segment = self._segment(path)
                total = segment.count_after(first - 1, before=following)
                unacked = segment.count_after(max(first - 1, self.acked_through), before=following)
                scratch = None if last is None else thin(segment, first, last)
                if scratch is None:
                    continue
                self._close_file(path)
                put_in_place(scratch, path)
                segment = self._segment(path)
                gone = total - segment.count_after(first - 1, before=following)
                unacked -= segment.count_after(max(first - 1, self.acked_through), before=following)
            except AgentError as exc:
                log.warning("%s: not thinned: %s", path.name, exc)
                continue
            self.counters["evicted_unacked"] += unacked
            self.counters["evicted_acked"] += gone - unacked
            self.counters["evicted_low_priority"] += gone
            log.warning("thinned %s: %d frames of no known satellite are gone", path.name, gone)
            return True
        return False

    def _evict_oldest(self) -> None:
        first, path = self._starts[0]
        following = self._starts[1][0]
        try:
            segment = self._segment(path)
            total = segment.count_after(first - 1, before=following)
            unacked = segment.count_after(max(first - 1, self.acked_through), before=following)
        except AgentError:
            total = unacked = following - first
        self._close_file(path)
        unlink(path)
        self._starts.pop(0)
        self.counters["evicted_acked"] += total - unacked
        self.counters["evicted_unacked"] += unacked
        level = logging.WARNING if unacked else logging.INFO
        log.log(level, "evicted %s: %d records, %d of them not acknowledged", path.name, total, unacked)

    def _quarantine(self, first: int, path: Path, damage: Damaged) -> int:
        """Set a damaged segment aside, salvage its intact rows in its place, return the last number."""
        log.warning("%s: set aside to quarantine/, salvaging", damage)
        database, logged = content(path), content(log_of(path))  # before closing: SQLite may tidy up as it closes
        last = self._last_of(path)
        jumps = None
        if path in self._open:
            with suppress(AgentError):
                jumps = self._open[path].jumps()
        self._close_file(path)
        self.counters["quarantined"] += 1
        follows = self._follows.get(path, first - 1)
        done = replace_damaged(
            self._files,
            path,
            Remains(database, logged, first, last, jumps),
            State(self._told_identity(follows), self.cursors, self.counters),
        )
        self._salvaged.add(path)
        self.counters["salvaged"] += done.rows
        self.counters["damaged"] += done.missing
        log.warning("%s: %d records salvaged, %d are lost", path.name, done.rows, done.missing)
        return done.last_seq

    def _mend(self, first: int, path: Path, damage: Damaged) -> bool:
        if path in self._salvaged:
            return False
        self._quarantine(first, path, damage)
        return True

    def _close_file(self, path: Path) -> None:
        if self._current is not None and self._current.path == path:
            self._current = None
        super()._close_file(path)
