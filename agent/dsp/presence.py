"""Whether anything is being sent: the spectrum of noise is level, that of a signal is not.

Looked at before any demodulation, so that a channel with nothing in it costs next to nothing. The question is only
whether a hop of samples could hold a signal that could be read; whatever is not plainly noise (coloured noise, a
spur, a carrier) counts as a signal. Knows no modulation beyond its baud rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.dsp.sampling import Planar

_SYMBOLS_A_SEGMENT = 8  # so that a bin is an eighth of the baud rate wide
_SYMBOLS_A_GROUP = 256  # the shortest burst that is looked for
_BAND_BINS = 4  # half the baud rate, taken together
_WEAK = 0.25  # the weak bands are the quarter with the least power
_SURENESS = 6.5  # standard deviations above them that noise does not reach
_LOUD_HZ = 0.46  # of the sample rate: beyond, filters have been at work


class Presence:
    """Judge hops of one kind of signal.

    In each group of some hundred symbols, and in the hop as a whole, the strongest half baud of the spectrum is
    held against the weakest quarter. A signal at the threshold of a rate-1/2 code stands two thirds above noise.
    """

    def __init__(
        self, baudrate_bd: float, sample_rate_hz: float, bandwidth_hz: float, middle_hz: float = 0.0
    ) -> None:
        """Look at ``bandwidth_hz`` about ``middle_hz``: the signal wherever it may be, and some room beside it."""
        per_symbol = sample_rate_hz / baudrate_bd
        self._size = max(16, 1 << round(np.log2(_SYMBOLS_A_SEGMENT * per_symbol)))
        self._group = max(4, round(_SYMBOLS_A_GROUP * per_symbol / self._size))
        bin_hz = sample_rate_hz / self._size
        places = np.arange(-self._size // 2, self._size // 2)
        near = np.abs(places * bin_hz - middle_hz) <= 0.5 * bandwidth_hz
        heard = np.abs(places * bin_hz) <= _LOUD_HZ * sample_rate_hz
        self._inside = places[near & heard]
        self._audible = self._inside[self._inside > 0]

    def __call__(self, samples: Planar) -> bool:
        """Say whether planar samples may hold a signal; a hop too short to tell may."""
        groups = samples.shape[1] // (self._size * self._group)
        if not groups:
            return True
        used = samples[:, : groups * self._group * self._size]
        if len(used) == 1:
            spectra = np.fft.rfft(used[0].reshape(-1, self._size), axis=1)[:, self._audible]
        else:
            signal = (used[0] + np.complex64(1j) * used[1]).reshape(-1, self._size)
            spectra = np.fft.fft(signal, axis=1)[:, self._inside]
        power = spectra.real**2 + spectra.imag**2
        grouped = power.reshape(groups, self._group, -1).mean(axis=1)
        sums = np.cumsum(grouped, axis=1, dtype=np.float64)
        bands = sums[:, _BAND_BINS:] - sums[:, :-_BAND_BINS]
        if bands.shape[1] < 2 * _BAND_BINS:
            return True  # nothing beside the signal to compare it with
        return self._rises(bands, self._group) or self._rises(bands.sum(axis=0)[None], groups * self._group)

    @staticmethod
    def _rises(bands: NDArray[np.floating[Any]], segments: int) -> bool:
        """Say whether some band of any row stands above the weak ones by more than noise does."""
        weak = int(_WEAK * bands.shape[1])
        floor = np.partition(bands, weak, axis=1)[:, weak]
        rise = 1.0 + _SURENESS / np.sqrt(_BAND_BINS * segments)
        return bool(np.any(bands.max(axis=1) > rise * floor))
