"""AO-40 uncoded: the AMSAT Phase 3 telemetry block, also of the QO-100 beacon.

::

    sync 39 15 ED 30   512 octets   CRC-16/CCITT-FALSE, high octet first

Source: J. Miller G3RUH, "The AMSAT Phase 3 telemetry format"; P. Karn KA9Q, "Proposed Coded AO-40 Telemetry
Format" (2002), introduction. The check is taken off. Knows no text: the octets are mostly ASCII lines.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_CCITT_FALSE, append_crc, crc_matches
from firmware_protocols.coding.sync_word import (
    Accept,
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

SYNC_WORD: Final = bytes.fromhex("3915ed30")
DATA_OCTETS: Final = 512
BLOCK_SYMBOLS: Final = 8 * (DATA_OCTETS + 2)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many bits of the sync word may be wrong."""

    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 3


class Deframer:
    """Soft symbols in, checked blocks out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC_WORD), max_errors=options.sync_errors),
            _judge,
            self.rejected,
            first_symbols=BLOCK_SYMBOLS,
            max_symbols=BLOCK_SYMBOLS,
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a block that is incomplete, and begin anew."""
        return self._frames.flush()


def _judge(soft: NDArray[np.float32]) -> Verdict:
    octets = hard_octets(soft)
    if not crc_matches(octets, CRC16_CCITT_FALSE, "big"):
        return Reject("bad_crc")
    return Accept(octets[:-2], BLOCK_SYMBOLS, "crc16")


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one block of 512 octets."""
    del options
    if len(frame) != DATA_OCTETS:
        raise ValueError(f"a block carries {DATA_OCTETS} octets")
    return octets_to_bits(b"\x50" * 8 + SYNC_WORD + append_crc(frame, CRC16_CCITT_FALSE, "big") + b"\x50")


_TEXT = b"K HI THIS IS AMSAT OSCAR 40".ljust(DATA_OCTETS)

EXAMPLES: Final = (
    Example(
        name="a K block",
        source="made up after the text of AO-40's K blocks; channel bits by encode",
        stream=encode(_TEXT, Options()).tobytes(),
        frames=(_TEXT,),
    ),
)
