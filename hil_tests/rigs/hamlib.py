"""Debian's rotctld and rigctld with Hamlib's dummy rotator and radio, and a line to talk to them.

Knows the two daemons' text protocol (rotctld(1), rigctld(1)): a command a line, ``RPRT 0`` when it was obeyed.
"""

from __future__ import annotations

import asyncio
import shutil
from types import TracebackType
from typing import Self

from hil_tests.rigs.mosquitto import free_port

DUMMY_MODEL = "1"
STARTED_S = 10.0
ANSWER_S = 5.0


def find_hamlib() -> bool:
    """Say whether both daemons are installed."""
    return shutil.which("rotctld") is not None and shutil.which("rigctld") is not None


class HamlibDaemon:
    """``program`` is ``rotctld`` or ``rigctld``; ``port`` is where it listens on loopback."""

    def __init__(self, program: str, *settings: str) -> None:
        self.program = program
        self.port = free_port()
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(self.program, "-m", DUMMY_MODEL, "-T", "127.0.0.1", "-t", str(self.port), *self._settings),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(STARTED_S):
            while True:
                try:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def order(self, command: str) -> None:
        """Have a command obeyed; raises ``AssertionError`` with the daemon's answer otherwise."""
        answer = await self._ask(command, 1)
        assert answer == ["RPRT 0"], f"{self.program}: {command!r} was answered {answer}"

    async def ask(self, command: str, lines: int) -> list[str]:
        """Ask for values, one a line."""
        return await self._ask(command, lines)

    async def _ask(self, command: str, lines: int) -> list[str]:
        self._writer.write(f"{command}\n".encode("ascii"))
        async with asyncio.timeout(ANSWER_S):
            return [(await self._reader.readline()).decode("ascii").strip() for _ in range(lines)]
