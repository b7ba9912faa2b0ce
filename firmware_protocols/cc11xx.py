"""The packet engine of TI's CC11xx and CC112x radios: 3CAT-1, Reaktor Hello World, AALTO-1, Light-1.

::

    preamble   sync word 32   [length 1]   data … [CRC 2]        under PN9 whitening from behind the sync word on
    AA AA …    D3 91 D3 91    of the data  CRC-16/CMS over length and data, high octet first

With ``fixed_octets`` there is no length. ``reed_solomon`` is that of the library rscode, RS(255,223), over the
data of a packet that is then 255 octets long (3CAT-1). Without a CRC and without a code nothing stands behind a
frame: ``check`` is ``none``, and symbols that look like noise are refused.

Source: TI CC1101 data sheet SWRS061 §15 (packet format, whitening) and design note DN502 (CRC); sync words and
what is switched on as published by D. Estévez, "Decoding Reaktor Hello World", "Decoding 3CAT-1" (2018); the
rest from recordings of both.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_CC11XX, append_crc, crc_matches
from firmware_protocols.coding.reed_solomon import RSCODE_223, decode_with_erasures, octet_reliability
from firmware_protocols.coding.scramblers import dewhiten_pn9_soft, whiten_pn9
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

PREAMBLE: Final = b"\xaa" * 16
CRC_OCTETS: Final = 2
MAX_OCTETS: Final = 255


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the engine's parts a satellite uses; ``sync`` is hex, ``fixed_octets`` 0 where a length is sent."""

    sync: Annotated[str, Meta(pattern="^([0-9a-f]{4}|[0-9a-f]{8})$")] = "d391d391"
    sync_errors: Annotated[int, Meta(ge=0, le=4)] = 2
    fixed_octets: Annotated[int, Meta(ge=0, le=MAX_OCTETS)] = 0
    whitening: bool = True
    crc: bool = True
    reed_solomon: bool = False


class Deframer:
    """Soft symbols in, frames out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._length_octets = 0 if options.fixed_octets else 1
        self._frames = SyncedFrames(
            SyncWord(bit_string(bytes.fromhex(options.sync)), max_errors=options.sync_errors),
            self._judge,
            self.rejected,
            first_symbols=8,
            max_symbols=8 * (1 + MAX_OCTETS + CRC_OCTETS),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge(self, soft: NDArray[np.float32]) -> Verdict:
        options = self._options
        plain = dewhiten_pn9_soft(soft) if options.whitening else soft
        begin = self._length_octets
        octets = options.fixed_octets or hard_octets(plain[:8])[0]
        if not octets:
            return Reject()
        end = 8 * (begin + octets + CRC_OCTETS * options.crc)
        if soft.size < end:
            return More(end)
        data = hard_octets(plain[:end])
        if options.crc:
            if not crc_matches(data, CRC16_CC11XX, "big"):
                return Reject("bad_crc")
            data = data[:-CRC_OCTETS]
        data = data[begin:]
        if options.reed_solomon:
            reliability = octet_reliability(plain[8 * begin : 8 * (begin + octets)])
            result = decode_with_erasures(RSCODE_223, data, reliability)
            return Reject("bad_rs") if result is None else Accept(result[0], end, "rs", result[1])
        if not options.crc and eye_opening(soft[:end]) < NOISE_EYE_OPENING:
            return Reject("noise")
        return Accept(data, end, "crc16" if options.crc else "none")


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``."""
    data = frame + RSCODE_223.encode(frame) if options.reed_solomon else frame
    if len(data) != options.fixed_octets and (options.fixed_octets or not 0 < len(data) <= MAX_OCTETS):
        raise ValueError(f"a packet of {len(data)} octets does not fit")
    if not options.fixed_octets:
        data = bytes((len(data),)) + data
    if options.crc:
        data = append_crc(data, CRC16_CC11XX, "big")
    body = whiten_pn9(data) if options.whitening else data
    return octets_to_bits(PREAMBLE + bytes.fromhex(options.sync) + body + PREAMBLE[:2])


_3CAT_1 = bytes.fromhex("00b35c025b76580013011c1a01191a011918010608011009010908").ljust(223, b"\0")
_HELLO_WORLD = bytes.fromhex("010701860000623d2e005cb2480300b00834008f0000005d0000000a0002")

EXAMPLES: Final = (
    Example(
        name="3CAT-1, whole codewords",
        source="recording sat_3cat_1.wav of daniestevez/satellite-recordings 952ddfe5, shortened, rebuilt",
        stream=encode(_3CAT_1, Options(fixed_octets=255, crc=False, reed_solomon=True)).tobytes(),
        frames=(_3CAT_1,),
        options={"fixed_octets": 255, "crc": False, "reed_solomon": True},
    ),
    Example(
        name="Reaktor Hello World, length and CRC",
        source="recording reaktor_hello_world.wav of the same, its first octets, channel bits rebuilt by encode",
        stream=encode(_HELLO_WORLD, Options(sync="352e352e")).tobytes(),
        frames=(_HELLO_WORLD,),
        options={"sync": "352e352e"},
    ),
)
