"""What a bad serial line does to octets: bit errors, frames cut off, a reader at the wrong baud rate.

Pure. A pseudo-terminal has no baud rate: what a UART would make of a wrong one is worked out here, bit by bit.
"""

from __future__ import annotations

import random

import numpy as np

MAX_OCTETS = 1 << 16


def garble(octets: bytes, share: float, chance: random.Random) -> bytes:
    """Invert one bit in a share of the octets."""
    return bytes(
        octet ^ (1 << chance.randrange(8)) if chance.random() < share else octet for octet in octets[:MAX_OCTETS]
    )


def cut_off(octets: bytes, chance: random.Random) -> bytes:
    """Keep only a beginning: the sender was interrupted."""
    return octets[: chance.randrange(1, max(2, len(octets)))]


def at_wrong_baud_rate(octets: bytes, sent_bd: float, read_bd: float) -> bytes:
    """Return what a UART (8N1) set to ``read_bd`` makes of octets sent at ``sent_bd`` without a pause.

    The reader waits for a falling edge, samples the middle of eight bits and takes a missing stop bit for a
    framing error, which Linux reads as a zero octet.
    """
    bits = [1, 1]
    for octet in octets[:MAX_OCTETS]:
        bits += [0, *(octet >> place & 1 for place in range(8)), 1]
    bits += [1] * 12
    level = np.array(bits, np.uint8)
    step = sent_bd / read_bd  # of the reader's bit, in the sender's bits
    out = bytearray()
    at = 0.0
    end = len(level) - 1
    while True:
        start = int(at)
        falling = np.flatnonzero((level[start:end] == 1) & (level[start + 1 : end + 1] == 0))
        if not falling.size:
            return bytes(out)
        edge = start + int(falling[0]) + 1
        places = np.minimum((edge + (np.arange(9) + 1.5) * step).astype(np.int64), end)
        taken = level[places]
        out.append(int(np.packbits(taken[:8], bitorder="little")[0]) if taken[8] else 0)
        at = edge + 9.5 * step
        if at >= end:
            return bytes(out)
