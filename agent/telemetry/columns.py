"""Bulk decoding: many packets of one fixed layout to columns of raw and engineering values.

Made from the same definition as the decoder, and giving the same values to the last bit (a property test holds
them together); for replay, export, and re-processing an archive. Knows no packet whose fields move or depend on
each other. What costs a text for each packet (labels, times) is made when it is asked for; a time is there at once
as nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent import definitions
from agent.errors import ConfigError, DecodeError
from agent.records import RawValue
from agent.telemetry import onboard_time
from agent.telemetry.calibration import moment_of
from agent.telemetry.decoder import PacketDecoder
from agent.telemetry.placement import Field
from agent.telemetry.reader import FixedReader, place_of

Values: TypeAlias = NDArray[np.generic]

MAX_TABLE_BITS = 16
"""Fields up to this width are calibrated once for each value that occurs."""

MAX_TICK_BITS = 32
"""Up to this width a count of whole seconds, or parts of them, cannot overflow nanoseconds in 64 bits."""

LONGEST_NS = 6_000_000_000 * onboard_time.NS_PER_S
"""Longer than any count of whole seconds in ``MAX_TICK_BITS``, and than day-segmented times reach."""

TABLE_COLUMNS = 6
"""What the kernel is told of each field."""

NOT_A_TIME = -(1 << 63)
"""In ``utc_ns``: the packet's time is none."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


class Column:
    """One parameter of n packets.

    ``raw`` is integer, floating or bool[n], or uint8[n, octets] for octets and text. ``value`` is float64[n], an
    array of labels, texts or times (objects, ``None`` where there is no value), or ``raw`` itself when there is
    no calibration. ``utc_ns`` is int64[n] for a time, else ``None``.
    """

    __slots__ = ("_make", "_value", "name", "raw", "unit", "utc_ns")

    def __init__(
        self, name: str, raw: Values, unit: str, make: Callable[[], Values], utc_ns: NDArray[np.int64] | None
    ) -> None:
        self.name = name
        self.raw = raw
        self.unit = unit
        self.utc_ns = utc_ns
        self._make = make
        self._value: Values | None = None

    @property
    def value(self) -> Values:
        """The engineering values, made when first asked for."""
        if self._value is None:
            self._value = self._make()
        return self._value


class ColumnReader:
    """Reads columns of one packet; raises ``ConfigError`` when its layout is not fixed."""

    def __init__(self, packet: PacketDecoder) -> None:
        layout = packet.layout
        if not packet.independent or not isinstance(layout.fixed, FixedReader):
            raise ConfigError(
                "columns need a layout of fixed places whose values do not depend on each other", where=packet.where
            )
        self._packet = packet
        self._fields = layout.fields
        self._words = [field for _, field in layout.fields if _is_word(field)]
        self._table = np.array([_table_row(field) for field in self._words], np.int64).reshape(-1, TABLE_COLUMNS)
        self._moments = {
            name: _moments(field.parameter.calibration, field)
            for name, field in layout.fields
            if isinstance(field.parameter.calibration, definitions.Time)
        }
        self.min_octets = layout.min_octets

    def read(self, packets: NDArray[np.uint8]) -> dict[str, Column]:
        """Decode packets, uint8[n, octets], one a row; raises ``DecodeError`` when their length does not fit."""
        from agent.telemetry import kernels

        self._packet.layout.check_length(packets.shape[1])
        rows = np.ascontiguousarray(packets, np.uint8)
        words = np.empty((len(self._words), len(rows)), np.uint64)
        if words.size:
            kernels.take_fields(rows.reshape(-1), rows.shape[1], self._table, words)
        taken = iter(words)
        columns: dict[str, Column] = {}
        for name, field in self._fields:
            if _is_word(field):
                raw = _typed(next(taken), field)
            elif field.type.in_bits:
                raw = _wide(rows, field)
            else:
                raw = rows[:, field.octets.start : field.octets.stop].copy()
            columns[name] = self._column(name, field, raw)
        return columns

    def _column(self, name: str, field: Field, raw: Values) -> Column:
        moments = self._moments.get(name)
        if moments is None:
            values = self._values(name, field, raw)
            return Column(name, raw, field.parameter.unit, lambda: values, None)
        return Column(name, raw, field.parameter.unit, lambda: self._texts(name, raw), moments(raw))

    def _texts(self, name: str, raw: Values) -> Values:
        convert = self._packet.converter(name)
        return raw if convert is None else _array([convert(one, _NOTHING) for one in raw.tolist()])

    def _values(self, name: str, field: Field, raw: Values) -> Values:
        convert = self._packet.converter(name)
        if convert is None:
            return raw
        calibration = field.parameter.calibration
        if isinstance(calibration, definitions.Polynomial):
            return _polynomial(calibration.coefficients, raw)
        if raw.ndim == 1 and field.type.width <= MAX_TABLE_BITS and field.type.kind != "f":
            return _by_table(raw, field, lambda one: convert(one, _NOTHING))
        raws: list[RawValue] = [bytes(row) for row in raw] if raw.ndim == 2 else raw.tolist()
        return _array([convert(one, _NOTHING) for one in raws])


def _is_word(field: Field) -> bool:
    """Say whether a field is a number in at most eight octets."""
    return field.type.kind not in ("bytes", "text") and len(field.octets) <= 8


def _table_row(field: Field) -> tuple[int, ...]:
    kind = field.type
    little = kind.little and kind.kind != "bcd"
    signed = kind.kind in ("i", "sbits")
    return field.octets.start, len(field.octets), place_of(field), kind.width, int(little), int(signed)


# -- raw values --------------------------------------------------------------------------------------------


def _typed(words: NDArray[np.uint64], field: Field) -> Values:
    """Give words the type of their field."""
    kind, octets = field.type, len(field.octets)
    match kind.kind:
        case "flag":
            return words.astype(np.bool_)
        case "bcd":
            return _decimal(words, octets, field)
        case "f":
            return words.astype(f"u{octets}").view(f"f{octets}")
        case _:
            size = next(size for size in (1, 2, 4, 8) if kind.width <= 8 * size)
            signed = kind.kind in ("i", "sbits")
            return words.view(np.int64).astype(f"i{size}") if signed else words.astype(f"u{size}")


def _wide(packets: NDArray[np.uint8], field: Field) -> Values:
    """Read a bit field that lies in nine octets."""
    start, stop = field.octets.start, field.octets.stop
    shift, width = place_of(field), field.type.width
    order = "<" if field.type.little else ">"
    body = packets[:, start : stop - 1] if order == ">" else packets[:, start + 1 : stop]
    word = np.ascontiguousarray(body).view(f"{order}u8")[:, 0].astype(np.uint64)
    last = packets[:, stop - 1 if order == ">" else start].astype(np.uint64)
    bits = (word << np.uint64(8 - shift)) | (last >> np.uint64(shift))
    bits &= np.uint64((1 << width) - 1)
    if field.type.kind != "sbits":
        return bits
    sign = np.uint64(1 << (width - 1))
    return ((bits ^ sign) - sign).view(np.int64)


def _decimal(words: NDArray[np.uint64], octets: int, field: Field) -> Values:
    total = np.zeros(len(words), np.int64)
    for digit in range(2 * octets - 1, -1, -1):
        nibble = (words >> np.uint64(4 * digit)) & np.uint64(15)
        if (nibble > 9).any():
            raise DecodeError("bad_value", f"{field.name}: a digit above nine")
        total = total * 10 + nibble.astype(np.int64)
    return total


# -- engineering values ------------------------------------------------------------------------------------


def _array(values: list[object]) -> Values:
    """Return float64 when every value is a float, else objects."""
    if values and all(isinstance(value, float) for value in values):
        return np.array(values, np.float64)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _polynomial(coefficients: tuple[float, ...], raw: Values) -> Values:
    """Compute as the decoder does, in its order; an overflow is no value, but not on a straight line."""
    x = raw.astype(np.float64)
    if len(coefficients) == 2:
        offset, gain = coefficients
        return x * gain + offset
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.zeros(len(x))
        for coefficient in reversed(coefficients):
            total = total * x + coefficient
    return (
        _array([None if infinite else one for one, infinite in zip(total.tolist(), np.isinf(total), strict=True)])
        if np.isinf(total).any()
        else total
    )


def _by_table(raw: Values, field: Field, convert: Callable[[RawValue], object]) -> Values:
    """Convert each value that occurs once, and look the others up."""
    lowest = field.type.bounds[0] if field.type.bounds else 0
    places = raw.astype(np.int64) - lowest
    occurs = np.zeros(1 << field.type.width, np.bool_)
    occurs[places] = True
    present = np.flatnonzero(occurs)
    plain = (present + lowest).tolist()
    values = _array([convert(bool(one) if field.type.kind == "flag" else one) for one in plain])
    table = np.empty(occurs.size, values.dtype)
    table[present] = values
    return table[places]


def _moments(time: definitions.Time, field: Field) -> Callable[[Values], NDArray[np.int64]]:
    """Return what makes nanoseconds of UTC, in whole arrays where no count can overflow."""
    epoch_utc_ns = onboard_time.parse_utc(time.epoch)
    room = abs(epoch_utc_ns) + LONGEST_NS < 1 << 63
    if time.code == "cds" and room:
        return lambda raw: _cds(raw.view(np.uint64), epoch_utc_ns, time.microseconds)
    ticks_per_s = float(time.ticks_per_s)
    counts = field.type.kind in ("u", "i", "bits", "sbits") and field.type.width <= MAX_TICK_BITS
    if time.code == "ticks" and room and counts and ticks_per_s.is_integer():
        return lambda raw: epoch_utc_ns + raw.astype(np.int64) * onboard_time.NS_PER_S // int(ticks_per_s)
    moment = moment_of(time)

    def one_by_one(raw: Values) -> NDArray[np.int64]:
        found = [moment(one) for one in raw.tolist()]
        return np.array([NOT_A_TIME if not _can_be_shown(one) else one for one in found], np.int64)

    return one_by_one


def _can_be_shown(utc_ns: int | None) -> bool:
    return utc_ns is not None and -(1 << 63) < utc_ns < 1 << 63


def _cds(raw: NDArray[np.uint64], epoch_utc_ns: int, microseconds: bool) -> NDArray[np.int64]:
    """Read day-segmented times as ``onboard_time.cds_to_utc_ns`` does."""
    from agent.telemetry import kernels

    out = np.empty(len(raw), np.int64)
    kernels.take_day_segmented(
        np.ascontiguousarray(raw), epoch_utc_ns, microseconds, onboard_time.MS_PER_LEAP_DAY, NOT_A_TIME, out
    )
    return out
