"""Real symbols to soft values: the two levels are found around every symbol, middle and distance removed.

Follows a drifting constant (a frequency offset after an FM discriminator, an AC-coupled sound card) and a
changing amplitude without any loop: each 16 symbols are judged by the symbols on either side of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.dsp import kernels

GROUP_SYMBOLS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Levelled:
    """Soft values and their positions; ``levels`` for each 16 of them, as ``kernels.level_symbols`` has it."""

    soft: NDArray[np.float32]
    positions: NDArray[np.float64]
    levels: NDArray[np.float32]

    def noise(self) -> NDArray[np.float32]:
        """Tell N0/Es of every group as the spread of the symbols around their levels shows it."""
        return np.asarray(2.0 * self.levels[:, 2], dtype=np.float32)

    def middle(self) -> float:
        """Tell the mean middle between the levels."""
        return float(self.levels[:, 0].mean())


class LevelTracker:
    """Scale symbols to ±1; holds ``half_window`` symbols back to look ahead."""

    def __init__(self, half_window: int) -> None:
        self._half = half_window
        self._values = np.zeros(0, dtype=np.float32)
        self._positions = np.empty(0)
        self._began = False

    def feed(
        self, values: NDArray[np.float32], positions: NDArray[np.float64], *, last: bool = False
    ) -> Levelled | None:
        """Take symbols; give those whose surroundings are known, in whole groups of 16 until the ``last``."""
        half = self._half
        self._values = np.concatenate((self._values, values))
        self._positions = np.concatenate((self._positions, positions))
        waiting = len(self._positions)
        if not self._began:
            if waiting < half and not last:
                return None
            # Mirror the beginning, so that silence before the stream does not pull the levels.
            if waiting:
                self._values = np.concatenate((np.resize(self._values[:half][::-1], half), self._values))
                self._began = True
        if not waiting:
            return None
        if last:
            tail = np.resize(self._values[-half:][::-1], half)
            self._values = np.concatenate((self._values, tail))
        count = waiting if last else (waiting - half) // GROUP_SYMBOLS * GROUP_SYMBOLS
        if count <= 0:
            return None
        soft = np.empty(count, dtype=np.float32)
        levels = np.empty(((count + GROUP_SYMBOLS - 1) // GROUP_SYMBOLS, 4), dtype=np.float32)
        kernels.level_symbols(self._values[: count + 2 * half], half, soft, levels)
        given = Levelled(soft, self._positions[:count], levels)
        self._values = self._values[count:].copy()
        self._positions = self._positions[count:].copy()
        return given
