"""Packets that lie one behind another across the frames of one virtual channel.

::

    frame n     │ end of a packet │ packet │ packet │ begin of a packet │
                ╰ first-header pointer ►
    frame n+1   │ … and its end            │ packet │ zero fill          │

Knows where packets end (their own length fields), what the frame says of the first that begins in it, and which
application processes have spoken before. Where the two disagree the one is followed that leads to known packets,
so a pointer that lies, or a length, costs one packet and not the rest. Zeros behind the last packet are fill, and
six zero octets are never a header. Does not know which frame protocol it serves.

Source: CCSDS 132.0-B-3 §4.1.2.7 and §4.3.2; 732.0-B-4 §4.1.4.2 and §4.3.2; packet lengths 133.0-B-2 §4.1.3.5 and
133.1-B-3 §4.1.2. Which of pointer and length to believe is a rule of this house.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

NO_PACKET_STARTS: Final = 0x7FF
ONLY_IDLE: Final = 0x7FE
"""First-header pointers with a meaning of their own."""

HEADER_OCTETS: Final = 6
SPACE_PACKET_VERSION: Final = 0
ENCAPSULATION_VERSION: Final = 7
IDLE_APID: Final = 0x7FF
COUNTS: Final = 1 << 14
MOST_AHEAD: Final = 512
"""How far a sequence count found by search may be ahead of the last one seen."""
NO_PACKET: Final = -1
MORE: Final = 0


def packet_octets(begin: bytes) -> int:
    """Return how long the packet is that begins here: ``MORE`` octets are needed, or ``NO_PACKET`` begins so."""
    if not begin:
        return MORE
    version = begin[0] >> 5
    if version == SPACE_PACKET_VERSION:
        if len(begin) >= HEADER_OCTETS and not any(begin[:2]) and begin[2] >> 6 == 0:
            return NO_PACKET  # the middle of a time packet: no transmitter segments it, but zeros look like it
        return 7 + int.from_bytes(begin[4:6], "big") if len(begin) >= HEADER_OCTETS else MORE
    if version != ENCAPSULATION_VERSION:
        return NO_PACKET
    header = (1, 2, 4, 8)[begin[0] & 3]
    if header == 1:
        return 1 if begin[0] >> 2 & 7 == 0 else NO_PACKET
    if len(begin) < header:
        return MORE
    length = int.from_bytes(begin[header // 2 : header], "big")
    return length if length >= header else NO_PACKET


def apid_of(packet: bytes) -> int | None:
    """Return the application process of a space packet, ``None`` for another kind of packet."""
    return int.from_bytes(packet[:2], "big") & 0x7FF if packet[0] >> 5 == SPACE_PACKET_VERSION else None


class PacketZone:
    """The packets of one virtual channel; a pointer one less than ``no_packet_starts`` means only idle data.

    ``rejected`` counts ``bad_pointer``, ``bad_length``, ``bad_packet_header`` and ``incomplete_packet``,
    ``counted`` the ``fill_octets``.
    """

    def __init__(
        self,
        rejected: Counter[str],
        counted: Counter[str],
        *,
        max_octets: int = 65_542,
        no_packet_starts: int = NO_PACKET_STARTS,
    ) -> None:
        self._no_start = no_packet_starts
        self._only_idle = no_packet_starts - 1
        self._rejected = rejected
        self._counted = counted
        self._max_octets = max_octets
        self._begun = b""
        self._in_step = False
        self._filled = False
        self._counts: dict[int, int] = {}

    def feed(self, zone: bytes, pointer: int, *, unbroken: bool) -> list[bytes]:
        """Take a frame's packet zone; ``unbroken`` says that it follows the one before without loss."""
        if not unbroken:
            self.drop()
        if pointer == self._only_idle:
            self._counted["fill_octets"] += len(zone)
            return []
        start = self._start_in_step(zone, pointer) if self._in_step else self._start_afresh(zone, pointer)
        return [] if start is None else self._cut(bytes(self._begun) + zone[start:])

    def drop(self) -> None:
        """Forget the packet that was begun: its end was lost."""
        if any(self._begun):
            self._rejected["incomplete_packet"] += 1
        self._begun = b""
        self._in_step = self._filled = False

    # -- where the first packet begins -------------------------------------------------------------------

    def _start_in_step(self, zone: bytes, pointer: int) -> int | None:
        """Compare the pointer with the length of the packet that goes on here, and follow the better one."""
        expected = self._end_of_begun(zone)
        if pointer == (self._no_start if expected is None else expected):
            return 0
        if pointer == self._no_start and not any(zone[expected:]):
            return 0  # what follows the end of the packet is fill
        by_pointer = self._walk(zone, pointer) if pointer < len(zone) else -1
        by_length = 0 if expected is None else self._walk(zone, expected)
        filled = self._filled or not any(self._begun)
        if filled and by_pointer >= max(0, by_length) and not any(zone[:pointer]):
            # Fill has no length of its own: it ends where the pointer says.
            self._counted["fill_octets"] += len(self._begun) + pointer
            return self._begin_at(pointer)
        if by_length >= max(0, by_pointer):
            self._rejected["bad_pointer"] += 1
            return 0
        salvaged = self._search(self._begun + zone, 1)
        if salvaged is not None and (by_pointer < 0 or salvaged <= len(self._begun) + pointer):
            self._rejected["bad_length"] += 1
            inside = min(salvaged, len(self._begun))
            self._begun = self._begun[inside:]
            return salvaged - inside
        if by_pointer >= 0:
            self._rejected["bad_length"] += 1
            return self._begin_at(pointer)
        self._rejected["bad_pointer"] += 1
        self.drop()
        return None

    def _start_afresh(self, zone: bytes, pointer: int) -> int | None:
        """Find the first packet when nothing goes on here: by the pointer, or without it if it lies."""
        if pointer == self._no_start:
            return None
        known = self._walk(zone, pointer) if pointer < len(zone) else -1
        if known > 0 or (known == 0 and not self._counts):
            return self._begin_at(pointer)
        found = self._search(zone, 0)
        if found is None and known == 0:
            return self._begin_at(pointer)
        self._rejected["bad_pointer"] += 1
        return None if found is None else self._begin_at(found)

    def _begin_at(self, start: int) -> int:
        self._begun = b""
        self._in_step = True
        return start

    def _end_of_begun(self, zone: bytes) -> int | None:
        """Return where the packet that was begun ends by its own length, ``None`` beyond this zone."""
        if not self._begun:
            return 0
        octets = packet_octets(self._begun[:8] + zone[:8])
        end = octets - len(self._begun)
        return None if octets <= 0 or end >= len(zone) else end

    def _walk(self, zone: bytes, start: int) -> int:
        """Count packets of known processes from here to the zone's end; -1 when one of them is no packet."""
        known = 0
        at = start
        while len(zone) - at >= HEADER_OCTETS:
            header = zone[at : at + 8]
            if not any(header[:HEADER_OCTETS]):
                break
            octets = packet_octets(header)
            if not 0 < octets <= self._max_octets:
                return -1
            known += apid_of(header) in self._counts
            at += octets
        return known

    def _search(self, zone: bytes, begin: int) -> int | None:
        """Find a packet of a known process whose count comes next, without help of a pointer."""
        for at in range(begin, len(zone) - HEADER_OCTETS + 1):
            first = int.from_bytes(zone[at : at + 2], "big")
            last = self._counts.get(first & 0x7FF) if not first >> 13 else None
            if last is None:
                continue
            ahead = ((int.from_bytes(zone[at + 2 : at + 4], "big") & 0x3FFF) - last) % COUNTS
            if 0 < ahead <= MOST_AHEAD and self._walk(zone, at) > 0:
                return at
        return None

    # -- cutting -----------------------------------------------------------------------------------------

    def _cut(self, data: bytes) -> list[bytes]:
        """Cut packets out of what was begun and what follows; keep the remainder."""
        packets: list[bytes] = []
        at = newest = 0
        self._in_step, self._filled = True, False
        while at < len(data):
            if len(data) - at >= HEADER_OCTETS and not any(data[at : at + HEADER_OCTETS]):
                at = self._past_fill(data, at)
                continue
            octets = packet_octets(data[at : at + 8])
            if octets == NO_PACKET or octets > self._max_octets:
                self._rejected["bad_packet_header"] += 1
                found = self._search(data, newest + 1)
                if found is None:
                    self._begun, self._in_step = b"", False
                    return packets
                if found < at and packets:
                    packets.pop()  # its length led into the middle of the next one
                at = newest = found
                continue
            if octets == MORE or at + octets > len(data):
                break
            packets.append(data[at : at + octets])
            self._remember(packets[-1])
            newest = at
            at += octets
        self._begun = data[at:]
        return packets

    def _past_fill(self, data: bytes, at: int) -> int:
        """Step over zeros to the next header, which may itself begin with a zero octet."""
        rest = data[at:].lstrip(b"\0")
        end = len(data) - len(rest)
        self._filled = not rest
        if rest and (rest[0] >> 5 not in (0, 7) or self._walk(data, end - 1) > max(0, self._walk(data, end))):
            end -= 1
        self._counted["fill_octets"] += end - at
        return end

    def _remember(self, packet: bytes) -> None:
        apid = apid_of(packet)
        if apid is not None and apid != IDLE_APID:
            self._counts[apid] = int.from_bytes(packet[2:4], "big") & 0x3FFF
