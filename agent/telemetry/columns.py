"""Bulk decoding: many packets of one fixed layout to columns of raw and engineering values.

Made from the same definition as the decoder, and giving the same values to the last bit (a property test holds
them together); for replay, export, and re-processing an archive. Knows no packet whose fields move or depend on
each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from agent import definitions
from agent.errors import ConfigError, DecodeError
from agent.records import RawValue
from agent.telemetry.decoder import PacketDecoder
from agent.telemetry.placement import Field
from agent.telemetry.reader import FixedReader, place_of

MAX_UNIQUE_BITS = 16
"""Fields up to this width are calibrated once for each value that occurs."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One parameter of n packets.

    ``raw`` is integer, floating or bool[n], or uint8[n, octets] for octets and text. ``value`` is float64[n], an
    array of labels, texts or times (objects, ``None`` where there is no value), or ``raw`` itself when there is
    no calibration.
    """

    name: str
    raw: NDArray[np.generic]
    value: NDArray[np.generic]
    unit: str


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
        self.min_octets = layout.min_octets

    def read(self, packets: NDArray[np.uint8]) -> dict[str, Column]:
        """Decode packets, uint8[n, octets], one a row; raises ``DecodeError`` when their length does not fit."""
        self._packet.layout.check_length(packets.shape[1])
        rows = np.require(packets, np.uint8, ["C", "W"])
        columns: dict[str, Column] = {}
        for name, field in self._fields:
            raw = _raw_column(rows, field)
            columns[name] = Column(name, raw, self._value_column(name, field, raw), field.parameter.unit)
        return columns

    def _value_column(self, name: str, field: Field, raw: NDArray[np.generic]) -> NDArray[np.generic]:
        convert = self._packet.converter(name)
        if convert is None:
            return raw
        calibration = field.parameter.calibration
        if isinstance(calibration, definitions.Polynomial) and len(calibration.coefficients) == 2:
            offset, gain = calibration.coefficients
            return raw.astype(np.float64) * gain + offset
        if raw.ndim == 1 and field.type.width <= MAX_UNIQUE_BITS and field.type.kind != "f":
            unique, where = np.unique(raw, return_inverse=True)
            return _array([convert(one, _NOTHING) for one in unique.tolist()])[where]
        raws: list[RawValue] = [bytes(row) for row in raw] if raw.ndim == 2 else raw.tolist()
        return _array([convert(one, _NOTHING) for one in raws])


def _array(values: list[object]) -> NDArray[np.generic]:
    """Return float64 when every value is a float, else objects."""
    if values and all(isinstance(value, float) for value in values):
        return np.array(values, np.float64)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _raw_column(packets: NDArray[np.uint8], field: Field) -> NDArray[np.generic]:
    from agent.telemetry import kernels

    kind = field.type
    start, octets = field.octets.start, len(field.octets)
    if kind.kind in ("bytes", "text"):
        return packets[:, start : start + octets].copy()
    if octets > 8:
        return _wide(packets, field)
    shift = place_of(field)
    signed = kind.kind in ("i", "sbits")
    out = np.empty(len(packets), np.uint64)
    little = kind.little and kind.kind != "bcd"
    kernels.take_field(packets, start, octets, shift, kind.width, little, signed, out)
    if kind.kind == "flag":
        return out.astype(np.bool_)
    if kind.kind == "bcd":
        return _decimal(out, octets, field)
    if kind.kind == "f":
        return out.astype(f"u{octets}").view(f"f{octets}")
    size = next(size for size in (1, 2, 4, 8) if kind.width <= 8 * size)
    return out.view(np.int64).astype(f"i{size}") if signed else out.astype(f"u{size}")


def _wide(packets: NDArray[np.uint8], field: Field) -> NDArray[np.generic]:
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


def _decimal(words: NDArray[np.uint64], octets: int, field: Field) -> NDArray[np.generic]:
    total = np.zeros(len(words), np.int64)
    for digit in range(2 * octets - 1, -1, -1):
        nibble = (words >> np.uint64(4 * digit)) & np.uint64(15)
        if (nibble > 9).any():
            raise DecodeError("bad_value", f"{field.name}: a digit above nine")
        total = total * 10 + nibble.astype(np.int64)
    return total
