"""A packet whose layout is a Construct in somebody's Python module, for what a table cannot say.

Offers what ``layout.Layout`` offers. The Construct's members become values by their path (``eps.v[0]`` is
``eps_v_0``); the parameters of the file pick those that are wanted and give them calibration, unit and limits.
Knows how to flatten; the module is the operator's own code and is imported like any other.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import construct

from agent import definitions
from agent.errors import ConfigError, DecodeError
from agent.records import RawValue
from agent.telemetry.fields import FieldType
from agent.telemetry.placement import Field

MAX_OCTETS = 65_536
MAX_VALUES = 8192
TYPE = "construct"


class NamedLayout:
    """A compiled packet that a Construct parses; it is built from the containers of the Construct itself."""

    fixed = None

    def __init__(self, packet: definitions.Packet, named: str, where: str) -> None:
        self.name = packet.name
        self.where = where
        self.min_octets = packet.octets if packet.octets is not None else packet.min_octets or 0
        self.max_octets: int | None = packet.octets or packet.max_octets or MAX_OCTETS
        self.construct: Any = find_construct(named, f"{where}.construct")
        self.fields = tuple(
            (parameter.name, _field(parameter, f"{where}.parameter[{index}]"))
            for index, parameter in enumerate(packet.parameters)
        )

    def check_length(self, length: int) -> None:
        """Raise ``DecodeError`` when no packet of this layout has this length."""
        if length < self.min_octets:
            raise DecodeError("too_short", f"{self.name}: {length} octets")
        if self.max_octets is not None and length > self.max_octets:
            raise DecodeError("too_long", f"{self.name}: {length} octets")

    def parse(self, data: bytes) -> Any:
        """Parse octets to the Construct's own container; raises ``DecodeError``."""
        self.check_length(len(data))
        try:
            return self.construct.parse(data)
        except construct.StreamError as exc:
            raise DecodeError("too_short", f"{self.name}: {len(data)} octets") from exc
        except construct.ConstructError as exc:
            raise DecodeError("bad_value", f"{self.name}: {exc}") from exc

    def read(self, data: bytes) -> list[tuple[str, Field, RawValue]]:
        """Return the values that the file picks, in its order; raises ``DecodeError``."""
        found = dict(_flatten(self.parse(data), ""))
        return [(name, field, found[name]) for name, field in self.fields if name in found]

    def build(self, raws: Mapping[str, RawValue]) -> bytes:
        """Refuse: flat values cannot be sorted into containers of an unknown shape."""
        raise ConfigError(
            f"{len(raws)} values cannot be built into a packet whose layout is a Construct",
            where=f"{self.where}.construct",
            mend="build it with that Construct",
        )


def find_construct(named: str, where: str) -> Any:
    """Import ``module:name``; raises ``ConfigError`` when there is no Construct there."""
    module_name, _, attribute = named.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, ValueError, AttributeError) as exc:
        raise ConfigError(f"{named!r} cannot be imported: {exc}", where=where, mend="module:NAME") from exc
    if not isinstance(found, construct.Construct):
        raise ConfigError(f"{named!r} is no Construct", where=where)
    return found


def _field(parameter: definitions.Parameter, where: str) -> Field:
    if parameter.type != TYPE:
        raise ConfigError(
            f"the Construct says what type {parameter.name} is", where=f"{where}.type", mend=f'type = "{TYPE}"'
        )
    return Field(parameter.name, parameter, FieldType("f", 64), 0, where)


def _flatten(value: Any, path: str) -> Iterator[tuple[str, RawValue]]:
    """Walk the leaves of containers that are numbers, texts or octets."""
    if isinstance(value, Mapping):
        children = [(str(key), child) for key, child in value.items() if not str(key).startswith("_")]
    elif isinstance(value, list):
        children = [(str(index), child) for index, child in enumerate(value[:MAX_VALUES])]
    else:
        if isinstance(value, construct.EnumInteger):
            yield path, int(value)
        elif isinstance(value, bool | int | float | str | bytes):
            yield path, value
        return
    for key, child in children:
        yield from _flatten(child, f"{path}_{key}" if path else key)
