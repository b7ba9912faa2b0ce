"""The limit checking of XTCE written plainly, one value at a time: the slow twin of ``agent.health.kernels``.

From OMG SpaceSystem 1.2 §StaticAlarmRanges, §AlarmMultiRanges, §ChangeAlarmRanges, §AlarmType and the choices in
``docs/health.md``; written from those words, not from the kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agent.definitions import Change, LevelRange, Range, Rule

LEVELS = ("normal", "watch", "warning", "distress", "critical", "severe")


def inside(value: float, low: float | None, high: float | None, one: Range) -> bool:
    if low is not None and (value < low or (value == low and one.min_exclusive)):
        return False
    return not (high is not None and (value > high or (value == high and one.max_exclusive)))


def violated(value: float, one: Range, form: str, margin: float = 0.0) -> bool:
    """Whether a value violates a range; a margin makes good intervals smaller and bad ones larger."""
    sign = 1 if form == "outside" else -1
    low = None if one.min is None else one.min + sign * margin
    high = None if one.max is None else one.max - sign * margin
    return inside(value, low, high, one) != (form == "outside")


def level_of(value: float, change: float | None, rule: Rule, margin: float = 0.0) -> int:
    found = [0]
    for index, level in enumerate(LEVELS):
        one: Range | None = getattr(rule, level, None)
        if one is not None and violated(value, one, rule.form, margin):
            found.append(index)
    for many in rule.ranges:
        if violated(value, many, many.form, margin):
            found.append(LEVELS.index(many.level))
    if rule.ranges and not any(in_interval(value, many, margin) for many in rule.ranges):
        found.append(LEVELS.index(rule.no_range))
    if rule.change is not None and change is not None:
        for index, level in enumerate(LEVELS):
            one = getattr(rule.change, level, None)
            if one is not None and violated(change, one, rule.change.form):
                found.append(index)
    return max(found)


def in_interval(value: float, many: LevelRange, margin: float) -> bool:
    return violated(value, many, "inside", margin if many.form == "inside" else -margin)


@dataclass
class Alarm:
    """One parameter's alarm, sample by sample: ``feed`` returns the verdict and what happened."""

    rule: Rule
    violations: int = 0
    conformances: int = 0
    state: str = "normal"
    worst: int = 0
    history: list[tuple[int, float]] = field(default_factory=list)
    change: float | None = None

    def feed(self, now_ns: int, value: float | None) -> tuple[object, str]:
        if self.rule.disabled:
            return "disabled", self._settle(True, 1)
        if value is None:
            return "missing", ""
        if math.isnan(value):
            self.history.clear()
            return "nan", ""
        if self.rule.change is not None:
            self._change(self.rule.change, now_ns, value)
        level = level_of(value, self.change, self.rule)
        if level:
            self.violations += 1
            self.conformances = 0
            if self.state == "active":
                if level > self.worst:
                    self.worst = level
                    return level, "more severe"
                return level, ""
            self.worst = max(self.worst, level)
            if self.violations >= self.rule.min_violations:
                self.state = "active"
                return level, "triggered"
            if self.state == "normal":
                self.state = "pending"
                return level, "pending"
            return level, ""
        good = self.state != "active" or level_of(value, self.change, self.rule, self.rule.hysteresis) == 0
        needed = self.rule.min_violations if self.rule.min_conformance is None else self.rule.min_conformance
        return level, self._settle(good, needed)

    def _settle(self, good: bool, needed: int) -> str:
        if self.state == "pending":
            self._forget()
            return "dropped"
        if self.state == "active":
            self.conformances = self.conformances + 1 if good else 0
            if self.conformances >= needed:
                self._forget()
                return "returned"
        return ""

    def _forget(self) -> None:
        self.state = "normal"
        self.violations = self.conformances = self.worst = 0

    def _change(self, rule: Change, now_ns: int, value: float) -> None:
        if self.history and now_ns < self.history[0][0]:
            self.history.clear()
        self.history.append((now_ns, value))
        then_ns, then = self.history[0]
        samples = len(self.history) - 1
        elapsed_s = (now_ns - then_ns) * 1e-9
        if samples < rule.span_samples or elapsed_s < rule.span_s:
            return
        change = value - then
        if rule.basis == "percentage":
            change = 100.0 * change / abs(then) if then else math.nan
        if rule.per == "sample":
            change /= samples
        else:
            change = change / elapsed_s if elapsed_s > 0 else math.nan
        self.change = None if math.isnan(change) else change
        self.history = [(now_ns, value)]
