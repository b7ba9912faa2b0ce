"""The limits of a satellite as its file states them, and the instant verdict on every value of a report.

Knows XTCE's alarm semantics for one sample, and how rules become the tables the kernels run on. Does not know
alarms (``alarms``), persistence in time (``monitor`` carries the state) nor what a value means. NaN and a missing
value are verdicts of their own: never in limits.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent import definitions
from agent.definitions import ContextRule, Limits, Range, Rule, satisfies
from agent.errors import ConfigError
from agent.records import (
    CONCERN_LEVELS,
    ConcernLevel,
    EngineeringValue,
    MonitoringResult,
    ParameterHealth,
    ParameterReport,
    UtcNs,
)

RESULTS: tuple[MonitoringResult | None, ...] = (
    "in_limits",
    "watch",
    "warning",
    "distress",
    "critical",
    "severe",
    "not_a_number",
    "missing",
    "disabled",
    None,
)
"""What the numbers of the kernels mean."""
SIDES: Mapping[int, Literal["low", "high"] | None] = {-1: "low", 0: None, 1: "high"}
MAX_PATTERN_TEXT = 1024

_LEVEL = {level: index for index, level in enumerate(CONCERN_LEVELS)}


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule: its row in the tables, and what numbers cannot say of it."""

    row: int
    rule: Rule
    labels: Mapping[str, int] | None
    patterns: tuple[tuple[re.Pattern[str], int], ...]
    default_level: int

    def level_of_text(self, text: str) -> int:
        """Return the level of a label or text: exact label first, then the first pattern that matches it whole."""
        if self.labels is not None and text in self.labels:
            return self.labels[text]
        for pattern, level in self.patterns:
            if pattern.fullmatch(text[:MAX_PATTERN_TEXT]):
                return level
        return self.default_level

    @property
    def judges_text(self) -> bool:
        """Whether the rule says anything of labels or texts."""
        return self.labels is not None or bool(self.patterns) or self.default_level > 0


@dataclass(frozen=True, slots=True)
class LimitedParameter:
    """One parameter with limits: its rules (default and contexts) and where they stand in the file."""

    name: str
    unit: str
    limits: Limits
    default: CompiledRule | None
    contexts: tuple[tuple[definitions.When, CompiledRule | None], ...]
    where: str

    def rule(self, values: Mapping[str, EngineeringValue]) -> CompiledRule | None:
        """Return the rule that holds: the first context whose condition passes, else the default."""
        for when, rule in self.contexts:
            if all(name in values and satisfies(values[name], test) for name, test in when.items()):
                return rule
        return self.default


class RuleTable:
    """The rules and ranges of one satellite as the arrays that ``kernels`` runs on (columns described there)."""

    def __init__(self) -> None:
        self._rules: list[list[int]] = []
        self._reals: list[list[float]] = []
        self._bounds: list[list[float]] = []
        self._flags: list[list[int]] = []

    def add(self, rule: Rule) -> int:
        """Add a rule; returns its row."""
        first = len(self._bounds)
        for level in CONCERN_LEVELS[1:]:
            self._range(getattr(rule, level), level, rule.form, 0)
        for one in rule.ranges:
            self._range(one, one.level, one.form, 1)
        change = rule.change
        if change is not None:
            for level in CONCERN_LEVELS[1:]:
                self._range(getattr(change, level), level, change.form, 2)
        kind = 0 if change is None else 1 + 2 * (change.per == "sample") + 4 * (change.basis == "percentage")
        self._rules.append(
            [
                first,
                len(self._bounds),
                _LEVEL[rule.no_range] if rule.ranges else -1,
                rule.min_violations,
                rule.min_violations if rule.min_conformance is None else rule.min_conformance,
                int(rule.disabled),
                change.span_samples if change is not None else 1,
                kind,
            ]
        )
        span_ns = 1e9 * change.span_s if change is not None else 0.0
        self._reals.append([rule.hysteresis, span_ns, *_calm(rule), *_calm(change)])
        return len(self._rules) - 1

    def _range(self, one: Range | None, level: ConcernLevel, form: str, kind: int) -> None:
        if one is None:
            return
        self._bounds.append([-math.inf if one.min is None else one.min, math.inf if one.max is None else one.max])
        exclusive = int(one.min_exclusive) + 2 * int(one.max_exclusive)
        self._flags.append([exclusive, int(form == "inside"), _LEVEL[level], kind])

    def arrays(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
        """Return rules, reals, bounds and flags."""
        return (
            np.array(self._rules, np.int32).reshape(-1, 8),
            np.array(self._reals, np.float64).reshape(-1, 6),
            np.array(self._bounds, np.float64).reshape(-1, 2),
            np.array(self._flags, np.uint8).reshape(-1, 4),
        )


def _calm(rule: Rule | definitions.Change | None) -> tuple[float, float]:
    """Return an interval inside which no range of a rule can be violated; an empty one where it takes a look."""
    if rule is None:
        return -math.inf, math.inf
    ranges = [one for level in CONCERN_LEVELS[1:] if (one := getattr(rule, level)) is not None]
    if (ranges and rule.form == "inside") or (isinstance(rule, Rule) and rule.ranges):
        return math.inf, -math.inf
    low = max((one.min for one in ranges if one.min is not None), default=-math.inf)
    return low, min((one.max for one in ranges if one.max is not None), default=math.inf)


class PacketLimits:
    """The limited parameters of one packet, in the order of the file, and the arrays of one sample of them."""

    def __init__(self, parameters: Sequence[LimitedParameter]) -> None:
        self.parameters = tuple(parameters)
        count = len(self.parameters)
        self.values = np.zeros(count, np.float64)
        self.given = np.zeros(count, np.int8)
        self.rows = np.zeros(count, np.int64)
        self.results = np.zeros(count, np.uint8)
        self.sides = np.zeros(count, np.int8)
        self._fixed = tuple(None if one.contexts else one.default for one in self.parameters)
        self._steady = not any(one.contexts for one in self.parameters)
        self.said: tuple[bytes, tuple[ParameterHealth, ...]] | None = None
        """The newest verdicts: as numbers, and in words."""

    def load(self, report: ParameterReport) -> dict[str, EngineeringValue]:
        """Put a report's values where the kernels find them; returns them by name."""
        by_name = {value.name: value.value for value in report.values}
        for index, parameter in enumerate(self.parameters):
            rule = self._fixed[index] if self._steady or not parameter.contexts else parameter.rule(by_name)
            self.rows[index] = -1 if rule is None else rule.row
            value = by_name.get(parameter.name)
            if value is None or isinstance(value, bytes):
                self.given[index] = -2
            elif isinstance(value, str):
                self.given[index] = rule.level_of_text(value) if rule is not None else 0
            elif rule is not None and rule.judges_text and isinstance(value, bool):
                self.given[index] = rule.level_of_text(str(value).lower())
            else:
                self.given[index] = -1
                self.values[index] = value
        return by_name


class PacketMemory:
    """What the limits of one packet remember from sample to sample (columns described in ``kernels``)."""

    def __init__(self, count: int) -> None:
        self.counts = np.zeros((count, 4), np.int32)
        self.since = np.zeros((count, 2), np.int64)
        self.past = np.full((count, 2), np.nan)
        self.events = np.zeros(count, np.uint8)


class LimitSet:
    """The limits of one satellite; raises ``ConfigError`` with the exact place of one that contradicts itself."""

    def __init__(self, satellite: definitions.Satellite, where: str = "") -> None:
        table = RuleTable()
        self.packets: dict[str, PacketLimits] = {}
        for index, packet in enumerate(satellite.packets):
            place = f"{where}: packet[{index}]" if where else f"packet[{index}]"
            limited = list(_limited_parameters(packet, table, place))
            if limited:
                self.packets[packet.name] = PacketLimits(limited)
        self.rules, self.reals, self.bounds, self.flags = table.arrays()

    def evaluate(self, report: ParameterReport) -> tuple[ParameterHealth, ...]:
        """Return the instant verdict on each limited parameter of a report; change alarms need a history."""
        packet = self.packets.get(report.packet)
        if packet is None:
            return ()
        packet.load(report)
        # Alarms begin anew with every report: without a past there is the instant verdict and nothing else.
        self.step(packet, PacketMemory(len(packet.parameters)), report.received_utc_ns)
        return verdicts(packet)

    def step(self, packet: PacketLimits, memory: PacketMemory, now_utc_ns: UtcNs) -> None:
        """Judge what ``packet`` has loaded and move the alarms in ``memory`` on."""
        from agent.health import kernels

        kernels.step(
            packet.values,
            packet.given,
            packet.rows,
            now_utc_ns,
            self.rules,
            self.reals,
            self.bounds,
            self.flags,
            memory.counts,
            memory.since,
            memory.past,
            packet.results,
            packet.sides,
            memory.events,
        )


def verdicts(packet: PacketLimits) -> tuple[ParameterHealth, ...]:
    """Put the kernels' numbers into words; while they stay the same it is the same tuple."""
    said = packet.results.tobytes() + packet.sides.tobytes()
    if packet.said is not None and packet.said[0] == said:
        return packet.said[1]
    words = tuple(
        [
            ParameterHealth(
                parameter.name, RESULTS[result], CONCERN_LEVELS[result] if result <= 5 else "normal", SIDES[side]
            )
            for parameter, result, side in zip(
                packet.parameters, packet.results.tolist(), packet.sides.tolist(), strict=True
            )
        ]
    )
    packet.said = said, words
    return words


# -- from the file to rules --------------------------------------------------------------------------------


def _limited_parameters(packet: definitions.Packet, table: RuleTable, place: str) -> list[LimitedParameter]:
    limited: list[LimitedParameter] = []
    known = {name for name, _, _ in definitions.named_values(packet)}
    compiled: dict[str, tuple[CompiledRule | None, tuple[tuple[definitions.When, CompiledRule | None], ...]]] = {}
    for name, value, where in definitions.named_values(packet):
        limits = value.limits
        if limits is None:
            continue
        here = f"{place}.{where}.limits"
        if "*" in name:
            raise ConfigError("limits need a parameter whose count is fixed", where=here)
        if where not in compiled:
            labels = _labels_of(value)
            for index, context in enumerate(limits.contexts):
                for tested in context.when:
                    if tested not in known:
                        raise ConfigError(f"{tested!r} is no parameter", where=f"{here}.context[{index}].when")
            contexts = tuple(
                (context.when, _compile_rule(context, labels, table, f"{here}.context[{index}]"))
                for index, context in enumerate(limits.contexts)
            )
            compiled[where] = _compile_rule(limits, labels, table, here), contexts
        default, contexts = compiled[where]
        if default is None and not contexts:
            raise ConfigError("limits that limit nothing", where=here, mend="give a range, labels or patterns")
        limited.append(LimitedParameter(name, value.unit, limits, default, contexts, here))
    return limited


def _labels_of(value: definitions.Parameter | definitions.Derived) -> frozenset[str] | None:
    if not isinstance(value, definitions.Parameter):
        return None
    calibrations = [value.calibration, *(context.calibration for context in value.contexts)]
    labels: set[str] = {"true", "false"} if value.type.startswith("flag") and value.calibration is None else set()
    for calibration in calibrations:
        if isinstance(calibration, definitions.Enumeration):
            labels |= set(calibration.labels.values())
            labels |= {calibration.otherwise} if calibration.otherwise is not None else set()
    return frozenset(labels) or None


def _compile_rule(rule: Rule, labels: frozenset[str] | None, table: RuleTable, where: str) -> CompiledRule | None:
    """Compile a rule; ``None`` for one without any range, which means no alarm."""
    _check_nested(rule, rule.form, where)
    if rule.change is not None:
        _check_nested(rule.change, rule.change.form, f"{where}.change")
    for index, one in enumerate(rule.ranges):
        _check_range(one, f"{where}.ranges[{index}]")
    for label in rule.labels or ():
        if labels is not None and label not in labels:
            near = difflib.get_close_matches(label, labels, n=2)
            raise ConfigError(
                f"{label!r} is no label of this parameter",
                where=f"{where}.labels",
                mend=f"did you mean {' or '.join(near)}?" if near else f"labels: {', '.join(sorted(labels))}",
            )
    patterns: list[tuple[re.Pattern[str], int]] = []
    for index, pattern in enumerate(rule.patterns):
        try:
            patterns.append((re.compile(pattern.pattern), _LEVEL[pattern.level]))
        except re.error as exc:
            raise ConfigError(f"not a regular expression: {exc}", where=f"{where}.patterns[{index}]") from exc
    levels = {label: _LEVEL[level] for label, level in rule.labels.items()} if rule.labels is not None else None
    numeric = rule.ranges or rule.change or any(getattr(rule, level) for level in CONCERN_LEVELS[1:])
    empty = not (numeric or rule.labels or rule.patterns or rule.default_level != "normal")
    if empty and not rule.disabled:
        if isinstance(rule, ContextRule) or (isinstance(rule, Limits) and rule.contexts):
            return None
        raise ConfigError("limits that limit nothing", where=where, mend="give a range, labels or patterns")
    return CompiledRule(table.add(rule), rule, levels, tuple(patterns), _LEVEL[rule.default_level])


def _check_range(one: Range, where: str) -> None:
    for key in ("min", "max"):
        bound = getattr(one, key)
        if bound is not None and not math.isfinite(bound):
            raise ConfigError("not a finite number", where=f"{where}.{key}", mend="leave an open bound out")
    if one.min is not None and one.max is not None:
        if one.min > one.max:
            raise ConfigError(f"min {one.min:g} is above max {one.max:g}", where=where)
        if one.min == one.max and (one.min_exclusive or one.max_exclusive):
            raise ConfigError("nothing lies between an exclusive bound and itself", where=where)


def _check_nested(rule: Rule | definitions.Change, form: str, where: str) -> None:
    """Refuse a more severe level that would be reached before a less severe one, which could then never show."""
    previous: tuple[ConcernLevel, Range] | None = None
    for level in CONCERN_LEVELS[1:]:
        one: Range | None = getattr(rule, level)
        if one is None:
            continue
        here = f"{where}.{level}"
        _check_range(one, here)
        if previous is not None:
            outer, inner = (one, previous[1]) if form == "outside" else (previous[1], one)
            low = inner.min if inner.min is not None else -math.inf
            high = inner.max if inner.max is not None else math.inf
            if (outer.min is not None and outer.min > low) or (outer.max is not None and outer.max < high):
                raise ConfigError(
                    f"{level} would be reached before {previous[0]}",
                    where=here,
                    mend=f"{'widen' if form == 'outside' else 'narrow'} it beyond {previous[0]}'s range",
                )
        previous = (level, one)
