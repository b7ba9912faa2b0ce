"""Reads an archive's segments in the order of their sequence, as far as they can be read.

Knows which segment holds what, that a segment's valid rows end where the next one's begin, and when rows are
missing. Changes nothing: ``gsagent archive`` reads with it beside a running agent, ``segments.py`` writes above it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.errors import AgentError, SinkUnavailable
from agent.sinks import sequence
from agent.sinks.archived import Row
from agent.sinks.quarantine import is_whole
from agent.sinks.salvage import salvage_rows
from agent.sinks.segment import Damaged, Segment
from agent.sinks.segment_files import SegmentFiles, content, log_of, octets_of

log = logging.getLogger(__name__)

_MAX_REMEMBERED = 100_000
_VERIFY_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at every row of one segment found."""

    path: Path
    intact: int
    damaged: int
    """Rows whose CRC does not agree."""
    missing: bool
    """Whether there are fewer rows than were written."""
    structure: str
    """What SQLite says of the file when it is not whole; empty when it is."""

    @property
    def good(self) -> bool:
        """Whether everything is as it was written."""
        return not (self.damaged or self.missing or self.structure)


class ReadableSegments:
    """The segments of one archive, to be read; ``look`` opens it, ``abandon`` closes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.identity = sequence.Identity("", "")
        self.counters: Counter[str] = Counter()
        """For the archive's life: evicted_acked, evicted_unacked, lost, damaged, salvaged, quarantined."""
        self.cursors: dict[str, int] = {}
        self._files = SegmentFiles(directory)
        self._starts: list[tuple[int, Path]] = []
        self._open: dict[Path, Segment] = {}
        self._follows: dict[Path, int] = {}
        self._last_seq: int | None = None
        self._damaged_seqs: set[int] = set()

    @classmethod
    def look(cls, directory: Path) -> Self:
        """Open an archive without changing it; raises ``SinkUnavailable``, ``StorageFault``."""
        segments = cls(directory)
        segments._starts = segments._files.listing()
        identity = sequence.read_identity(directory) or segments._identity_from_segments()
        if identity is None:
            raise SinkUnavailable(f"{directory} holds no archive")
        segments.identity = identity
        for _, path in reversed(segments._starts):
            with suppress(Damaged):
                segments.cursors = segments._segment(path).cursors()
                segments.counters = Counter(segments._segment(path).counters())
                break
        return segments

    def abandon(self) -> None:
        """Close every file."""
        for segment in self._open.values():
            with suppress(sqlite3.Error):
                segment.close()
        self._open.clear()

    def read_after(self, seq: int, limit: int) -> list[Row]:
        """Read up to ``limit`` intact rows after ``seq``, in order; damaged ones are counted and left out.

        A segment whose structure is broken is salvaged on the way. An empty list means there are no more.
        """
        found: list[Row] = []
        tried: set[Path] = set()
        while len(found) < limit:
            place = self._segment_after(seq)
            if place is None:
                break
            first, path, before = place
            after = max(seq, first - 1)
            try:
                rows = self._segment(path).rows_after(after, limit - len(found), before=before)
                if path not in tried and not self._is_whole(
                    path, after, rows, full=len(rows) == limit - len(found)
                ):
                    raise Damaged(f"{path.name}: records are missing")
            except Damaged as damage:
                tried.add(path)
                if self._mend(first, path, damage):
                    continue
                log.warning("%s: read as far as it can be", damage)
                rows = self._rows_in_spite_of(path, after, before)[: limit - len(found)]
            for row in rows:
                if isinstance(row, Row):
                    found.append(row)
                    seq = row.seq
                else:
                    self._count_damaged(row)
                    seq = max(seq, row)
            if len(rows) == 0:
                if before is None:
                    break
                seq = before - 1
        return found

    def read_before(self, seq: int, limit: int, kind: int | None = None) -> list[Row]:
        """Read the last ``limit`` intact rows (of a kind) before ``seq``, newest first."""
        found: list[Row] = []
        for index in range(len(self._starts) - 1, -1, -1):
            first, path = self._starts[index]
            if first >= seq:
                continue
            following = self._starts[index + 1][0] if index + 1 < len(self._starts) else None
            with suppress(Damaged):
                before = seq if following is None else min(seq, following)
                rows = self._segment(path).rows_before(before, limit - len(found), after=first - 1, kind=kind)
                found += [row for row in rows if isinstance(row, Row)]
            if len(found) >= limit:
                break
        return found

    def oldest_seq(self) -> int | None:
        """Return the first number still held."""
        return self._starts[0][0] if self._starts else None

    def count_after(self, seq: int) -> int:
        """Count what stands after ``seq``: how long a destination's backlog is."""
        total = 0
        for index, (first, path) in enumerate(self._starts):
            following = self._starts[index + 1][0] if index + 1 < len(self._starts) else None
            if following is not None and following <= seq + 1:
                continue
            with suppress(Damaged):
                total += self._segment(path).count_after(max(seq, first - 1), before=following)
        return total

    def octets(self) -> int:
        """Return what the archive takes on the medium, quarantine included."""
        return sum(octets_of(path) for _, path in self._starts) + sum(
            path.stat().st_size for path in self._files.quarantined()
        )

    def paths(self) -> list[tuple[int, Path]]:
        """List the segments: first number and file."""
        return list(self._starts)

    def verify(self) -> Iterator[Verdict]:
        """Look at every row of every segment."""
        for index, (first, path) in enumerate(self._starts):
            following = self._starts[index + 1][0] if index + 1 < len(self._starts) else None
            intact = damaged = 0
            missing = False
            structure = ""
            seq = first - 1
            try:
                segment = self._segment(path)
                while rows := segment.rows_after(seq, _VERIFY_ROWS, before=following):
                    missing = missing or not is_whole(seq, rows, None, segment.jumps())
                    intact += sum(isinstance(row, Row) for row in rows)
                    damaged += sum(isinstance(row, int) for row in rows)
                    last = rows[-1]
                    seq = max(seq + 1, last if isinstance(last, int) else last.seq)
                segment.check()
                missing = missing or not self._is_whole(path, seq, [], full=False)
            except Damaged as damage:
                structure = str(damage)
            yield Verdict(path, intact, damaged, missing, structure)

    # -- what is missing ---------------------------------------------------------------------------------------

    def _mend(self, first: int, path: Path, damage: Damaged) -> bool:
        """Mend a damaged segment; a mere reader cannot."""
        log.debug("%s (from record %d): %s", path.name, first, damage)
        return False

    def _is_whole(self, path: Path, after: int, rows: Sequence[Row | int], *, full: bool) -> bool:
        """Whether the rows read of a segment are all that were written: a flipped bit may hide some of them."""
        last = None if full else self._last_of(path)
        return is_whole(after, rows, last, self._segment(path).jumps())

    def _last_of(self, path: Path) -> int | None:
        """Return the last number a segment must hold, as the next one says; ``None`` when that is not known."""
        index = next(place for place, (_, known) in enumerate(self._starts) if known == path)
        if index + 1 == len(self._starts):
            return self._last_seq
        following = self._starts[index + 1][1]
        if following not in self._follows:
            try:
                self._follows[following] = int(self._segment(following).identity()["follows"])
            except (AgentError, KeyError, ValueError):
                return None
        return self._follows[following]

    def _rows_in_spite_of(self, path: Path, after: int, before: int | None) -> list[Row | int]:
        """Read a damaged segment page by page, without changing anything."""
        rows = salvage_rows(content(path), content(log_of(path)))
        return [row for row in rows if row.seq > after and (before is None or row.seq < before)]

    def _count_damaged(self, seq: int) -> None:
        if seq not in self._damaged_seqs:
            if len(self._damaged_seqs) < _MAX_REMEMBERED:
                self._damaged_seqs.add(seq)
            self.counters["damaged"] += 1
            log.warning("record %d is not as it was written: left out", seq)

    # -- files -------------------------------------------------------------------------------------------------

    def _segment_after(self, seq: int) -> tuple[int, Path, int | None] | None:
        """Find the segment that may hold the first row after ``seq``: first number, file, next segment's first."""
        for index, (first, path) in enumerate(self._starts):
            following = self._starts[index + 1][0] if index + 1 < len(self._starts) else None
            if following is None or following > seq + 1:
                return first, path, following
        return None

    def _segment(self, path: Path, *, writable: bool = False) -> Segment:
        segment = self._open.get(path)
        if segment is None:
            for other in [known for known, held in self._open.items() if not held.writable and not held.suspect]:
                self._close_file(other)
            segment = self._open[path] = Segment.open(path, writable=writable)
        return segment

    def _close_file(self, path: Path) -> None:
        segment = self._open.pop(path, None)
        if segment is not None:
            with suppress(sqlite3.Error):
                segment.close()

    def _identity_from_segments(self) -> sequence.Identity | None:
        for _, path in reversed(self._files.listing()):
            try:
                segment = Segment.open(path, writable=False)
            except AgentError:
                continue
            try:
                told = segment.identity()
            except AgentError:
                continue
            finally:
                segment.close()
            if told.get("archive") and told.get("station"):
                return sequence.Identity(told["archive"], told["station"])
        return None
