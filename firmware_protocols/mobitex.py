"""Mobitex, and Mobitex-NX with a callsign in its frame head (BEESAT, TECHNOSAT, D-STAR ONE).

::

    bit sync   frame sync   control 2   FEC 1       NX: callsign 6   CRC 2    1 to 32 data blocks of 240 bits
    CC CC …    16 bits      T T T N N N N N ·       ASCII                     18 octets · CRC 2, each octet with
    NX: AA …                flags · 4 + 4 bits                                4 bits of FEC; 20 rows of 12 bits
                                                                              read by columns; scrambled

    N   number of data blocks less one · T message type

The FEC is a (12,8) code, here decoded softly; the block's CRC is CRC-16/X.25 with its high octet first, that of
the callsign CRC-16/XMODEM; the scrambler is the m-sequence of x^9 + x^5 + 1 from all ones, running on through
the blocks. Source: MX-COM, MX909A data sheet §4.5 (frame, CRC, FEC, interleaving) and figure 6; D. Estévez,
"Some notes on BEESAT and Mobitex-NX" (2016); the two CRCs' octet orders from recordings of TECHNOSAT.

The data are control octets, callsign and its CRC if any, and the blocks without their CRCs; gr-satellites adds
AA, a mask of bad blocks and BB, and so does this unless ``block_mask`` is off. Only frames with all blocks good
are given, with ``partial`` also others, marked ``check = "none"``.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache, partial
from itertools import combinations
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_X25, CRC16_XMODEM, append_crc, crc_matches
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

BIT_SYNC: Final = b"\xcc"
NX_BIT_SYNC: Final = b"\xaa"
PARITY_ROWS: Final = (0b11101100, 0b11010011, 0b10111010, 0b01110101)
HEAD_BITS: Final = 24
CALLSIGN_OCTETS: Final = 6
BLOCK_OCTETS: Final = 18
BLOCK_ROWS: Final = BLOCK_OCTETS + 2
WORD_BITS: Final = 12
BLOCK_BITS: Final = BLOCK_ROWS * WORD_BITS
MAX_BLOCKS: Final = 32
DOUBTFUL_WORDS: Final = 4
"""When a block's CRC fails, the second choice of these many words is tried, alone and in pairs."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``callsign``, when given, is the only one taken; ``frame_sync`` overrides the variant's own (hex)."""

    variant: Literal["mobitex", "nx"] = "mobitex"
    callsign: Annotated[str, Meta(pattern="^[A-Z0-9]{0,6}$")] = ""
    frame_sync: Annotated[str, Meta(pattern="^([0-9a-f]{4})?$")] = ""
    sync_errors: Annotated[int, Meta(ge=0, le=5)] = 1
    block_mask: bool = True
    partial: bool = False

    @property
    def frame_sync_octets(self) -> bytes:
        """The frame sync in use."""
        return bytes.fromhex(self.frame_sync or ("0ef0" if self.variant == "nx" else "5765"))

    @property
    def sync_octets(self) -> bytes:
        """What is searched for: in plain Mobitex with the last of the bit sync, which is not the same in NX."""
        return self.frame_sync_octets if self.variant == "nx" else BIT_SYNC + self.frame_sync_octets

    @property
    def start_bits(self) -> int:
        """How many bits stand between the frame sync and the first block."""
        return HEAD_BITS + (8 * (CALLSIGN_OCTETS + 2) if self.variant == "nx" else 0)


class Deframer:
    """Soft symbols in, frames whose blocks passed their CRCs out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._frames = SyncedFrames(
            SyncWord(bit_string(options.sync_octets), max_errors=options.sync_errors),
            self._judge,
            self.rejected,
            first_symbols=options.start_bits + BLOCK_BITS,
            max_symbols=options.start_bits + MAX_BLOCKS * BLOCK_BITS,
            judge_last=partial(self._judge, last=True),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge(self, soft: NDArray[np.float32], *, last: bool = False) -> Verdict:
        options = self._options
        soft = np.nan_to_num(soft, nan=0.0, posinf=4.0, neginf=-4.0)
        control, overruled = _decode_head(soft[:HEAD_BITS])
        if overruled > 2:
            return Reject()
        head = control
        if options.variant == "nx":
            callsign = hard_octets(soft[HEAD_BITS : options.start_bits])
            if not self._callsign_is_good(callsign):
                return Reject("bad_callsign")
            if options.callsign:
                callsign = append_crc(options.callsign.ljust(CALLSIGN_OCTETS).encode(), CRC16_XMODEM, "big")
            head += callsign
        start = options.start_bits
        # D-STAR ONE counts its blocks in the second control octet, the standard in the first.
        counts = sorted({(control[0] & 0x1F) + 1, *((control[1],) if 1 <= control[1] <= MAX_BLOCKS else ())})
        present = (soft.size - start) // BLOCK_BITS
        decoded = [_decode_scrambled(soft, start, k) for k in range(min(present, counts[-1]))]
        first_bad = next((k for k, block in enumerate(decoded) if not block[1]), len(decoded))
        blocks = max((count for count in counts if count <= first_bad), default=0)
        if not last and present < counts[-1] and (first_bad == present or options.partial):
            # So far so good: ask for one block more, so that a frame that ends early is known to.
            return More(start + (present + 1) * BLOCK_BITS)
        if not blocks:
            if not (options.partial and any(block[1] for block in decoded)):
                return Reject("bad_crc")
            blocks = len(decoded)
        decoded = decoded[:blocks]
        data = head + b"".join(block[0] for block in decoded)
        if options.block_mask:
            mask = sum((not block[1]) << k for k, block in enumerate(decoded))
            data += b"\xaa" + mask.to_bytes(4, "big") + b"\xbb"
        corrected = overruled + sum(block[2] for block in decoded)
        whole = all(block[1] for block in decoded)
        return Accept(data, start + blocks * BLOCK_BITS, "crc16" if whole else "none", corrected)

    def _callsign_is_good(self, octets: bytes) -> bool:
        if not self._options.callsign:
            return crc_matches(octets, CRC16_XMODEM, "big")
        wanted = append_crc(self._options.callsign.ljust(CALLSIGN_OCTETS).encode(), CRC16_XMODEM, "big")
        wrong = sum((a ^ b).bit_count() for a, b in zip(octets, wanted, strict=True))
        return wrong <= len(wanted)  # one bit in eight


def parity(octet: int) -> int:
    """Return the four FEC bits of an octet."""
    bits = 0
    for row in PARITY_ROWS:
        bits = bits << 1 | (row & octet).bit_count() & 1
    return bits


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.float32]:
    """Return every codeword as ±1, float32[256, 12], octet first, highest bit first."""
    words = np.array([octet << 4 | parity(octet) for octet in range(256)])
    bits = words[:, None] >> np.arange(WORD_BITS - 1, -1, -1) & 1
    return (2 * bits - 1).astype(np.float32)


@lru_cache(maxsize=1)
def _scrambler(bits: int) -> NDArray[np.uint8]:
    sequence = [1] * 9
    while len(sequence) < bits:
        sequence.append(sequence[-9] ^ sequence[-5])
    return np.array(sequence[:bits], np.uint8)


def _decode_head(soft: NDArray[np.float32]) -> tuple[bytes, int]:
    """Return the control octets and how many hard decisions were overruled."""
    words = np.stack([
        np.concatenate([soft[0:8], soft[16:20]]),
        np.concatenate([soft[8:16], soft[20:24]]),
    ])  # fmt: skip
    best = np.argmax(words @ _signs().T, axis=1)
    overruled = int(np.count_nonzero((_signs()[best] > 0) != (words > 0)))
    return bytes(best.astype(np.uint8)), overruled


def decode_block(soft: NDArray[np.float32]) -> tuple[bytes, bool, int]:
    """Decode a descrambled block: 18 octets, whether the CRC is good, how many hard decisions were overruled."""
    words = np.ascontiguousarray(soft.reshape(WORD_BITS, BLOCK_ROWS).T, np.float32)
    scores = words @ _signs().T
    rows = np.arange(BLOCK_ROWS)
    best = np.argmax(scores, axis=1)
    highest = scores[rows, best]
    scores[rows, best] = -np.inf
    second = np.argmax(scores, axis=1)
    margin = highest - scores[rows, second]
    doubtful = np.argsort(margin, kind="stable")[:DOUBTFUL_WORDS]
    swaps = [(), *combinations(doubtful.tolist(), 1), *combinations(doubtful.tolist(), 2)]
    for swap in swaps:
        chosen = best.copy()
        chosen[list(swap)] = second[list(swap)]
        octets = chosen.astype(np.uint8).tobytes()
        if crc_matches(octets, CRC16_X25, "big"):
            overruled = int(np.count_nonzero((_signs()[chosen] > 0) != (words > 0)))
            return octets[:-2], True, overruled
    return best.astype(np.uint8).tobytes()[:-2], False, 0


def _decode_scrambled(soft: NDArray[np.float32], start: int, k: int) -> tuple[bytes, bool, int]:
    signs = 1.0 - 2.0 * _scrambler(MAX_BLOCKS * BLOCK_BITS)[k * BLOCK_BITS : (k + 1) * BLOCK_BITS]
    return decode_block(soft[start + k * BLOCK_BITS : start + (k + 1) * BLOCK_BITS] * signs)


def _encode_block(data: bytes) -> NDArray[np.uint8]:
    words = [octet << 4 | parity(octet) for octet in append_crc(data, CRC16_X25, "big")]
    table = np.array([[word >> WORD_BITS - 1 - k & 1 for k in range(WORD_BITS)] for word in words], np.uint8)
    return table.T.reshape(-1)


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of a frame as the deframer gives it."""
    if options.block_mask:
        frame = frame[:-6]
    start = 2 + (CALLSIGN_OCTETS + 2 if options.variant == "nx" else 0)
    head, body = frame[:start], frame[start:]
    blocks, rest = divmod(len(body), BLOCK_OCTETS)
    if rest or blocks != (head[0] & 0x1F) + 1:
        raise ValueError("the blocks must be as many as the control octet says")
    fec = parity(head[0]) << 4 | parity(head[1])
    bit_sync = NX_BIT_SYNC if options.variant == "nx" else BIT_SYNC
    sent = bit_sync * 8 + options.frame_sync_octets + head[:2] + bytes((fec,)) + head[2:]
    coded = np.concatenate([_encode_block(body[k * BLOCK_OCTETS : (k + 1) * BLOCK_OCTETS]) for k in range(blocks)])
    scrambled = coded ^ _scrambler(MAX_BLOCKS * BLOCK_BITS)[: coded.size]
    return np.concatenate([octets_to_bits(sent), scrambled, octets_to_bits(BIT_SYNC)])


_HEAD = bytes.fromhex("200e445030544241e42f")
_BLOCK = bytes.fromhex("05010df7000d07223670c9040b4420000001")

EXAMPLES: Final = tuple(
    Example(
        name=name,
        source="recording technosat.wav of daniestevez/satellite-recordings 952ddfe5, cut, channel bits by encode",
        stream=encode(frame, msgspec.convert(options, Options)).tobytes(),
        frames=(frame,),
        options=options,
    )
    for name, frame, options in (
        ("TECHNOSAT's first block", _HEAD + _BLOCK, {"variant": "nx", "block_mask": False}),
        ("its callsign known", _HEAD + _BLOCK, {"variant": "nx", "callsign": "DP0TBA", "block_mask": False}),
        ("two blocks without a callsign", b"\x21\x0e" + 2 * _BLOCK, {"block_mask": False}),
    )
)
