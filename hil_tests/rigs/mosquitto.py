"""A mosquitto with the configuration a test asks for, that can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.sinks.embedded_broker import find_mosquitto


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Mosquitto:
    """``lines`` are its configuration after the listener; without them it lets anyone in and keeps nothing."""

    def __init__(self, directory: Path, *lines: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.log = directory / "mosquitto.log"
        self._configuration = directory / "mosquitto.conf"
        self._lines = lines or ("allow_anonymous true", "persistence false", "set_tcp_nodelay true")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        user = "user root\n" if os.geteuid() == 0 else ""
        text = (
            f"listener {self.port} 127.0.0.1\n{user}log_dest stderr\nlog_type warning\nlog_type error\n"
            + "\n".join(self._lines)
        )
        await asyncio.to_thread(self._configuration.write_text, text + "\n")
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        program = find_mosquitto()
        assert program is not None
        with self.log.open("ab") as words:
            self._process = await asyncio.create_subprocess_exec(
                program, "-c", str(self._configuration), stderr=words, stdout=words
            )
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(self._answers):
                assert self._process.returncode is None, self.log.read_text()[-500:]
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def stop(self) -> None:
        """Have it hang: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
