"""From a packet to a parameter report, and from engineering values back to a packet.

Joins selection, layout and calibration for one satellite. Knows no clock, no station and no limits. A packet that
does not fit is a ``DecodeError`` with the reason it is counted under; a definition that is wrong is a
``ConfigError`` when the decoder is made, never later.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from agent import definitions
from agent.definitions import satisfies
from agent.errors import ConfigError, DecodeError
from agent.records import EngineeringValue, ParameterReport, ParameterValue, RawValue, UtcNs
from agent.telemetry.calibration import Calibrator, NoInverse, compile_calibration, invert, moment_of
from agent.telemetry.expression import CompiledExpression, compile_expression
from agent.telemetry.history import History
from agent.telemetry.layout import Layout, compile_packet
from agent.telemetry.named_layout import NamedLayout
from agent.telemetry.placement import Field
from agent.telemetry.selection import Rule, choose, compile_marks
from agent.telemetry.text_layout import TextLayout
from agent.telemetry.units import check_unit
from firmware_protocols.interface import Packet

Convert: TypeAlias = Callable[[RawValue, Mapping[str, object]], EngineeringValue]

OWN_RAW = "raw"
"""In the ``when`` of a context: the parameter's own raw value, which makes a calibration piecewise."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What one field means: how its raw value becomes an engineering value."""

    convert: Convert | None
    calibrator: Calibrator | None
    contexts: tuple[tuple[definitions.When, Calibrator | None], ...]


class PacketDecoder:
    """One packet's layout with the meaning of every field; ``layout`` is public for those who need octets only."""

    def __init__(self, packet: definitions.Packet, where: str) -> None:
        self.packet = packet
        self.where = where
        self.layout = _layout(packet, where)
        self.marks = compile_marks(packet, where)
        self._meanings: dict[int, _Meaning] = {}
        known: list[str] = []
        needs_values, needs_raws = bool(packet.derived), False
        self._generated: tuple[str, Callable[[RawValue], UtcNs | None]] | None = None
        for name, field in self.layout.fields:
            meaning = _meaning(field, known)
            self._meanings[id(field)] = meaning
            needs_values = needs_values or _reads(meaning)
            needs_raws = needs_raws or bool(meaning.contexts)
            if field.parameter.generated:
                self._generated = self._generation(name, field)
            if "*" not in name:
                known.append(name)
        self._derived = tuple(self._derive(index, one, known) for index, one in enumerate(packet.derived))
        asked = {window for _, expression, _ in self._derived for window in expression.windows}
        roll_overs = {name: definitions.roll_over_of(value) for name, value, _ in definitions.named_values(packet)}
        self._history = History(asked, roll_overs) if asked else None
        self._needs_values = needs_values
        self._needs_raws = needs_raws
        self._plain = self.layout.fixed is not None and not needs_values and not needs_raws
        self._columns = [
            (name, self._meanings[id(field)].convert, field.parameter.unit) for name, field in self.layout.fields
        ]

    def _generation(self, name: str, field: Field) -> tuple[str, Callable[[RawValue], UtcNs | None]]:
        time = field.parameter.calibration
        if not isinstance(time, definitions.Time) or "*" in name:
            raise ConfigError("a generation time needs a `time` calibration", where=f"{field.where}.generated")
        if self._generated is not None:
            raise ConfigError("two parameters give the generation time", where=f"{field.where}.generated")
        return name, moment_of(time)

    def _derive(
        self, index: int, one: definitions.Derived, known: list[str]
    ) -> tuple[str, CompiledExpression, str]:
        where = f"{self.where}.derived[{index}]"
        if one.name in known:
            raise ConfigError(f"two parameters are called {one.name!r}", where=f"{where}.name")
        expression = compile_expression(one.expression, known, f"{where}.expression", windows=True)
        known.append(one.name)
        return one.name, expression, check_unit(one.unit, f"{where}.unit")

    @property
    def independent(self) -> bool:
        """Whether every value is made of its own octets at a fixed place and nothing else."""
        return self._plain

    def converter(self, name: str) -> Convert | None:
        """Return what turns a parameter's raw value into its engineering value, ``None`` when they are the same."""
        return next(convert for known, convert, _ in self._columns if known == name)

    def values(
        self, data: bytes, at_utc_ns: UtcNs | None = None
    ) -> tuple[tuple[ParameterValue, ...], UtcNs | None]:
        """Decode the octets; also return the time of generation if the packet says it. Raises ``DecodeError``.

        ``at_utc_ns`` is when they were received, for derived values that look back; without it nothing is kept, and
        those have no value. The packet's own time goes before it.
        """
        if self._plain and self.layout.fixed is not None:
            self.layout.check_length(len(data))
            raws = self.layout.fixed.read(data)
            values = tuple(
                [
                    ParameterValue(name, raw, raw if convert is None else convert(raw, _NOTHING), unit)
                    for (name, convert, unit), raw in zip(self._columns, raws, strict=True)
                ]
            )
        else:
            values = self._in_context(data, at_utc_ns)
        return values, self._generation_time(values)

    def _in_context(self, data: bytes, at_utc_ns: UtcNs | None) -> tuple[ParameterValue, ...]:
        """Decode a packet in which values depend on each other, or whose layout varies."""
        if self.layout.fixed is not None:
            self.layout.check_length(len(data))
            read = [
                (name, field, raw)
                for (name, field), raw in zip(self.layout.fields, self.layout.fixed.read(data), strict=True)
            ]
        else:
            read = self.layout.read(data)
        engineering: dict[str, object] = {}
        raws: dict[str, object] = {}
        values: list[ParameterValue] = []
        for name, field, raw in read:
            meaning = self._meanings[id(field)]
            convert = meaning.convert
            for when, calibrator in meaning.contexts:
                if _holds(when, raws, raw):
                    convert = None if calibrator is None else calibrator.forward
                    break
            value = raw if convert is None else convert(raw, engineering)
            engineering[name] = value
            raws[name] = raw
            values.append(ParameterValue(name, raw, value, field.parameter.unit))
        history = self._history if at_utc_ns is not None else None
        if history is not None and at_utc_ns is not None:
            at_utc_ns = self._generation_time(tuple(values)) or at_utc_ns
            for one in values:
                history.add(one.name, one.value, at_utc_ns)
        for name, expression, unit in self._derived:
            known: Mapping[Any, object] = engineering
            if history is not None and at_utc_ns is not None and expression.windows:
                known = engineering | history.values(expression.windows, at_utc_ns)
            computed = expression(known)
            engineering[name] = computed
            if history is not None and at_utc_ns is not None:
                history.add(name, computed, at_utc_ns)
            values.append(ParameterValue(name, float("nan") if computed is None else computed, computed, unit))
        return tuple(values)

    def _generation_time(self, values: tuple[ParameterValue, ...]) -> UtcNs | None:
        if self._generated is None:
            return None
        name, moment = self._generated
        raw = next((value.raw for value in values if value.name == name), None)
        return None if raw is None else moment(raw)

    def encode(self, values: Mapping[str, EngineeringValue]) -> bytes:
        """Build the octets from engineering values; raises ``ConfigError``.

        A parameter that is not given is zero, as far as the octets that mark the packet leave it free.
        """
        fields = {name: field for name, field in self.layout.fields if "*" not in name}
        raws: dict[str, RawValue] = {}
        order = {name: place for place, (name, _) in enumerate(self.layout.fields)}
        earlier: dict[str, object] = {}
        for name, value in sorted(values.items(), key=lambda item: order.get(item[0], len(order))):
            field = fields.get(name) or self._repeated(name)
            if field is None:
                raise ConfigError(f"no parameter is called {name!r}", where=self.where)
            raws[name] = self._raw(name, field, value, raws, earlier)
            earlier[name] = value
        data = self.layout.build(raws)
        for mark in self.marks:
            data = mark.put_into(data)
        return data

    def _repeated(self, name: str) -> Field | None:
        """Find the field of a repeated parameter by the name of one element (``panel_3_voltage``)."""
        parts = name.split("_")
        pattern = {
            "_".join("*" if i in stars else part for i, part in enumerate(parts)) for stars in _number_places(parts)
        }
        return next((field for known, field in self.layout.fields if known in pattern), None)

    def _raw(
        self,
        name: str,
        field: Field,
        value: EngineeringValue,
        raws: Mapping[str, RawValue],
        earlier: Mapping[str, object],
    ) -> RawValue:
        """Return the raw value, by the calibration that holds beside the raw values given so far (else zero)."""
        meaning, bounds = self._meanings[id(field)], field.type.bounds
        contexts = zip(field.parameter.contexts, meaning.contexts, strict=True)
        zeros: dict[str, object] = {}
        if field.parameter.contexts:
            zeros = {known: other.type.zero for known, other in self.layout.fields}
        try:
            for context, (when, calibrator) in contexts:
                others = {known: test for known, test in when.items() if known != OWN_RAW}
                if not _holds(others, {**zeros, **raws}, None):
                    continue
                if OWN_RAW not in when:
                    return invert(context.calibration, calibrator, value, bounds, earlier)
                with suppress(NoInverse):
                    raw = invert(context.calibration, calibrator, value, _narrowed(bounds, when[OWN_RAW]), earlier)
                    if satisfies(raw, when[OWN_RAW]):
                        return raw
            return invert(field.parameter.calibration, meaning.calibrator, value, bounds, earlier)
        except NoInverse as exc:
            raise ConfigError(f"{name} cannot be {value!r}: {exc}", where=field.where) from exc


def _holds(when: definitions.When, raws: Mapping[str, object], own: object) -> bool:
    """Say whether a context holds: its tests of earlier raw values, and of the parameter's ``own``."""
    return all(
        satisfies(own, test) if name == OWN_RAW else name in raws and satisfies(raws[name], test)
        for name, test in when.items()
    )


def _narrowed(bounds: tuple[int, int] | None, test: definitions.Test) -> tuple[int, int] | None:
    """Return the part of the bounds of a raw value that passes a test between two numbers."""
    if bounds is None or not isinstance(test, definitions.Between):
        return bounds
    lowest = bounds[0] if test.min is None else max(bounds[0], math.ceil(test.min))
    highest = bounds[1] if test.max is None else min(bounds[1], math.floor(test.max))
    return (lowest, highest) if lowest <= highest else bounds


def _layout(packet: definitions.Packet, where: str) -> Layout | TextLayout | NamedLayout:
    if packet.text is not None and packet.construct is not None:
        raise ConfigError("`text` and `construct` exclude each other", where=f"{where}.construct")
    if packet.text is not None:
        return TextLayout(packet, packet.text, where)
    if packet.construct is not None:
        return NamedLayout(packet, packet.construct, where)
    return compile_packet(packet, where)


def _number_places(parts: list[str]) -> list[frozenset[int]]:
    numbers = [index for index, part in enumerate(parts) if part.isdecimal()]
    return [
        frozenset(number for bit, number in enumerate(numbers) if chosen >> bit & 1)
        for chosen in range(1, 1 << min(len(numbers), 4))
    ]


def _reads(meaning: _Meaning) -> bool:
    calibrators = [meaning.calibrator, *(calibrator for _, calibrator in meaning.contexts)]
    return any(calibrator is not None and calibrator.reads for calibrator in calibrators)


def _meaning(field: Field, known: list[str]) -> _Meaning:
    parameter = field.parameter
    check_unit(parameter.unit, f"{field.where}.unit")
    contexts: list[tuple[definitions.When, Calibrator | None]] = []
    for index, context in enumerate(parameter.contexts):
        where = f"{field.where}.context[{index}]"
        for name in context.when:
            if name not in known and name != OWN_RAW:
                raise ConfigError(f"{name!r} is no earlier parameter", where=f"{where}.when")
        if context.calibration is None:
            contexts.append((context.when, None))
        else:
            contexts.append((context.when, compile_calibration(context.calibration, known, f"{where}.calibration")))
    if parameter.calibration is None:
        return _Meaning(_text if field.type.kind == "text" else None, None, tuple(contexts))
    if field.type.kind in ("bytes", "text"):
        raise ConfigError(f"{parameter.type} takes no calibration", where=f"{field.where}.calibration")
    if field.type.kind == "f" and isinstance(parameter.calibration, definitions.Enumeration):
        raise ConfigError("a real number has no labels", where=f"{field.where}.calibration")
    if isinstance(parameter.calibration, definitions.Time):
        _check_time(parameter.calibration, field)
    calibrator = compile_calibration(parameter.calibration, known, f"{field.where}.calibration")
    return _Meaning(calibrator.forward, calibrator, tuple(contexts))


def _check_time(time: definitions.Time, field: Field) -> None:
    """Refuse a time code in a field that cannot hold it."""
    kind, where = field.type.kind, f"{field.where}.type"
    if time.code == "cds":
        width = 64 if time.microseconds else 48
        if kind != "u" or field.type.width != width:
            raise ConfigError(f"this time code is u{width}", where=where)
    elif time.code == "packed":
        bits = sum(int(part.partition(":")[2]) for part in time.parts)
        if kind not in ("u", "bits") or field.type.width != bits:
            raise ConfigError(
                f"the parts of this time are {bits} bits", where=where, mend="u… or bits of that width"
            )
    elif time.code == "digits" and kind not in ("u", "i", "bits", "bcd"):
        raise ConfigError("digits are those of a whole number", where=where, mend="bcd, or an integer")


def _text(raw: RawValue, _: Mapping[str, object]) -> EngineeringValue:
    """Return the text up to its padding; octets that are not UTF-8 are shown as U+FFFD."""
    return raw.rstrip(b"\0 ").decode("utf-8", "replace") if isinstance(raw, bytes) else None


class Decoder:
    """Decodes the packets of one satellite.

    ``slug`` is the satellite file's name, which reports carry; without it they carry the satellite's name.
    ``where`` is the file, for complaints. Raises ``ConfigError`` when any packet is defined wrongly. ``undefined``
    counts, by parameter, the raw values no calibration is defined for: outside an enumeration or a spline.
    """

    def __init__(self, satellite: definitions.Satellite, where: str = "", *, slug: str = "") -> None:
        self.satellite = satellite
        self.slug = slug or satellite.name
        self.undefined: Counter[str] = Counter()
        self.packets: dict[str, PacketDecoder] = {}
        downlinks = {downlink.name for downlink in satellite.downlinks}
        for index, packet in enumerate(satellite.packets):
            place = f"{where}: packet[{index}]" if where else f"packet[{index}]"
            if packet.name in self.packets:
                raise ConfigError(f"two packets are called {packet.name!r}", where=f"{place}.name")
            for name in packet.downlinks:
                if name not in downlinks:
                    raise ConfigError(f"there is no downlink {name!r}", where=f"{place}.downlinks")
            self.packets[packet.name] = PacketDecoder(packet, place)
        self._order = tuple(self.packets.values())
        self._rules = tuple(
            Rule(one.packet, one.marks, one.layout.min_octets, one.layout.max_octets) for one in self._order
        )

    def decode(
        self,
        downlink: str,
        packet: Packet,
        received_utc_ns: UtcNs,
        generated_utc_ns: UtcNs | None = None,
        *,
        remember: bool = True,
    ) -> ParameterReport:
        """Decode one packet; raises ``DecodeError`` with the reason it is counted under.

        ``remember`` keeps its values for derived values of later packets that look back.

        ``generated_utc_ns`` is the on-board time that the packet's protocol gave; without it a parameter marked
        ``generated`` says it.
        """
        chosen = self._order[choose(self._rules, downlink, packet.header, packet.data)]
        at_utc_ns = received_utc_ns if generated_utc_ns is None else generated_utc_ns
        values, own_utc_ns = chosen.values(packet.data, at_utc_ns if remember else None)
        self.undefined.update([value.name for value in values if value.value is None])
        return ParameterReport(
            satellite=self.slug,
            packet=chosen.packet.name,
            received_utc_ns=received_utc_ns,
            values=values,
            generated_utc_ns=own_utc_ns if generated_utc_ns is None else generated_utc_ns,
            downlink=downlink,
            marking=self.satellite.marking,
            norad=self.satellite.norad,
        )

    def encode(self, packet_name: str, values: Mapping[str, EngineeringValue]) -> bytes:
        """Build a packet from engineering values; raises ``ConfigError``."""
        packet = self.packets.get(packet_name)
        if packet is None:
            raise ConfigError(f"{self.satellite.name} has no packet {packet_name!r}", mend=", ".join(self.packets))
        return packet.encode(values)


__all__ = ["DecodeError", "Decoder", "PacketDecoder"]
