"""AO-40 FEC: the coded telemetry of AMSAT-OSCAR 40, FUNcube, Nayif, SMOG and others; long and short blocks.

::

    transmitter:  256 octets ► 2 × RS(160,128) interleaved by octets ► CCSDS randomizer ► k = 7, r = 1/2, 6 zeros
                  ► 80 rows of 65 symbols; the first row is the sync word ► read by columns: 5200 symbols

    sent:         s0 d d … d   s1 d d … d   s2 …           a sync symbol every 80 symbols

Short blocks (SMOG): 128 octets, one codeword, 51 rows of 52 symbols, the coded symbols in the last 2572
places. The sync word is the beginning of the m-sequence of x^7 + x^4 + 1 from all ones. The inner code has its
second generator inverted; the outer one is the CCSDS code, conventional basis, shortened. With ``crc16`` the
frame ends in a CRC-16/ARC, which is checked and taken off (SMOG-1, MRC-100).

Source: P. Karn KA9Q, "Proposed Coded AO-40 Telemetry Format" (2002); J. Miller G3RUH, "Oscar-40 FEC
Telemetry" (2003); the geometry of the short block from recordings of SMOG-P. Knows no telemetry.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.convolutional import CODES, decode_block, encode_convolutional
from firmware_protocols.coding.crc import CRC16_ARC, append_crc, crc_matches
from firmware_protocols.coding.distributed_sync import DistributedFrames
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223, decode_interleaved, encode_interleaved
from firmware_protocols.coding.scramblers import randomize_ccsds
from firmware_protocols.coding.sync_word import Accept, Reject, octets_to_bits
from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "symbols"

CODE: Final = CODES["ccsds"]
TAIL_BITS: Final = 6


class Geometry(msgspec.Struct, frozen=True):
    """The block as a table: its first row is the sync word, ``first`` the place of the first coded symbol."""

    rows: int
    columns: int
    first: int
    depth: int

    @property
    def data_octets(self) -> int:
        """How many octets a block carries."""
        return 128 * self.depth

    @property
    def coded_symbols(self) -> int:
        """How many symbols the inner code gives."""
        return 2 * (8 * 160 * self.depth + TAIL_BITS)


LONG: Final = Geometry(rows=80, columns=65, first=65, depth=2)
SHORT: Final = Geometry(rows=51, columns=52, first=80, depth=1)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sync_threshold`` is a normalised correlation: noise alone passes 0.55 once in 10^5 symbols."""

    short: bool = False
    crc16: bool = False
    sync_threshold: Annotated[float, Meta(ge=0.4, le=0.95)] = 0.55


def sync_bits(count: int) -> NDArray[np.uint8]:
    """Return the first bits of the sync word."""
    bits = [1] * 7
    while len(bits) < count:
        bits.append(bits[-7] ^ bits[-4])
    return np.array(bits[:count], np.uint8)


class Deframer:
    """Soft symbols in, frames that passed Reed–Solomon out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._geometry = SHORT if options.short else LONG
        self._frames = DistributedFrames(
            sync_bits(self._geometry.columns),
            self._geometry.rows,
            self._geometry.rows * self._geometry.columns,
            options.sync_threshold,
            self._judge,
            self.rejected,
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a block that is incomplete, and begin anew."""
        return self._frames.flush()

    def _judge(self, block: NDArray[np.float32]) -> Accept | Reject:
        shape = self._geometry
        table = block.reshape(shape.columns, shape.rows).T.reshape(-1)
        coded = table[shape.first : shape.first + shape.coded_symbols]
        bits = decode_block(coded, CODE, terminated=True)[:-TAIL_BITS]
        octets = randomize_ccsds(np.packbits(bits).tobytes())
        result = decode_interleaved(CCSDS_RS_223, octets, shape.depth)
        if result is None:
            return Reject("bad_rs")
        data, corrected = result
        if self._options.crc16:
            # Both octet orders are in use; behind two Reed–Solomon words either is proof enough.
            if not (crc_matches(data, CRC16_ARC, "little") or crc_matches(data, CRC16_ARC, "big")):
                return Reject("bad_crc")
            data = data[:-2]
        return Accept(data, block.size, "rs", corrected)


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one block; with ``crc16`` the frame comes without its CRC."""
    shape = SHORT if options.short else LONG
    data = append_crc(frame, CRC16_ARC, "little") if options.crc16 else frame
    if len(data) != shape.data_octets:
        raise ValueError(f"a block carries {shape.data_octets} octets")
    octets = randomize_ccsds(encode_interleaved(CCSDS_RS_223, data, shape.depth))
    bits = np.concatenate([octets_to_bits(octets), np.zeros(TAIL_BITS, np.uint8)])
    table = np.zeros(shape.rows * shape.columns, np.uint8)
    table[: shape.columns] = sync_bits(shape.columns)
    table[shape.first : shape.first + shape.coded_symbols] = encode_convolutional(bits, CODE)
    return table.reshape(shape.rows, shape.columns).T.reshape(-1).copy()


_BEGINNING = bytes.fromhex("8900000000000000001fcc00ce02d10000070809090000050101004013")

EXAMPLES: Final = tuple(
    Example(
        name=name,
        source="recording ao73.wav of daniestevez/satellite-recordings 952ddfe5: first octets, rebuilt by encode",
        stream=encode(_BEGINNING.ljust(octets, b"\x5a"), msgspec.convert(options, Options)).tobytes(),
        frames=(_BEGINNING.ljust(octets, b"\x5a"),),
        options=options,
    )
    for name, octets, options in (
        ("AO-73", 256, {}),
        ("a short block", 128, {"short": True}),
        ("a short block with CRC", 126, {"short": True, "crc16": True}),
    )
)
