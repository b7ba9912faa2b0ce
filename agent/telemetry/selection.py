"""Which of a satellite's packets these octets are.

Knows the rules a packet is recognised by: downlink, header fields, octets at places, length. The first packet of
the file that fits is taken. Says why none fits: ``unknown_packet`` when nothing about them was recognised,
``too_short`` or ``too_long`` when only the length was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent import definitions
from agent.errors import ConfigError, DecodeError

MAX_OFFSET = 65_535


@dataclass(frozen=True, slots=True)
class Mark:
    """Octets that must stand at a place, under a mask."""

    at: int
    value: int
    mask: int
    octets: int

    def stands_in(self, data: bytes) -> bool:
        """Say whether the octets stand there; they do not where the data end before."""
        there = data[self.at : self.at + self.octets]
        return len(there) == self.octets and int.from_bytes(there, "big") & self.mask == self.value

    def put_into(self, data: bytes) -> bytes:
        """Return the data with the marked bits set so."""
        there = int.from_bytes(data[self.at : self.at + self.octets], "big")
        put = (there & ~self.mask | self.value).to_bytes(self.octets, "big")
        return data[: self.at] + put + data[self.at + self.octets :]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one packet is recognised; ``max_octets`` is ``None`` where only the packet itself knows its end."""

    packet: definitions.Packet
    marks: tuple[Mark, ...]
    min_octets: int
    max_octets: int | None

    def recognises(self, downlink: str, header: Mapping[str, object], data: bytes) -> bool:
        """Say whether everything but the length fits."""
        if self.packet.downlinks and downlink not in self.packet.downlinks:
            return False
        for name, wanted in self.packet.header.items():
            if header.get(name) != wanted:
                return False
        return all(mark.stands_in(data) for mark in self.marks)

    def length_fits(self, length: int) -> bool:
        """Say whether the length fits."""
        return self.min_octets <= length and (self.max_octets is None or length <= self.max_octets)


def compile_marks(packet: definitions.Packet, where: str) -> tuple[Mark, ...]:
    """Read ``starts`` (offset → hex, or hex/mask) and the prefix of a text; raises ``ConfigError``."""
    marks: list[Mark] = []
    if packet.text is not None and packet.text.prefix:
        prefix = packet.text.prefix.encode(packet.text.encoding)
        number = int.from_bytes(prefix, "big")
        marks.append(Mark(0, number, (1 << 8 * len(prefix)) - 1, len(prefix)))
    for offset, text in packet.starts.items():
        here = f"{where}.starts.{offset}"
        if not offset.isdecimal() or int(offset) > MAX_OFFSET:
            raise ConfigError(f"{offset!r} is no octet offset", where=here, mend=f"0 to {MAX_OFFSET}")
        value, _, mask = text.partition("/")
        try:
            octets = bytes.fromhex(value)
            masked = bytes.fromhex(mask) if mask else b"\xff" * len(octets)
        except ValueError as exc:
            raise ConfigError(f"not hex: {text!r}", where=here, mend='"80" or, with a mask, "80/c0"') from exc
        if not octets or len(octets) != len(masked):
            raise ConfigError("value and mask must be equally long, and not empty", where=here)
        number, bits = int.from_bytes(octets, "big"), int.from_bytes(masked, "big")
        if number & ~bits:
            raise ConfigError("the value has bits outside the mask", where=here)
        marks.append(Mark(int(offset), number, bits, len(octets)))
    return tuple(marks)


def choose(rules: Sequence[Rule], downlink: str, header: Mapping[str, object], data: bytes) -> int:
    """Return the index of the first rule that fits; raises ``DecodeError``."""
    wrong_length: Rule | None = None
    for index, rule in enumerate(rules):
        if rule.recognises(downlink, header, data):
            if rule.length_fits(len(data)):
                return index
            wrong_length = wrong_length or rule
        elif not rule.marks:
            continue
        elif wrong_length is None and any(mark.at + mark.octets > len(data) for mark in rule.marks):
            wrong_length = rule if _rest_fits(rule, downlink, header, data) else None
    if wrong_length is None:
        raise DecodeError("unknown_packet", f"{len(data)} octets")
    name, length = wrong_length.packet.name, len(data)
    if length < wrong_length.min_octets:
        raise DecodeError("too_short", f"{name}: {length} octets, at least {wrong_length.min_octets} expected")
    raise DecodeError("too_long", f"{name}: {length} octets, at most {wrong_length.max_octets} expected")


def _rest_fits(rule: Rule, downlink: str, header: Mapping[str, object], data: bytes) -> bool:
    """Say whether a packet is recognised as far as it goes: those marks it is long enough for stand."""
    reached = tuple(mark for mark in rule.marks if mark.at + mark.octets <= len(data))
    return bool(reached) and Rule(rule.packet, reached, 0, None).recognises(downlink, header, data)
