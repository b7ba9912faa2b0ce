"""Dire Wolf as a real TNC: it hears 1200 Bd AFSK on its standard input and serves frames over AGWPE and KISS.

Knows how it is started and ended. It transmits nothing: its audio output is ``null``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from agent.simulator.modulators import modulate_audio
from firmware_protocols import ax25
from hil_tests.rigs.mosquitto import free_port

AUDIO_RATE_HZ = 48_000
STARTED_S = 15.0
LAST_REGISTERED_PORT = 49_151


def find_direwolf() -> str | None:
    """Return where the program is, ``None`` when it is not installed."""
    return shutil.which("direwolf")


class Direwolf:
    """A TNC with one receiver; ``agw_port`` and ``kiss_port`` are where it serves."""

    def __init__(self, directory: Path) -> None:
        self.agw_port, self.kiss_port = _registered_port(), _registered_port()
        self._configuration = directory / "direwolf.conf"
        self._log = directory / "direwolf.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        lines = (
            "ADEVICE stdin null",
            f"ARATE {AUDIO_RATE_HZ}",
            "ACHANNELS 1",
            "CHANNEL 0",
            "MYCALL N0CALL",
            "MODEM 1200",
            f"AGWPORT {self.agw_port}",
            f"KISSPORT {self.kiss_port}",
        )
        self._configuration.write_text("\n".join(lines) + "\n")
        program = find_direwolf()
        assert program is not None
        with self._log.open("wb") as words:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "-c", str(self._configuration), "-t", "0"),
                stdin=asyncio.subprocess.PIPE,
                stdout=words,
                stderr=words,
            )
        async with asyncio.timeout(STARTED_S):
            await _served(self.kiss_port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def hear(self, frames: Sequence[bytes]) -> None:
        """Let it hear frames, each modulated by the simulator, and silence behind it."""
        for frame in frames:
            bits = np.asarray(ax25.encode(frame, ax25.Options()), np.uint8)
            await self._play(modulate_audio("afsk", bits, 1200.0, {}, sample_rate_hz=AUDIO_RATE_HZ))
            await self._play(np.zeros(AUDIO_RATE_HZ // 4, np.float32))

    async def _play(self, audio: NDArray[np.float32]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write((audio * 8000).astype("<i2").tobytes())
        await self._process.stdin.drain()


def _registered_port() -> int:
    """Return a free port that Dire Wolf takes: it refuses those above 49151 and listens where it likes instead."""
    while (port := free_port()) > LAST_REGISTERED_PORT:
        pass
    return port


async def _served(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
