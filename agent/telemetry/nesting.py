"""Between the flat values of a report and the nested containers a Construct parses to and builds from.

Knows how members of the Construct are named and how elements of repeated groups are numbered (``name_0_child``).
Names that begin with a capital are the Construct's own and never a parameter's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.errors import ConfigError
from agent.records import RawValue
from agent.telemetry.fields import fits
from agent.telemetry.placement import REST, Field, Group, Item, Segment, Stretch, bit_runs, fields_of

MAX_REPEATS = 4096
VALUE = "Value"
"""Member name of a single parameter that is repeated."""


def run_name(index: int, octet: int) -> str:
    """Name the member that holds a run of bit fields."""
    return f"Bits{index}_{octet}"


def group_name(index: int) -> str:
    """Name the member that holds a group."""
    return f"Group{index}"


def flatten(items: Sequence[Item], container: Any, prefix: str, out: list[tuple[str, Field, RawValue]]) -> None:
    """Append every value of a parsed container with its name and field, in the order of the file."""
    for index, item in enumerate(items):
        match item:
            case Segment():
                runs = {id(one): run_name(index, octets.start) for octets, ones in bit_runs(item) for one in ones}
                for one in item.fields:
                    inner = container[runs[id(one)]] if id(one) in runs else container
                    out.append((_join(prefix, one.name), one, inner[one.name or VALUE]))
            case Stretch():
                one = item.field
                out.append((_join(prefix, one.name), one, container[one.name or VALUE]))
            case Group():
                inner = container[group_name(index)]
                if inner is None:
                    continue
                if item.count is None:
                    flatten(item.items, inner, prefix, out)
                    continue
                for number, element in enumerate(inner):
                    flatten(item.items, element, f"{_join(prefix, item.name)}_{number}", out)


def nest(
    items: Sequence[Item], raws: dict[str, RawValue], unused: dict[str, RawValue], prefix: str = ""
) -> dict[str, Any]:
    """Sort flat raw values into the shape the Construct builds from, and take those it used out of ``unused``.

    A value not given is zero or empty; a count or length not given is that of the elements or octets given.
    """
    _default_counts(items, raws, prefix)
    container: dict[str, Any] = {}
    for index, item in enumerate(items):
        match item:
            case Segment():
                runs: dict[int, dict[str, Any]] = {}
                for octets, ones in bit_runs(item):
                    run = container.setdefault(run_name(index, octets.start), {})
                    runs.update((id(one), run) for one in ones)
                for one in item.fields:
                    runs.get(id(one), container)[one.name or VALUE] = _take(one, prefix, raws, unused)
            case Stretch():
                container[item.field.name or VALUE] = _take(item.field, prefix, raws, unused)
            case Group(count=None):
                container[group_name(index)] = nest(item.items, raws, unused, prefix)
            case Group():
                whole = _join(prefix, item.name)
                container[group_name(index)] = [
                    nest(item.items, raws, unused, f"{whole}_{number}") for number in range(_given(whole, raws))
                ]
    return container


def _default_counts(items: Sequence[Item], raws: dict[str, RawValue], prefix: str) -> None:
    """Fill in counts and lengths that are not given; they stand in this element or around it."""
    own = {name for name, _ in fields_of(items)}
    for item in items:
        if isinstance(item, Group) and item.count not in (None, REST):
            name = str(item.count)
            raws.setdefault(_join(prefix, name) if name in own else name, _given(_join(prefix, item.name), raws))
        elif isinstance(item, Stretch) and item.length != REST:
            octets = raws.get(_join(prefix, item.field.name), b"")
            name = _join(prefix, item.length) if item.length in own else item.length
            raws.setdefault(name, len(octets) if isinstance(octets, bytes) else 0)


def _take(one: Field, prefix: str, raws: Mapping[str, RawValue], unused: dict[str, RawValue]) -> RawValue:
    name = _join(prefix, one.name)
    unused.pop(name, None)
    raw = raws.get(name, one.type.zero)
    if isinstance(raw, bytes) and one.type.kind in ("bytes", "text") and one.type.width:
        raw = raw.ljust(one.type.width // 8, b"\0")
    if not fits(one.type, raw):
        raise ConfigError(f"{raw!r} does not fit {one.parameter.type} of {name}", where=one.where)
    return raw


def _given(whole: str, raws: Mapping[str, RawValue]) -> int:
    """Count the elements of a repeated group that flat names speak of."""
    start = f"{whole}_"
    numbers = [name[len(start) :].split("_")[0] for name in raws if name.startswith(start)]
    return min(max((int(number) for number in numbers if number.isdecimal()), default=-1) + 1, MAX_REPEATS)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}_{name}" if prefix and name else prefix or name
