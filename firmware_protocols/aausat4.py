"""AAUSAT-4 (and AAUSAT3's successor modem): long and short frames behind the callsign of its control centre.

::

    training   sync word     FSM   coded: k = 7, r = 1/2, zero tail, second generator inverted
    55 55 …    "OZ4CUB" 48   59    250 octets ► 124: data 92 · RS parity 32, under the CCSDS randomizer
                             A6    128 octets ►  63: data 31 · RS parity 32

    data       length 2 (of what follows the CSP header)   CSP header 4 …   padding

Reed–Solomon is that of CCSDS, conventional basis, shortened. Frames come out whole, with length and padding, as
other receivers hand them on.

Source: the operator's page on the packet format (AAUSAT-4, Aalborg University, 2016): sync word, FSM and
lengths; D. Estévez, "A bunch of data from AAUSAT-4" (2016): what the octets hold; the codes from a recording.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.convolutional import CODES, decode_block, encode_convolutional
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223
from firmware_protocols.coding.scramblers import randomize_ccsds
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

TRAINING: Final = b"\x55" * 16
SYNC: Final = b"OZ4CUB"
CODE: Final = CODES["ccsds"]
TAIL_BITS: Final = 6
FSM_BITS: Final = 8
FSM_ERRORS: Final = 2
CODED_OCTETS: Final = {0x59: 250, 0xA6: 128}
"""Frame size marker → octets on the air; the markers differ in all eight bits."""
DATA_OCTETS: Final = {0x59: 92, 0xA6: 31}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of the sync word's 48 bits may be wrong."""

    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 6


class Deframer:
    """Soft symbols in, frames that passed Reed–Solomon out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC), max_errors=options.sync_errors),
            _judge,
            self.rejected,
            first_symbols=FSM_BITS,
            max_symbols=FSM_BITS + 8 * max(CODED_OCTETS.values()),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()


def _judge(soft: NDArray[np.float32]) -> Verdict:
    marker = hard_octets(soft[:FSM_BITS])[0]
    kind = next((known for known in CODED_OCTETS if (known ^ marker).bit_count() <= FSM_ERRORS), None)
    if kind is None:
        return Reject("bad_marker")
    end = FSM_BITS + 8 * CODED_OCTETS[kind]
    if soft.size < end:
        return More(end)
    octets = DATA_OCTETS[kind] + CCSDS_RS_223.roots
    coded = soft[FSM_BITS : FSM_BITS + 2 * (8 * octets + TAIL_BITS)]
    bits = decode_block(coded, CODE, terminated=True)[:-TAIL_BITS]
    result = CCSDS_RS_223.decode(randomize_ccsds(np.packbits(bits).tobytes()))
    return Reject("bad_rs") if result is None else Accept(result[0], end, "rs", result[1])


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``, long or short by its length."""
    del options
    kind = next((kind for kind, octets in DATA_OCTETS.items() if octets == len(frame)), None)
    if kind is None:
        raise ValueError("a frame has 92 octets or 31")
    bits = octets_to_bits(randomize_ccsds(frame + CCSDS_RS_223.encode(frame)))
    # Six bits of tail, and two more to fill the last octet.
    coded = encode_convolutional(np.concatenate([bits, np.zeros(8, np.uint8)]), CODE)
    return np.concatenate([octets_to_bits(TRAINING + SYNC + bytes((kind,))), coded, octets_to_bits(TRAINING[:2])])


_LONG = bytes.fromhex(
    "005600b1924827000300005414571f01266e0edbc7fef87f1011a30004003e0238ffa51800113b0343f71a"
    "000000000000000000000000000000000000000000000000000000015700000000ffff0000000000000000000000003b00"
)
_SHORT = bytes.fromhex("001900b1924827000300005414571f01266e0edbc7fef87f1011a30004003e")

EXAMPLES: Final = (
    Example(
        name="AAUSAT-4, a long frame",
        source="recording aausat_4.wav of daniestevez/satellite-recordings 952ddfe5, rebuilt by encode",
        stream=encode(_LONG, Options()).tobytes(),
        frames=(_LONG,),
    ),
    Example(
        name="a short frame",
        source="made from the operator's description with the first octets of the long one",
        stream=encode(_SHORT, Options()).tobytes(),
        frames=(_SHORT,),
    ),
)
