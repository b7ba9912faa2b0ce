"""A bounded channel between a task that produces and a task that consumes, and the back-off of reconnects.

Knows capacity, closing and counting; knows no blocks, sources or sinks. One event loop, one consumer.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Overflow(Enum):
    """What happens to an item that finds the channel full."""

    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"


class Closed(Exception):
    """The channel is closed and empty (to a receiver), or closed (to a sender)."""


class Channel(Generic[T]):
    """A bounded first-in first-out queue that can be closed.

    ``received`` counts items put in, ``dropped`` items that DROP_OLDEST pushed out. ``close`` lets the
    receiver take what is left and then raises ``Closed``.
    """

    def __init__(self, capacity: int, overflow: Overflow = Overflow.WAIT) -> None:
        if capacity < 1:
            raise ValueError("a channel holds at least one item")
        self.capacity = capacity
        self.overflow = overflow
        self.received = 0
        self.dropped = 0
        self._items: deque[T] = deque()
        self._closed = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._items)

    async def send(self, item: T) -> T | None:
        """Put an item in; returns the item it pushed out, if any. Raises ``Closed``."""
        async with self._changed:
            if self.overflow is Overflow.WAIT:
                await self._changed.wait_for(lambda: self._closed or len(self._items) < self.capacity)
            if self._closed:
                raise Closed
            pushed_out: T | None = None
            if len(self._items) >= self.capacity:
                pushed_out = self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self.received += 1
            self._changed.notify_all()
            return pushed_out

    async def receive(self) -> T:
        """Take the oldest item; raises ``Closed`` when the channel is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                raise Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    async def close(self) -> None:
        """Take no more items; what is inside can still be received."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()


class Backoff:
    """Waiting times between attempts: doubling from ``first_s`` to ``max_s``, each shortened by up to half.

    The jitter keeps a fleet of stations from knocking at once when their broker returns.
    """

    def __init__(self, first_s: float = 0.5, max_s: float = 60.0) -> None:
        self.first_s = first_s
        self.max_s = max_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Return how long to wait now, and double the next."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self.max_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin again: an attempt succeeded."""
        self._next_s = self.first_s
