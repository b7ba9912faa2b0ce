"""What systemd is told: ready, still answering, stopping; and who has promised to answer by when.

Speaks sd_notify(3): lines in a datagram to ``NOTIFY_SOCKET``; without it every call does nothing. The watchdog is
fed only while no promise is overdue, so that a task that hangs ends in a restart even though the event loop still
turns. Does not know what the tasks do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

log = logging.getLogger("agent.service")

PER_WATCHDOG: Final = 3
"""Fed so many times in ``WatchdogSec``; sd_watchdog_enabled(3) recommends at least two."""


class Promises:
    """Who is to answer by when; who has promised nothing may be silent."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._due_s: dict[str, float] = {}

    def promise(self, name: str, within_s: float) -> None:
        """Let ``name`` answer again within so many seconds, whatever it promised before."""
        self._due_s[name] = self._clock_s() + within_s

    def keep(self, name: str) -> None:
        """Take the promise back: what was promised is done."""
        self._due_s.pop(name, None)

    @contextmanager
    def working(self, name: str, within_s: float) -> Iterator[None]:
        """Promise to be through within so many seconds."""
        self.promise(name, within_s)
        try:
            yield
        finally:
            self.keep(name)

    def overdue(self) -> list[str]:
        """Name those who should have answered by now."""
        now_s = self._clock_s()
        return [name for name, due_s in self._due_s.items() if due_s < now_s]


class ServiceManager:
    """The notify socket of the service manager that started this process, if one did."""

    def __init__(self, environment: Mapping[str, str] = os.environ, *, process: int | None = None) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s: float | None = None
        guarded = environment.get("WATCHDOG_PID", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        if microseconds.isdecimal() and guarded in ("", str(process if process is not None else os.getpid())):
            self.watchdog_s = int(microseconds) / 1e6 or None

    def say(self, *lines: str) -> None:
        """Tell it, for instance ``READY=1``; one that does not listen is no reason to stop."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto("\n".join(lines).encode(), self._address)
        except OSError as exc:
            log.debug("NOTIFY_SOCKET: %s", exc)

    async def feed_watchdog(self, promises: Promises) -> None:
        """Feed the watchdog while every promise is kept, until cancelled; returns at once when there is none."""
        if self.watchdog_s is None or not self._address:
            return
        told: list[str] = []
        while True:
            late = promises.overdue()
            if late and late != told:
                log.error("no answer from %s: the watchdog is not fed until it comes", ", ".join(late))
            told = late
            if not late:
                self.say("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / PER_WATCHDOG)
