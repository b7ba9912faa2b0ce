"""A slow HDLC deframer written from ISO/IEC 13239 on strings of bits, twin of ``firmware_protocols.hdlc``."""

from __future__ import annotations

import itertools
import re

from tests.reference.coding import crc_by_long_division


def frames_between_flags(bits: str, min_octets: int) -> list[bytes]:
    """Return the frames (without FCS) between any two successive flags of a string of 0 and 1."""
    frames = []
    flags = [match.start() for match in re.finditer("(?=01111110)", bits)]
    for first, second in itertools.pairwise(flags):
        inside = bits[first + 8 : second]
        if "1111111" in inside or second < first + 8:
            continue
        plain = re.sub("111110", "11111", inside)
        if len(plain) % 8 or len(plain) < 8 * (min_octets + 2):
            continue
        octets = bytes(int(plain[i : i + 8][::-1], 2) for i in range(0, len(plain), 8))
        check = crc_by_long_division(
            octets[:-2], width=16, polynomial=0x1021, initial=0xFFFF, reflected=True, final_xor=0xFFFF
        )
        if octets[-2:] == check.to_bytes(2, "little"):
            frames.append(octets[:-2])
    return frames
