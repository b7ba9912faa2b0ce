"""Reads a layout of fixed places without Construct: one ``struct`` for each octet order, shifts for the bits.

Gives exactly what the Construct of the same segment gives (a property test holds them together); knows no name
and no meaning. This is what the live path runs on.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from typing import cast

import construct

from agent.errors import DecodeError
from agent.records import RawValue
from agent.telemetry.fields import FieldType, decode_bcd
from agent.telemetry.placement import Field, Segment

_CODES = {("u", 8): "B", ("u", 16): "H", ("u", 32): "I", ("u", 64): "Q"}
_CODES |= {("i", width): code.lower() for (_, width), code in list(_CODES.items())}
_CODES |= {("f", 16): "e", ("f", 32): "f", ("f", 64): "d"}


class FixedReader:
    """Reads every field of a segment; ``octets`` is the least a packet must have."""

    def __init__(self, segment: Segment) -> None:
        self.octets = segment.octets
        order: dict[int, int] = {}
        formats = {False: ">", True: "<"}
        taken = 0
        self._structs: list[Callable[[bytes], tuple[RawValue, ...]]] = []
        self._others: list[Callable[[bytes], RawValue]] = []
        for little in (False, True):
            at = 0
            plain = [one for one in segment.fields if _code(one) and one.type.little == little]
            for one in sorted(plain, key=lambda one: one.position):
                start = one.position // 8
                formats[little] += f"{start - at}x" * (start > at) + _code(one)
                at = start + one.type.width // 8
                order[id(one)] = taken
                taken += 1
            if plain:
                self._structs.append(struct.Struct(formats[little]).unpack_from)
        for one in segment.fields:
            if id(one) not in order:
                self._others.append(_other(one))
                order[id(one)] = taken
                taken += 1
        places = [order[id(one)] for one in segment.fields]
        self._sort: Callable[[list[RawValue]], tuple[RawValue, ...]] | None = None
        if places != list(range(len(places))):
            getter = operator.itemgetter(*places)
            self._sort = cast("Callable[[list[RawValue]], tuple[RawValue, ...]]", getter)

    def read(self, data: bytes) -> tuple[RawValue, ...]:
        """Return the raw values in the order of the fields; ``data`` must be long enough."""
        values: list[RawValue] = []
        for unpack in self._structs:
            values += unpack(data)
        try:
            for other in self._others:
                values.append(other(data))
        except construct.ValidationError as exc:
            raise DecodeError("bad_value", str(exc)) from exc
        return tuple(values) if self._sort is None else self._sort(values)


def _code(one: Field) -> str:
    return _CODES.get((one.type.kind, one.type.width), "")


def place_of(one: Field) -> int:
    """Return how many bits of its octets lie below a field, the octets read in their own order."""
    if not one.type.in_bits:
        return 0
    before = one.position - 8 * one.octets.start
    return before if one.type.little else 8 * len(one.octets) - before - one.type.width


def _other(one: Field) -> Callable[[bytes], RawValue]:
    """Return a function that reads a field which ``struct`` cannot."""
    kind: FieldType = one.type
    start, stop = one.octets.start, one.octets.stop
    if kind.kind in ("bytes", "text"):
        return operator.itemgetter(slice(start, stop))
    if kind.kind == "bcd":
        return lambda data: decode_bcd(data[start:stop])
    order = "little" if kind.little else "big"
    if kind.kind in ("u", "i"):
        signed = kind.kind == "i"
        return lambda data: int.from_bytes(data[start:stop], order, signed=signed)  # type: ignore[arg-type]
    width = kind.width
    shift = place_of(one)
    mask = (1 << width) - 1
    if kind.kind == "flag":
        return lambda data: data[start] >> shift & 1 == 1
    if kind.kind == "sbits":
        sign = 1 << (width - 1)
        return lambda data: ((int.from_bytes(data[start:stop], order) >> shift & mask) ^ sign) - sign  # type: ignore[arg-type]
    if stop - start == 1:
        return lambda data: data[start] >> shift & mask
    return lambda data: int.from_bytes(data[start:stop], order) >> shift & mask  # type: ignore[arg-type]
