"""What an agent stands on while a scenario is judged, and how it is broken: clock, elements, broker link, disk.

Knows files, processes and sockets, no scenario. The agent under trial is a process of its own; it reads the clock
page through ``agent.simulator.warp``.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import shutil
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.errors import AgentError
from agent.orbit.elements import MeanElements
from agent.orbit.omm import to_message
from agent.simulator.overhead import aged
from agent.simulator.proxy import Link

PAGE: Final = struct.Struct("<qqqddqq")
"""The clock page: the world's monotonic clock at one moment, monotonic and UTC time of the trial at that moment,
the speed of each, what UTC is ahead of the truth in ns, 1 when synchronised."""

_monotonic_ns, _time_ns = time.monotonic_ns, time.time_ns
"""The world's, also where ``warp`` has replaced them."""

OFFSET_AT, SYNCHRONISED_AT = 40, 48
ATTACH_S = 5.0


def clocks_ns(page: mmap.mmap, world_ns: int) -> tuple[int, int]:
    """Return the trial's monotonic clock and its true UTC, when the world's monotonic clock says ``world_ns``."""
    begun_ns, monotonic_ns, utc_ns, speed, utc_speed, _, _ = PAGE.unpack_from(page)
    passed_ns = world_ns - int(begun_ns)
    return int(monotonic_ns) + int(passed_ns * speed), int(utc_ns) + int(passed_ns * utc_speed)


class StationClock:
    """The clock that the agent reads: a page both processes see.

    Both clocks go ``speed`` times as fast as the world's; ``utc_speed`` lets UTC go faster than intervals pass,
    where a week is to be seen in minutes and keep-alives are still to be kept.
    """

    def __init__(self, path: Path, speed: float = 1.0, utc_speed: float | None = None) -> None:
        self.path = path
        now_ns = _monotonic_ns()
        path.write_bytes(PAGE.pack(now_ns, now_ns, _time_ns(), speed, utc_speed or speed, 0, 1))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE.size)

    def hasten(self, speed: float) -> None:
        """Go on at another speed from now on."""
        world_ns = _monotonic_ns()
        monotonic_ns, utc_ns = clocks_ns(self._page, world_ns)
        rest = PAGE.unpack_from(self._page)[5:]
        PAGE.pack_into(self._page, 0, world_ns, monotonic_ns, utc_ns, speed, speed, *rest)

    def utc_ns(self) -> int:
        """Return the true UTC of the trial."""
        return clocks_ns(self._page, _monotonic_ns())[1]

    @property
    def offset_s(self) -> float:
        """Say by how much the clock is ahead."""
        return float(struct.unpack_from("<q", self._page, OFFSET_AT)[0] / 1e9)

    @offset_s.setter
    def offset_s(self, seconds: float) -> None:
        struct.pack_into("<q", self._page, OFFSET_AT, round(seconds * 1e9))

    @property
    def synchronised(self) -> bool:
        """Say whether the kernel calls the clock synchronised."""
        return bool(struct.unpack_from("<q", self._page, SYNCHRONISED_AT)[0])

    @synchronised.setter
    def synchronised(self, yes: bool) -> None:
        struct.pack_into("<q", self._page, SYNCHRONISED_AT, int(yes))


class ElementFile:
    """The file of elements that the agent's station names; ``true`` are the sets by which the satellites fly."""

    def __init__(self, path: Path, true: Iterable[MeanElements], now_utc_ns: int) -> None:
        self.path = path
        self._true = tuple(true)
        self._now_utc_ns = now_utc_ns
        self.restore()

    def restore(self) -> None:
        """Write the true sets."""
        self._write(self._true)

    def age(self, days: float) -> None:
        """Write sets of the same orbits with epochs so many days ago."""
        self._write([aged(elements, self._now_utc_ns, days) for elements in self._true])

    def confuse(self) -> None:
        """Write other orbits under the same numbers."""
        self._write(
            replace(
                elements,
                raan_deg=(elements.raan_deg + 90.0) % 360.0,
                mean_motion_rev_d=elements.mean_motion_rev_d * 0.97,
            )
            for elements in self._true
        )

    def remove(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)

    def _write(self, sets: Iterable[MeanElements]) -> None:
        # Whole or not at all: the agent may read at any moment.
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps([to_message(elements) for elements in sets]), encoding="utf-8")
        draft.replace(self.path)


class FaultyDisk:
    """Makes system calls of a process fail, by way of strace's injection; ``process`` is set when it runs."""

    def __init__(self) -> None:
        self.process = 0

    @asynccontextmanager
    async def failing(self, error: str, calls: Sequence[str]) -> AsyncIterator[None]:
        """Let these calls fail with this error until the context ends. Raises ``AgentError`` without strace."""
        strace = shutil.which("strace")
        if strace is None:
            raise AgentError("faults of the disk need strace, which is not installed (apt install strace)")
        names = ",".join(calls)
        tracer = await asyncio.create_subprocess_exec(
            *tied(strace, "-f", "-q", "-o", "/dev/null", "-e", f"trace={names}"),
            *("-e", f"inject={names}:error={error}", "-p", str(self.process)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ATTACH_S):
                while not _traced(self.process):
                    if tracer.returncode is not None:
                        words = await tracer.stderr.read(500) if tracer.stderr else b""
                        raise AgentError(f"strace cannot attach: {words.decode(errors='replace').strip()}")
                    await asyncio.sleep(0.02)
            yield
        finally:
            if tracer.returncode is None:
                tracer.terminate()
                await tracer.wait()


def _traced(process: int) -> bool:
    """Tell whether every thread of a process has a tracer."""
    try:
        threads = [
            Path(f"/proc/{process}/task/{thread}/status").read_text(encoding="ascii")
            for thread in os.listdir(f"/proc/{process}/task")
        ]
    except OSError:
        return False
    return all("\nTracerPid:\t0\n" not in status for status in threads)


def tied(*command: str) -> tuple[str, ...]:
    """Return a command whose process dies with this one, however this one ends."""
    return (sys.executable, "-m", "agent.simulator.tied", str(os.getpid()), *command)


@dataclass(slots=True)
class Surroundings:
    """All of it."""

    clock: StationClock
    elements: ElementFile
    broker: Link
    disk: FaultyDisk
