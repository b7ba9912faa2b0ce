"""GomSpace NanoCom U482C: a header that says for each frame which codes its data carry.

::

    ASM C3 AA 66 55   Golay(24,12) header               block
                      parity 12 · reserved 1 · RS 1 ·   data … [RS parity 32], [CCSDS randomizer],
                      randomizer 1 ·                    [convolutional r = 1/2, k = 7, zero tail]
                      convolutional 1 · length 8

The length counts the octets on the air behind the header: with the Reed–Solomon parity, and twice over, the
tail rounded up, under the convolutional code. Reed–Solomon and randomizer are those of CCSDS (conventional
basis); the convolutional code sends generator 133 first and inverts none. Source: GomSpace NanoCom U482C data
sheet; header bits as published by D. Estévez, "Coding for the NanoCom U482C" (2016); the convolutional code and
its length from a recording of AU03. A frame without the RS flag has no check at all: such frames are marked
``check = "none"``, and need a header without errors and symbols that do not look like noise.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.convolutional import CODES, decode_block, encode_convolutional
from firmware_protocols.coding.golay import decode_golay, encode_golay
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223, decode_with_erasures, octet_reliability
from firmware_protocols.coding.scramblers import derandomize_ccsds_soft, randomize_ccsds
from firmware_protocols.coding.sync_word import (
    NOISE_EYE_OPENING,
    Accept,
    More,
    Reject,
    SyncedFrames,
    SyncWord,
    Verdict,
    bit_string,
    eye_opening,
    hard_octets,
    octets_to_bits,
)
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

ASM: Final = bytes.fromhex("c3aa6655")
PREAMBLE: Final = bytes.fromhex("aa" * 16)
GOLAY_BITS: Final = 24
GOLAY_MAX_CORRECTED: Final = 4
FLAG_CONVOLUTIONAL: Final = 0x100
FLAG_RANDOMIZER: Final = 0x200
FLAG_REED_SOLOMON: Final = 0x400
RESERVED: Final = 0x800
TAIL_BITS: Final = 6
CODE: Final = CODES["nasa-dsn-uninverted"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reed_solomon``, ``randomizer`` and ``convolutional`` say what ``encode`` sends; a receiver reads the flags.

    ``unchecked`` also gives frames that carry no Reed–Solomon code.
    """

    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 4
    unchecked: bool = True
    reed_solomon: bool = True
    randomizer: bool = True
    convolutional: bool = False


class Deframer:
    """Soft symbols in, frames out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._frames = SyncedFrames(
            SyncWord(bit_string(ASM), max_errors=options.sync_errors),
            self._judge,
            self.rejected,
            first_symbols=GOLAY_BITS,
            max_symbols=GOLAY_BITS + 8 * 255,
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge(self, soft: NDArray[np.float32]) -> Verdict:
        header, corrected = decode_golay(soft[:GOLAY_BITS])
        checked = bool(header & FLAG_REED_SOLOMON)
        if corrected > (GOLAY_MAX_CORRECTED if checked else 0) or header & RESERVED:
            return Reject("bad_header")
        length = header & 0xFF
        octets = (4 * length - TAIL_BITS) // 8 if header & FLAG_CONVOLUTIONAL else length
        if octets <= (CCSDS_RS_223.roots if checked else 0):
            return Reject("bad_length")
        end = GOLAY_BITS + 8 * length
        if soft.size < end:
            return More(end)
        block = soft[GOLAY_BITS:end]
        if not checked and eye_opening(block) < NOISE_EYE_OPENING:
            return Reject("noise")
        if header & FLAG_CONVOLUTIONAL:
            coded = block[: 2 * (8 * octets + TAIL_BITS)]
            block = (2.0 * decode_block(coded, CODE, terminated=True)[:-TAIL_BITS] - 1.0).astype(np.float32)
        if header & FLAG_RANDOMIZER:
            block = derandomize_ccsds_soft(block)
        if not checked:
            return Accept(hard_octets(block), end, "none") if self._options.unchecked else Reject("unchecked")
        reliability = None if header & FLAG_CONVOLUTIONAL else octet_reliability(block)
        result = decode_with_erasures(CCSDS_RS_223, hard_octets(block), reliability)
        if result is None:
            return Reject("bad_rs")
        return Accept(result[0], end, "rs", corrected + result[1])


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``."""
    block = frame + CCSDS_RS_223.encode(frame) if options.reed_solomon else frame
    length = 2 * len(block) + 2 if options.convolutional else len(block)
    if not block or length > 255:
        raise ValueError("a block has at most 255 octets on the air")
    header = (
        length
        | FLAG_REED_SOLOMON * options.reed_solomon
        | FLAG_RANDOMIZER * options.randomizer
        | FLAG_CONVOLUTIONAL * options.convolutional
    )
    bits = octets_to_bits(randomize_ccsds(block) if options.randomizer else block)
    if options.convolutional:
        # Six bits of tail, and two more to fill the last octet.
        bits = encode_convolutional(np.concatenate([bits, np.zeros(8, np.uint8)]), CODE)
    start = PREAMBLE + ASM + encode_golay(header).to_bytes(3, "big")
    # A demodulator's filters and the receiver's clock want a little after the last bit.
    return np.concatenate([octets_to_bits(start), bits, octets_to_bits(b"\xaa\xaa")])


_AU03 = bytes.fromhex("c2aa23007c6b38fc4f4e3033415566d02109000b010001")

EXAMPLES: Final = tuple(
    Example(
        name=name,
        source="recording au03.wav of daniestevez/satellite-recordings 952ddfe5, channel bits rebuilt by encode",
        stream=encode(_AU03, msgspec.convert(options, Options)).tobytes(),
        frames=(_AU03,),
        options=options,
    )
    for name, options in (
        ("AU03", {}),
        ("AU03, convolutional too", {"convolutional": True}),
        ("AU03, Reed–Solomon alone", {"randomizer": False}),
    )
)
