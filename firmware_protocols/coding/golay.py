"""The extended binary Golay code (24,12): maximum-likelihood decoding of soft symbols.

The codeword is twelve parity bits and then twelve data bits, as GomSpace's radios send it; the parity matrix
is the bordered circulant of the quadratic residues modulo 11, which is symmetric and its own inverse.

Source: S. Lin, D. Costello, "Error Control Coding" (2004), §4.6.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FIRST_ROW = 0b10001110110
"""First row of the 11 × 11 circulant; each row is the one before rotated left by one."""


@lru_cache(maxsize=1)
def _parity_rows() -> tuple[int, ...]:
    rows = []
    row = FIRST_ROW
    for _ in range(11):
        rows.append(row << 1 | 1)
        row = (row << 1 | row >> 10) & 0x7FF
    return (*rows, 0xFFE)


def encode_golay(data: int) -> int:
    """Return the 24-bit codeword of twelve bits: parity above, data below."""
    parity = 0
    for row in _parity_rows():
        parity = parity << 1 | (row & data & 0xFFF).bit_count() & 1
    return parity << 12 | data & 0xFFF


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.float32]:
    """Return every codeword as ±1, float32[4096, 24], the highest bit first."""
    words = np.array([encode_golay(data) for data in range(4096)])
    bits = words[:, None] >> np.arange(23, -1, -1) & 1
    return (2 * bits - 1).astype(np.float32)


def decode_golay(soft: NDArray[np.float32]) -> tuple[int, int]:
    """Return the likeliest twelve data bits of 24 soft symbols, and how many hard decisions it overrules.

    Up to three are always corrected; a soft decision may overrule more.
    """
    clean = np.nan_to_num(soft, nan=0.0, posinf=1e6, neginf=-1e6).astype(np.float32)
    best = int(np.argmax(_signs() @ clean))
    return best, int(np.count_nonzero((_signs()[best] > 0) != (soft > 0)))
