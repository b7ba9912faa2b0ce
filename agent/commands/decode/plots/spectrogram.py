"""Power over time and frequency, of a signal of any length in bounded memory.

A row is a stretch of time; when there are too many, neighbours are joined and every row is twice as long. Knows the
sample rate and whether samples are complex; knows no modem.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 512
MAX_ROWS: Final = 1024
FLOOR: Final = 1e-20


class Spectrogram:
    """Gathers windowed spectra: Hann, half overlapped."""

    def __init__(self, sample_rate_hz: float, *, is_complex: bool) -> None:
        self.rate_hz = sample_rate_hz
        self.is_complex = is_complex
        self._size = BINS if is_complex else 2 * BINS
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        # Power over this is a density, of full scale squared a hertz.
        self._scale = sample_rate_hz * float(np.sum(self._window**2)) / (1.0 if is_complex else 2.0)
        self._rest: NDArray[np.generic] = np.empty(0, np.complex64 if is_complex else np.float32)
        self._rest_s = 0.0
        self.row_s = self._size / 2 / sample_rate_hz
        self.start_s: float | None = None
        self._sums = np.zeros((MAX_ROWS, BINS))
        self._counts = np.zeros(MAX_ROWS, np.int64)
        self.highest = np.zeros(BINS)

    @property
    def frequencies_hz(self) -> NDArray[np.float64]:
        """Return the middle of each bin."""
        if self.is_complex:
            return np.asarray((np.arange(BINS) - BINS // 2) * self.rate_hz / BINS)
        return np.asarray(np.arange(BINS) * self.rate_hz / self._size)

    @property
    def edges_hz(self) -> tuple[float, float]:
        """Return the lowest and the highest frequency."""
        return (-self.rate_hz / 2, self.rate_hz / 2) if self.is_complex else (0.0, self.rate_hz / 2)

    def feed(self, samples: NDArray[np.generic], start_s: float) -> None:
        """Take samples that begin at a time."""
        if self.start_s is None:
            self.start_s = start_s
        held = len(self._rest)
        if not held or abs(self._rest_s + held / self.rate_hz - start_s) > 2 / self.rate_hz:
            self._rest, held, self._rest_s = samples[:0], 0, start_s
        joined = np.concatenate((self._rest, samples)) if held else samples
        step = self._size // 2
        count = max(0, (len(joined) - self._size) // step + 1)
        if count:
            views = np.lib.stride_tricks.sliding_window_view(joined, self._size)[::step][:count]
            spectra = np.fft.fft(views * self._window) if self.is_complex else np.fft.rfft(views * self._window)
            power = (spectra.real**2 + spectra.imag**2)[:, :BINS] / self._scale
            if self.is_complex:
                power = np.fft.fftshift(power, axes=1)
            self._add(power, self._rest_s + (np.arange(count) * step + step) / self.rate_hz)
        self._rest = joined[count * step :].copy()
        self._rest_s += count * step / self.rate_hz

    def _add(self, power: NDArray[np.float64], times_s: NDArray[np.float64]) -> None:
        np.maximum(self.highest, power.max(axis=0), out=self.highest)
        begin_s = self.start_s or 0.0
        while (times_s[-1] - begin_s) / self.row_s >= MAX_ROWS:
            self._join()
        # Of times that are whole rows but for rounding, none may fall back into the row before.
        rows = np.clip(((times_s - begin_s) / self.row_s - 0.499).astype(np.int64), 0, MAX_ROWS - 1)
        begins = np.flatnonzero(np.diff(rows, prepend=-1))
        self._sums[rows[begins]] += np.add.reduceat(power, begins, axis=0)
        self._counts[rows[begins]] += np.diff(begins, append=len(rows))

    def _join(self) -> None:
        half = MAX_ROWS // 2
        self._sums[:half] = self._sums[0::2] + self._sums[1::2]
        self._counts[:half] = self._counts[0::2] + self._counts[1::2]
        self._sums[half:] = 0.0
        self._counts[half:] = 0
        self.row_s *= 2.0

    @property
    def end_s(self) -> float:
        """Return where the last row ends."""
        used = np.flatnonzero(self._counts)
        return (self.start_s or 0.0) + (int(used[-1]) + 1 if len(used) else 1) * self.row_s

    def rows_db(self) -> NDArray[np.float64]:
        """Give float64[rows, bins], dB of full scale a hertz; rows without a spectrum are no numbers."""
        used = np.flatnonzero(self._counts)
        last = int(used[-1]) + 1 if len(used) else 1
        counts = self._counts[:last, None]
        mean = np.where(counts > 0, self._sums[:last] / np.maximum(counts, 1), np.nan)
        return np.asarray(10.0 * np.log10(mean + FLOOR))

    def mean_db(self) -> NDArray[np.float64]:
        """Give the spectrum of all that was heard."""
        return np.asarray(10.0 * np.log10(self._sums.sum(axis=0) / max(1, self._counts.sum()) + FLOOR))

    def highest_db(self) -> NDArray[np.float64]:
        """Give the strongest that was heard at each frequency."""
        return np.asarray(10.0 * np.log10(self.highest + FLOOR))
