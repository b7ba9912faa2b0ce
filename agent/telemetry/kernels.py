"""The inner loop of bulk decoding: every field of a fixed layout, out of every packet, in one pass.

Knows octets and shifts; ``columns`` makes the table from a layout. The commonest widths are written out, which lets
the compiler load them at once; indices are unsigned, for a signed one is tested for being negative each time.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

START, OCTETS, SHIFT, WIDTH, LITTLE, SIGNED, TABLE_COLUMNS = range(7)
"""Columns of the table of fields."""

PACKETS_A_BLOCK = 256
"""So many packets are read for all fields before the next ones: they stay in the nearest cache."""


@numba.njit(
    "void(Array(uint8, 1, 'C', readonly=True), int64, int64[:, ::1], uint64[:, ::1])",
    nogil=True,
    cache=True,
)
def take_fields(
    packets: NDArray[np.uint8], packet_octets: int, table: NDArray[np.int64], out: NDArray[np.uint64]
) -> None:
    """Put the bits of each field of ``table`` into its row of ``out`` [fields, packets], sign-extended if signed.

    ``packets`` stand one behind another. A field lies in ``OCTETS`` (at most 8) octets from ``START`` on, ``SHIFT``
    bits above their lowest, and is ``WIDTH`` bits wide; ``LITTLE`` says in which order its octets are read.
    """
    count = out.shape[1]
    eight = np.uint64(8)
    step = np.uintp(packet_octets)
    for begin in range(0, count, PACKETS_A_BLOCK):
        end = min(count, begin + PACKETS_A_BLOCK)
        for field in range(table.shape[0]):
            octets, width = table[field, OCTETS], table[field, WIDTH]
            little = table[field, LITTLE]
            down = np.uint64(table[field, SHIFT])
            mask = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(64 - width)
            sign = np.uint64(1) << np.uint64(width - 1) if table[field, SIGNED] else np.uint64(0)
            at = np.uintp(begin * packet_octets + table[field, START])
            row = out[field]
            if octets == 1:
                for i in range(begin, end):
                    word = (np.uint64(packets[at]) >> down) & mask
                    row[i] = (word ^ sign) - sign
                    at += step
            elif octets == 2 and not little:
                for i in range(begin, end):
                    word = (np.uint64(packets[at]) << eight) | np.uint64(packets[at + np.uintp(1)])
                    word = (word >> down) & mask
                    row[i] = (word ^ sign) - sign
                    at += step
            elif octets == 4 and not little:
                for i in range(begin, end):
                    word = (np.uint64(packets[at]) << np.uint64(24)) | (
                        np.uint64(packets[at + np.uintp(1)]) << np.uint64(16)
                    )
                    word |= (np.uint64(packets[at + np.uintp(2)]) << eight) | np.uint64(packets[at + np.uintp(3)])
                    word = (word >> down) & mask
                    row[i] = (word ^ sign) - sign
                    at += step
            elif octets == 8 and width == 64 and not little:
                for i in range(begin, end):
                    high = (np.uint64(packets[at]) << np.uint64(24)) | (
                        np.uint64(packets[at + np.uintp(1)]) << np.uint64(16)
                    )
                    high |= (np.uint64(packets[at + np.uintp(2)]) << eight) | np.uint64(packets[at + np.uintp(3)])
                    low = (np.uint64(packets[at + np.uintp(4)]) << np.uint64(24)) | (
                        np.uint64(packets[at + np.uintp(5)]) << np.uint64(16)
                    )
                    low |= (np.uint64(packets[at + np.uintp(6)]) << eight) | np.uint64(packets[at + np.uintp(7)])
                    row[i] = (high << np.uint64(32)) | low
                    at += step
            else:
                for i in range(begin, end):
                    word = np.uint64(0)
                    if little:
                        for k in range(octets - 1, -1, -1):
                            word = (word << eight) | np.uint64(packets[at + np.uintp(k)])
                    else:
                        for k in range(octets):
                            word = (word << eight) | np.uint64(packets[at + np.uintp(k)])
                    word = (word >> down) & mask
                    row[i] = (word ^ sign) - sign
                    at += step


@numba.njit(
    "void(Array(uint64, 1, 'C', readonly=True), int64, boolean, int64, int64, int64[::1])",
    nogil=True,
    cache=True,
)
def take_day_segmented(
    raws: NDArray[np.uint64],
    epoch_utc_ns: int,
    microseconds: bool,
    ms_per_day: int,
    none: int,
    out: NDArray[np.int64],
) -> None:
    """Turn day-segmented time codes into nanoseconds of UTC, ``none`` where a day would be too long.

    Source: CCSDS 301.0-B-4 §3.3.
    """
    for i in range(raws.size):
        rest = raws[i]
        micro = np.int64(0)
        if microseconds:
            micro = np.int64(rest & np.uint64(0xFFFF))
            rest >>= np.uint64(16)
        ms = np.int64(rest & np.uint64(0xFFFF_FFFF))
        days = np.int64(rest >> np.uint64(32))
        bad = ms >= ms_per_day or micro > 999
        out[i] = none if bad else epoch_utc_ns + (days * 86_400_000 + ms) * 1_000_000 + micro * 1000
