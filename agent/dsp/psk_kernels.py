# mypy: allow-untyped-decorators
"""Numba kernels of phase-shift keying: symbols turned upright, and what stands at right angles to a carrier.

Knows arrays and numbers only; signals are planar as in ``kernels.py``. The typed wrappers stand in
``carrier_recovery.py`` and ``pm.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REORDER = {"reassoc", "contract"}  # lets sums be vectorised; NaN and infinities keep their meaning


@njit(
    "void(float32[:,::1], int64, int64, float64[::1], float32[:,::1], float64[:,::1])",
    nogil=True,
    cache=True,
    fastmath=_REORDER,
)
def align_psk(
    symbols: NDArray[np.float32],
    half: int,
    order: int,
    state: NDArray[np.float64],
    axes: NDArray[np.float32],
    quality: NDArray[np.float64],
) -> None:
    """Turn BPSK symbols (``order`` 2) onto the real axis, QPSK ones (4) onto the diagonals, each axis to ±1.

    The carrier's phase is the angle, over ``order``, of the mean symbol to that power in a window of ``half``
    eights on either side of every 8, unwrapped, and straight between their middles; its size is the amplitude
    squared, noise not counted. ``axes`` holds a whole number of eights; ``symbols`` has ``8 half`` symbols before
    them and ``8 half + 8`` after. ``state`` is (phase in radians of the eight before the first, its gain).
    ``quality[group]`` gets (sum of squared misses of one axis, symbols, phase step in radians) about the
    beginning of each eight, and of one more. Source: A. and A. Viterbi, IEEE Trans. IT 29 (1983).
    """
    count = axes.shape[1]
    groups = count // 8 + 1
    squares = np.empty((2, groups + 2 * half), dtype=np.float64)
    for g in range(groups + 2 * half):
        s_re, s_im = np.float32(0.0), np.float32(0.0)
        for i in range(8 * g, 8 * g + 8):
            a, b = symbols[0, i], symbols[1, i]
            c, d = a * a - b * b, np.float32(2.0) * a * b
            if order == 4:
                size = a * a + b * b + np.float32(1e-30)
                c, d = (d * d - c * c) / size, np.float32(-2.0) * c * d / size
            s_re += c
            s_im += d
        squares[0, g] = s_re
        squares[1, g] = s_im
    circle = 2.0 * np.pi / order
    old_phase, old_gain = state[0], state[1]
    for g in range(groups):
        re, im, weight = 0.0, 0.0, 1e-30
        for k in range(2 * half + 1):
            w = 1.0 - abs(k - half) / (half + 1.0)
            re += w * squares[0, g + k]
            im += w * squares[1, g + k]
            weight += w
        phase = np.arctan2(im, re) / order
        phase += circle * np.round((old_phase - phase) / circle)
        gain = np.sqrt(0.5 * order) / np.sqrt(np.sqrt(re * re + im * im) / (8.0 * weight) + 1e-20)
        if old_gain < 0.0:
            old_phase, old_gain = phase, gain
        # Symbols from the middle of the eight before to the middle of this one.
        first = 8 * g
        begin, end = max(0, first - 4), min(first + 4, count)
        step = (phase - old_phase) / 8.0
        turn = old_phase + step * (begin - first + 4.5)
        cos, sin, step_cos, step_sin = np.cos(turn), np.sin(turn), np.cos(step), np.sin(step)
        level_step = (gain - old_gain) / 8.0
        level = old_gain + level_step * (begin - first + 4.5)
        missed = 0.0
        for i in range(begin, end):
            a, b = symbols[0, i + 8 * half], symbols[1, i + 8 * half]
            x, y = (a * cos + b * sin) * level, (b * cos - a * sin) * level
            axes[0, i] = x
            axes[1, i] = y
            if order == 4:
                miss_x, miss_y = abs(x) - 1.0, abs(y) - 1.0
                missed += 0.5 * (miss_x * miss_x + miss_y * miss_y)
            else:
                missed += y * y
            cos, sin = cos * step_cos - sin * step_sin, cos * step_sin + sin * step_cos
            level += level_step
        quality[g, 0] = missed
        quality[g, 1] = end - begin
        quality[g, 2] = 0.0
        if first < count:
            quality[g, 2] = phase - old_phase
            state[0], state[1] = phase, gain
        old_phase, old_gain = phase, gain


@njit("void(float32[:,::1], float64[::1], int64, float32[::1])", nogil=True, cache=True, fastmath=_REORDER)
def quadrature(
    samples: NDArray[np.float32], phases: NDArray[np.float64], segment: int, out: NDArray[np.float32]
) -> None:
    """Give the part of planar complex samples that is at right angles to a carrier of known phase.

    ``phases[s]`` (radians) holds at the middle of segment ``s`` of ``segment`` samples, and runs straight to the
    next; ``out`` begins at the middle of the first segment and ends at that of the last.
    """
    for s in range(phases.shape[0] - 1):
        step = (phases[s + 1] - phases[s]) / segment
        turn = phases[s] + 0.5 * step
        cos, sin, step_cos, step_sin = np.cos(turn), np.sin(turn), np.cos(step), np.sin(step)
        for i in range(s * segment, (s + 1) * segment):
            j = i + segment // 2
            out[i] = samples[1, j] * cos - samples[0, j] * sin
            cos, sin = cos * step_cos - sin * step_sin, cos * step_sin + sin * step_cos
