"""UDP datagrams out of captured packets: link layer, IPv4 or IPv6, UDP; what is none is counted by its reason.

::

    Ethernet  14 octets, and 4 for each VLAN tag (8100, 88A8, 9100) · cooked (SLL) 16, SLL2 20 · loopback 4 · raw 0
    IPv4      version, length of header in words, …, flags and fragment offset, …, protocol 17
    IPv6      40 octets, then at most eight extension headers, next header 17
    UDP       source port u16, destination port u16, length u16, checksum u16

A fragment of a datagram is counted, not joined: telemetry fits a packet, and a part of a frame is none. The sums of
IP and UDP are not asked: a network card that computes them leaves them open in a capture of what is sent.

Sources: RFC 791, RFC 8200, RFC 768; link types of draft-ietf-opsawg-pcaplinktype.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.records import UtcNs
from agent.sources.recordings.capture import CapturedPacket

ETHERNET, RAW, LINUX_COOKED, LINUX_COOKED_2, IPV4_ONLY, IPV6_ONLY = 1, 101, 113, 276, 228, 229
NULL, LOOP, OTHER_RAW = 0, 108, (12, 14)
VLAN_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
ETHERTYPES: Final = {0x0800: 4, 0x86DD: 6}
MAX_TAGS, MAX_EXTENSIONS = 4, 8
UDP: Final = 17
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60


@dataclass(frozen=True, slots=True)
class Datagram:
    """What one UDP datagram carried."""

    payload: bytes
    source_port: int
    destination_port: int
    captured_utc_ns: UtcNs


class Refused(Exception):
    """A packet that holds no datagram; ``str()`` is the reason it is counted by."""


@dataclass(slots=True)
class DatagramReader:
    """Datagrams of one destination (or source) port, or of all; ``rejected`` counts the rest."""

    port: int | None = None
    rejected: Counter[str] = field(default_factory=Counter)

    def read(self, packets: Iterable[CapturedPacket]) -> Iterator[Datagram]:
        """Give the datagrams in the order of their capture."""
        for packet in packets:
            try:
                datagram = open_packet(packet)
            except Refused as exc:
                self.rejected[str(exc)] += 1
                continue
            if self.port not in (None, datagram.source_port, datagram.destination_port):
                self.rejected["other_port"] += 1
            elif not datagram.payload:
                self.rejected["empty_datagram"] += 1
            else:
                yield datagram


def open_packet(packet: CapturedPacket) -> Datagram:
    """Take a packet apart down to its datagram; raises ``Refused``."""
    version, ip = _network_layer(packet)
    udp = _ipv4(ip) if version == 4 else _ipv6(ip)
    if len(udp) < 8:
        raise Refused("truncated_datagram")
    source, destination, octets = (int.from_bytes(udp[at : at + 2], "big") for at in (0, 2, 4))
    if octets < 8:
        raise Refused("bad_udp_length")
    if octets > len(udp):
        raise Refused("truncated_datagram" if packet.octets_missing else "bad_udp_length")
    return Datagram(udp[8:octets], source, destination, packet.captured_utc_ns)


def _network_layer(packet: CapturedPacket) -> tuple[int, bytes]:
    data, link = packet.data, packet.link_type
    if link == ETHERNET:
        at = 12
        for _ in range(MAX_TAGS):
            if int.from_bytes(data[at : at + 2], "big") not in VLAN_TAGS:
                break
            at += 4
        ethertype, ip = int.from_bytes(data[at : at + 2], "big"), data[at + 2 :]
    elif link == LINUX_COOKED:
        ethertype, ip = int.from_bytes(data[14:16], "big"), data[16:]
    elif link == LINUX_COOKED_2:
        ethertype, ip = int.from_bytes(data[:2], "big"), data[20:]
    elif link in (NULL, LOOP):
        return _by_version(data[4:])
    elif link in (RAW, IPV4_ONLY, IPV6_ONLY, *OTHER_RAW):
        return _by_version(data)
    else:
        raise Refused("unknown_link_type")
    if ethertype not in ETHERTYPES:
        raise Refused("not_ip")
    return ETHERTYPES[ethertype], ip


def _by_version(ip: bytes) -> tuple[int, bytes]:
    if not ip or ip[0] >> 4 not in (4, 6):
        raise Refused("not_ip")
    return ip[0] >> 4, ip


def _ipv4(ip: bytes) -> bytes:
    if len(ip) < 20:
        raise Refused("truncated_datagram")
    header, total = 4 * (ip[0] & 15), int.from_bytes(ip[2:4], "big")
    if ip[0] >> 4 != 4 or header < 20 or (total and total < header):
        raise Refused("bad_ip_header")
    if ip[9] != UDP:
        raise Refused("not_udp")
    if int.from_bytes(ip[6:8], "big") & 0x3FFF:  # more fragments, or an offset
        raise Refused("ip_fragment")
    return ip[header : total or None]  # zero: the card was to cut it into packets


def _ipv6(ip: bytes) -> bytes:
    if len(ip) < 40:
        raise Refused("truncated_datagram")
    if ip[0] >> 4 != 6:
        raise Refused("bad_ip_header")
    octets, following, at = int.from_bytes(ip[4:6], "big"), ip[6], 40
    ip = ip[: 40 + octets] if octets else ip
    for _ in range(MAX_EXTENSIONS):
        if following == UDP:
            return ip[at:]
        if following not in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION):
            raise Refused("not_udp")
        if at + 8 > len(ip):
            raise Refused("truncated_datagram")
        if following == FRAGMENT:
            if int.from_bytes(ip[at + 2 : at + 4], "big") & 0xFFF9:
                raise Refused("ip_fragment")
            length = 8
        elif following == AUTHENTICATION:
            length = 4 * (ip[at + 1] + 2)
        else:
            length = 8 * (ip[at + 1] + 1)
        following, at = ip[at], at + length
    raise Refused("bad_ip_header")
