"""USP, the Unified SPUTNIX Protocol: CCSDS coding behind a long sync word, in two frame lengths.

::

    preamble   sync word             PLS code   block under the convolutional code, k = 7, r = 1/2
    55 55 …    50 72 F6 4B           64 bits    [tag 2 · length 2, low first · payload … fill | RS parity 32],
               2D 90 B1 F5                      CCSDS randomizer over that, one octet of tail

    PLS 0   71 9D 83 C9 53 42 2D FA   RS(80,48)
    PLS 1   24 C8 D6 9C 06 17 78 AF   RS(255,223)

Reed–Solomon is that of CCSDS in the dual basis, the convolutional code has its second generator inverted, the
PLS code is DVB-S2's. The tag 08 FF means AX.25: then the payload alone comes out; with any other tag the whole
block does. Source: SPUTNIX, "USP FEC protocol general description" (github.com/sputnixru/SX-USP, README) and
"USP v1.04"; ETSI EN 302 307-1 §5.5.2. That README numbers the two lengths the other way round than frames on
the air have them, so the length the PLS code does not name is tried second.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from construct import Bytes, Const, Int16ul, Struct, this
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.convolutional import CODES, decode_block, encode_convolutional
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223_DUAL
from firmware_protocols.coding.scramblers import randomize_ccsds
from firmware_protocols.coding.sync_word import (
    Accept,
    More,
    Reject,
    SyncedFrames,
    SyncWord,
    Verdict,
    bit_string,
    octets_to_bits,
)
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

PREAMBLE: Final = b"\x55" * 16
SYNC_WORD: Final = bytes.fromhex("5072f64b2d90b1f5")
PLS_BITS: Final = 64
PLS_SHORT: Final = bytes.fromhex("719d83c953422dfa")
PLS_LONG: Final = bytes.fromhex("24c8d69c061778af")
SHORT_OCTETS: Final = 48
LONG_OCTETS: Final = 223
TAIL_OCTETS: Final = 1
CODE: Final = CODES["ccsds"]

AX25_TAG: Final = b"\x08\xff"
AX25_BLOCK: Final = Struct("tag" / Const(AX25_TAG), "length" / Int16ul, "payload" / Bytes(this.length))


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The standard advises up to 13 wrong bits of 64 in the sync word: once in 10^6 symbols of noise."""

    sync_errors: Annotated[int, Meta(ge=0, le=16)] = 13


class Deframer:
    """Soft symbols in, frames that passed Reed–Solomon out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC_WORD), max_errors=options.sync_errors),
            _judge,
            self.rejected,
            first_symbols=PLS_BITS + _coded_symbols(SHORT_OCTETS),
            max_symbols=PLS_BITS + _coded_symbols(LONG_OCTETS),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()


def _coded_symbols(data_octets: int) -> int:
    return 16 * (data_octets + CCSDS_RS_223_DUAL.roots + TAIL_OCTETS)


def _signs(octets: bytes) -> NDArray[np.float32]:
    return (2.0 * octets_to_bits(octets) - 1.0).astype(np.float32)


def _judge(soft: NDArray[np.float32]) -> Verdict:
    pls = np.nan_to_num(soft[:PLS_BITS], nan=0.0, posinf=1.0, neginf=-1.0)
    says_long = float(pls @ _signs(PLS_LONG)) > float(pls @ _signs(PLS_SHORT))
    whole = PLS_BITS + _coded_symbols(LONG_OCTETS)
    if not says_long:
        accepted = _decode(soft, SHORT_OCTETS)
        if accepted:
            return accepted
    if soft.size < whole:
        return More(whole)
    accepted = _decode(soft, LONG_OCTETS) or (_decode(soft, SHORT_OCTETS) if says_long else None)
    return accepted or Reject("bad_rs")


def _decode(soft: NDArray[np.float32], data_octets: int) -> Accept | None:
    end = PLS_BITS + _coded_symbols(data_octets)
    bits = decode_block(soft[PLS_BITS:end], CODE)[: -8 * TAIL_OCTETS]
    result = CCSDS_RS_223_DUAL.decode(randomize_ccsds(np.packbits(bits).tobytes()))
    if result is None:
        return None
    block, corrected = result
    if block.startswith(AX25_TAG):
        length = int.from_bytes(block[2:4], "little")
        if 0 < length <= data_octets - 4:
            block = bytes(AX25_BLOCK.parse(block).payload)
    return Accept(block, end, "rs", corrected)


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of an AX.25 frame of at most 219 octets."""
    del options
    short = len(frame) <= SHORT_OCTETS - 4
    octets = SHORT_OCTETS if short else LONG_OCTETS
    if not 0 < len(frame) <= octets - 4:
        raise ValueError(f"a frame has 1 to {LONG_OCTETS - 4} octets")
    block: bytes = AX25_BLOCK.build({"length": len(frame), "payload": frame}).ljust(octets, b"\0")
    codeword = randomize_ccsds(block + CCSDS_RS_223_DUAL.encode(block))
    coded = encode_convolutional(octets_to_bits(codeword + bytes(TAIL_OCTETS)), CODE)
    start = octets_to_bits(PREAMBLE + SYNC_WORD + (PLS_SHORT if short else PLS_LONG))
    return np.concatenate([start, coded, octets_to_bits(b"\x55")])


_BEACON = bytes.fromhex("a464829c8c4060a4a66060a6406f00f0e1ff020001000300002606")

EXAMPLES: Final = (
    Example(
        name="a short frame",
        source="frame of a SPUTNIX satellite as published with gr-satellites; channel bits by encode",
        stream=encode(_BEACON, Options()).tobytes(),
        frames=(_BEACON,),
    ),
    Example(
        name="a long frame",
        source="the same header with more telemetry, made up; channel bits by encode",
        stream=encode(_BEACON + bytes(range(120)), Options()).tobytes(),
        frames=(_BEACON + bytes(range(120)),),
    ),
)
