"""A worked protocol to copy: replace this line by what the protocol is, who uses it, and what it does not know.

::

    preamble        sync word     length    data            check
    AA AA AA AA     93 0B 51 DE   1 octet   length octets   CRC-16/CCITT-FALSE over length and data, high first

Source: name the standard and its clause, the paper, or the published document here. This layout is made up,
but complete: it receives, transmits and passes every contract test.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from construct import Byte, Bytes, Struct, this
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_CCITT_FALSE, append_crc, crc_matches
from firmware_protocols.coding.sync_word import (
    Accept,
    More,
    Reject,
    SyncedFrames,
    SyncWord,
    Verdict,
    bit_string,
    hard_octets,
    octets_to_bits,
)
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

PREAMBLE: Final = bytes.fromhex("aaaaaaaa")
SYNC_WORD: Final = bytes.fromhex("930b51de")

BLOCK: Final = Struct("length" / Byte, "data" / Bytes(this.length))
"""What the check covers; the same definition parses and builds."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a satellite file may say; every option has a default and a range."""

    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 4


class Deframer:
    """Soft symbols in, checked frames out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        sync = SyncWord(bit_string(SYNC_WORD), max_errors=options.sync_errors)
        self._frames = SyncedFrames(sync, _judge, self.rejected, first_symbols=8, max_symbols=8 * (1 + 255 + 2))

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Return what is still inside at the end of a burst, and begin anew."""
        return self._frames.flush()


def _judge(soft: NDArray[np.float32]) -> Verdict:
    """Judge the symbols behind a sync word: early, in order, and each failure with its reason."""
    octets = hard_octets(soft)
    symbols = 8 * (1 + octets[0] + 2)
    if soft.size < symbols:
        return More(symbols)
    if not crc_matches(octets, CRC16_CCITT_FALSE, "big"):
        return Reject("bad_crc")
    return Accept(bytes(BLOCK.parse(octets).data), symbols, "crc16")


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission: what the deframer with these options receives."""
    del options  # nothing of them changes what is sent
    block = BLOCK.build({"length": len(frame), "data": frame})
    return octets_to_bits(PREAMBLE + SYNC_WORD + append_crc(block, CRC16_CCITT_FALSE, "big"))


EXAMPLES: Final = (
    Example(
        name="the digits",
        source="made up; the CRC of 09 31 … 39 was worked out by long division",
        stream=octets_to_bits(bytes.fromhex("aaaaaaaa930b51de09313233343536373839f5f4")).tobytes(),
        frames=(b"123456789",),
    ),
)
