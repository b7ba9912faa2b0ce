"""Captures of a network: pcap and pcapng files, read packet by packet.

::

    pcap     magic u32, version u16 u16, zone i32, 0, snap length u32, link type u32;
             then records: seconds u32, fraction u32, captured u32, original u32, octets
    pcapng   blocks: type u32, length u32, body, length u32
             0A0D0D0A section (its byte-order magic 1A2B3C4D tells the order of all that follows)
             1 interface: link type u16, 0, snap length u32, options (9 time resolution, 14 time offset)
             2 packet (obsolete) · 3 simple packet · 6 enhanced packet

Either byte order; microseconds (magic A1B2C3D4) and nanoseconds (A1B23C4D) for pcap, any resolution for pcapng.
Every length is bounded; a file cut short gives what is whole. Knows no link layer: ``datagrams`` opens packets.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from agent.errors import AgentError
from agent.records import UtcNs

PCAP: Final[dict[bytes, tuple[str, int]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""Magic → byte order, nanoseconds a unit of the fraction."""
SECTION: Final = 0x0A0D0D0A
SECTION_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
BYTE_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 1, 2, 3, 6
OPTION_RESOLUTION, OPTION_OFFSET = 9, 14

MAX_PACKET_OCTETS: Final = 262_144
"""The longest a capture program writes; a packet said to be longer is a damaged file."""
MAX_BLOCK_OCTETS: Final = 16 << 20
MAX_INTERFACES: Final = 256


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One packet as it was on the wire, perhaps cut (``octets_missing``)."""

    data: bytes
    link_type: int
    captured_utc_ns: UtcNs
    octets_missing: int = 0


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    snap_octets: int
    units_a_second: int = 1_000_000
    offset_s: int = 0

    def utc_ns(self, units: int) -> UtcNs:
        return self.offset_s * 1_000_000_000 + units * 1_000_000_000 // self.units_a_second


@dataclass(slots=True)
class Capture:
    """An open capture; ``notes`` say what was wrong with the file, complete once it has been read."""

    name: str
    stream: BinaryIO
    notes: list[str] = field(default_factory=list)

    def packets(self) -> Iterator[CapturedPacket]:
        """Read from the file's beginning to its end; raises ``AgentError`` when it is no capture."""
        magic = self.stream.read(4)
        if magic in PCAP:
            return self._pcap(*PCAP[magic])
        if magic == SECTION_MAGIC:
            return self._pcapng()
        raise AgentError(f"{self.name}: no capture (neither pcap nor pcapng)")

    def _pcap(self, order: str, unit_ns: int) -> Iterator[CapturedPacket]:
        head = self.stream.read(20)
        if len(head) < 20:
            raise AgentError(f"{self.name}: a damaged capture (its header is cut)")
        link_type = int(struct.unpack(order + "I", head[16:])[0]) & 0xFFFF  # above: the length of an FCS
        while record := self.stream.read(16):
            if len(record) < 16:
                self.notes.append("cut short: the last packet's header is not whole")
                return
            seconds, fraction, octets, original = struct.unpack(order + "4I", record)
            if octets > MAX_PACKET_OCTETS:
                self.notes.append(f"damaged: a packet of {octets} octets; what follows was not read")
                return
            data = self.stream.read(octets)
            if len(data) < octets:
                self.notes.append("cut short: the last packet is not whole")
                return
            utc_ns = seconds * 1_000_000_000 + fraction * unit_ns
            yield CapturedPacket(data, link_type, utc_ns, max(0, original - octets))

    def _pcapng(self) -> Iterator[CapturedPacket]:
        order = "<"
        interfaces: list[_Interface] = []
        kind_octets = SECTION_MAGIC
        while len(kind_octets) == 4:
            if kind_octets == SECTION_MAGIC:
                order, interfaces = self._section(), []
            else:
                (kind,) = struct.unpack(order + "I", kind_octets)
                body = self._block(order, self.stream.read(4))
                if body is None:
                    return
                if kind == INTERFACE and len(body) >= 8 and len(interfaces) < MAX_INTERFACES:
                    interfaces.append(_interface(order, body))
                elif kind in (OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET):
                    packet = _packet(order, kind, body, interfaces)
                    if packet is None:
                        self.notes.append("damaged: a packet that names no interface or lies about its length")
                        return
                    yield packet
            kind_octets = self.stream.read(4)

    def _section(self) -> str:
        head = self.stream.read(8)
        order = BYTE_ORDERS.get(head[4:])
        if order is None or self._block(order, head[:4], already=4) is None:
            raise AgentError(f"{self.name}: a damaged capture (its section header is none)")
        return order

    def _block(self, order: str, length: bytes, already: int = 0) -> bytes | None:
        """Read a block's body and its second length; ``already`` octets of the body have been read."""
        if len(length) == 4:
            (octets,) = struct.unpack(order + "I", length)
            if 12 + already <= octets <= MAX_BLOCK_OCTETS and octets % 4 == 0:
                body = self.stream.read(octets - 12 - already)
                if len(body) == octets - 12 - already and self.stream.read(4) == length:
                    return body
        self.notes.append("cut short or damaged: a block that is not whole; what follows was not read")
        return None


def _interface(order: str, body: bytes) -> _Interface:
    link_type, _, snap = struct.unpack_from(order + "HHI", body)
    units, offset_s, at = 1_000_000, 0, 8
    while at + 4 <= len(body):
        code, octets = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + octets]
        at += 4 + (octets + 3) // 4 * 4
        if code == 0:
            break
        if code == OPTION_RESOLUTION and octets == 1:
            units = 2 ** (value[0] & 0x3F) if value[0] & 0x80 else 10 ** min(value[0], 18)
        elif code == OPTION_OFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
    return _Interface(link_type, snap, units, offset_s)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_Interface]) -> CapturedPacket | None:
    if kind == SIMPLE_PACKET:
        if len(body) < 4 or not interfaces:
            return None
        (original,) = struct.unpack_from(order + "I", body)
        octets = min(original, interfaces[0].snap_octets or original, len(body) - 4)
        return CapturedPacket(body[4 : 4 + octets], interfaces[0].link_type, 0, original - octets)
    if len(body) < 20:
        return None
    form = "IIIII" if kind == ENHANCED_PACKET else "HHIIII"
    number, *_, high, low, octets, original = struct.unpack_from(order + form, body)
    if number >= len(interfaces) or octets > len(body) - 20:
        return None
    interface = interfaces[number]
    utc_ns = interface.utc_ns(high << 32 | low)
    return CapturedPacket(body[20 : 20 + octets], interface.link_type, utc_ns, max(0, original - octets))
