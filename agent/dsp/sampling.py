"""From blocks of any size to a planar stream at a fixed number of samples a symbol.

``Intake`` cuts whatever arrives into equal hops, so that everything behind it gives the same result however
the input was cut; it replaces values that are no numbers, notices gaps and keeps the time. ``Resampler``
filters with one or several banks and changes the rate in the same pass. Nothing here knows a modulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.dsp import kernels
from agent.records import AudioBlock, IqBlock

Signal: TypeAlias = Literal["iq", "audio"]
Planar: TypeAlias = "NDArray[np.float32]"
"""float32[channels, n]: one channel for audio, two (I, Q) for complex samples."""

_LARGEST = 64.0  # full scale is 1.0; a float recording may be louder, but not without bound


@dataclass(frozen=True, slots=True)
class Hop:
    """Samples that follow the hop before, or begin anew when ``restart`` is set."""

    samples: Planar
    start_utc_ns: int
    restart: bool


class Intake:
    """Collect blocks into hops of ``hop_samples``."""

    def __init__(self, signal: Signal, sample_rate_hz: float, hop_samples: int) -> None:
        self._signal = signal
        self._rate_hz = sample_rate_hz
        self._hop = max(1, hop_samples)
        self._held: list[Planar] = []
        self._count = 0
        self._start_utc_ns = 0
        self._restart = True

    def feed(self, block: IqBlock | AudioBlock) -> list[Hop]:
        """Take a block; raises ``ValueError`` when it is not of the kind or rate this was made for."""
        if isinstance(block, IqBlock) != (self._signal == "iq"):
            raise ValueError(f"samples are not {self._signal}")
        if abs(block.sample_rate_hz - self._rate_hz) > 1e-6 * self._rate_hz:
            raise ValueError(f"sample rate is {block.sample_rate_hz:g} Hz, not {self._rate_hz:g} Hz")
        hops: list[Hop] = []
        if block.lost_before > 0:
            hops += self.flush()
            self._restart = True
        if len(block.samples) == 0:
            return hops
        if self._count == 0:
            self._start_utc_ns = block.start_utc_ns
        self._held.append(_planar(block))
        self._count += len(block.samples)
        if self._count < self._hop:
            return hops
        samples = self._held[0] if len(self._held) == 1 else np.concatenate(self._held, axis=1)
        position = 0
        while self._count >= self._hop:
            hops.append(self._take(samples[:, position : position + self._hop]))
            position += self._hop
            self._count -= self._hop
            self._start_utc_ns += round(self._hop * 1e9 / self._rate_hz)
        self._held = [samples[:, position:].copy()] if self._count else []
        return hops

    def flush(self) -> list[Hop]:
        """Give what is held as one short hop."""
        if not self._count:
            return []
        samples = np.concatenate(self._held, axis=1)
        self._held, self._count = [], 0
        return [self._take(samples)]

    def _take(self, samples: Planar) -> Hop:
        hop = Hop(np.ascontiguousarray(samples), self._start_utc_ns, self._restart)
        self._restart = False
        return hop


def _planar(block: IqBlock | AudioBlock) -> Planar:
    if isinstance(block, IqBlock):
        pairs = np.ascontiguousarray(block.samples, dtype=np.complex64).view(np.float32).reshape(-1, 2)
        planar = np.ascontiguousarray(pairs.T)
    else:
        planar = np.array(block.samples, dtype=np.float32).reshape(1, -1)
    # One reduction tells whether anything is wrong: NaN and infinities survive a sum of squares.
    if not np.dot(planar.ravel(), planar.ravel()) <= planar.size:
        planar = np.nan_to_num(planar, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(planar, -_LARGEST, _LARGEST, out=planar)
    return planar


class Resampler:
    """Filter with each of several banks and resample to ``output_rate_hz``, without delay.

    Output ``m`` lies at the time of input ``m * sample_rate / output_rate``; the stream is taken as zero
    before it began.
    """

    def __init__(
        self, banks: NDArray[np.float32], channels: int, sample_rate_hz: float, output_rate_hz: float
    ) -> None:
        self._banks = np.ascontiguousarray(banks)
        self._step = sample_rate_hz / output_rate_hz
        taps = banks.shape[2]
        self._before = taps // 2
        self._after = taps - taps // 2 + 1
        self._buffer: Planar = np.zeros((channels, self._before), dtype=np.float32)
        self._origin = -self._before  # input index of the buffer's first sample
        self._next = 0  # output index of the next sample

    def feed(self, samples: Planar) -> NDArray[np.float32]:
        """Take input and give float32[banks, channels, m]."""
        buffer = np.concatenate((self._buffer, samples), axis=1)
        end = self._origin + buffer.shape[1] - self._after  # last input index that has all its taps
        count = max(0, int(np.floor(end / self._step)) - self._next + 1)
        out = np.empty((self._banks.shape[0], buffer.shape[0], count), dtype=np.float32)
        if count:
            kernels.resample(buffer, self._next * self._step - self._origin, self._step, self._banks, out)
            self._next += count
        keep = int(np.floor(self._next * self._step)) - self._before - self._origin
        keep = min(max(keep, 0), buffer.shape[1])
        self._buffer = buffer[:, keep:].copy()
        self._origin += keep
        return out

    def flush(self) -> NDArray[np.float32]:
        """Give what the filters still hold."""
        tail = np.zeros((self._buffer.shape[0], self._after), dtype=np.float32)
        return self.feed(tail)
