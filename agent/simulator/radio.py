"""A receiver that gives audio, as Gqrx or a radio's data jack does: FM, SSB or phase demodulated, sent over UDP.

Knows how each mode makes audio of what is on the air, and the socket it goes to (S16LE, one channel). A mode is the
textbook's: FM the phase's difference from sample to sample, USB the band above the suppressed carrier, PM the phase
against the carrier. Knows no satellite.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from agent.definitions import Definition, Name, Positive
from agent.simulator.air import Air, View

BLOCK_S: Final = 0.02
FM_FULL_SCALE_HZ: Final = 6000.0
SSB_CARRIER_HZ: Final = 1500.0
SSB_TAPS: Final = 129
MAX_BEHIND_S: Final = 1.0


class Radio(Definition, frozen=True, kw_only=True):
    """A receiver tuned to ``frequency_hz``; port 0 chooses a free one for the agent to listen on.

    ``usb`` hears a carrier at ``frequency_hz`` as a tone of 1500 Hz.
    """

    id: Name
    frequency_hz: Positive
    mode: Literal["fm", "usb", "pm"] = "fm"
    sample_rate_hz: Annotated[int, Meta(ge=8000, le=192_000)] = 48_000
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    noise_level: Annotated[float, Meta(gt=0, lt=1)] = 0.1


class Demodulated:
    """Audio of one receiver from one piece of air to the next."""

    def __init__(self, table: Radio, seed: int) -> None:
        self.table = table
        offset_hz = SSB_CARRIER_HZ if table.mode == "usb" else 0.0
        self.view = View(float(table.sample_rate_hz), table.frequency_hz - offset_hz)
        self._noise = np.random.Generator(np.random.SFC64(seed))
        self._before = np.complex64(1.0)
        self._held = np.zeros(SSB_TAPS - 1, np.complex64)
        self._above = _upper_band(SSB_TAPS)

    def render(self, air: Air, first: int, count: int) -> NDArray[np.float32]:
        """Return so many samples of audio, float32 within ±1."""
        iq = air.render(self.view, first, count, self._noise)
        if self.table.mode == "usb":
            joined = np.concatenate([self._held, iq])
            self._held = joined[-(SSB_TAPS - 1) :]
            audio = np.convolve(joined, self._above, "valid").real
        elif self.table.mode == "pm":
            audio = np.angle(iq) / np.pi
        else:
            joined = np.append(self._before, iq)
            self._before = iq[-1]
            turned_hz = np.angle(joined[1:] * np.conj(joined[:-1])) / (2 * np.pi) * self.table.sample_rate_hz
            audio = turned_hz / (2 * FM_FULL_SCALE_HZ)
        clipped: NDArray[np.float32] = np.clip(audio, -1.0, 1.0).astype(np.float32)
        return clipped


def _upper_band(taps: int) -> NDArray[np.complex128]:
    """Return a filter that passes what is above the middle and stops what is below: a low-pass, shifted up."""
    n = np.arange(taps) - (taps - 1) / 2
    low_pass = np.sinc(n / 2) / 2 * np.hamming(taps)
    shifted: NDArray[np.complex128] = low_pass * np.exp(1j * np.pi * n / 2)
    return shifted


class PlayedRadio:
    """A receiver at work; ``sent`` counts samples."""

    def __init__(self, table: Radio, air: Air, now_s: Callable[[], float], seed: int) -> None:
        self.table = table
        self.sent = 0
        self._air = air
        self._now_s = now_s
        self._audio = Demodulated(table, seed)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.port = table.port or free_datagram_port(table.host)

    async def play(self) -> None:
        """Send audio as fast as time passes, until cancelled; what the machine cannot do in time is left out."""
        rate_hz = self.table.sample_rate_hz
        count = round(BLOCK_S * rate_hz)
        first = round(self._now_s() * rate_hz)
        while True:
            await asyncio.sleep(max(0.0, (first + count) / rate_hz - self._now_s()))
            if self._now_s() - first / rate_hz > MAX_BEHIND_S:
                first = round(self._now_s() * rate_hz)
                continue
            audio = self._audio.render(self._air, first, count)
            with contextlib.suppress(OSError):  # nobody has opened the port
                self._socket.sendto((audio * 32_767).astype("<i2").tobytes(), (self.table.host, self.port))
            self.sent += count
            first += count

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


def free_datagram_port(host: str) -> int:
    """Return a port on which nobody listens now, for the receiver to open."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
