"""Fill: what a transmitter puts behind its last packet so that a frame is full.

An idle packet (APID 7FF) of whatever length is left, zeros where not even one fits. Source: CCSDS 133.0-B-2 §4.1.3
(idle packets); 132.0-B-3 §4.1.4 and 732.0-B-4 §4.1.4 (idle data in frames).
"""

from __future__ import annotations

from typing import Final

HEADER_OCTETS: Final = 6
IDLE_IDENTIFICATION: Final = 0x07FF
UNSEGMENTED: Final = 0xC000


def filled(packets: bytes, octets: int) -> bytes:
    """Fill packets up to so many octets (0: leave them as they are); raises ``ValueError`` when they are more."""
    if not octets:
        return packets
    left = octets - len(packets)
    if left < 0:
        raise ValueError(f"packets of {len(packets)} octets do not fit into a frame that holds {octets}")
    if left <= HEADER_OCTETS:
        return packets + bytes(left)
    header = IDLE_IDENTIFICATION.to_bytes(2, "big") + UNSEGMENTED.to_bytes(2, "big")
    return packets + header + (left - HEADER_OCTETS - 1).to_bytes(2, "big") + bytes(left - HEADER_OCTETS)
