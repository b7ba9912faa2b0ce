"""GomSpace NanoCom AX100: mode 5 (ASM and Golay) and mode 6 (Reed–Solomon under G3RUH).

::

    mode 5   ASM 93 0B 51 DE   Golay(24,12) header   codeword: length octets, CCSDS randomizer over all of it
                               parity 12 · flags 4 · length 8     data … RS parity 32
    mode 6   after G3RUH:  93 0B 51 DE   length (counts itself)   codeword: data … RS parity 32

The length of mode 5 counts the codeword with its parity, that of mode 6 the codeword and the length octet.
The code is CCSDS RS(255,223), conventional basis, shortened by what the codeword lacks. Randomizer and length
are sent highest bit first. Source: GomSpace NanoCom AX100 data sheet and manual (framing modes 5 and 6); the
flags are those of the U482C (see ``u482c``). Knows no CSP: that is what the data usually are.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.golay import decode_golay, encode_golay
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223, decode_with_erasures, octet_reliability
from firmware_protocols.coding.scramblers import (
    SelfSynchronisingDescrambler,
    derandomize_ccsds_soft,
    randomize_ccsds,
    scramble_self_synchronising,
)
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

PREAMBLE: Final = bytes.fromhex("aa" * 16)
PARITY_OCTETS: Final = CCSDS_RS_223.roots
GOLAY_BITS: Final = 24
GOLAY_MAX_CORRECTED: Final = 4
"""A header that needs more is noise more often than a header."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``randomizer`` is that of mode 5; some satellites switch it off. FORESAIL-1 has its own ``asm`` (hex)."""

    mode: Literal["asm_golay", "reed_solomon"] = "asm_golay"
    randomizer: bool = True
    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 4
    asm: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")] = "930b51de"


class Deframer:
    """Soft symbols in, frames that passed Reed–Solomon out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._descrambler = SelfSynchronisingDescrambler() if options.mode == "reed_solomon" else None
        self._frames = SyncedFrames(
            SyncWord(bit_string(bytes.fromhex(options.asm)), max_errors=options.sync_errors),
            self._judge_golay if options.mode == "asm_golay" else self._judge_length,
            self.rejected,
            first_symbols=GOLAY_BITS if options.mode == "asm_golay" else 8,
            max_symbols=GOLAY_BITS + 8 * 255,
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(self._descrambler.feed(elements) if self._descrambler else elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge_golay(self, soft: NDArray[np.float32]) -> Verdict:
        header, overruled = decode_golay(soft[:GOLAY_BITS])
        if overruled > GOLAY_MAX_CORRECTED:
            return Reject("bad_header")
        return judge_codeword(soft, GOLAY_BITS, header & 0xFF, overruled, randomizer=self._options.randomizer)

    def _judge_length(self, soft: NDArray[np.float32]) -> Verdict:
        return judge_codeword(soft, 8, hard_octets(soft[:8])[0] - 1, 0, randomizer=False)


def judge_codeword(
    soft: NDArray[np.float32], start: int, octets: int, overruled: int, *, randomizer: bool
) -> Verdict:
    """Judge a shortened codeword of ``octets`` that begins at ``start``; also U482C's."""
    if octets <= PARITY_OCTETS:
        return Reject("bad_length")
    end = start + 8 * octets
    if soft.size < end:
        return More(end)
    codeword = derandomize_ccsds_soft(soft[start:end]) if randomizer else soft[start:end]
    result = decode_with_erasures(CCSDS_RS_223, hard_octets(codeword), octet_reliability(codeword))
    if result is None:
        return Reject("bad_rs")
    return Accept(result[0], end, "rs", overruled + result[1])


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame`` (at most 223 octets)."""
    start = PREAMBLE + bytes.fromhex(options.asm)
    codeword = frame + CCSDS_RS_223.encode(frame)
    if options.mode == "asm_golay":
        header = encode_golay(len(codeword)).to_bytes(3, "big")
        body = randomize_ccsds(codeword) if options.randomizer else codeword
        return octets_to_bits(start + header + body)
    return scramble_self_synchronising(octets_to_bits(start + bytes((len(codeword) + 1,)) + codeword))


_DELPHINI = bytes.fromhex("4cad890304d310f49a548f805e8f64d249")
_GOMX_3 = bytes.fromhex("8aa8c101000102030405060708090a0b0c0d0e0f10111213cc79ebe6")

EXAMPLES: Final = (
    Example(
        name="Delphini-1, mode 5",
        source="recording delphini1.wav of daniestevez/satellite-recordings 952ddfe5, rebuilt by encode",
        stream=encode(_DELPHINI, Options()).tobytes(),
        frames=(_DELPHINI,),
    ),
    Example(
        name="GOMX-3, mode 6",
        source="recording gomx_3.wav of daniestevez/satellite-recordings 952ddfe5, channel bits rebuilt by encode",
        stream=encode(_GOMX_3, Options(mode="reed_solomon")).tobytes(),
        frames=(_GOMX_3,),
        options={"mode": "reed_solomon"},
    ),
)
