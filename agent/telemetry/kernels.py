"""The inner loop of bulk decoding: one field of a fixed place, out of every packet at once.

Knows octets and shifts; ``columns`` makes the arguments from a layout.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(
    "void(uint8[:, ::1], int64, int64, int64, int64, boolean, boolean, uint64[::1])",
    nogil=True,
    cache=True,
)
def take_field(
    packets: NDArray[np.uint8],
    start: int,
    octets: int,
    shift: int,
    width: int,
    little: bool,
    signed: bool,
    out: NDArray[np.uint64],
) -> None:
    """Put the field's bits, sign-extended to 64 when ``signed``, into ``out``.

    ``packets`` is one packet a row; the field lies in ``octets`` (at most 8) octets from ``start`` on, ``shift``
    bits above their lowest, and is ``width`` bits wide.
    """
    mask = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - width)
    sign = np.uint64(1) << np.uint64(width - 1)
    down = np.uint64(shift)
    eight = np.uint64(8)
    for i in range(packets.shape[0]):
        word = np.uint64(0)
        if little:
            for k in range(start + octets - 1, start - 1, -1):
                word = (word << eight) | np.uint64(packets[i, k])
        else:
            for k in range(start, start + octets):
                word = (word << eight) | np.uint64(packets[i, k])
        word = (word >> down) & mask
        if signed:
            word = (word ^ sign) - sign
        out[i] = word
