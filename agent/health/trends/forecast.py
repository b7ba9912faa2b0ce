"""When a trend reaches a limit: "battery_voltage reaches 6.5 V in about 41 min", and between when and when.

Pure arithmetic on the fits of ``windows`` and the rule that holds. A forecast is given only for a slope that is
certain (99.9 %, with the errors widened for correlation and bend), and with the interval in which the line crosses
the bound at 95 %: both roots of Fieller's quadratic, so that an uncertain slope gives no finite interval and no
forecast.

Source: E. C. Fieller, Some problems in interval estimation, J. R. Stat. Soc. B 16 (1954); Student's quantiles after
Abramowitz & Stegun 26.7.5.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from agent.definitions import Range, Rule
from agent.health.trends.windows import FREEDOM, LEVER, NOW, NOW_VARIANCE, SLOPE, SLOPE_ERROR, Fits
from agent.records import CONCERN_LEVELS, ConcernLevel, Forecast

CERTAIN_Z, INTERVAL_Z = 3.2905, 1.9600
"""Normal quantiles of a two-sided 99.9 % and 95 %."""


class Bound(NamedTuple):
    """A bound that worsens the verdict when it is crossed going up (``high``) or down (``low``)."""

    level: ConcernLevel
    limit: float
    side: Literal["low", "high"]


def bounds_of(rule: Rule) -> tuple[Bound, ...]:
    """List the bounds of a rule's static and multi ranges that lead to a level above normal."""
    found: list[Bound] = []

    def add(one: Range, level: ConcernLevel, form: str) -> None:
        if level == "normal":
            return
        outside = form == "outside"
        if one.min is not None:
            found.append(Bound(level, one.min, "low" if outside else "high"))
        if one.max is not None:
            found.append(Bound(level, one.max, "high" if outside else "low"))

    for level in CONCERN_LEVELS[1:]:
        one: Range | None = getattr(rule, level)
        if one is not None:
            add(one, level, rule.form)
    for many in rule.ranges:
        add(many, many.level, many.form)
    return tuple(found)


def student(z: float, freedom: float) -> float:
    """Return Student's quantile for a normal quantile; exact enough from two degrees of freedom (1 %: 5 %)."""
    if freedom < 2.0:
        return math.inf
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def forecast(
    parameter: str, unit: str, bounds: tuple[Bound, ...], fits: Fits, index: int, horizon_s: float
) -> Forecast | None:
    """Say which bound a parameter's line reaches next, if it is certain that it goes there within the horizon."""
    slope, error = float(fits[index, SLOPE]), float(fits[index, SLOPE_ERROR])
    freedom = float(fits[index, FREEDOM])
    if not abs(slope) > student(CERTAIN_Z, freedom) * error:
        return None
    value, variance, lever = float(fits[index, NOW]), float(fits[index, NOW_VARIANCE]), float(fits[index, LEVER])
    side: Literal["low", "high"] = "high" if slope > 0 else "low"
    ahead = [one for one in bounds if one.side == side and (one.limit - value) * slope > 0]
    if not ahead:
        return None
    # The nearest; of two at one place the more severe.
    bound = min(ahead, key=lambda one: (abs(one.limit - value), -CONCERN_LEVELS.index(one.level)))
    in_s = (bound.limit - value) / slope
    if in_s > horizon_s:
        return None
    q2 = student(INTERVAL_Z, freedom) ** 2
    of_slope = error * error
    gap = value - bound.limit
    a = slope * slope - q2 * of_slope
    half_b = gap * slope - q2 * of_slope * lever
    c = gap * gap - q2 * variance
    under = half_b * half_b - a * c
    if a <= 0.0 or under < 0.0:
        return None
    root = math.sqrt(under)
    earliest_s, latest_s = max((-half_b - root) / a, 0.0), (-half_b + root) / a
    if latest_s > 2.0 * horizon_s:
        return None
    return Forecast(
        parameter=parameter,
        level=bound.level,
        limit=bound.limit,
        side=side,
        value=value,
        slope_per_s=slope,
        in_s=in_s,
        earliest_s=earliest_s,
        latest_s=latest_s,
        unit=unit,
    )
