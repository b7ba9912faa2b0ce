"""What a parameter's ``type`` means: kind, width, octet order, and the Construct that reads and writes it.

Knows one field by itself. Does not know where it stands (``layout`` places it) nor what it means (``calibration``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import construct

from agent import definitions
from agent.errors import ConfigError

Kind: TypeAlias = Literal["u", "i", "f", "bits", "sbits", "flag", "bcd", "bytes", "text"]

_NUMBER = re.compile(r"^([uif])([1-9][0-9]?)$")
TYPES = "u8 … u64, i8 … i64, f16, f32, f64, bits, sbits, flag, bcd, bytes, text, group; .le for little endian"


@dataclass(frozen=True, slots=True)
class FieldType:
    """One kind of field. ``width`` is in bits, 0 when the packet itself says how long it is."""

    kind: Kind
    width: int
    little: bool = False

    @property
    def in_bits(self) -> bool:
        """Whether the field may begin inside an octet."""
        return self.kind in ("bits", "sbits", "flag")

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The lowest and highest raw value of an integer field, ``None`` for every other kind."""
        match self.kind:
            case "u" | "bits":
                return 0, (1 << self.width) - 1
            case "i" | "sbits":
                return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
            case "bcd":
                return 0, int(10 ** (self.width // 4)) - 1
            case _:
                return None

    @property
    def zero(self) -> int | float | bool | bytes:
        """What is sent when nobody says what to send."""
        match self.kind:
            case "f":
                return 0.0
            case "flag":
                return False
            case "bytes" | "text":
                return bytes(self.width // 8)
            case _:
                return 0


def parse_type(parameter: definitions.Parameter, where: str) -> FieldType:
    """Read a parameter's type; raises ``ConfigError`` when it, or what must stand beside it, is wrong."""
    base, _, order = parameter.type.partition(".")
    if order not in ("", "le"):
        raise ConfigError(f"unknown octet order {order!r}", where=f"{where}.type", mend="big endian, or .le")
    little = order == "le"
    wants_octets = base in ("bytes", "text", "bcd")
    wants_width = base in ("bits", "sbits")
    _require(parameter.octets is not None, wants_octets, "octets", parameter, where)
    _require(parameter.width is not None, wants_width, "width", parameter, where)
    if parameter.bit is not None and not (wants_width or base == "flag"):
        raise ConfigError(f"type {parameter.type!r} takes no `bit`", where=f"{where}.bit")
    number = _NUMBER.match(base)
    if number:
        kind, width = number[1], int(number[2])
        allowed = (16, 32, 64) if kind == "f" else tuple(range(8, 65, 8))
        if width in allowed:
            return FieldType("f" if kind == "f" else "u" if kind == "u" else "i", width, little)
        if kind != "f" and 0 < width < 64:
            sign = "bits" if kind == "u" else "sbits"
            raise ConfigError(
                f"{base} is no whole number of octets",
                where=f"{where}.type",
                mend=f'type = "{sign}", width = {width}',
            )
    match base:
        case "bits":
            return FieldType("bits", parameter.width or 0, little)
        case "sbits":
            return FieldType("sbits", parameter.width or 0, little)
        case "flag":
            return FieldType("flag", 1, little)
        case "bytes" | "text" | "bcd":
            octets = parameter.octets if isinstance(parameter.octets, int) else 0
            if base == "bcd":
                if not 1 <= octets <= 8 or little:
                    raise ConfigError("bcd is 1 to 8 octets, high digit first", where=f"{where}.octets")
                return FieldType("bcd", 8 * octets)
            if little:
                raise ConfigError(f"{base} has no octet order", where=f"{where}.type")
            return FieldType("bytes" if base == "bytes" else "text", 8 * octets)
        case _:
            raise ConfigError(f"unknown type {parameter.type!r}", where=f"{where}.type", mend=TYPES)


def _require(given: bool, wanted: bool, key: str, parameter: definitions.Parameter, where: str) -> None:
    if given and not wanted:
        raise ConfigError(f"type {parameter.type!r} takes no `{key}`", where=f"{where}.{key}")
    if wanted and not given:
        raise ConfigError(f"type {parameter.type!r} needs `{key}`", where=where)


class Bcd(construct.Adapter):  # type: ignore[misc]  # construct is untyped
    """Packed decimal digits, high digit first; a digit above nine is an error of the data."""

    def _decode(self, octets: bytes, context: Any, path: str) -> int:  # noqa: ARG002
        return decode_bcd(octets)

    def _encode(self, value: int, context: Any, path: str) -> bytes:  # noqa: ARG002
        return bytes.fromhex(f"{value:0{2 * self.sizeof()}d}")


def decode_bcd(octets: bytes) -> int:
    """Return the number that packed decimal digits say; raises ``construct.ValidationError``."""
    digits = octets.hex()
    if not digits.isdecimal():
        raise construct.ValidationError(f"{digits} holds a digit above nine")
    return int(digits)


def octet_construct(kind: FieldType, octets: Any) -> Any:
    """Return the Construct of a field of whole octets; ``octets`` is a number, or a function of the context."""
    match kind.kind:
        case "u" | "i":
            if kind.width in (8, 16, 32, 64):
                code = {8: "B", 16: "H", 32: "L", 64: "Q"}[kind.width]
                order = "<" if kind.little else ">"
                return construct.FormatField(order, code if kind.kind == "u" else code.lower())
            return construct.BytesInteger(kind.width // 8, signed=kind.kind == "i", swapped=kind.little)
        case "f":
            return construct.FormatField("<" if kind.little else ">", {16: "e", 32: "f", 64: "d"}[kind.width])
        case "bcd":
            return Bcd(construct.Bytes(kind.width // 8))
        case _:
            return construct.Bytes(octets)


def bit_construct(kind: FieldType) -> Any:
    """Return the Construct of a field of bits, inside a ``BitStruct``."""
    if kind.kind == "flag":
        return construct.Flag
    return construct.BitsInteger(kind.width, signed=kind.kind == "sbits")


def fits(kind: FieldType, raw: object) -> bool:
    """Say whether a raw value can be written in this field."""
    bounds = kind.bounds
    if bounds is not None:
        return isinstance(raw, int) and bounds[0] <= raw <= bounds[1]
    match kind.kind:
        case "f":
            if not isinstance(raw, int | float):
                return False
            largest = {16: 65504.0, 32: 3.4028234663852886e38, 64: math.inf}[kind.width]
            return math.isnan(raw) or math.isinf(raw) or abs(raw) <= largest
        case "flag":
            return raw in (0, 1)
        case _:
            return isinstance(raw, bytes) and (kind.width == 0 or len(raw) == kind.width // 8)
