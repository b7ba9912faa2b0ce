"""Records that were taken and are not yet on the medium: in order, their octets counted, each group bounded.

Also the ring of a medium that refuses: what exceeds it is dropped, the oldest first, and the caller counts it.
Knows no thread and no disk; the futures are those of who waits for a commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.sinks.archived import Archivable, Packed

BATCH_RECORDS: Final = 200
BATCH_OCTETS: Final = 64 << 10
"""A group is due at once when so much waits; the next one takes at most ten (sixteen) times that."""

HELD_OCTETS: Final = 32 << 20
"""Memory that waiting records may take, as ``Waiting.held`` estimates it."""


@dataclass(slots=True)
class Waiting:
    """One record; ``done`` is the future of the last of those that were taken together."""

    packed: Packed
    record: Archivable
    taken_s: float
    done: asyncio.Future[None] | None

    @property
    def held(self) -> int:
        """Octets of memory it takes, roughly: as objects a record is many times its packed size.

        Measured with CPython 3.11: a frame's record takes 640 and its own, a report's 350 and 8 a packed octet.
        """
        return 640 + len(self.packed.octets) + 8 * len(self.packed.body)


class WaitingRecords:
    """The records between being taken and being committed."""

    def __init__(self) -> None:
        self.octets = 0
        self._held = 0
        self._items: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether those who can wait should."""
        return self._held >= HELD_OCTETS

    @property
    def has_room_again(self) -> bool:
        """Whether those who wait may go on."""
        return self._held < HELD_OCTETS // 2

    @property
    def group_is_full(self) -> bool:
        """Whether a commit is due however short a time it is since the last."""
        return len(self._items) >= BATCH_RECORDS or self.octets >= BATCH_OCTETS

    @property
    def oldest_s(self) -> float:
        """When the oldest was taken."""
        return self._items[0].taken_s

    def add(self, items: Sequence[Waiting]) -> None:
        """Take more."""
        self._items.extend(items)
        self._count(items)

    def take_group(self) -> list[Waiting]:
        """Take out the next group to commit."""
        group: list[Waiting] = []
        octets = 0
        while self._items and len(group) < BATCH_RECORDS * 10 and octets < BATCH_OCTETS * 16:
            item = self._items.popleft()
            octets += item.packed.size
            group.append(item)
        self._count(group, -1)
        return group

    def put_back(self, group: Sequence[Waiting]) -> None:
        """Put a group back in its place: its commit failed."""
        self._items.extendleft(reversed(group))
        self._count(group)

    def trim(self) -> int:
        """Drop the oldest that exceed the ring; returns how many."""
        dropped: list[Waiting] = []
        held = self._held
        while held > HELD_OCTETS and self._items:
            dropped.append(self._items.popleft())
            held -= dropped[-1].held
        self._count(dropped, -1)
        return len(dropped)

    def _count(self, items: Sequence[Waiting], sign: int = 1) -> None:
        self.octets += sign * sum(item.packed.size for item in items)
        self._held += sign * sum(item.held for item in items)

    def records(self) -> list[Archivable]:
        """List them, the oldest first."""
        return [item.record for item in self._items]

    def release(self, error: BaseException | None = None) -> None:
        """Let those go on who wait for a commit: the records are in memory, which is all that can be done."""
        for item in self._items:
            finish(item, error)


def finish(item: Waiting, error: BaseException | None = None) -> None:
    """Tell who waits for a record that it is kept, or why it never will be."""
    if item.done is None or item.done.done():
        return
    if error is None:
        item.done.set_result(None)
    else:
        item.done.set_exception(error)
