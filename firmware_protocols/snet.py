"""S-NET, TU Berlin's four satellites of an inter-satellite link: header and data in interleaved BCH codewords.

::

    01 01 …   callsign 48       sync word 32   header 210          data: blocks of 240
              "DPOTBB" …        04 CF 5F C8    14 of BCH(15,5)     16 codewords each of BCH(15,11), (15,7), (15,5)
              LSB first                        of 5 bits each      of 11, 7, 5 bits each; octets LSB first

    n codewords are sent bit by bit: the first bit of each, the second of each …; the information bits are last

    header    source 7 · destination 7 · frame counts 4 + 4 · SNR 4 · code 4 · 4 · 2 · flags 6 · octets 10 · CRCs
              the five bits of each codeword in reverse, then highest bit first; code 1, 2, 3: the codes in order

Each codeword is decoded to the likeliest one by its soft symbols. The codes are cyclic, so a symbol that a
clock lost or doubled shows only in the block where it happened: there the place is searched at which one more
or one less makes codewords again. At the very edge of a block it does not show at all. Nothing public says how
the two CRCs are computed (the operator is said to have had them wrong), so no more than the codes stand behind
a frame: ``check`` is ``bch``, which is less than a CRC, and what overrules more decisions than good symbols
ever ask for is refused.

Source: D. Estévez, "Decoding S-NET" (2018): callsign, BCH codes, fields; order of bits, the interleaving, and
which number means which code from a recording of S-NET A.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

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

SYNC: Final = bytes.fromhex("04cf5fc8")
CALLSIGN: Final = b"DPOTBB"
WORD_BITS: Final = 15
GENERATORS: Final = {11: 0x13, 7: 0x1D1, 5: 0x537}
"""Information bits → generator. Source: Lin and Costello, Error Control Coding, table 6.1 (length 15)."""
CODES: Final = {1: 11, 2: 7, 3: 5}
HEADER_WORDS: Final = 14
HEADER_BITS: Final = HEADER_WORDS * WORD_BITS
BLOCK_WORDS: Final = 16
BLOCK_BITS: Final = BLOCK_WORDS * WORD_BITS
MAX_PDU_OCTETS: Final = 1023
CODE_PLACE: Final = slice(26, 30)
LENGTH_PLACE: Final = slice(42, 52)
HEADER_OVERRULED: Final = 0.13
DATA_OVERRULED: Final = {11: 0.03, 7: 0.08, 5: 0.13}
"""Highest share of overruled decisions: noise alone gives about 0.05, 0.14 and 0.23."""


SLIP_SUSPECTED: Final = 6
"""Overruled decisions of a block from which on a lost or doubled symbol is looked for."""
SLACK: Final = 4
"""Symbols more than a frame has, for those that were doubled."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of the sync word's 32 bits may be wrong."""

    sync_errors: Annotated[int, Meta(ge=0, le=6)] = 3


class Deframer:
    """Soft symbols in, the data of frames that carry some out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC), max_errors=options.sync_errors),
            _judge,
            self.rejected,
            first_symbols=HEADER_BITS,
            max_symbols=HEADER_BITS + BLOCK_BITS * -(-MAX_PDU_OCTETS // 10) + SLACK,
            judge_last=lambda soft: _judge(np.pad(soft, (0, SLACK))),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()


def _judge(soft: NDArray[np.float32]) -> Verdict:
    soft = np.nan_to_num(soft, nan=0.0, posinf=4.0, neginf=-4.0)
    header, overruled = decode_words(soft[:HEADER_BITS].reshape(WORD_BITS, HEADER_WORDS).T, 5)
    if overruled > HEADER_OVERRULED * HEADER_BITS:
        return Reject()
    fields = header[:, ::-1].reshape(-1)
    octets = _number(fields[LENGTH_PLACE])
    if octets == 0:
        return Reject("no_data")
    information = CODES.get(_number(fields[CODE_PLACE]))
    if information is None:
        return Reject("unknown_code")
    blocks = -(-octets // (2 * information))
    end = HEADER_BITS + blocks * BLOCK_BITS
    if soft.size < end + SLACK:
        return More(end + SLACK)
    bits, corrected = _decode_blocks(soft[HEADER_BITS:], blocks, information)
    if corrected > DATA_OVERRULED[information] * BLOCK_BITS * blocks:
        return Reject("bad_bch")
    data = np.packbits(bits, bitorder="little").tobytes()[:octets]
    return Accept(data, end, "bch", overruled + corrected)


def _decode_blocks(soft: NDArray[np.float32], blocks: int, information: int) -> tuple[NDArray[np.uint8], int]:
    """Decode the data's blocks one behind another, following the clock where it slipped."""
    found: list[NDArray[np.uint8]] = []
    corrected = at = 0
    for _ in range(blocks):
        block = np.resize(soft[at : at + BLOCK_BITS + 1], BLOCK_BITS + 1)
        bits, overruled = _decode_block(block[:-1], information)
        step = BLOCK_BITS
        if overruled > SLIP_SUSPECTED:
            slips = [(_decode_block(mended, information), used) for mended, used in _mended(block)]
            (other, fewer), used = min(slips, key=lambda slip: slip[0][1])
            if fewer < overruled - SLIP_SUSPECTED:
                bits, overruled, step = other, fewer, used
        found.append(bits)
        corrected += overruled
        at += step
    return np.concatenate(found), corrected


def _mended(block: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the block with each symbol in turn left out, and with an undecided one put in; and symbols used up."""
    for place in range(BLOCK_BITS):
        yield np.delete(block, place), BLOCK_BITS + 1
        yield np.insert(block[: BLOCK_BITS - 1], place, np.float32(0.0)), BLOCK_BITS - 1


def _decode_block(block: NDArray[np.float32], information: int) -> tuple[NDArray[np.uint8], int]:
    bits, overruled = decode_words(block.reshape(WORD_BITS, BLOCK_WORDS).T, information)
    return bits.reshape(-1), overruled


def _number(bits: NDArray[np.uint8]) -> int:
    return int("".join(map(str, bits)), 2)


@lru_cache(maxsize=3)
def codewords(information: int) -> NDArray[np.uint8]:
    """Return every codeword, uint8[2^k, 15], as it is sent: parity, then the information bits of its number."""
    generator = GENERATORS[information]
    parity_bits = WORD_BITS - information
    rows = []
    for number in range(1 << information):
        # The first information bit sent is the lowest power but the parity's.
        bits = [number >> (information - 1 - place) & 1 for place in range(information)]
        word = sum(bit << (parity_bits + place) for place, bit in enumerate(bits))
        rest = word
        for power in range(WORD_BITS - 1, parity_bits - 1, -1):
            if rest >> power & 1:
                rest ^= generator << (power - parity_bits)
        rows.append([(word | rest) >> power & 1 for power in range(WORD_BITS)])
    return np.array(rows, np.uint8)


def decode_words(soft: NDArray[np.float32], information: int) -> tuple[NDArray[np.uint8], int]:
    """Decode float32[n, 15] to the information bits uint8[n, k], and count the hard decisions overruled."""
    table = codewords(information)
    signs = (2.0 * table - 1.0).astype(np.float32)
    best = np.argmax(np.ascontiguousarray(soft, np.float32) @ signs.T, axis=1)
    overruled = int(np.count_nonzero((soft > 0) != (table[best] == 1)))
    return table[best][:, WORD_BITS - information :], overruled


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame`` in BCH(15,7); its CRCs are zeros."""
    del options
    if not 0 < len(frame) <= MAX_PDU_OCTETS:
        raise ValueError(f"a frame has 1 to {MAX_PDU_OCTETS} octets")
    fields = np.zeros(5 * HEADER_WORDS, np.uint8)
    fields[7:14] = 1  # to all
    fields[CODE_PLACE] = (0, 0, 1, 0)
    fields[LENGTH_PLACE] = [len(frame) >> place & 1 for place in range(9, -1, -1)]
    header = _words(fields.reshape(-1, 5)[:, ::-1], 5)
    blocks = -(-len(frame) // 14)
    bits = np.unpackbits(np.frombuffer(frame.ljust(14 * blocks, b"\0"), np.uint8), bitorder="little")
    body = _words(bits.reshape(-1, 7), 7).reshape(blocks, BLOCK_WORDS, WORD_BITS).transpose(0, 2, 1)
    start = np.unpackbits(np.frombuffer(CALLSIGN, np.uint8), bitorder="little")
    preamble = octets_to_bits(b"\x55" * 12)
    return np.concatenate([preamble, start, octets_to_bits(SYNC), header.T.reshape(-1), body.reshape(-1), preamble])


def _words(bits: NDArray[np.uint8], information: int) -> NDArray[np.uint8]:
    """Return the codewords of rows of information bits."""
    numbers = bits.astype(np.int64) @ (1 << np.arange(information - 1, -1, -1))
    return codewords(information)[numbers]


_S_NET_A = bytes.fromhex("f3501df8240a2c662a873a441c066300aa0360502e001602ce4d5c00")

EXAMPLES: Final = (
    Example(
        name="S-NET A",
        source="recording snet_a.wav of daniestevez/satellite-recordings 952ddfe5, first octets, rebuilt by encode",
        stream=encode(_S_NET_A, Options()).tobytes(),
        frames=(_S_NET_A,),
    ),
)
