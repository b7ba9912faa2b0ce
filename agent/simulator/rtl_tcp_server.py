"""An RTL-SDR behind rtl_tcp that is not there: IQ at wire speed, tuned by the client's commands.

Speaks what ``rtl_tcp`` speaks (12 octets of header, u8 I and Q, commands of 5 octets; the client's side is drawn
in ``agent.sources.rtl_tcp``, of which this knows nothing). Each client has a tuner of its own and hears the same
air. A client that does not keep up loses samples, as with the real server. The faults of the hardware are methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.simulator.air import Air, View

R820T: Final = 5
GAINS: Final = 29
HEADER: Final = b"RTL0" + struct.pack(">II", R820T, GAINS)
COMMAND: Final = struct.Struct(">Bi")
BLOCK_S = 0.04
MAX_CLIENTS = 4
MAX_BEHIND_S = 1.0
NOMINAL_GAIN_DB: Final = 30.0
"""The gain at which the noise has the level the scenario states; automatic gain is taken as this."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """What an imperfect receiver adds. ``lump_octets`` is how much a real dongle sends at once (262144)."""

    crystal_ppm: float = 0.0
    dc_offset: complex = 0.0
    iq_gain_db: float = 0.0
    iq_phase_deg: float = 0.0
    lump_octets: int = 0

    def distort(self, samples: NDArray[np.complex64], gain_db: float) -> NDArray[np.uint8]:
        """Return octets as an RTL2832 makes them, clipped to eight bits."""
        scaled = samples * np.float32(10 ** ((gain_db - NOMINAL_GAIN_DB) / 20))
        if self.iq_gain_db or self.iq_phase_deg:
            angle = np.deg2rad(self.iq_phase_deg)
            skewed = scaled.imag * np.cos(angle) + scaled.real * np.sin(angle)
            scaled = (scaled.real + 1j * skewed * 10 ** (self.iq_gain_db / 20)).astype(np.complex64)
        if self.dc_offset:
            scaled = scaled + np.complex64(self.dc_offset)
        # 127.5 is zero; adding a half more turns cutting off into rounding.
        numbers = np.ascontiguousarray(scaled).view(np.float32) * np.float32(127.5) + np.float32(128.0)
        octets: NDArray[np.uint8] = np.clip(numbers, 0.0, 255.0).astype(np.uint8)
        return octets


@dataclass(slots=True)
class Tuner:
    """How one client has set its receiver: a real server's values at first."""

    view: View = field(default_factory=lambda: View(2_048_000.0, 100e6))
    gain_db: float | None = None
    ppm: int = 0
    agc: bool = False
    bias_tee: bool = False

    def obey(self, command: int, argument: int) -> None:
        """Obey a command; an unknown one is ignored, as rtl_tcp does."""
        match command:
            case 1:
                self.view = replace(self.view, center_frequency_hz=float(argument & 0xFFFFFFFF))
            case 2:
                self.view = replace(self.view, sample_rate_hz=float(min(max(argument, 225_001), 3_200_000)))
            case 3:
                self.gain_db = NOMINAL_GAIN_DB if argument else None
            case 4:
                self.gain_db = argument / 10
            case 5:
                self.ppm = argument
            case 8:
                self.agc = bool(argument)
            case 14:
                self.bias_tee = bool(argument)


class RtlTcpServer:
    """Serves an air; ``now_s`` reads the scene's clock."""

    def __init__(
        self,
        air: Air,
        now_s: Callable[[], float],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        front_end: FrontEnd | None = None,
        seed: int = 0,
    ) -> None:
        self.port = port
        self.clients = 0
        self.samples_sent = 0
        self.samples_dropped = 0
        self.tuners: list[Tuner] = []
        self.front_end = front_end or FrontEnd()
        self.gain_step_db = 0.0
        self._air = air
        self._now_s = now_s
        self._host = host
        self._seed = seed
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stalled_until_s = 0.0
        self._skip_s = 0.0

    async def open(self) -> None:
        """Listen; ``port`` is then the port in use. Raises ``OSError``."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every client."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.disconnect()

    # -- faults ------------------------------------------------------------------------------------------------

    async def disconnect(self) -> None:
        """Drop every client, as when the dongle is drawn."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop_listening(self) -> None:
        """Refuse new clients and drop the present ones until ``open``."""
        await self.close()

    def stall(self, seconds: float) -> None:
        """Send nothing for a while; what was taken meanwhile is lost."""
        self._stalled_until_s = self._now_s() + seconds

    def overrun(self, seconds: float) -> None:
        """Lose samples once, without a pause."""
        self._skip_s += seconds

    # -- clients -----------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._server is None or len(self._tasks) >= MAX_CLIENTS:
            writer.transport.abort()
            return
        self._tasks.add(task)
        tuner = Tuner()
        self.tuners.append(tuner)
        self.clients += 1
        listening = asyncio.create_task(_listen(reader, tuner))
        try:
            with contextlib.suppress(ConnectionError):
                await self._send(writer, tuner, listening)
        except asyncio.CancelledError:
            pass  # dropped by us
        finally:
            self._tasks.discard(task)
            self.tuners.remove(tuner)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter, tuner: Tuner, listening: asyncio.Task[None]) -> None:
        writer.write(HEADER)
        noise = np.random.Generator(np.random.SFC64(self._seed + self.clients))
        heard: View | None = None
        next_sample = 0
        while not listening.done() and not writer.transport.is_closing():
            view = self._heard_by(tuner)
            late_s = self._now_s() - next_sample / view.sample_rate_hz
            if view != heard or late_s > MAX_BEHIND_S:
                heard, next_sample = view, round(self._now_s() * view.sample_rate_hz)
            next_sample += round(self._skip_s * view.sample_rate_hz)
            self._skip_s = 0.0
            count = self.front_end.lump_octets // 2 or int(view.sample_rate_hz * BLOCK_S)
            await asyncio.sleep(max(0.0, (next_sample + count) / view.sample_rate_hz - self._now_s()))
            if self._now_s() < self._stalled_until_s:
                await asyncio.sleep(self._stalled_until_s - self._now_s())
                heard = None
                continue
            samples = await asyncio.to_thread(self._air.render, view, next_sample, count, noise)
            next_sample += count
            if writer.transport.get_write_buffer_size() > 2 * view.sample_rate_hz * MAX_BEHIND_S:
                self.samples_dropped += count
                continue
            gain_db = NOMINAL_GAIN_DB if tuner.gain_db is None else tuner.gain_db
            writer.write(self.front_end.distort(samples, gain_db + self.gain_step_db).tobytes())
            self.samples_sent += count

    def _heard_by(self, tuner: Tuner) -> View:
        """Return what this receiver really samples: off by its crystal's error, as far as it is not corrected."""
        error = 1 + (self.front_end.crystal_ppm - tuner.ppm) * 1e-6
        return View(tuner.view.sample_rate_hz * error, tuner.view.center_frequency_hz * error)


async def _listen(reader: asyncio.StreamReader, tuner: Tuner) -> None:
    """Take commands until the client goes."""
    while True:
        try:
            octets = await reader.readexactly(COMMAND.size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        tuner.obey(*COMMAND.unpack(octets))
