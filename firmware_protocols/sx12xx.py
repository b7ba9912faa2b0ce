"""The FSK packet engine of Semtech's SX127x and SX126x radios (FOSSASAT-2; its LoRa packets are another matter).

::

    preamble   sync word   length 1   data …   CRC 2            under PN9 whitening from behind the sync word on
    55 55 …    12 12                  poly 1021, from 1D0F, inverted, over length and data, high octet first

The whitening is the sequence that TI's radios use too, but its bits fill each octet from the highest. Half the
sync word's length in preamble is searched with it, since sixteen bits alone stand in noise every few seconds.

Source: Semtech SX1262 data sheet §6.2.3 (packet format, whitening, CRC); FOSSASAT-2's sync word and what it
switches on from a recording.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_SX12XX, append_crc, crc_matches
from firmware_protocols.coding.scramblers import dewhiten_pn9_high_soft, whiten_pn9_high
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

PREAMBLE: Final = b"\x55"
CRC_OCTETS: Final = 2
MAX_OCTETS: Final = 255
SEARCHED_BITS: Final = 64


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sync`` is hex, one to six octets; ``sync_errors`` may be wrong in it and the preamble before it."""

    sync: Annotated[str, Meta(pattern="^([0-9a-f]{2}){1,6}$")] = "1212"
    sync_errors: Annotated[int, Meta(ge=0, le=4)] = 1
    whitening: bool = True

    @property
    def searched(self) -> bytes:
        """The sync word with the preamble that is searched with it."""
        sync = bytes.fromhex(self.sync)
        return PREAMBLE * min(2, SEARCHED_BITS // 8 - len(sync)) + sync


class Deframer:
    """Soft symbols in, frames whose CRC is good out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._whitening = options.whitening
        self._frames = SyncedFrames(
            SyncWord(bit_string(options.searched), max_errors=options.sync_errors),
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
        plain = dewhiten_pn9_high_soft(soft) if self._whitening else soft
        octets = hard_octets(plain[:8])[0]
        if not octets:
            return Reject()
        end = 8 * (1 + octets + CRC_OCTETS)
        if soft.size < end:
            return More(end)
        data = hard_octets(plain[:end])
        if not crc_matches(data, CRC16_SX12XX, "big"):
            return Reject("bad_crc")
        return Accept(data[1:-CRC_OCTETS], end, "crc16")


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``."""
    if not 0 < len(frame) <= MAX_OCTETS:
        raise ValueError(f"a packet has 1 to {MAX_OCTETS} octets")
    data = append_crc(bytes((len(frame),)) + frame, CRC16_SX12XX, "big")
    body = whiten_pn9_high(data) if options.whitening else data
    return octets_to_bits(PREAMBLE * 8 + bytes.fromhex(options.sync) + body + PREAMBLE * 2)


_FOSSASAT_2 = bytes.fromhex("464f5353415341542d322638050cfea0860100237b00c8f40164")

EXAMPLES: Final = (
    Example(
        name="FOSSASAT-2",
        source="recording fossasat2.wav of daniestevez/satellite-recordings 952ddfe5, shortened, rebuilt by encode",
        stream=encode(_FOSSASAT_2, Options()).tobytes(),
        frames=(_FOSSASAT_2,),
    ),
    Example(
        name="a sync word of eight octets less two, no whitening",
        source="the same octets",
        stream=encode(_FOSSASAT_2, Options(sync="12ad12ad12ad", whitening=False)).tobytes(),
        frames=(_FOSSASAT_2,),
        options={"sync": "12ad12ad12ad", "whitening": False},
    ),
)
