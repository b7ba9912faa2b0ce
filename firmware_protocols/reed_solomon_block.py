"""A Reed–Solomon codeword as the whole content of another protocol's packet, as some cubesats send behind AX.25.

::

    data             parity          tail
    n octets         32 or 16        up to max_tail_octets that a receiver has added

RS(255,223) or RS(255,239) over GF(256) shortened to what is there, one codeword, conventional or dual basis (CCSDS
131.0-B-3 §4). Nothing says where the codeword ends, so each tail is tried and the one with the fewest corrections
taken; of equals the longest, for zeros behind a cyclic codeword make another. Where an operator does not say which
basis, ``either`` tries both and takes the one with fewer corrections; where not every packet is coded, ``uncoded``
packets may ``pass`` as they are, ``corrected`` -1. Knows no header.

Source: the code and its place from real frames of QBEE (QB50 SE01), whose operator publishes their values
(opencosmos/qb01-beacon-decoder, data/kissb).
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware_protocols import csp
from firmware_protocols.coding.reed_solomon import (
    CCSDS_RS_223,
    CCSDS_RS_223_DUAL,
    CCSDS_RS_239,
    CCSDS_RS_239_DUAL,
    ReedSolomon,
)
from firmware_protocols.coding.scramblers import randomize_ccsds
from firmware_protocols.interface import Example, Packet

MAX_CODEWORD: Final = 255

_CODES: Final = {
    ("conventional", 32): CCSDS_RS_223,
    ("dual", 32): CCSDS_RS_223_DUAL,
    ("conventional", 16): CCSDS_RS_239,
    ("dual", 16): CCSDS_RS_239_DUAL,
}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which code, how many octets may stand behind it, and what becomes of a packet that is no codeword.

    ``randomizer``: the codeword is under the CCSDS randomizer (OPS-SAT).
    """

    basis: Literal["conventional", "dual", "either"] = "conventional"
    parity: Literal[16, 32] = 32
    max_tail_octets: Annotated[int, Meta(ge=0, le=8)] = 0
    uncoded: Literal["refuse", "pass"] = "refuse"
    randomizer: bool = False


class PacketExtractor:
    """Codewords in, their data out; ``corrected`` in the header counts repaired octets."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        bases = ("conventional", "dual") if options.basis == "either" else (options.basis,)
        self._codes: tuple[ReedSolomon, ...] = tuple(_CODES[basis, options.parity] for basis in bases)
        self._randomizer = options.randomizer
        self._pass = options.uncoded == "pass"
        self._parity = options.parity
        self._tails = range(options.max_tail_octets + 1)

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one codeword and return its data."""
        best: tuple[int, bytes] | None = None
        for tail in self._tails:
            codeword = frame[: len(frame) - tail]
            if self._randomizer:
                codeword = randomize_ccsds(codeword)
            if not self._parity < len(codeword) <= MAX_CODEWORD:
                continue
            for code in self._codes:
                decoded = code.decode(codeword)
                if decoded is not None and (best is None or decoded[1] <= best[0]):
                    best = decoded[1], decoded[0]
        if best is None and self._pass and frame:
            return [Packet(frame, {"corrected": -1})]
        if best is None:
            too_long = len(frame) > MAX_CODEWORD + self._tails[-1]
            too_short = len(frame) <= self._parity
            self.rejected["too_long" if too_long else "too_short" if too_short else "rs"] += 1
            return []
        corrected, data = best
        return [Packet(data, {"corrected": corrected})]

    def flush(self) -> list[Packet]:
        """Return nothing: a codeword is complete or it is none."""
        return []


def encode(data: bytes, options: Options) -> bytes:
    """Return the codeword of some data."""
    basis = "conventional" if options.basis == "either" else options.basis
    codeword = data + _CODES[basis, options.parity].encode(data)
    return randomize_ccsds(codeword) if options.randomizer else codeword


_SNUGLITE: Final = csp.build(bytes(range(45)), source=1, destination=10, ports=(20, 9), crc=True)

EXAMPLES: Final = (
    Example(
        name="a beacon of 45 octets with its CSP header and CRC-32C, basis not known",
        source="made from the SNUGLITE operator's page (snuglitecubesat.wixsite.com, beacon structure, 2018-12-12)",
        stream=_SNUGLITE + CCSDS_RS_223_DUAL.encode(_SNUGLITE),
        packets=(_SNUGLITE,),
        options={"basis": "either"},
    ),
    Example(
        name="a packet that is no codeword, passed as it is",
        source="the same beacon without its parity",
        stream=_SNUGLITE,
        packets=(_SNUGLITE,),
        options={"basis": "either", "uncoded": "pass"},
    ),
    Example(
        name="OPS-SAT, under the randomizer",
        source="ops_sat.wav of daniestevez/satellite-recordings 952ddfe5 (public domain), behind its AX.25 header",
        stream=bytes.fromhex(
            "35efcec09b2f719f8e2c93ada7b746fb5a977dcc32a2ac480a10f18895dc99b1fe901c38c8a0cb869659274a20ea8d9cb77b"
            "f5928d077e7e469e110be931383a13e10934c808e6435966961981a9a9a91727280fa66dc26a224fbf0c5842"
        ),
        packets=(
            bytes.fromhex(
                "caa7c00001220123000000000000003500000000000013760000000001117300000001b9fcba2aff8a0000116f8400000255"
                "0e0ae842000252bff21ac0aa"
            ),
        ),
        options={"randomizer": True},
    ),
    Example(
        name="QBEE beacon",
        source="se01.wav of daniestevez/satellite-recordings 952ddfe5 (public domain), behind its AX.25 header",
        stream=bytes.fromhex(
            "02a2c00094ba910100688f0500007d7c0000007e4f50454e20434f534d4f537e00"
            "9bead6cacaaf4108d469a406559af59af040d4441bc3eebc31beb2b5f8cf025f"
        ),
        packets=(bytes.fromhex("02a2c00094ba910100688f0500007d7c0000007e4f50454e20434f534d4f537e00"),),
    ),
)
