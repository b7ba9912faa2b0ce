"""NGHam, the next generation ham radio protocol: a size tag, and a Reed–Solomon block of one of seven sizes.

::

    preamble   sync word     size tag 24    block, under the CCSDS randomizer
    AA AA …    5D E6 2A 7E   one of seven   header 1 · payload … · CRC 2 · padding …   [RS parity 16 or 32]
                                            flags 3 · padding 5   CRC-16/X.25, high octet first

    block with its parity   47  79  111 │ 159  191  223  255
    parity                  16  16   16 │  32   32   32   32

The tags differ from each other in 13 bits or more. Reed–Solomon is that of CCSDS, conventional basis,
shortened; FloripaSat-1 sends a parity that is of no such code, for which ``reed_solomon`` is switched off. The
CRC covers header and payload, and these are the frame, as other receivers hand it on.

Source: J. P. Skagmo LA3JPA, NGHam protocol documentation (github.com/skagmo/ngham); FloripaSat-1's ways, and
the octet order of the CRC, from a recording.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_X25, append_crc, crc_matches
from firmware_protocols.coding.reed_solomon import (
    CCSDS_RS_223,
    ReedSolomon,
    decode_with_erasures,
    octet_reliability,
)
from firmware_protocols.coding.scramblers import derandomize_ccsds_soft, randomize_ccsds
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

PREAMBLE: Final = b"\xaa" * 16
SYNC: Final = bytes.fromhex("5de62a7e")
TAG_BITS: Final = 24
TAG_ERRORS: Final = 5
TAGS: Final = {
    0x3B49CD: 47,
    0x4DDA57: 79,
    0x76939A: 111,
    0x9BB4AE: 159,
    0xA0FD63: 191,
    0xD66EF9: 223,
    0xED2734: 255,
}
"""Size tag → octets of the block with its parity."""
RS_239: Final = ReedSolomon(CCSDS_RS_223.polynomial, CCSDS_RS_223.first_root, CCSDS_RS_223.root_step, 16)
LARGEST_OF_16: Final = 111
PADDING: Final = 0x1F
HEADER_OCTETS: Final = 1
CRC_OCTETS: Final = 2


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reed_solomon`` is off where a satellite's parity is none."""

    reed_solomon: bool = True
    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 4


class Deframer:
    """Soft symbols in, frames whose CRC is good out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._reed_solomon = options.reed_solomon
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC), max_errors=options.sync_errors),
            self._judge,
            self.rejected,
            first_symbols=TAG_BITS,
            max_symbols=TAG_BITS + 8 * max(TAGS.values()),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge(self, soft: NDArray[np.float32]) -> Verdict:
        tag = int.from_bytes(hard_octets(soft[:TAG_BITS]), "big")
        octets = next((size for known, size in TAGS.items() if (known ^ tag).bit_count() <= TAG_ERRORS), None)
        if octets is None:
            return Reject("bad_size_tag")
        end = TAG_BITS + 8 * octets
        if soft.size < end:
            return More(end)
        plain = derandomize_ccsds_soft(soft[TAG_BITS:end])
        code = code_of(octets)
        block, corrected = hard_octets(plain), 0
        if self._reed_solomon:
            result = decode_with_erasures(code, block, octet_reliability(plain))
            if result is None:
                return Reject("bad_rs")
            block, corrected = result
        else:
            block = block[: -code.roots]
        block = block[: len(block) - (block[0] & PADDING)]
        if len(block) <= HEADER_OCTETS + CRC_OCTETS or not crc_matches(block, CRC16_X25, "big"):
            return Reject("bad_crc")
        return Accept(block[:-CRC_OCTETS], end, "crc16", corrected)


def code_of(octets: int) -> ReedSolomon:
    """Return the code of a block of this size."""
    return RS_239 if octets <= LARGEST_OF_16 else CCSDS_RS_223


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of a frame; its header is told the padding anew."""
    del options
    needed = len(frame) + CRC_OCTETS
    found = next(((tag, size) for tag, size in TAGS.items() if needed <= size - code_of(size).roots), None)
    if found is None or len(frame) <= HEADER_OCTETS:
        raise ValueError("a frame has a header and 1 to 220 octets")
    tag, size = found
    code = code_of(size)
    padding = size - code.roots - needed
    header = bytes((frame[0] & ~PADDING | padding,))
    block = append_crc(header + frame[HEADER_OCTETS:], CRC16_X25, "big") + bytes(padding)
    body = randomize_ccsds(block + code.encode(block))
    return octets_to_bits(PREAMBLE + SYNC + tag.to_bytes(3, "big") + body + PREAMBLE[:2])


_FLORIPASAT = bytes.fromhex(
    "0200305059304546535c205c407fffff5af92d0f3a0001000000000002000000000af8009c0aee0219ff4bffca07b1004e002dffe23600550e030c"
)

EXAMPLES: Final = (
    Example(
        name="FloripaSat-1's frame, with a parity that is one",
        source="recording floripasat_1.wav of daniestevez/satellite-recordings 952ddfe5, rebuilt by encode",
        stream=encode(_FLORIPASAT, Options()).tobytes(),
        frames=(_FLORIPASAT,),
    ),
    Example(
        name="the same as FloripaSat-1 sends it",
        source="recording floripasat_1.wav, the demodulated octets from the size tag on",
        stream=octets_to_bits(
            PREAMBLE
            + SYNC
            + bytes.fromhex(
                "4dda57fd483e90c33d35fadd70b3f1e7c8b931006e50c308a2be3e0a10f18896cdeab1fe9ae581a8100f7b05a6"
                "6ca485693c9cfb2ed66787737e291a22ef95309bd5a1e2297b3e0c786c3027ab4e4eefde40"
            )
        ).tobytes(),
        frames=(_FLORIPASAT,),
        options={"reed_solomon": False},
    ),
)
