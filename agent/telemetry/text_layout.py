"""Packets of text: cut at a delimiter, or by a regular expression with named groups.

Offers what ``layout.Layout`` offers, for beacons that are lines of characters. Knows characters; the meaning of
the tokens is ``calibration``'s. Every number must be one: a token that is not is refused, never zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from agent import definitions
from agent.errors import ConfigError, DecodeError
from agent.records import RawValue
from agent.telemetry.fields import FieldType, Kind
from agent.telemetry.placement import Field

MAX_OCTETS = 4096
MAX_DIGITS = 40

_KINDS: Mapping[str, Kind] = {"text": "text", "decimal": "f", "integer": "i", "hex": "u"}


class TextLayout:
    """A compiled packet of text; ``construct`` and ``fixed`` are ``None``: characters have no octet layout."""

    construct: Any = None
    fixed = None

    def __init__(self, packet: definitions.Packet, form: definitions.TextForm, where: str) -> None:
        self.name = packet.name
        self.where = where
        self.min_octets = packet.octets if packet.octets is not None else packet.min_octets or 0
        self.max_octets: int | None = packet.octets or packet.max_octets or MAX_OCTETS
        self._form = form
        self.fields = tuple(
            (parameter.name, _field(parameter, f"{where}.parameter[{index}]"))
            for index, parameter in enumerate(packet.parameters)
        )
        if len({name for name, _ in self.fields}) != len(self.fields):
            raise ConfigError("two parameters have one name", where=f"{where}.parameter")
        self._pattern = self._compile_pattern()

    def _compile_pattern(self) -> re.Pattern[str] | None:
        where = f"{self.where}.text"
        if (self._form.pattern is None) == (self._form.delimiter is None):
            raise ConfigError("a text is cut by `delimiter` or by `pattern`: one of them", where=where)
        if self._form.pattern is None:
            return None
        try:
            pattern = re.compile(self._form.pattern)
        except re.error as exc:
            raise ConfigError(f"not a regular expression: {exc}", where=f"{where}.pattern") from exc
        for name, field in self.fields:
            if name not in pattern.groupindex:
                raise ConfigError(f"the pattern has no group {name!r}", where=f"{field.where}.name")
        return pattern

    def check_length(self, length: int) -> None:
        """Raise ``DecodeError`` when no packet of this layout has this length."""
        if length < self.min_octets:
            raise DecodeError("too_short", f"{self.name}: {length} octets")
        if self.max_octets is not None and length > self.max_octets:
            raise DecodeError("too_long", f"{self.name}: {length} octets")

    def read(self, data: bytes) -> list[tuple[str, Field, RawValue]]:
        """Return every value with its name and field; raises ``DecodeError``."""
        self.check_length(len(data))
        try:
            text = data.decode(self._form.encoding).rstrip("\0\r\n")
        except UnicodeDecodeError as exc:
            raise DecodeError("bad_value", f"{self.name}: octet {exc.start} is not {self._form.encoding}") from exc
        if not text.startswith(self._form.prefix):
            raise DecodeError("unknown_packet", f"{self.name}: does not begin with {self._form.prefix!r}")
        text = text[len(self._form.prefix) :]
        return [
            (name, field, _raw(field, token, name))
            for (name, field), token in zip(self.fields, self._tokens(text), strict=True)
            if token is not None
        ]

    def _tokens(self, text: str) -> list[str | None]:
        if self._pattern is not None:
            match = self._pattern.fullmatch(text)
            if match is None:
                raise DecodeError("unknown_packet", f"{self.name}: the pattern does not match")
            return [match[name] for name, _ in self.fields]
        tokens: list[str | None] = list(text.split(self._form.delimiter))
        if len(tokens) != len(self.fields):
            reason = "too_short" if len(tokens) < len(self.fields) else "too_long"
            raise DecodeError(reason, f"{self.name}: {len(tokens)} parts, {len(self.fields)} expected")
        return tokens

    def build(self, raws: Mapping[str, RawValue]) -> bytes:
        """Build the text of a delimited packet; a pattern has no way back. Raises ``ConfigError``."""
        if self._form.delimiter is None:
            raise ConfigError("a text cut by a pattern cannot be built", where=f"{self.where}.text")
        known = dict(self.fields)
        for name in raws:
            if name not in known:
                raise ConfigError(f"no parameter is called {name!r}", where=self.where)
        tokens = [_token(field, raws.get(name, field.type.zero), name) for name, field in self.fields]
        for token in tokens:
            if self._form.delimiter in token:
                raise ConfigError(f"{token!r} contains the delimiter", where=self.where)
        return (self._form.prefix + self._form.delimiter.join(tokens)).encode(self._form.encoding)


def _field(parameter: definitions.Parameter, where: str) -> Field:
    kind = _KINDS.get(parameter.type)
    if kind is None:
        raise ConfigError(
            f"unknown type {parameter.type!r} in a text", where=f"{where}.type", mend=", ".join(_KINDS)
        )
    for key in ("at", "bit", "width", "octets", "count"):
        if getattr(parameter, key) is not None:
            raise ConfigError(f"a parameter of a text takes no `{key}`", where=f"{where}.{key}")
    if parameter.when or parameter.elements or parameter.skip:
        raise ConfigError("a parameter of a text stands in every packet", where=where)
    return Field(parameter.name, parameter, FieldType(kind, 0 if kind == "text" else 64), 0, where)


def _raw(field: Field, token: str, name: str) -> RawValue:
    if field.type.kind == "text":
        return token.encode("utf-8")
    token = token.strip()
    try:
        if len(token) > MAX_DIGITS:
            raise ValueError(token)
        if field.type.kind == "f":
            value = float(token)
            if math.isinf(value):
                raise ValueError(token)
            return value
        return int(token, 16 if field.type.kind == "u" else 10)
    except ValueError as exc:
        raise DecodeError("bad_value", f"{name}: {token[:MAX_DIGITS]!r} is no number") from exc


def _token(field: Field, raw: RawValue, name: str) -> str:
    match field.type.kind, raw:
        case "text", bytes():
            return raw.decode("utf-8")
        case "u", int():
            return f"{raw:x}"
        case "i" | "f", int() | float():
            return repr(raw)
        case _:
            raise ConfigError(f"{raw!r} does not fit {field.parameter.type} of {name}", where=field.where)
