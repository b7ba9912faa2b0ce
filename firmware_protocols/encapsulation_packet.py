"""CCSDS encapsulation packets: what is no space packet, carried beside space packets.

::

    version  protocol  length of length │ 0: nothing more, an idle packet of one octet
    3        3         2                │ 1: length 8
    111                                 │ 2: user 4 · extension 4 · length 16
                                        │ 3: user 4 · extension 4 · CCSDS defined 16 · length 32

The length counts the whole packet, header included. Protocol 0 is idle, 2 IP (an IPE shim begins its data), 6 says
that the extension names the protocol, 7 is a mission's own. The data come out without the header.

Source: CCSDS 133.1-B-3 §4.1; identifiers as in the SANA registry. Knows nothing of the protocols inside.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from construct import BitsInteger, BitStruct, Bytes, Int8ub, Int16ub, Int32ub, Pass, Struct, Switch, this
from msgspec import Meta

from firmware_protocols.interface import Example, HeaderValue, Packet

VERSION: Final = 7
IDLE: Final = 0
PROTOCOLS: Final = {0: "idle", 1: "ltp", 2: "ipe", 3: "cfdp", 4: "bundle", 6: "extended", 7: "private"}
HEADER_OCTETS: Final = (1, 2, 4, 8)

FIRST = BitStruct("version" / BitsInteger(3), "protocol" / BitsInteger(3), "length_of_length" / BitsInteger(2))
SECOND = BitStruct("user" / BitsInteger(4), "extension" / BitsInteger(4))
HEADER = Struct(
    "first" / FIRST,
    "rest"
    / Switch(
        this.first.length_of_length,
        {
            0: Pass,
            1: Struct("length" / Int8ub),
            2: Struct("second" / SECOND, "length" / Int16ub),
            3: Struct("second" / SECOND, "ccsds_defined" / Bytes(2), "length" / Int32ub),
        },
    ),
)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``protocols`` names those wanted (empty: any); others are counted."""

    protocols: Annotated[tuple[Annotated[int, Meta(ge=0, le=7)], ...], Meta(max_length=8)] = ()


class PacketExtractor:
    """One encapsulation packet in, its data out.

    Header fields: ``protocol_id``, ``protocol`` (a word where it has one), ``user_defined``, ``extension``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one packet."""
        if not frame or frame[0] >> 5 != VERSION:
            self.rejected["wrong_packet_version" if frame else "too_short"] += 1
            return []
        octets = HEADER_OCTETS[frame[0] & 3]
        if len(frame) < octets:
            self.rejected["too_short"] += 1
            return []
        parsed = HEADER.parse(frame[:octets])
        protocol = parsed.first.protocol
        length = parsed.rest.length if octets > 1 else 1
        if not octets <= length <= len(frame):
            self.rejected["bad_packet_length"] += 1
            return []
        if length < len(frame):
            self.counted["octets_behind_packet"] += len(frame) - length
        if protocol == IDLE:
            self.counted["idle_packets"] += 1
            return []
        if octets == 1:
            self.rejected["no_data"] += 1
            return []
        if self._options.protocols and protocol not in self._options.protocols:
            self.counted["other_protocol"] += 1
            return []
        header: dict[str, HeaderValue] = {"protocol_id": protocol, "protocol": PROTOCOLS.get(protocol, "reserved")}
        if octets > 2:
            header |= {"user_defined": parsed.rest.second.user, "extension": parsed.rest.second.extension}
        return [Packet(frame[octets:length], header)]

    def flush(self) -> list[Packet]:
        """Return nothing: no packet waits for another."""
        return []


def build(protocol: int, data: bytes, *, extension: int = 0) -> bytes:
    """Build a packet with the shortest header that can say its length."""
    longest = (0, 0xFF - 2, 0xFFFF - 4, 0xFFFF_FFFF - 8)
    size = next(size for size, most in enumerate(longest) if size and len(data) <= most) if data or protocol else 0
    second = {"user": 0, "extension": extension}
    length = len(data) + HEADER_OCTETS[size]
    rest = {"second": second, "ccsds_defined": bytes(2), "length": length} if size else None
    first = {"version": VERSION, "protocol": protocol, "length_of_length": size}
    header: bytes = HEADER.build({"first": first, "rest": rest})
    return header + data


_IP = bytes.fromhex("450000140000400040110000c0a80001c0a80002")

EXAMPLES: Final = (
    Example(
        name="an IP header",
        source="made from CCSDS 133.1-B-3 §4.1.2 and 702.1-B-1 (the shim 21 announces IPv4)",
        stream=bytes.fromhex("e9" + "17" + "21") + _IP,
        packets=(b"\x21" + _IP,),
    ),
    Example(
        name="a mission's own protocol with a length of 16 bits",
        source="made from CCSDS 133.1-B-3 §4.1.2",
        stream=bytes.fromhex("fe00000a") + b"status",
        packets=(b"status",),
    ),
)
