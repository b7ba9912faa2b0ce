"""Real symbols to soft values: the two levels are found around every symbol, middle and distance removed.

Follows a drifting constant (a frequency offset after an FM discriminator, an AC-coupled sound card) and a
changing amplitude without any loop: each 16 symbols are judged by the symbols on either side of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agent.dsp import kernels

GROUP_SYMBOLS = 16


class LevelTracker:
    """Scale symbols to ±1; holds ``half_window`` symbols back to look ahead."""

    def __init__(self, half_window: int) -> None:
        self._half = half_window
        self._values = np.zeros(half_window, dtype=np.float32)
        self._positions = np.empty(0)
        self._began = False

    def feed(
        self, values: NDArray[np.float32], positions: NDArray[np.float64], *, last: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], float, float]:
        """Give (soft values, their positions, Es/N0 in dB, mean middle)."""
        half = self._half
        if not self._began and len(values):
            # Mirror the beginning, so that silence before the stream does not pull the levels.
            lead = values[:half][::-1]
            self._values = np.concatenate((np.resize(lead, half), np.empty(0, dtype=np.float32)))
            self._began = True
        if last and self._began:
            held = np.concatenate((self._values, values))
            values = np.concatenate((values, np.resize(held[-half:][::-1], half)))
        everything = np.concatenate((self._values, values))
        self._positions = np.concatenate((self._positions, positions))
        count = len(everything) - 2 * half
        if not last:
            count -= count % GROUP_SYMBOLS
        if count <= 0:
            self._values = everything
            return np.empty(0, dtype=np.float32), np.empty(0), -99.0, 0.0
        soft = np.empty(count, dtype=np.float32)
        quality = np.zeros(3)
        kernels.level_symbols(np.ascontiguousarray(everything[: count + 2 * half]), half, soft, quality)
        self._values = everything[count:]
        given, self._positions = self._positions[:count], self._positions[count:]
        variance = quality[0] / quality[1]
        return soft, given, -10.0 * math.log10(2.0 * max(variance, 1e-6)), quality[2] / quality[1]
