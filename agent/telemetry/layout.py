"""From the table of a packet to a Construct that parses and builds it, octet for octet.

Knows how placed fields become a Construct, and what a packet may be that does not fit. Does not know what the
values mean (``calibration``) nor which packet is which (``selection``). Gaps that no parameter claims are kept,
so that ``build(parse(octets)) == octets``. A layout whose fields all stand at fixed places is also read without
Construct (``reader``), with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import construct

from agent import definitions
from agent.errors import ConfigError, DecodeError
from agent.records import RawValue
from agent.telemetry.fields import bit_construct, octet_construct
from agent.telemetry.nesting import VALUE, flatten, group_name, nest, run_name
from agent.telemetry.placement import REST, Field, Group, Item, Segment, Stretch, bit_runs, fields_of, place
from agent.telemetry.reader import FixedReader

MAX_REPEATS = 4096
TAIL = "Tail"
"""Member of a Construct for the octets behind the last field; names beginning with a capital are no parameters."""


class LengthLies(construct.ConstructError):  # type: ignore[misc]  # construct is untyped
    """A count or length in the packet asks for more than the packet holds."""


class Layout:
    """A compiled packet layout.

    ``construct`` is the Construct. ``fixed`` reads it faster when every field has a fixed place, else ``None``.
    ``names`` lists the values a packet always has; ``fields`` every field, a repeated one with ``*`` in its name.
    """

    def __init__(self, name: str, items: tuple[Item, ...], octets: tuple[int, int | None], where: str) -> None:
        self.name = name
        self.items = items
        self.where = where
        self.min_octets, self.max_octets = octets
        self.fields: tuple[tuple[str, Field], ...] = tuple(fields_of(items))
        self.construct: Any = construct.Struct(*_members(items), TAIL / construct.GreedyBytes)
        self.fixed: FixedReader | None = None
        if not items or (len(items) == 1 and isinstance(items[0], Segment)):
            self.fixed = FixedReader(items[0] if items else Segment())  # type: ignore[arg-type]  # just checked

    def check_length(self, length: int) -> None:
        """Raise ``DecodeError`` when no packet of this layout has this length."""
        if length < self.min_octets:
            raise DecodeError("too_short", f"{self.name}: {length} octets, at least {self.min_octets} expected")
        if self.max_octets is not None and length > self.max_octets:
            raise DecodeError("too_long", f"{self.name}: {length} octets, at most {self.max_octets} expected")

    def parse(self, data: bytes) -> Any:
        """Parse octets to Construct's container, gaps and tail included; raises ``DecodeError``."""
        self.check_length(len(data))
        try:
            container = self.construct.parse(data)
        except LengthLies as exc:
            raise DecodeError("bad_length", f"{self.name}: {exc}") from exc
        except construct.StreamError as exc:
            raise DecodeError("too_short", f"{self.name}: {len(data)} octets") from exc
        except construct.ConstructError as exc:
            raise DecodeError("bad_value", f"{self.name}: {exc}") from exc
        if container[TAIL] and self.max_octets is None:
            raise DecodeError("too_long", f"{self.name}: {len(container[TAIL])} octets behind the last parameter")
        return container

    def read(self, data: bytes) -> list[tuple[str, Field, RawValue]]:
        """Return every value with its name and field, in the order of the file; raises ``DecodeError``."""
        values: list[tuple[str, Field, RawValue]] = []
        flatten(self.items, self.parse(data), "", values)
        return values

    def build(self, raws: Mapping[str, RawValue]) -> bytes:
        """Build the octets from raw values by name; what is not named is zero, empty or absent.

        A count that is not given is taken from the elements that are. Raises ``ConfigError`` for a value that
        does not fit its field, and for a name the layout does not have.
        """
        unused = dict(raws)
        container = nest(self.items, dict(raws), unused)
        if unused:
            raise ConfigError(f"no parameter is called {next(iter(unused))!r}", where=self.where)
        container[TAIL] = b""
        try:
            data: bytes = self.construct.build(container)
        except (construct.ConstructError, ValueError) as exc:
            raise ConfigError(f"cannot be built: {exc}", where=self.where) from exc
        return data.ljust(self.min_octets, b"\0")


def compile_packet(packet: definitions.Packet, where: str = "") -> Layout:
    """Compile the layout of a packet; raises ``ConfigError`` with the exact place of whatever is wrong."""
    items = place(packet.parameters, where)
    smallest = sum(item.octets for item in items if isinstance(item, Segment))
    variable = any(not isinstance(item, Segment) for item in items)
    if packet.octets is not None:
        if packet.min_octets is not None or packet.max_octets is not None:
            raise ConfigError("`octets` excludes `min_octets` and `max_octets`", where=f"{where}.octets")
        octets: tuple[int, int | None] = (packet.octets, packet.octets)
    elif packet.min_octets is None and packet.max_octets is None:
        octets = (smallest, None if variable else smallest)
    else:
        octets = (packet.min_octets or smallest, packet.max_octets)
        if octets[1] is not None and octets[1] < octets[0]:
            raise ConfigError("less than `min_octets`", where=f"{where}.max_octets")
        if octets[1] is None:
            raise ConfigError("`min_octets` needs `max_octets`", where=f"{where}.min_octets")
    if octets[0] < smallest:
        key = "octets" if packet.octets is not None else "min_octets"
        raise ConfigError(f"its parameters need {smallest} octets", where=f"{where}.{key}")
    return Layout(packet.name, items, octets, where)


# -- items to Construct ------------------------------------------------------------------------------------


def _members(items: Sequence[Item]) -> list[Any]:
    members: list[Any] = []
    for index, item in enumerate(items):
        match item:
            case Segment():
                members.extend(_segment(item, index))
            case Stretch():
                octets = construct.GreedyBytes
                if item.length != REST:
                    octets = octet_construct(item.field.type, _length(item.length))
                members.append((item.field.name or VALUE) / octets)
            case Group():
                members.append(group_name(index) / _group(item))
    return members


def _group(group: Group) -> Any:
    element = construct.Struct(*_members(group.items))
    if group.count == REST:
        repeated = construct.GreedyRange(element)
    elif group.count is not None:
        repeated = construct.Array(_count(group.count), element)
    else:
        repeated = element
    return construct.If(_condition(group.when), repeated) if group.when else repeated


def _segment(segment: Segment, index: int) -> list[Any]:
    """Return the members of a segment in the order of its octets, gaps named."""
    whole = sorted((one for one in segment.fields if not one.type.in_bits), key=lambda one: one.position)
    pieces: list[tuple[range, Any]] = [
        (one.octets, (one.name or VALUE) / octet_construct(one.type, one.type.width // 8)) for one in whole
    ]
    for octets, fields in bit_runs(segment):
        pieces.append((octets, run_name(index, octets.start) / _bit_run(octets, fields)))
    members: list[Any] = []
    at = 0
    for octets, member in sorted(pieces, key=lambda piece: piece[0].start):
        if octets.start > at:
            members.append(f"Gap{index}_{at}" / _gap(octets.start - at))
        members.append(member)
        at = octets.stop
    if at < segment.octets:
        members.append(f"Gap{index}_{at}" / _gap(segment.octets - at))
    return members


def _gap(octets: int) -> Any:
    """Octets that no field claims: kept as parsed, zero when built from values."""
    return construct.Default(construct.Bytes(octets), bytes(octets))


def _bit_run(octets: range, fields: list[Field]) -> Any:
    """Return a ``BitStruct``; a little-endian run is that of its octets in reverse."""
    total = 8 * len(octets)
    little = fields[0].type.little
    placed = [(one.position - 8 * octets.start, one) for one in fields]
    if little:
        placed = [(total - start - one.type.width, one) for start, one in reversed(placed)]
    members: list[Any] = []
    at = 0
    for start, one in placed:
        if start > at:
            members.append(f"Gap{at}" / construct.Default(construct.BitsInteger(start - at), 0))
        members.append((one.name or VALUE) / bit_construct(one.type))
        at = start + one.type.width
    if at < total:
        members.append(f"Gap{at}" / construct.Default(construct.BitsInteger(total - at), 0))
    run = construct.BitStruct(*members)
    return construct.ByteSwapped(run) if little and len(octets) > 1 else run


# -- what the packet says about itself ---------------------------------------------------------------------


def _look_up(context: Any, name: str) -> Any:
    """Find an earlier raw value, in this element or around it."""
    while context is not None:
        if name in context:
            return context[name]
        for key, value in context.items():
            if isinstance(key, str) and key.startswith("Bits") and name in value:
                return value[name]
        context = context.get("_")
    raise LengthLies(f"{name} is absent")


def _remaining(context: Any) -> int | None:
    """Octets left in the stream, ``None`` while building."""
    if not context._parsing:
        return None
    stream = context._io
    here = stream.tell()
    left: int = stream.seek(0, 2) - here
    stream.seek(here)
    return left


def _length(name: str) -> Callable[[Any], int]:
    def length(context: Any) -> int:
        remaining = _remaining(context)
        wanted = int(_look_up(context, name))
        if wanted < 0 or (remaining is not None and wanted > remaining):
            raise LengthLies(f"{name} says {wanted}, {remaining} octets are left")
        return wanted

    return length


def _count(name: str) -> Callable[[Any], int]:
    def count(context: Any) -> int:
        wanted = int(_look_up(context, name))
        remaining = _remaining(context)
        if not 0 <= wanted <= MAX_REPEATS or (remaining is not None and wanted > remaining):
            raise LengthLies(f"{name} says {wanted}")
        return wanted

    return count


def _condition(when: definitions.When) -> Callable[[Any], bool]:
    def condition(context: Any) -> bool:
        return all(definitions.satisfies(_look_up(context, name), test) for name, test in when.items())

    return condition
