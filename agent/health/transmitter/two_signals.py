"""Whether one downlink's frames come from two transmitters at once.

Two carriers show as two groups of frequencies about the prediction, each of them smooth in time, taking turns; two
transmitters that do not wait for each other show as frames that overlap in time. Knows times and frequencies.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

FEWEST = 4
"""So many frames of each, and so many changes from one to the other."""
APART = 6.0
"""Groups are so many standard deviations of their own scatter apart."""
LEAST_APART_HZ = 150.0
CONSIDERED = 20
"""Two signals are told apart within so many frames."""


def two_carriers(times_s: Floats, residual_hz: Floats) -> float | None:
    """Return how far two groups of carriers are apart in Hz, ``None`` when there is one.

    Of the last ``CONSIDERED`` frames, one group is those near the middle of the densest half (the satellite, whose
    residual is a constant); the other has to be a smooth line too, for noise is not.
    """
    times, values = times_s[-CONSIDERED:], residual_hz[-CONSIDERED:]
    n = len(values)
    if n < 2 * FEWEST:
        return None
    order = np.argsort(values)
    split = int(np.argmax(np.diff(values[order])))
    best: float | None = None
    # The widest gap in frequency, or what is far from the densest part: a carrier that drifts leaves no gap.
    for one in (_below(order, split, n), _dense(values)):
        other = ~one
        if one.sum() < FEWEST or other.sum() < FEWEST or np.count_nonzero(np.diff(one)) < FEWEST:
            continue
        first, second = _line(times[one], values[one]), _line(times[other], values[other])
        if first is None or second is None:
            continue
        (fit_one, scatter_one), (fit_other, scatter_other) = first, second
        middle = float(np.median(times))
        distance = np.abs(np.polyval(fit_one, times) - np.polyval(fit_other, times))
        apart = float(np.median(distance))
        if apart < LEAST_APART_HZ or float(distance.min()) == 0.0:
            continue
        if apart > APART * max(scatter_one, scatter_other):
            here = abs(float(np.polyval(fit_one, middle) - np.polyval(fit_other, middle)))
            best = max(best or 0.0, here, apart)
    return best


def _below(order: NDArray[np.intp], split: int, n: int) -> NDArray[np.bool_]:
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[order[: split + 1]] = True
    return chosen


def _dense(values: Floats) -> NDArray[np.bool_]:
    """Choose what lies about the middle of the narrowest third."""
    ordered = np.sort(values)
    count = max(FEWEST, len(values) // 3)
    widths = ordered[count - 1 :] - ordered[: len(ordered) - count + 1]
    at = int(np.argmin(widths))
    middle, width = float(np.median(ordered[at : at + count])), float(widths[at])
    return np.abs(values - middle) <= max(3.0 * width, LEAST_APART_HZ / 3.0)


def _line(times: Floats, values: Floats) -> tuple[Floats, float] | None:
    """Fit a parabola (a line to few) through a group; give it and the scatter about it."""
    span = float(times.max() - times.min())
    if span <= 0.0:
        return None
    degree = 2 if len(values) >= 7 else 1
    fit = np.polyfit(times - 0.0, values, degree)
    freedom = max(len(values) - degree - 1, 1)
    return fit, float(np.sqrt(((values - np.polyval(fit, times)) ** 2).sum() / freedom))
