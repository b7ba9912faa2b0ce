"""From raw values to engineering values, and back where there is a way back.

Knows the calibrators of XTCE (OMG SpaceSystem 1.2 §DataEncoding: polynomial, spline, enumeration, context) and
two that beacons need (expression, time). Does not know where a raw value stands in a packet. A raw value that
a calibration is not defined for has no engineering value (``None``): never zero, never the raw value.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from agent import definitions
from agent.errors import ConfigError
from agent.records import EngineeringValue, RawValue
from agent.telemetry import onboard_time
from agent.telemetry.calendar_time import CalendarTime, compile_calendar
from agent.telemetry.expression import compile_expression

Forward: TypeAlias = Callable[[RawValue, Mapping[str, object]], EngineeringValue]
"""Raw value and the packet's engineering values so far → engineering value."""

_LABEL = re.compile(r"^(-?\d+|0[xX][0-9a-fA-F]+)(?:\.\.(-?\d+|0[xX][0-9a-fA-F]+))?$")


class NoInverse(ValueError):
    """No raw value gives this engineering value."""


class Calibrator:
    """One compiled calibration; ``reads`` are the earlier parameters it needs."""

    def __init__(self, forward: Forward, kind: str, *, labels: Mapping[str, int] | None = None) -> None:
        self.forward = forward
        self.kind = kind
        self.reads: frozenset[str] = frozenset()
        self.labels = labels
        self.points: tuple[float, ...] = ()


def compile_calibration(
    calibration: definitions.Calibration, names: Sequence[str] = (), where: str = ""
) -> Calibrator:
    """Compile a calibration; ``names`` are the parameters before this one. Raises ``ConfigError``."""
    match calibration:
        case definitions.Polynomial():
            return _polynomial(calibration)
        case definitions.Spline():
            return _spline(calibration, where)
        case definitions.Enumeration():
            return _enumeration(calibration, where)
        case definitions.Expression():
            return _expression(calibration, names, where)
        case definitions.Time():
            return _time(calibration, where)


def _finite(value: float | None) -> EngineeringValue:
    """An overflow to infinity is no value; NaN stays NaN, for it is a state of its own in health."""
    return None if value is None or (isinstance(value, float) and math.isinf(value)) else value


def _expression(definition: definitions.Expression, names: Sequence[str], where: str) -> Calibrator:
    compute = compile_expression(definition.expression, {"raw", *names}, f"{where}.expression")

    def of_raw(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
        return _finite(compute({"raw": raw}))

    def of_others(raw: RawValue, values: Mapping[str, object]) -> EngineeringValue:
        return _finite(compute({**values, "raw": raw}))

    reads = compute.names - {"raw"}
    calibrator = Calibrator(of_others if reads else of_raw, "expression")
    calibrator.reads = reads
    return calibrator


def _polynomial(definition: definitions.Polynomial) -> Calibrator:
    coefficients = definition.coefficients
    if len(coefficients) == 2:
        offset, gain = coefficients

        def line(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
            return raw * gain + offset if isinstance(raw, int | float) else None

        return Calibrator(line, "polynomial")
    falling = tuple(reversed(coefficients))

    def horner(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
        if not isinstance(raw, int | float):
            return None
        total = 0.0
        for coefficient in falling:
            total = total * raw + coefficient
        return _finite(total)

    return Calibrator(horner, "polynomial")


def _spline(definition: definitions.Spline, where: str) -> Calibrator:
    points = definition.points
    raws = [point.raw for point in points]
    if any(b <= a for a, b in itertools.pairwise(raws)):
        raise ConfigError("spline points must rise in `raw`", where=f"{where}.points")
    orders = [definition.order if point.order is None else point.order for point in points]
    if len(points) == 1 and orders[0] > 0 and definition.extrapolate:
        raise ConfigError(f"one point cannot be extrapolated with order {orders[0]}", where=f"{where}.points")
    if len(points) > 1 and max(orders[:-1]) >= len(points):
        raise ConfigError(
            f"{len(points)} points do not make a curve of order {max(orders[:-1])}", where=f"{where}.points"
        )
    values = [point.value for point in points]
    last = len(points) - 1
    curves = [_curve(points, index, order) for index, order in enumerate(orders[:-1])]

    def interpolate(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
        if not isinstance(raw, int | float):
            return None
        if math.isnan(raw):
            return math.nan
        if not raws[0] <= raw <= raws[last] and not definition.extrapolate:
            return None
        index = bisect.bisect_right(raws, raw) - 1
        if index < 0:
            segment = 0
            if orders[0] == 0:
                return values[0]
        else:
            if raw == raws[index] or orders[min(index, max(last - 1, 0))] == 0:
                return values[index]
            segment = min(index, last - 1)
        return _finite(_on_curve(curves[segment], raw))

    calibrator = Calibrator(interpolate, "spline")
    calibrator.points = tuple(raws)
    return calibrator


_Curve: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""A polynomial after Newton: the places, and the divided differences."""


def _curve(points: Sequence[definitions.SplinePoint], segment: int, order: int) -> _Curve:
    """Lay the polynomial of a segment through its two points and, for the higher orders, the next ones about it."""
    before = min(max(0, segment - (order - 1) // 2), len(points) - 1 - order)
    others = [index for index in range(before, before + order + 1) if index not in (segment, segment + 1)]
    used = [points[index] for index in (segment, segment + 1, *others)][: order + 1]
    places = tuple(point.raw for point in used)
    row = [point.value for point in used]
    differences = [row[0]]
    for step in range(1, len(used)):
        row = [(b - a) / (places[at + step] - places[at]) for at, (a, b) in enumerate(itertools.pairwise(row))]
        differences.append(row[0])
    return places, tuple(differences)


def _on_curve(curve: _Curve, raw: float) -> float:
    places, differences = curve
    total = differences[-1]
    for place, difference in zip(reversed(places[:-1]), reversed(differences[:-1]), strict=True):
        total = difference + (raw - place) * total
    return total


def parse_label_key(key: str, where: str) -> tuple[int, int]:
    """Read an enumeration's key: ``3``, ``0x1f``, or an inclusive range ``4..7``."""
    match = _LABEL.match(key.strip())
    if match is None:
        raise ConfigError(f"not a raw value or range of them: {key!r}", where=where, mend='"3", "0x1f" or "4..7"')
    first = int(match[1], 0)
    last = int(match[2], 0) if match[2] else first
    if last < first:
        raise ConfigError(f"range {key!r} runs backwards", where=where)
    return first, last


def _enumeration(definition: definitions.Enumeration, where: str) -> Calibrator:
    ranges: list[tuple[int, int, str]] = []
    for key, label in definition.labels.items():
        first, last = parse_label_key(key, f"{where}.labels")
        ranges.append((first, last, label))
    ranges.sort()
    for (_, last, label), (first, _, other) in itertools.pairwise(ranges):
        if first <= last:
            raise ConfigError(f"labels {label!r} and {other!r} share raw value {first}", where=f"{where}.labels")
    single = {first: label for first, last, label in ranges if first == last}
    spans = [entry for entry in ranges if entry[0] != entry[1]]
    otherwise = definition.otherwise

    def look_up(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
        if not isinstance(raw, int):
            return otherwise
        label = single.get(raw)
        if label is not None or not spans:
            return otherwise if label is None else label
        for first, last, name in spans:
            if first <= raw <= last:
                return name
        return otherwise

    labels: dict[str, int] = {}
    for first, _, label in ranges:
        labels.setdefault(label, first)
    return Calibrator(look_up, "enumeration", labels=labels)


def _time(definition: definitions.Time, where: str) -> Calibrator:
    moment = moment_of(definition, where)

    def show(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
        utc_ns = moment(raw)
        return None if utc_ns is None else onboard_time.format_utc(utc_ns)

    return Calibrator(show, "time")


def moment_of(definition: definitions.Time, where: str = "") -> Callable[[RawValue], int | None]:
    """Return the function that turns a raw time into nanoseconds of UTC."""
    epoch_utc_ns = onboard_time.parse_utc(definition.epoch, f"{where}.epoch")
    calendar = calendar_of(definition, where)
    if calendar is not None:
        return lambda raw: calendar.utc_ns(raw) if isinstance(raw, int) and raw >= 0 else None
    if definition.code == "cds":
        return lambda raw: (
            onboard_time.cds_to_utc_ns(raw, epoch_utc_ns, definition.microseconds) if isinstance(raw, int) else None
        )
    return lambda raw: (
        onboard_time.ticks_to_utc_ns(raw, epoch_utc_ns, definition.ticks_per_s)
        if isinstance(raw, int | float)
        else None
    )


def calendar_of(definition: definitions.Time, where: str = "") -> CalendarTime | None:
    """Return the calendar code of a time that has one; raises ``ConfigError``."""
    if definition.code not in ("packed", "digits"):
        if definition.parts:
            raise ConfigError(f"a time of {definition.code} has no parts", where=f"{where}.parts")
        return None
    epoch_utc_ns = onboard_time.parse_utc(definition.epoch, f"{where}.epoch")
    epoch_year = int((onboard_time.format_utc(epoch_utc_ns) or "1970")[:4])
    return compile_calendar(definition.code, definition.parts, epoch_year, f"{where}.parts")


# -- the way back ------------------------------------------------------------------------------------------


def invert(
    definition: definitions.Calibration | None,
    calibrator: Calibrator | None,
    value: object,
    bounds: tuple[int, int] | None,
    others: Mapping[str, object] = MappingProxyType({}),
) -> RawValue:
    """Return the raw value whose engineering value is nearest to ``value``; raises ``NoInverse``.

    ``others`` are the engineering values of earlier parameters, that an expression may need. ``bounds`` are the
    lowest and highest an integer raw value can be, ``None`` for one that is a real number.
    A calibration is taken to rise or fall throughout that range; where it does not, the value found must still
    lead back to ``value``, or there is no inverse.
    """
    if definition is None or calibrator is None:
        if isinstance(value, str):
            return value.encode("utf-8")
        if isinstance(value, bytes | bool):
            return value
        if isinstance(value, int | float):
            return round(value) if bounds and math.isfinite(value) else value
        raise NoInverse(f"{value!r} is no raw value")
    if isinstance(definition, definitions.Enumeration):
        if isinstance(value, str) and calibrator.labels is not None and value in calibrator.labels:
            return calibrator.labels[value]
        if value is not None and value == definition.otherwise and bounds:
            near = sorted(calibrator.labels.values()) if calibrator.labels else []
            candidates: list[int] = [
                *range(bounds[0], min(bounds[1], bounds[0] + 1024) + 1),
                *(one + 1 for one in near),
            ]
            for candidate in candidates:
                if bounds[0] <= candidate <= bounds[1] and calibrator.forward(candidate, {}) == value:
                    return candidate
        raise NoInverse(f"{value!r} is no label")
    if isinstance(definition, definitions.Time):
        if not isinstance(value, str):
            raise NoInverse(f"{value!r} is no time")
        calendar = calendar_of(definition)
        if calendar is not None:
            raw = calendar.raw(onboard_time.parse_utc(value))
            if raw is None:
                raise NoInverse(f"{value} is outside what its parts can say")
            return raw
        epoch_utc_ns = onboard_time.parse_utc(definition.epoch)
        if definition.code == "cds":
            return onboard_time.utc_ns_to_cds(onboard_time.parse_utc(value), epoch_utc_ns, definition.microseconds)
        return onboard_time.utc_ns_to_ticks(onboard_time.parse_utc(value), epoch_utc_ns, definition.ticks_per_s)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise NoInverse(f"{value!r} is no number")
    return _search(calibrator, float(value), *bounds, others) if bounds else _invert_real(definition, value)


def _invert_real(definition: definitions.Calibration, value: float) -> float:
    if isinstance(definition, definitions.Polynomial) and len(definition.coefficients) == 2:
        offset, gain = definition.coefficients
        if gain:
            return (value - offset) / gain
    if isinstance(definition, definitions.Spline):
        for segment, (a, b) in enumerate(itertools.pairwise(definition.points)):
            if min(a.value, b.value) <= value <= max(a.value, b.value) and a.value != b.value:
                order = definition.order if a.order is None else a.order
                if order > 1:
                    return _bisect(_curve(definition.points, segment, order), value, a.raw, b.raw)
                return a.raw + (value - a.value) / (b.value - a.value) * (b.raw - a.raw)
    raise NoInverse(f"{definition.__struct_config__.tag} has no inverse at {value}")


def _bisect(curve: _Curve, value: float, low: float, high: float) -> float:
    """Find where a curve that begins and ends on either side of a value takes it."""
    rising = _on_curve(curve, high) >= _on_curve(curve, low)
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if (_on_curve(curve, middle) <= value) == rising else (low, middle)
    return 0.5 * (low + high)


def _search(calibrator: Calibrator, value: float, lowest: int, highest: int, others: Mapping[str, object]) -> int:
    """Bisect an integer range for the raw value that comes nearest."""
    if calibrator.points:
        lowest = max(lowest, math.ceil(calibrator.points[0]))
        highest = min(highest, math.floor(calibrator.points[-1]))

    def at(raw: int) -> float:
        result = calibrator.forward(raw, others)
        return float(result) if isinstance(result, int | float) else math.nan

    low, high = lowest, highest
    while low < high and math.isnan(at(low)):
        low += 1
        if low - lowest > 1024:
            raise NoInverse("undefined at the low end of its range")
    rising = at(high) >= at(low)
    while high - low > 1:
        middle = (low + high) // 2
        below = at(middle) <= value
        low, high = (middle, high) if below == rising else (low, middle)
    best = min((low, high), key=lambda raw: abs(at(raw) - value))
    step = abs(at(high) - at(low))
    if not abs(at(best) - value) <= step:
        raise NoInverse(f"{value} is outside what {lowest}…{highest} can say")
    return best
