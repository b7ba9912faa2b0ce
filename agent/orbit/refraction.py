"""Refraction of the lower atmosphere near the horizon, for those who ask for apparent elevations.

Passes are geometric by default: radio horizons differ from day to day by more than this formula knows. Source:
Saemundsson, Sky and Telescope 72 (1986) 70, as in Meeus, Astronomical Algorithms, ch. 16: 1010 hPa, 10 °C, 0.1′.
"""

from __future__ import annotations

import math

LOWEST_DEG = -1.9
"""Below this a ray from outside does not come; the formula is held there."""


def refraction_deg(elevation_deg: float) -> float:
    """Return how much higher than its geometric elevation an object appears."""
    h = max(elevation_deg, LOWEST_DEG)
    if h >= 89.9:
        return 0.0
    return 1.02 / math.tan(math.radians(h + 10.3 / (h + 5.11))) / 60.0


def geometric_deg(apparent_deg: float) -> float:
    """Return the geometric elevation at which an object appears at ``apparent_deg``."""
    low, high = apparent_deg - 1.0, apparent_deg
    for _ in range(50):
        middle = 0.5 * (low + high)
        if middle + refraction_deg(middle) < apparent_deg:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
