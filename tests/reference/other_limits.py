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


def cosmos_with_green(value: float, limits: CosmosLimits, green_low: float, green_high: float) -> str:
    """With ``green_low green_high``: inside them BLUE (operational), beside them GREEN_LOW or GREEN_HIGH."""
    state = cosmos(value, limits)
    if state != "GREEN":
        return state
    if value <= green_low:
        return "GREEN_LOW"
    return "GREEN_HIGH" if value >= green_high else "BLUE"


class CosmosLimitsSets:
    """One set is active for the whole system; an item that does not have it uses DEFAULT, which must be there."""

    def __init__(self, sets: dict[str, CosmosLimits]) -> None:
        if "DEFAULT" not in sets:
            raise ValueError("a DEFAULT set must come first")
        self.sets = sets
        self.active = "DEFAULT"

    def state(self, value: float) -> str:
        return cosmos(value, self.sets.get(self.active, self.sets["DEFAULT"]))


class CosmosStateItem:
    """State items have a colour for each state, and no persistence."""

    def __init__(self, colours: dict[str, str]) -> None:
        self.colours = colours

    def feed(self, label: str) -> str | None:
        return self.colours.get(label)


@dataclass
class YamcsAlarm:
    """The life of an alarm of Yamcs: ``processOK``, ``triggered``, ``acknowledged``, after ISA-18.2.

    ``feed`` and ``acknowledge`` return the notifications by their names. An alarm is cleared when its process is
    fine, it is not triggered and acknowledged; the most severe level is kept; violations of any level count.
    """

    min_violations: int = 1
    active: bool = False
    pending: bool = False
    process_ok: bool = True
    acknowledged: bool = False
    violations: int = 0
    severity: int = 0

    def feed(self, level: int) -> list[str]:
        if level == 0:
            return self._good()
        self.violations = self.violations + 1 if self.active and not self.process_ok else 1
        if not self.active:
            self.active, self.process_ok, self.acknowledged, self.severity = True, False, False, level
            self.pending = self.min_violations > 1
            return ["TRIGGERED_PENDING" if self.pending else "TRIGGERED"]
        if self.pending:
            self.severity = max(self.severity, level)
            if self.violations < self.min_violations:
                return []
            self.pending = False
            return ["TRIGGERED"]
        again = self.process_ok
        self.process_ok = False
        worse = level > self.severity
        self.severity = max(self.severity, level)
        if again:
            self.acknowledged = False
            return ["TRIGGERED"]
        return ["SEVERITY_INCREASED"] if worse else []

    def _good(self) -> list[str]:
        if not self.active or self.process_ok:
            return []
        self.process_ok = True
        if self.pending:
            self.active = self.pending = False
            return ["CLEARED"]
        if self.acknowledged:
            self.active = False
            return ["CLEARED"]
        return ["RTN"]

    def acknowledge(self) -> list[str]:
        if not self.active or self.pending or self.acknowledged:
            return []
        self.acknowledged = True
        if self.process_ok:
            self.active = False
            return ["CLEARED"]
        return ["ACKNOWLEDGED"]
