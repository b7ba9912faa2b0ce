"""The stated limit semantics of Yamcs and OpenC3 COSMOS for one sample, to compare ours with.

Written from the facts in their documentation (Yamcs: alarm definitions, ``MonitoringResult``; COSMOS: keyword
LIMITS, persistence), not from their programs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

YAMCS_ORDER = ("severe", "critical", "distress", "warning", "watch")


@dataclass(frozen=True)
class YamcsRange:
    level: str
    low: float | None = None
    high: float | None = None
    low_exclusive: bool = False
    high_exclusive: bool = False


def yamcs(value: float, ranges: list[YamcsRange]) -> str:
    """Severe is tested first; an inclusive bound is good; every comparison with NaN is false, so NaN is good."""
    by_level = {one.level: one for one in ranges}
    for level in YAMCS_ORDER:
        one = by_level.get(level)
        if one is None:
            continue
        if one.low is not None and (value <= one.low if one.low_exclusive else value < one.low):
            return level
        if one.high is not None and (value >= one.high if one.high_exclusive else value > one.high):
            return level
    return "in_limits"


@dataclass(frozen=True)
class CosmosLimits:
    red_low: float
    yellow_low: float
    yellow_high: float
    red_high: float


def cosmos(value: float, limits: CosmosLimits) -> str:
    """A value equal to a limit is bad; NaN falls through to RED_LOW in the Python port."""
    if math.isnan(value) or value <= limits.red_low:
        return "RED_LOW"
    if value <= limits.yellow_low:
        return "YELLOW_LOW"
    if value >= limits.red_high:
        return "RED_HIGH"
    if value >= limits.yellow_high:
        return "YELLOW_HIGH"
    return "GREEN"


class CosmosPersistence:
    """The state changes after ``count`` samples in a row that differ from it, in both directions."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.state = "GREEN"
        self.different = 0

    def feed(self, state: str) -> str:
        self.different = self.different + 1 if state != self.state else 0
        if self.different >= self.count:
            self.state, self.different = state, 0
        return self.state


class YamcsPersistence:
    """An alarm triggers after ``min_violations`` in a row and returns with the first good sample."""

    def __init__(self, min_violations: int) -> None:
        self.min_violations = min_violations
        self.violations = 0
        self.active = False

    def feed(self, in_limits: bool) -> bool:
        self.violations = 0 if in_limits else self.violations + 1
        self.active = not in_limits and (self.active or self.violations >= self.min_violations)
        return self.active
