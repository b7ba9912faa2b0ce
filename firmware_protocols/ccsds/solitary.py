"""Frames of one packet each whose first-header pointer is not one, told from an M_PDU by their own evidence.

Some spacecraft (Danuri) put one packet into every frame and something else where the pointer would stand. Read
by that pointer they are noise. So where a pointer does not say 0 and yet a whole packet stands at the zone's
first octet and ends with the zone, the frame waits for the next of its channel: if that one looks the same,
with the same process, the same length and the next count, the channel is believed to carry one packet a frame,
and its pointers are left unread from then on. By chance that is one of 2^40 pairs of frames. Knows no frame
protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_protocols.ccsds.packet_zone import (
    COUNTS,
    IDLE_APID,
    MORE,
    NO_PACKET,
    SPACE_PACKET_VERSION,
    apid_of,
    packet_octets,
)
from firmware_protocols.interface import HeaderValue


@dataclass(frozen=True, slots=True)
class Zone:
    """The packet zone of one frame, its pointer, whether it follows the one before, and the frame's header."""

    octets: bytes
    pointer: int
    unbroken: bool
    header: Mapping[str, HeaderValue]


class SolitaryPackets:
    """Watches one virtual channel; ``believed`` once two frames in a row have said it."""

    def __init__(self) -> None:
        self.believed = False
        self._waiting: Zone | None = None

    def hear(self, zone: Zone) -> list[Zone]:
        """Take a frame and return those to be read now, one that waited first."""
        if self.believed:
            return [zone]
        earlier, self._waiting = self._waiting, None
        before = [] if earlier is None else [earlier]
        if zone.pointer == 0 or not _fills(zone.octets):
            return [*before, zone]
        if earlier is not None and zone.unbroken and _follows(earlier.octets, zone.octets):
            self.believed = True
            return [*before, zone]
        self._waiting = zone
        return before

    def rest(self) -> list[Zone]:
        """Return the frame that still waits at the end of a stream."""
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [waiting]


def _fills(zone: bytes) -> bool:
    """Say whether one space packet, not an idle one, is the whole zone."""
    if not zone or zone[0] >> 5 != SPACE_PACKET_VERSION or apid_of(zone) == IDLE_APID:
        return False
    octets = packet_octets(zone[:8])
    return octets not in (MORE, NO_PACKET) and octets == len(zone)


def _follows(earlier: bytes, later: bytes) -> bool:
    """Say whether two packets are of one process and one length, and the counts are next to each other."""
    step = int.from_bytes(later[2:4], "big") - int.from_bytes(earlier[2:4], "big")
    return earlier[:2] == later[:2] and earlier[4:6] == later[4:6] and step % COUNTS == 1
