"""Writes a full segment anew without what matters least: frames that no configured satellite claims.

Tried before a whole segment is given up that somebody still waits for. Knows one segment; at every moment a power
cut leaves either the old file or the new one. What went is noted as jumps of the sequence, so that nobody takes it
for damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.sinks.archived import Row
from agent.sinks.segment import Segment, sync
from agent.sinks.segment_files import unlink

WORTH: Final = 0.05
"""A segment is written anew for at least this part of its rows."""

_ROWS: Final = 1000
_FRAME: Final = 0


def thin(segment: Segment, first: int, last: int) -> Path | None:
    """Write a segment's rows from ``first`` to ``last`` to a file beside it, without frames of nobody.

    Returns the new file, or ``None`` when it is not worth it or a row is damaged. Raises ``StorageFault``,
    ``Damaged``.
    """
    matters_least = segment.count_of_nobody()
    if matters_least < WORTH * segment.count_after(first - 1, before=last + 1):
        return None
    scratch = segment.path.with_name(f"{segment.path.name}.new-thin")
    thinner = Segment.create(
        scratch, identity=segment.identity(), cursors=segment.cursors(), counters=segment.counters()
    )
    whole = True
    try:
        before = first - 1
        for rows in _batches(segment, first, last):
            kept = [row for row in rows if isinstance(row, Row) and not is_of_nobody(row)]
            whole = whole and len(rows) == sum(isinstance(row, Row) for row in rows)
            jumps = []
            for row in kept:
                if row.seq > before + 1:
                    jumps.append((before, row.seq))
                before = row.seq
            thinner.append(kept, cursors={}, counters={}, jumps=jumps)
        if before < last:
            thinner.append([], cursors={}, counters={}, jumps=[(before, last + 1)])
        thinner.seal()
    finally:
        thinner.close()
    if not whole:
        unlink(scratch)
        return None
    return scratch


def put_in_place(scratch: Path, path: Path) -> None:
    """Let the new file take the old one's place; raises ``OSError``."""
    scratch.rename(path)
    sync(path.parent)


def is_of_nobody(row: Row) -> bool:
    """Whether a row is a frame that no configured satellite claims."""
    return row.kind == _FRAME and row.satellite == ""


def _batches(segment: Segment, first: int, last: int) -> Iterator[list[Row | int]]:
    after = first - 1
    while rows := segment.rows_after(after, _ROWS, before=last + 1):
        newest = rows[-1]
        after = newest if isinstance(newest, int) else newest.seq
        yield rows
