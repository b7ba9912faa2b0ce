"""The carrier frequency of one frame, from its samples and from the symbols that were found in it.

A modem's own estimate is an average over whatever it had in hand, silence around a burst included. Here only
the samples of the frame count: its data are taken out, by the known symbols (FSK: the phase they make; known up
to a little timing and deviation) or by a power of the signal (PSK), and what is left is a line whose place is
the carrier. Knows one channel's samples of the last seconds. Source of the maximum-likelihood estimate of a
line's frequency: D. C. Rife, R. R. Boorstyn, "Single-tone parameter estimation from discrete-time
observations", IEEE Trans. Inf. Theory 20 (1974).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.records import IqBlock, UtcNs

NS_PER_S = 1_000_000_000
MOST_SAMPLES: Final = 1 << 18
KEPT_S, KEPT_SYMBOLS = 1.5, 6000.0
"""Of the channel so long is kept, whichever is longer, as far as it is no more than so many samples."""
MOST_REMEMBERED: Final = 1 << 16
LONGEST_S, MOST_SYMBOLS, FEWEST_SYMBOLS = 0.3, 2048, 64
"""Doppler moves a carrier by 40 Hz in the first of these at most."""
POWERS: Final[Mapping[str, int]] = {"bpsk": 2, "qpsk": 4, "pm": 1}
FSK_DEVIATIONS: Final = (0.25, 0.3, 0.35, 0.2, 0.4, 0.5)
"""In parts of the baud rate, where the satellite's file does not say it."""
REFINEMENTS: Final = (0.02, 0.01, 0.005, 0.0025, 0.00125)
SHIFTS: Final = tuple(step / 4.0 for step in range(-6, 7))
"""Timing errors in symbols that are tried."""
COHERENT, LINE = 0.08, 0.02
"""Least part of the power that is in the line, for it to be one: data taken out by symbols, or by a power."""
AS_GOOD = 0.8
LEARN_FROM: Final = 32
"""So many frames tell the deviation of a transmitter."""


class SymbolMemory:
    """The signs of the last symbols of one stream."""

    def __init__(self) -> None:
        self._signs: deque[NDArray[np.int8]] = deque()
        self._first = self._end = 0

    def remember(self, soft: NDArray[np.float32]) -> None:
        """Take the next symbols."""
        self._signs.append((soft > 0.0).astype(np.int8) * 2 - 1)
        self._end += len(soft)
        while self._end - self._first > MOST_REMEMBERED and len(self._signs) > 1:
            self._first += len(self._signs.popleft())

    def take(self, offset: int, count: int) -> NDArray[np.int8]:
        """Return ±1 for the symbols from an offset on; nothing where they are no longer remembered."""
        first = self._first
        parts: list[NDArray[np.int8]] = []
        for signs in self._signs if offset >= first else ():
            lo, hi = max(offset - first, 0), min(offset + count - first, len(signs))
            if lo < hi:
                parts.append(signs[lo:hi])
            first += len(signs)
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int8)


class BurstCarrier:
    """Measures the carriers of the frames of one channel."""

    def __init__(
        self, modulation: str, baudrate_bd: float, options: Mapping[str, Any], sample_rate_hz: float
    ) -> None:
        self._baud = baudrate_bd
        self._rate_hz = sample_rate_hz
        self._power = POWERS.get(modulation)
        told_hz = options.get("deviation_hz")
        told = isinstance(told_hz, int | float) and told_hz != 0
        self._deviations = (told_hz / baudrate_bd,) if told and told_hz is not None else FSK_DEVIATIONS
        self.measures = modulation == "fsk" or self._power is not None
        self._best: tuple[float, float, float] | None = None
        self._learnt = 0
        self._blocks: deque[IqBlock] = deque()
        self._held = 0
        self._most = min(MOST_SAMPLES, round(sample_rate_hz * max(KEPT_S, KEPT_SYMBOLS / baudrate_bd)))

    def feed(self, block: IqBlock) -> None:
        """Keep a block of the channel."""
        if not self.measures:
            return
        if block.lost_before:
            self._blocks.clear()
            self._held = 0
        self._blocks.append(block)
        self._held += len(block.samples)
        while self._held > self._most and len(self._blocks) > 1:
            self._held -= len(self._blocks.popleft().samples)

    def measure(self, start_utc_ns: UtcNs, symbols: NDArray[np.int8]) -> tuple[float, UtcNs] | None:
        """Return the carrier's offset in Hz from the channel's middle, and the time at which it is so.

        ``symbols`` are ±1, the first of them in its middle at ``start_utc_ns``. ``None`` where the samples are no
        longer there, or show no line.
        """
        most = min(MOST_SYMBOLS, round(LONGEST_S * self._baud))
        if not self.measures or len(symbols) < FEWEST_SYMBOLS or not self._blocks:
            return None
        skip = max(0, (len(symbols) - most) // 2)
        symbols = symbols[skip : skip + most]
        begin_ns = start_utc_ns + round((skip - 0.5) / self._baud * NS_PER_S)
        end_ns = begin_ns + round(len(symbols) / self._baud * NS_PER_S)
        samples, first_ns = self._between(begin_ns, end_ns)
        if len(samples) < len(symbols):
            return None
        middle_ns = (begin_ns + end_ns) // 2
        if self._power is not None:
            found, share = self._line(samples**self._power)
            return (found / self._power, middle_ns) if share > LINE else None
        positions = (np.arange(len(samples)) / self._rate_hz + (first_ns - begin_ns) / NS_PER_S) * self._baud
        measured = self._without_data(samples, positions, symbols)
        return None if measured is None else (measured, middle_ns)

    def _between(self, begin_ns: UtcNs, end_ns: UtcNs) -> tuple[NDArray[np.complex64], UtcNs]:
        """Return the samples of a stretch of time, and the time of the first of them."""
        pieces: list[NDArray[np.complex64]] = []
        first_ns = begin_ns
        for block in self._blocks:
            lo = math.ceil((begin_ns - block.start_utc_ns) / NS_PER_S * self._rate_hz)
            hi = math.ceil((end_ns - block.start_utc_ns) / NS_PER_S * self._rate_hz)
            lo, hi = max(lo, 0), min(hi, len(block.samples))
            if lo < hi:
                if not pieces:
                    first_ns = block.start_utc_ns + round(lo / self._rate_hz * NS_PER_S)
                pieces.append(block.samples[lo:hi])
        return (np.concatenate(pieces) if pieces else np.empty(0, dtype=np.complex64)), first_ns

    def _without_data(
        self, samples: NDArray[np.complex64], positions: NDArray[np.float64], symbols: NDArray[np.int8]
    ) -> float | None:
        """Turn back the phase that the symbols have made.

        A deviation that is not quite right turns every surplus of ones into an offset, and one frame alone cannot
        tell the two well apart: the deviation is learnt from many.
        """
        sums = np.concatenate(([0.0], np.cumsum(symbols, dtype=np.float64)))
        if self._best is not None and self._learnt >= LEARN_FROM:
            shift, deviation, share = self._best
            found, now = self._tried(samples, positions, sums, shift, deviation)
            if now > AS_GOOD * share:
                return found
        deviations = self._deviations if self._best is None else (self._best[1],)
        best = (0.0, 0.0, 0.0)
        for deviation in deviations:
            for shift in SHIFTS:
                _, share = self._tried(samples, positions, sums, shift, deviation)
                if share > best[0]:
                    best = share, shift, deviation
        for step in REFINEMENTS:
            for changed in (best[2] - step, best[2] + step):
                _, share = self._tried(samples, positions, sums, best[1], changed)
                if share > best[0]:
                    best = share, best[1], changed
        share, shift, deviation = best
        if share < COHERENT:
            return None
        self._learnt = min(self._learnt + 1, LEARN_FROM)
        before = deviation if self._best is None else self._best[1]
        self._best = shift, before + (deviation - before) / self._learnt, share
        return self._tried(samples, positions, sums, shift, self._best[1])[0]

    def _tried(
        self,
        samples: NDArray[np.complex64],
        positions: NDArray[np.float64],
        sums: NDArray[np.float64],
        shift: float,
        deviation: float,
    ) -> tuple[float, float]:
        phase = np.interp(positions + shift, np.arange(len(sums)), sums)
        return self._line(samples * np.exp(-2j * np.pi * deviation * phase))

    def _line(self, signal: NDArray[np.complexfloating[Any, Any]]) -> tuple[float, float]:
        """Return where the strongest line is in Hz, and its part of the whole power."""
        count = 1 << max(8, (4 * len(signal) - 1).bit_length())
        spectrum = np.abs(np.fft.fft(signal, count)) ** 2
        at = int(np.argmax(spectrum))
        left, middle, right = (float(spectrum[(at + d) % count]) for d in (-1, 0, 1))
        bend = left - 2.0 * middle + right
        place, top = float(at), middle
        if bend < 0.0:
            place += 0.5 * (left - right) / bend
            top -= 0.125 * (left - right) ** 2 / bend
        cycles = place / count
        whole = float(np.sum(np.abs(signal) ** 2)) * len(signal)
        return (cycles - round(cycles)) * self._rate_hz, top / max(whole, 1e-30)
