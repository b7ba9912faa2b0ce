"""LilacSat-1: telemetry beside Codec 2 voice in one convolutionally coded stream; also its sisters' format.

::

    ASM 1A CF FC 1D   116 octets under the CCSDS randomizer, 120 with the ASM, without gap one after another:
    telemetry 13 · voice 7 · telemetry 17 · voice 7 · telemetry 17 · voice 7 · telemetry 17 · voice 7 ·
    telemetry 17 · voice 7                                      telemetry: 81 octets, a piece of a KISS stream

NRZ-M, then the CCSDS convolutional code (k = 7, r = 1/2, second generator inverted), carry the whole. No check
stands behind a frame, so ``check`` is ``none``; ``ccsds_tm_sync`` holds back what agrees with the code no
better than noise. KISS frames run on across these frames: give the data to ``kiss``. With ``voice`` the 35
octets of voice come out as frames of their own, behind the telemetry.

Source: the placing from recordings of LilacSat-1 (idle frames are C0 throughout); HIT Amateur Radio Club's
published description of the downlink (2017).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_protocols import ccsds_tm_sync
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

BLOCK_OCTETS: Final = 116
TELEMETRY_OCTETS: Final = 81
VOICE_OCTETS: Final = 7
IS_VOICE: Final = tuple((place + 4) % 24 >= 17 for place in range(BLOCK_OCTETS))
"""For each octet behind the ASM whether it is voice: 17 octets of telemetry (the ASM counted) and 7 of voice."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``voice`` also gives the Codec 2 octets (five frames of seven), each block's as one frame."""

    voice: bool = False


_CHANNEL: Final = ccsds_tm_sync.Options(
    frame_octets=BLOCK_OCTETS, convolutional="ccsds", precoding="differential", randomizer=True
)


class Deframer:
    """Soft symbols in, pieces of the KISS stream out."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._blocks = ccsds_tm_sync.Deframer(_CHANNEL)
        self.rejected: Counter[str] = self._blocks.rejected

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._parted(self._blocks.feed(elements))

    def flush(self) -> list[LinkFrame]:
        """Return what the decoder still holds, and begin anew."""
        return self._parted(self._blocks.flush())

    def _parted(self, blocks: list[LinkFrame]) -> list[LinkFrame]:
        frames: list[LinkFrame] = []
        for block in blocks:
            frames.append(replace(block, data=_select(block.data, voice=False)))
            if self._options.voice:
                frames.append(replace(block, data=_select(block.data, voice=True)))
        return frames


def _select(block: bytes, *, voice: bool) -> bytes:
    return bytes(octet for octet, is_voice in zip(block, IS_VOICE, strict=True) if is_voice == voice)


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one block with 81 octets of telemetry and silence for voice."""
    del options
    if len(frame) != TELEMETRY_OCTETS:
        raise ValueError(f"a block carries {TELEMETRY_OCTETS} octets of telemetry")
    telemetry = iter(frame)
    block = bytes(0 if is_voice else next(telemetry) for is_voice in IS_VOICE)
    return ccsds_tm_sync.encode(block, _CHANNEL)


_PIECE: Final = bytes.fromhex(
    "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0f4543a001aa20a28fa0514e8652811"
    "0d9ee784009afdfb051600ab001f01dfffed004824d007b1eaaff3aff36bc214000600"
).rjust(TELEMETRY_OCTETS, b"\xc0")

EXAMPLES: Final = (
    Example(
        name="the beginning of a KISS frame",
        source="recording lilacsat1.wav of daniestevez/satellite-recordings 952ddfe5, rebuilt by encode",
        stream=encode(_PIECE, Options()).tobytes(),
        frames=(_PIECE,),
    ),
)
