"""Replaces a damaged segment by what can be salvaged of it, and keeps the original aside.

Knows one segment. At every moment of it a power cut leaves either the damaged file or the finished replacement in
the archive, never neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from agent.sinks.archived import Row
from agent.sinks.salvage import salvage_rows
from agent.sinks.segment import Segment, sync
from agent.sinks.segment_files import SegmentFiles

Jumps = Sequence[tuple[int, int]]
"""Where a segment's sequence was advanced on purpose: (last before, first after)."""

_ROWS = 1000


class State(NamedTuple):
    """What every segment is told when it is made: whose it is, the cursors and the counters."""

    identity: Mapping[str, str]
    cursors: Mapping[str, int]
    counters: Mapping[str, int]


class Remains(NamedTuple):
    """What there is of a damaged segment: its octets, the numbers it must hold, its jumps if they can be read.

    ``last_seq`` is ``None`` when it is not known; without ``jumps`` a gap longer than 1,000 is taken for one.
    """

    database: bytes
    log: bytes
    first_seq: int
    last_seq: int | None
    jumps: Jumps | None


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What came of it: intact rows, how many are gone for good, the last number."""

    rows: int
    missing: int
    last_seq: int


def replace_damaged(files: SegmentFiles, path: Path, remains: Remains, state: State) -> Salvaged:
    """Salvage what remains into a new segment at ``path``; raises ``OSError``, ``StorageFault``."""
    first, last, jumps = remains.first_seq, remains.last_seq, remains.jumps
    found = salvage_rows(remains.database, remains.log)
    rows = [row for row in found if first <= row.seq and (last is None or row.seq <= last)]
    gaps = _gaps(rows, first, last)
    known = set(jumps) if jumps is not None else {gap for gap in gaps if gap[1] - gap[0] > 1000}
    missing = sum(after - before - 1 for before, after in gaps if (before, after) not in known)
    scratch = path.with_name(f"{path.name}.new-salvage")
    replacement = Segment.create(scratch, identity=state.identity, cursors=state.cursors, counters=state.counters)
    try:
        for start in range(0, len(rows), _ROWS):
            replacement.append(rows[start : start + _ROWS], cursors={}, counters={})
        replacement.append([], cursors={}, counters={}, jumps=gaps)
        replacement.seal()
    finally:
        replacement.close()
    files.set_aside(path)
    scratch.rename(path)
    sync(path.parent)
    return Salvaged(len(rows), missing, rows[-1].seq if rows else first - 1)


def is_whole(after: int, rows: Sequence[Row | int], last: int | None, jumps: Jumps) -> bool:
    """Whether rows follow one another without a gap nobody made: from ``after`` and, if given, up to ``last``."""
    begun_at: dict[int, int] = {}
    for before, following in jumps:
        begun_at[following] = min(before, begun_at.get(following, before))

    def jumped(after: int, seq: int) -> bool:
        return seq in begun_at and begun_at[seq] <= after

    for row in rows:
        seq = row if isinstance(row, int) else row.seq
        if seq != after + 1 and not jumped(after, seq):
            return False
        after = seq
    return last is None or after >= last or jumped(after, last + 1)


def _gaps(rows: Sequence[Row], first: int, last: int | None) -> list[tuple[int, int]]:
    """List the gaps between salvaged rows as jumps, from the segment's first number to its last."""
    seqs = [first - 1, *(row.seq for row in rows)] + ([last + 1] if last is not None else [])
    return [(before, after) for before, after in pairwise(seqs) if after > before + 1]
