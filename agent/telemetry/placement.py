"""Where every parameter of a packet stands: the table of a satellite file, placed bit by bit.

A layout is a row of items, each whole octets long:

``Segment``   fields at places known from the segment's first octet (arrays and groups of fixed count unrolled)
``Stretch``   one field of octets whose length another parameter gives, or which takes what is left
``Group``     items that are repeated a number of times known only from the packet, or present only sometimes

Knows places, names and overlaps; reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from agent.definitions import Parameter, When, element_suffixes
from agent.errors import ConfigError
from agent.telemetry.fields import FieldType, parse_type

MAX_FIELDS = 8192
MAX_OCTETS = 65_536
MAX_DEPTH = 4
REST = "rest"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a packet.

    ``position`` is in bits from the segment's first octet: of the field's first bit counting from the most
    significant, or, for a little-endian bit field, of its least significant bit counting from the least
    significant bit of each octet. ``where`` is the place in the file that declared it.
    """

    name: str
    parameter: Parameter
    type: FieldType
    position: int
    where: str

    @property
    def octets(self) -> range:
        """The octets of the segment that hold any of it."""
        return range(self.position // 8, (self.position + self.type.width + 7) // 8)


@dataclass(slots=True)
class Segment:
    """Fields at fixed places; ``octets`` long, of which those no field claims are gaps."""

    fields: list[Field] = field(default_factory=list)
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A field of octets whose length is named: by an earlier parameter, or ``rest``."""

    field: Field
    length: str


@dataclass(frozen=True, slots=True)
class Group:
    """Items repeated ``count`` times (a parameter's name, or ``rest``), or once (``None``), while ``when`` passes.

    Fields of a repeated group carry the name they have within one element; that of a repeated single parameter
    is empty. Fields of a group that is only optional carry their whole name.
    """

    name: str
    items: tuple[Item, ...]
    count: str | None
    when: When
    where: str


Item: TypeAlias = "Segment | Stretch | Group"


class _Placer:
    """Places one list of parameters; a group that is not of fixed count gets a placer of its own."""

    def __init__(self, outer: frozenset[str], depth: int) -> None:
        self.items: list[Item] = []
        self.outer = outer
        self.readable: list[str] = []
        self.taken: set[str] = set()
        self.depth = depth
        self.segment = Segment()
        self.bit = 0
        self.varied = False

    def place(self, parameters: Sequence[Parameter], prefix: str, where: str) -> None:
        """Place parameters one after the other; ``where`` is the place of their list in the file."""
        for index, parameter in enumerate(parameters):
            here = f"{where}[{index}]"
            _check_shape(parameter, here)
            self._move(parameter, here)
            name = f"{prefix}{parameter.name}"
            if parameter.when or isinstance(parameter.count, str):
                self._group(parameter, prefix, here)
                continue
            for suffix in element_suffixes(parameter):
                if parameter.type == "group":
                    self.place(parameter.parameters, f"{name}{suffix}_", f"{here}.parameter")
                else:
                    self.field(f"{name}{suffix}", parameter, here, prefix)

    def field(self, name: str, parameter: Parameter, where: str, prefix: str = "") -> None:
        """Place one field at the cursor; ``prefix`` is that of the group it stands in."""
        kind = parse_type(parameter, where)
        if isinstance(parameter.octets, str):
            length = self._reference(parameter.octets, prefix, f"{where}.octets")
            self.close(where)
            self.items.append(Stretch(Field(name, parameter, kind, 0, where), length))
            self.varied = True
        else:
            if self.bit % 8 and not kind.in_bits:
                raise ConfigError(
                    f"{name} would begin at bit {self.bit % 8} of an octet",
                    where=where,
                    mend="add the bits that are missing before it, or say `at`",
                )
            self.segment.fields.append(Field(name, parameter, kind, self.bit, where))
            self.bit += kind.width
            self._cover(where)
        self._declare(name, where)

    def close(self, where: str, *, at_end: bool = False) -> None:
        """End the segment at the cursor, which must stand at an octet and behind all the segment's fields."""
        if not at_end:
            if self.bit % 8:
                raise ConfigError(
                    f"would begin at bit {self.bit % 8} of an octet",
                    where=where,
                    mend="add the bits that are missing before it",
                )
            self._cover(where)
            if 8 * self.segment.octets != self.bit:
                raise ConfigError("something of variable length must stand behind all that is fixed", where=where)
        if self.segment.octets:
            self.items.append(self.segment)
        self.segment = Segment()
        self.bit = 0

    def _move(self, parameter: Parameter, where: str) -> None:
        """Move the cursor to where the parameter says it begins."""
        if parameter.at is not None:
            if self.varied or self.depth:
                raise ConfigError(
                    "`at` cannot stand after or inside something of variable length",
                    where=f"{where}.at",
                    mend="use `skip`",
                )
            self.bit = 8 * parameter.at + (parameter.bit or 0)
        elif parameter.skip:
            if self.bit % 8:
                raise ConfigError("`skip` would begin inside an octet", where=f"{where}.skip")
            self.bit += 8 * parameter.skip
            self._cover(where)

    def _group(self, parameter: Parameter, prefix: str, where: str) -> None:
        """Place something that may be absent, or whose count only the packet knows."""
        if self.depth >= MAX_DEPTH:
            raise ConfigError(f"groups nested deeper than {MAX_DEPTH}", where=where)
        name = f"{prefix}{parameter.name}"
        when = {
            self._reference(tested, prefix, f"{where}.when", rest=False): test
            for tested, test in parameter.when.items()
        }
        count = parameter.count if isinstance(parameter.count, str) else None
        if count is not None:
            count = self._reference(count, prefix, f"{where}.count")
        self.close(where)
        self.varied = True
        inner = _Placer(self.outer | set(self.readable), self.depth + 1)
        bare = msgspec.structs.replace(parameter, when={}, at=None, skip=0, bit=None)
        if count is None:
            inner._place_one(bare, prefix, where)
            for taken in inner.taken:
                self._take(taken, where)
        elif parameter.type == "group":
            inner.place(parameter.parameters, "", f"{where}.parameter")
            self._take(name, where)
        else:
            inner.field("", msgspec.structs.replace(bare, count=None), where)
            self._take(name, where)
        inner.close(where, at_end=True)
        if count == REST and not any(isinstance(item, Segment) for item in inner.items):
            raise ConfigError("what fills the rest must have at least one octet of its own", where=f"{where}.count")
        self.items.append(Group(name, tuple(inner.items), count, when, where))

    def _place_one(self, parameter: Parameter, prefix: str, where: str) -> None:
        """Place one parameter whose own place in the file is ``where``."""
        for suffix in element_suffixes(parameter):
            name = f"{prefix}{parameter.name}{suffix}"
            if parameter.type == "group":
                self.place(parameter.parameters, f"{name}_", f"{where}.parameter")
            else:
                self.field(name, parameter, where, prefix)

    def _reference(self, name: str, prefix: str, where: str, *, rest: bool = True) -> str:
        """Return the whole name of an earlier parameter: one beside it in its group, or one around that."""
        if rest and name == REST:
            return name
        for known in (f"{prefix}{name}", name):
            if known in self.readable or known in self.outer:
                return known
        raise ConfigError(f"{name!r} is no earlier parameter", where=where, mend="or `rest`" if rest else "")

    def _declare(self, name: str, where: str) -> None:
        self._take(name, where)
        self.readable.append(name)

    def _take(self, name: str, where: str) -> None:
        if name in self.taken:
            raise ConfigError(f"two parameters are called {name!r}", where=f"{where}.name")
        if len(self.taken) >= MAX_FIELDS:
            raise ConfigError(f"more than {MAX_FIELDS} parameters", where=where)
        self.taken.add(name)

    def _cover(self, where: str) -> None:
        self.segment.octets = max(self.segment.octets, (self.bit + 7) // 8)
        if self.segment.octets > MAX_OCTETS:
            raise ConfigError(f"ends beyond octet {MAX_OCTETS}", where=where)


def place(parameters: Sequence[Parameter], where: str) -> tuple[Item, ...]:
    """Place the parameters of a packet; raises ``ConfigError`` naming the place of whatever is wrong."""
    placer = _Placer(frozenset(), 0)
    placer.place(parameters, "", f"{where}.parameter" if where else "parameter")
    placer.close(where, at_end=True)
    for segment in segments(placer.items):
        _check_overlaps(segment)
    return tuple(placer.items)


def segments(items: Sequence[Item]) -> Iterator[Segment]:
    """Walk every segment, those inside groups too."""
    for item in items:
        if isinstance(item, Segment):
            yield item
        elif isinstance(item, Group):
            yield from segments(item.items)


def fields_of(items: Sequence[Item], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Walk every field with its name, in the order of the file; a repeated one has ``*`` for its number."""
    for item in items:
        match item:
            case Segment():
                for one in item.fields:
                    yield prefix + one.name, one
            case Stretch():
                yield prefix + item.field.name, item.field
            case Group(count=None):
                yield from fields_of(item.items, prefix)
            case Group():
                for name, one in fields_of(item.items):
                    yield f"{prefix}{item.name}_*" + (f"_{name}" if name else ""), one


def bit_runs(segment: Segment) -> list[tuple[range, list[Field]]]:
    """Return the runs of octets that bit fields share, each with its fields in order of position."""
    runs: list[tuple[range, list[Field]]] = []
    for one in sorted((one for one in segment.fields if one.type.in_bits), key=lambda one: one.position):
        if runs and one.octets.start < runs[-1][0].stop:
            octets, fields = runs[-1]
            runs[-1] = (range(octets.start, max(octets.stop, one.octets.stop)), [*fields, one])
        else:
            runs.append((one.octets, [one]))
    return runs


def _check_shape(parameter: Parameter, where: str) -> None:
    """Refuse keys that contradict each other."""
    if parameter.name == REST:
        raise ConfigError("no parameter can be called `rest`", where=f"{where}.name")
    if parameter.bit is not None and parameter.at is None:
        raise ConfigError("`bit` needs `at`", where=f"{where}.bit")
    if parameter.at is not None and parameter.skip:
        raise ConfigError("`at` and `skip` exclude each other", where=f"{where}.skip")
    if parameter.elements and parameter.count is not None and parameter.count != len(parameter.elements):
        raise ConfigError(f"`elements` names {len(parameter.elements)}", where=f"{where}.count")
    if len(set(parameter.elements)) != len(parameter.elements):
        raise ConfigError("two elements have one name", where=f"{where}.elements")
    if (parameter.type == "group") != bool(parameter.parameters):
        what = "a group needs `parameter` tables" if parameter.type == "group" else "only a group has `parameter`"
        raise ConfigError(what, where=where)
    if parameter.type == "group":
        for key in ("octets", "width", "bit", "calibration", "limits"):
            if getattr(parameter, key) is not None:
                raise ConfigError(f"a group takes no `{key}`", where=f"{where}.{key}")
    if parameter.when and isinstance(parameter.octets, str) and parameter.count is not None:
        raise ConfigError("`octets` of variable length cannot be repeated", where=f"{where}.octets")


def _check_overlaps(segment: Segment) -> None:
    """Refuse two fields that claim one bit, and bit fields of two orders in one octet."""
    owners: dict[int, Field] = {}
    bits: dict[int, dict[int, Field]] = {}
    for one in segment.fields:
        if not one.type.in_bits:
            for octet in one.octets:
                _claim(owners, octet, one)
            continue
        for bit in range(one.position, one.position + one.type.width):
            taken = bits.setdefault(bit // 8, {})
            for other in taken.values():
                if other.type.little != one.type.little:
                    raise ConfigError(
                        f"{one.name} and {other.name} count the bits of octet {bit // 8} from different ends",
                        where=one.where,
                    )
            _claim(taken, bit % 8, one)
    for octet, taken in bits.items():
        if octet in owners:
            one = next(iter(taken.values()))
            _claim(owners, octet, one)


def _claim(owners: dict[int, Field], key: int, one: Field) -> None:
    other = owners.setdefault(key, one)
    if other is not one:
        raise ConfigError(f"{one.name} overlaps {other.name} ({other.where})", where=one.where)
