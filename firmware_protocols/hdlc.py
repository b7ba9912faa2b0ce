"""HDLC framing: flags, bit stuffing and the 16-bit FCS, on soft symbols; AX.25 and its kin stand on it.

::

    flag      octets, each from its lowest bit, a zero stuffed after five ones     FCS              flag
    01111110  d d d d d d d d  …                                                   16 bits          01111110

The FCS is CRC-16/X.25 over the octets before it, sent low octet first. One flag may both close a frame and
open the next. NRZI (a zero is a change of level) and the G3RUH scrambler lie between these bits and the
channel. Source: ISO/IEC 13239 §4; ITU-T X.25 §2.2; AX.25 v2.2 §3.

With ``repair`` a frame whose FCS fails is tried again with its least certain channel symbols inverted; that
is allowed only where the header must look like AX.25, because 16 bits alone are no proof after many trials.
Knows no addresses beyond that. The frame's data come out without the FCS.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding import hdlc_search as kernel
from firmware_protocols.coding.crc import CRC16_X25, append_crc
from firmware_protocols.coding.scramblers import scramble_self_synchronising
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

REPAIR_MAX_OCTETS = 512
"""Longer candidates are not repaired: their work would not be bounded as tightly."""
REPAIR_PATTERNS = 240


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the bits lie on the channel, and which frames are taken (lengths without the FCS).

    ``nrzi_again``: coded as NRZI a second time, behind the scrambler.
    """

    nrzi: bool = True
    nrzi_again: bool = False
    scrambler: Literal["none", "g3ruh"] = "none"
    min_octets: Annotated[int, Meta(ge=2, le=64)] = 4
    max_octets: Annotated[int, Meta(ge=64, le=8192)] = 2048


def _taps(options: Options) -> int:
    """Return the channel bits (bit 0 the newest) whose sum modulo 2 is a data bit, up to inversion."""
    taps = 0b1
    if options.scrambler == "g3ruh":
        taps |= 1 << 12 | 1 << 17
    for coded in (options.nrzi, options.nrzi_again):
        taps = taps ^ (taps << 1) if coded else taps
    return taps


@lru_cache(maxsize=1)
def _repair_patterns() -> NDArray[np.int64]:
    """List sets of up to four ranks, by rising sum of ranks: the likelier an error pattern, the earlier.

    Row: how many, then the ranks in rising order. Source of the order: K. Duffy, W. An, M. Médard, "Ordered
    Reliability Bits Guessing Random Additive Noise Decoding", IEEE Trans. Signal Process. 70 (2022).
    """
    weighted: list[tuple[int, tuple[int, ...]]] = []

    def extend(ranks: tuple[int, ...], weight: int) -> None:
        if ranks:
            weighted.append((weight, ranks))
        if len(ranks) < 4:
            for rank in range(ranks[-1] + 1 if ranks else 0, kernel.WEAKEST):
                if weight + rank + 1 <= kernel.WEAKEST:
                    extend((*ranks, rank), weight + rank + 1)

    extend((), 0)
    weighted.sort()
    table = np.zeros((REPAIR_PATTERNS, 5), np.int64)
    for row, (_, ranks) in zip(table, weighted, strict=False):
        row[0] = len(ranks)
        row[1 : 1 + len(ranks)] = ranks
    return table


class FrameSearch:
    """One search of one polarity over one stream of soft symbols, float32, positive for a one."""

    def __init__(self, options: Options, *, ax25_header: bool, repair: bool, inverted: bool = False) -> None:
        if repair and not ax25_header:
            raise ValueError("repair needs a header to be checked")
        max_bits = (options.max_octets + 2) * 8 * 6 // 5 + 16
        parameters = np.zeros(kernel.PARAMETER_COUNT, np.int64)
        parameters[kernel.TAPS] = _taps(options)
        # Before the descrambler's three taps or before NRZI an inversion does nothing: only the last one counts.
        parameters[kernel.INVERT] = int(options.nrzi or options.nrzi_again) ^ int(inverted)
        parameters[kernel.MIN_OCTETS] = options.min_octets
        parameters[kernel.MAX_OCTETS] = options.max_octets
        parameters[kernel.HEADER] = kernel.AX25_HEADER if ax25_header else kernel.ANY_HEADER
        parameters[kernel.REPAIR_BITS] = min(REPAIR_MAX_OCTETS * 10, max_bits) if repair else 0
        self._parameters = parameters
        self._max_bits = max_bits
        self._ring = np.zeros(1 << (max_bits + kernel.MEMORY + kernel.WORD).bit_length(), np.float32)
        self._bits = np.zeros(max_bits + kernel.MEMORY, np.uint8)
        self._octets = np.zeros(options.max_octets + 2, np.uint8)
        self._state = np.zeros(kernel.STATE_SIZE, np.int64)
        self._state[kernel.POSITION] = kernel.MEMORY
        self._counters = np.zeros(kernel.COUNTERS, np.int64)
        self._found = np.zeros(kernel.FOUND_SIZE, np.int64)
        self._patterns = _repair_patterns() if repair else np.zeros((0, 5), np.int64)

    def feed(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames that end in them."""
        soft = np.ascontiguousarray(soft, np.float32)
        frames: list[LinkFrame] = []
        taken = 0
        while taken < soft.size:
            taken = kernel.search_frames(
                soft,
                taken,
                self._ring,
                self._state,
                self._bits,
                self._octets,
                self._patterns,
                self._parameters,
                self._counters,
                self._found,
            )
            octets = int(self._found[kernel.FOUND_OCTETS])
            if octets >= 0:
                frames.append(
                    LinkFrame(
                        self._octets[:octets].tobytes(),
                        offset=max(0, int(self._found[kernel.FOUND_OFFSET]) - kernel.MEMORY),
                        span=int(self._found[kernel.FOUND_SPAN]),
                        check="fcs",
                        corrected=int(self._found[kernel.FOUND_CORRECTED]),
                    )
                )
        return frames

    def count_into(self, rejected: Counter[str]) -> None:
        """Move what was refused since the last call into ``rejected``."""
        for reason, index in (
            ("bad_fcs", kernel.BAD_FCS),
            ("aborted", kernel.ABORTED),
            ("too_short", kernel.TOO_SHORT),
            ("too_long", kernel.TOO_LONG),
            ("irregular_header", kernel.IRREGULAR),
        ):
            if self._counters[index]:
                rejected[reason] += int(self._counters[index])
        self._counters[:] = 0

    def forget(self) -> None:
        """Begin anew behind a gap; positions go on."""
        self._state[kernel.FLAGS] = 0
        self._state[kernel.CHANNEL] = 0
        self._state[kernel.RAW] = 0


class Deframer:
    """Soft symbols in, HDLC frames out, whatever they hold.

    Without NRZI both polarities are searched. A frame of noise passes the FCS once in 65,536 candidates:
    about one a day at 9600 Bd with the default ``min_octets``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._searches = search_polarities(options, ax25_header=False, repair=False)

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return feed_searches(self._searches, elements, self.rejected)

    def flush(self) -> list[LinkFrame]:
        """Forget what is inside: a frame without its closing flag is none."""
        for search in self._searches:
            search.forget()
        return []


def search_polarities(options: Options, *, ax25_header: bool, repair: bool) -> list[FrameSearch]:
    """Make one search, or one for each polarity when the line code does not settle it."""
    polarities = (False,) if options.nrzi or options.nrzi_again else (False, True)
    return [
        FrameSearch(options, ax25_header=ax25_header, repair=repair, inverted=inverted) for inverted in polarities
    ]


def feed_searches(
    searches: list[FrameSearch], soft: NDArray[np.float32], rejected: Counter[str]
) -> list[LinkFrame]:
    """Feed every search; the frames come in the order of their ends."""
    frames: list[LinkFrame] = []
    for search in searches:
        frames += search.feed(soft)
        search.count_into(rejected)
    if len(searches) > 1:
        frames.sort(key=lambda frame: frame.offset + frame.span)
    return frames


def stuff(frame: bytes) -> NDArray[np.uint8]:
    """Return the frame's bits as they stand between two flags: with its FCS, and a zero after five ones."""
    out: list[int] = []
    ones = 0
    for octet in append_crc(frame, CRC16_X25, "little"):
        for place in range(8):
            bit = octet >> place & 1
            out.append(bit)
            ones = ones + 1 if bit else 0
            if ones == 5:
                out.append(0)
                ones = 0
    return np.array(out, np.uint8)


FLAG = np.array([0, 1, 1, 1, 1, 1, 1, 0], np.uint8)


def line_code(bits: NDArray[np.uint8], options: Options) -> NDArray[np.uint8]:
    """Return the channel bits of data bits: NRZI (a zero changes the level), the scrambler, NRZI again."""
    if options.nrzi:
        bits = (np.cumsum(bits == 0) & 1).astype(np.uint8)
    bits = scramble_self_synchronising(bits) if options.scrambler == "g3ruh" else bits.astype(np.uint8)
    return (np.cumsum(bits == 0) & 1).astype(np.uint8) if options.nrzi_again else bits


def encode(frame: bytes, options: Options, *, flags_before: int = 8, flags_after: int = 2) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``, which comes without its FCS."""
    bits = np.concatenate([np.tile(FLAG, flags_before), stuff(frame), np.tile(FLAG, flags_after)])
    return line_code(bits, options)


_BY_HAND = (
    "0111111001111110"  # two flags
    "111110111" "00000000" "0111110" "10" "10000000"  # FF 00 7E 01, each from its lowest bit, stuffed
    "1000101001000010"  # FCS 51 42
    "0111111001111110"
)  # fmt: skip

EXAMPLES: Final = (
    Example(
        name="four octets between flags",
        source="worked by hand from ISO/IEC 13239 §4.3: FF 00 7E 01 with FCS 51 42",
        stream=bytes(int(bit) for bit in _BY_HAND),
        frames=(bytes.fromhex("ff007e01"),),
        options={"nrzi": False},
    ),
    Example(
        name="NRZI and G3RUH",
        source="the same octets, channel bits rebuilt by encode",
        stream=encode(bytes.fromhex("ff007e01"), Options(scrambler="g3ruh")).tobytes(),
        frames=(bytes.fromhex("ff007e01"),),
        options={"scrambler": "g3ruh"},
    ),
)
