"""FX.25: an AX.25 frame inside a Reed–Solomon codeblock, and Astrocast's variant of it.

::

    flags …   correlation tag 64   codeblock: [flag · frame, bit-stuffed, with FCS · flag · fill] | RS parity
                                   every octet from its lowest bit; NRZI (and G3RUH) over everything

Eleven tags name the code: RS(255, 239 … 191) over x^8+x^4+x^3+x^2+1, roots from a^1 on, and its shortened forms.
Astrocast keeps tag 5 but uses the CCSDS code in the dual basis. A frame must pass the FCS inside the corrected
block; ``check`` is ``fcs``, ``corrected`` the octets repaired.

Source: Stensat Group, "FX.25: Forward Error Correction Extension to AX.25 Link Protocol", version 01.06 (2006);
Astrocast's code from recordings of Astrocast 0.1. Knows no addresses.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols import hdlc
from firmware_protocols.coding.crc import CRC16_X25, crc_matches
from firmware_protocols.coding.line_code import DifferentialDecoder
from firmware_protocols.coding.reed_solomon import (
    CCSDS_RS_223_DUAL,
    ReedSolomon,
    decode_with_erasures,
    octet_reliability,
)
from firmware_protocols.coding.scramblers import SelfSynchronisingDescrambler
from firmware_protocols.coding.sync_word import Accept, Reject, SyncedFrames, SyncWord, Verdict
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

FLAG_OCTET: Final = 0x7E


class CodeMode(msgspec.Struct, frozen=True):
    """A correlation tag (sent from its lowest bit) and what it announces."""

    tag: int
    codeblock_octets: int
    data_octets: int

    @property
    def code(self) -> ReedSolomon:
        """The Reed–Solomon code of this mode."""
        return ReedSolomon(0x11D, 1, 1, self.codeblock_octets - self.data_octets)


MODES: Final = (
    CodeMode(0xB74DB7DF8A532F3E, 255, 239),
    CodeMode(0x26FF60A600CC8FDE, 144, 128),
    CodeMode(0xC7DC0508F3D9B09E, 80, 64),
    CodeMode(0x8F056EB4369660EE, 48, 32),
    CodeMode(0x6E260B1AC5835FAE, 255, 223),
    CodeMode(0xFF94DC634F1CFF4E, 160, 128),
    CodeMode(0x1EB7B9CDBC09C00E, 96, 64),
    CodeMode(0xDBF869BD2DBB1776, 64, 32),
    CodeMode(0x3ADB0C13DEAE2836, 255, 191),
    CodeMode(0xAB69DB6A543188D6, 192, 128),
    CodeMode(0x4A4ABEC4A724B796, 128, 64),
)
"""Tags 1 to 11; any two differ in 32 bits."""
ASTROCAST_MODE: Final = MODES[4]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the bits lie on the channel, and whether the code is Astrocast's."""

    nrzi: bool = True
    scrambler: Literal["none", "g3ruh"] = "none"
    variant: Literal["fx25", "astrocast"] = "fx25"
    sync_errors: Annotated[int, Meta(ge=0, le=12)] = 9


class Deframer:
    """Soft symbols in, frames without their FCS out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._descrambler = SelfSynchronisingDescrambler() if options.scrambler == "g3ruh" else None
        self._nrzi = DifferentialDecoder(space=True) if options.nrzi else None
        astrocast = options.variant == "astrocast"
        self._searches = [
            SyncedFrames(
                SyncWord(f"{mode.tag:064b}"[::-1], max_errors=options.sync_errors, inverted_too=not options.nrzi),
                partial(_judge, CCSDS_RS_223_DUAL if astrocast else mode.code),
                self.rejected,
                first_symbols=8 * mode.codeblock_octets,
                max_symbols=8 * mode.codeblock_octets,
            )
            for mode in ((ASTROCAST_MODE,) if astrocast else MODES)
        ]

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        soft = np.ascontiguousarray(elements, np.float32)
        if self._descrambler:
            soft = self._descrambler.feed(soft)
        if self._nrzi:
            soft = self._nrzi.feed(soft)
        frames = [frame for search in self._searches for frame in search.feed(soft)]
        return sorted(frames, key=lambda frame: frame.offset + frame.span)

    def flush(self) -> list[LinkFrame]:
        """Give up a block that is incomplete, and begin anew."""
        return [frame for search in self._searches for frame in search.flush()]


def _judge(code: ReedSolomon, soft: NDArray[np.float32]) -> Verdict:
    octets = np.packbits(soft > 0, bitorder="little").tobytes()
    result = decode_with_erasures(code, octets, octet_reliability(soft))
    if result is None:
        return Reject("bad_rs")
    block, corrected = result
    frame = frame_in_block(block)
    if frame is None:
        return Reject("bad_fcs")
    return Accept(frame, soft.size, "fcs", corrected)


def frame_in_block(block: bytes) -> bytes | None:
    """Return the frame between the flags of a corrected block: bit-stuffed, or as octets (some leave it out)."""
    bits = np.unpackbits(np.frombuffer(block, np.uint8), bitorder="little")
    deframer = hdlc.Deframer(hdlc.Options(nrzi=False, min_octets=4))
    # A flag behind the block closes a frame that fills it.
    inside = np.concatenate([bits, hdlc.FLAG])
    found = [frame for frame in deframer.feed((2.0 * inside - 1.0).astype(np.float32)) if frame.offset == 0]
    if found:
        return found[0].data
    if block[0] == FLAG_OCTET:
        end = block.find(FLAG_OCTET, 1)
        while end > 0:
            if end > 6 and crc_matches(block[1:end], CRC16_X25, "little"):
                return block[1 : end - 2]
            end = block.find(FLAG_OCTET, end + 1)
    return None


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission; ``ValueError`` for a frame that fits no code."""
    bits = np.concatenate([hdlc.FLAG, hdlc.stuff(frame), hdlc.FLAG])
    astrocast = options.variant == "astrocast"
    modes = (ASTROCAST_MODE,) if astrocast else MODES
    fitting = [mode for mode in modes if 8 * mode.data_octets >= bits.size]
    if not fitting:
        raise ValueError("the frame is longer than any codeblock")
    mode = min(fitting, key=lambda each: (each.codeblock_octets, -each.data_octets))
    fill = np.resize(hdlc.FLAG, 8 * mode.data_octets - bits.size)
    data = np.packbits(np.concatenate([bits, fill]), bitorder="little").tobytes()
    code = CCSDS_RS_223_DUAL if astrocast else mode.code
    block = mode.tag.to_bytes(8, "little") + data + code.encode(data)
    flags = bytes((FLAG_OCTET,))
    sent = np.frombuffer(flags * 8 + block + flags * 2, np.uint8)
    return hdlc.line_code(
        np.unpackbits(sent, bitorder="little"), hdlc.Options(nrzi=options.nrzi, scrambler=options.scrambler)
    )


_ASTROCAST = bytes.fromhex(
    "86a240404040609084728ea68c6103f0244750524d432c3232303531362e33382c412c353133332e38322c4e2c"
    "30323331312e31322c572c31333630362c3035342e372c3237303831362c3032302e332c572a24484b2c30783035"
)

EXAMPLES: Final = tuple(
    Example(
        name=name,
        source="recording astrocast.wav of daniestevez/satellite-recordings 952ddfe5, cut, rebuilt by encode",
        stream=encode(_ASTROCAST[:size], msgspec.convert(options, Options)).tobytes(),
        frames=(_ASTROCAST[:size],),
        options=options,
    )
    for name, size, options in (
        ("Astrocast 0.1", 91, {"variant": "astrocast"}),
        ("RS(64,32)", 20, {}),
        ("RS(255,239), scrambled", 91, {"scrambler": "g3ruh"}),
    )
)
