"""Another time for one process: faster than the world's, ahead of it, and said to be disciplined or not.

Does to an interpreter what libfaketime does to a program: ``time.time`` and ``time.monotonic`` read a page that
another process writes (``surroundings.StationClock``), and waiting in a selector takes as much less as the time
goes faster. Install it before anything else is imported. Only trials use it.
"""

from __future__ import annotations

import mmap
import selectors
import struct
import time
from pathlib import Path
from typing import Any, Literal

from agent.simulator.surroundings import OFFSET_AT, PAGE, SYNCHRONISED_AT, clocks_ns

_monotonic_ns = time.monotonic_ns
_sleep = time.sleep


class Warp:
    """The time that a clock page says; one that is ``true`` is not ahead of it when the agent's clock is."""

    def __init__(self, path: Path, *, true: bool = False) -> None:
        self._true = true
        with path.open("rb") as file:
            self._page = mmap.mmap(file.fileno(), PAGE.size, access=mmap.ACCESS_READ)

    @property
    def speed(self) -> float:
        """Say how fast intervals pass now."""
        return float(PAGE.unpack_from(self._page)[3])

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        return clocks_ns(self._page, _monotonic_ns())[0]

    def time_ns(self) -> int:
        """Return UTC, with whatever is wrong with it."""
        utc_ns = clocks_ns(self._page, _monotonic_ns())[1]
        if self._true:
            return utc_ns
        return utc_ns + int(struct.unpack_from("<q", self._page, OFFSET_AT)[0])

    def clock_state(self) -> Literal["synchronised", "not_synchronised"]:
        """Say what the kernel would."""
        good = struct.unpack_from("<q", self._page, SYNCHRONISED_AT)[0]
        return "synchronised" if good else "not_synchronised"

    def install(self) -> None:
        """Let this process live by it."""
        warp = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                return super().select(None if timeout is None else timeout / warp.speed)

        time.time_ns = warp.time_ns
        time.time = lambda: warp.time_ns() / 1e9
        time.monotonic_ns = warp.monotonic_ns
        time.monotonic = lambda: warp.monotonic_ns() / 1e9
        time.sleep = lambda seconds: _sleep(float(seconds) / warp.speed)
        selectors.DefaultSelector = Selector  # type: ignore[misc]  # asyncio makes its selector of it
