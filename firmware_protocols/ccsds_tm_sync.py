"""CCSDS TM synchronization and channel coding: uncoded, Reed–Solomon, convolutional and concatenated frames.

::

    transmitter:  frame ► RS(255,223 or 239), I deep ► randomizer ► ASM before it ► NRZ-M ► convolutional code
                                                                 1A CF FC 1D

    received block:   ASM 32   codeblock: frame octets, then I × parity, both interleaved by octets

Each step may be absent. The Reed–Solomon code is shortened by what the frame lacks to I × 223 (or 239); the
convolutional code runs on through every frame and is decoded in every phase its symbols may have, and both
polarities are searched. Source: CCSDS 131.0-B-3 §3 (convolutional), §4 (Reed–Solomon), §9 (ASM), §10
(randomizer); NRZ-M as in CCSDS 401.0-B §2.4.14. Knows nothing of what a frame holds.

A frame with neither Reed–Solomon code nor error control field passes no check: it is marked ``check = "none"``
and suppressed when its symbols look like noise, or, behind the convolutional code, when what the decoder decided
agrees with them no better than it would with noise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding import reed_solomon as rs
from firmware_protocols.coding.convolutional import (
    CODES,
    NOISE_AGREEMENT,
    PUNCTURING,
    CodeWitness,
    Rate,
    ViterbiStream,
    depuncture,
    encode_convolutional,
    puncture,
    sent_symbols,
)
from firmware_protocols.coding.crc import CRC16_CCITT_FALSE, append_crc, crc_matches
from firmware_protocols.coding.line_code import DifferentialDecoder, encode_nrz_m
from firmware_protocols.coding.scramblers import derandomize_ccsds_soft, randomize_ccsds
from firmware_protocols.coding.sync_word import (
    NOISE_EYE_OPENING,
    Accept,
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

UNCHECKED_SYNC_ERRORS: Final = 2
"""How many bits of the ASM may be wrong when nothing else tells a frame from noise."""


PIECE_SYMBOLS: Final = 1024


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which steps there are.

    ``frame_octets`` is the length of the frame that comes out, without parity. ``fecf`` says that it ends in
    a frame error control field (which stays in the data, as it belongs to the frame).
    """

    frame_octets: Annotated[int, Meta(ge=1, le=16384)] = 223
    reed_solomon: Literal["none", "conventional", "dual"] = "none"
    reed_solomon_parity: Literal[16, 32] = 32
    interleaving: Annotated[int, Meta(ge=1, le=8)] = 1
    randomizer: bool = True
    convolutional: Literal["none", "ccsds", "nasa-dsn", "ccsds-uninverted", "nasa-dsn-uninverted"] = "none"
    rate: Literal["1/2", "2/3", "3/4", "5/6", "7/8"] = "1/2"
    precoding: Literal["none", "differential"] = "none"
    fecf: bool = False
    sync_errors: Annotated[int, Meta(ge=0, le=8)] = 4
    asm: Annotated[str, Meta(pattern="^([0-9a-f]{2}){2,8}$")] = "1acffc1d"

    def __post_init__(self) -> None:
        if self.reed_solomon != "none":
            codeword, rest = divmod(self.frame_octets, self.interleaving)
            if rest or not 0 < codeword <= 255 - self.reed_solomon_parity:
                most = 255 - self.reed_solomon_parity
                raise ValueError(f"frame_octets must be a multiple of interleaving, at most {most} of it")


def _code(options: Options) -> rs.ReedSolomon | None:
    return {
        ("none", 32): None,
        ("none", 16): None,
        ("conventional", 32): rs.CCSDS_RS_223,
        ("dual", 32): rs.CCSDS_RS_223_DUAL,
        ("conventional", 16): rs.CCSDS_RS_239,
        ("dual", 16): rs.CCSDS_RS_239_DUAL,
    }[options.reed_solomon, options.reed_solomon_parity]


class _BlockSearch:
    """From bits (soft, or ±1 out of the Viterbi decoder) to frames."""

    def __init__(self, options: Options, rejected: Counter[str]) -> None:
        self._options = options
        self._code = _code(options)
        self._soft_octets = options.convolutional == "none"
        parity = options.reed_solomon_parity * options.interleaving if self._code else 0
        self._symbols = 8 * (options.frame_octets + parity)
        self.checked = self._code is not None or options.fecf
        self.bits = self._symbols + 4 * len(options.asm)
        errors = options.sync_errors if self.checked else min(options.sync_errors, UNCHECKED_SYNC_ERRORS)
        self._precoding = DifferentialDecoder() if options.precoding == "differential" else None
        self.frames = SyncedFrames(
            SyncWord(bit_string(bytes.fromhex(options.asm)), max_errors=errors),
            self._judge,
            rejected,
            first_symbols=self._symbols,
            max_symbols=self._symbols,
        )

    def feed(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        return self.frames.feed(self._precoding.feed(soft) if self._precoding else soft)

    def flush(self) -> list[LinkFrame]:
        frames = self.frames.flush()
        if self._precoding:
            self._precoding.forget()
        return frames

    def _judge(self, soft: NDArray[np.float32]) -> Verdict:
        options = self._options
        block = derandomize_ccsds_soft(soft) if options.randomizer else soft
        octets = hard_octets(block)
        corrected = 0
        check = "none"
        if self._code is not None:
            reliability = rs.octet_reliability(block) if self._soft_octets else None
            result = rs.decode_interleaved(self._code, octets, options.interleaving, reliability)
            if result is None:
                return Reject("bad_rs")
            if is_shifted(self._code, hard_octets(soft), octets, result[0], options):
                return Reject("shifted")
            octets, corrected = result
            check = "rs"
        if options.fecf:
            if not crc_matches(octets, CRC16_CCITT_FALSE, "big"):
                return Reject("bad_fecf")
            check = "crc16" if check == "none" else check
        if check == "none" and self._soft_octets and eye_opening(soft) < NOISE_EYE_OPENING:
            return Reject("noise")
        return Accept(octets, soft.size, check, corrected)


def is_shifted(code: rs.ReedSolomon, block: bytes, received: bytes, data: bytes, options: Options) -> bool:
    """Say whether a block was found some octets early: the ASM stands in it, and all before that was corrected.

    A full-length codeword shifted by whole octets is a codeword, and so is the randomizer's sequence: behind an
    ASM that chance has put d octets before the real one, all but the first d + 4 octets fit.
    """
    if len(received) != 255 * options.interleaving:
        return False
    asm = bytes.fromhex(options.asm)
    for early in range(1, 17):
        seen = block[early : early + len(asm)]
        if sum((a ^ b).bit_count() for a, b in zip(seen, asm, strict=True)) <= options.sync_errors:
            sent = rs.encode_interleaved(code, data, options.interleaving)
            wrong = [a != b for a, b in zip(received, sent, strict=True)]
            # One octet in 256 fits by chance.
            if sum(wrong[: early + len(asm)]) >= early + len(asm) - 1:
                return True
    return False


class _ConvolutionalPhase:
    """One hypothesis of where a period of the convolutional code begins; offsets in channel symbols."""

    def __init__(self, options: Options, phase: int, rejected: Counter[str]) -> None:
        assert options.convolutional != "none"
        self._code = CODES[options.convolutional]
        self._rate: Rate = options.rate
        self._sent = sent_symbols(options.rate)
        self._bits = len(PUNCTURING[options.rate][0])
        self._phase = phase
        self._viterbi = ViterbiStream(self._code)
        self._rejected = rejected
        self._search = _BlockSearch(options, rejected)
        self._symbols = 0  # since the stream began
        self._decoded = 0
        self._witness = None if self._search.checked else CodeWitness(self._code, 2 * self._search.bits)
        self._begin()

    def _begin(self) -> None:
        self._skip = self._phase
        self._taken = 0
        self._first_symbol = self._symbols + self._phase
        self._first_bit = self._decoded

    def feed(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        if self._witness is None:
            return self._feed_piece(soft)
        # The witness remembers so much and no more: frames are judged piece by piece.
        return [
            frame
            for begin in range(0, soft.size, PIECE_SYMBOLS)
            for frame in self._feed_piece(soft[begin : begin + PIECE_SYMBOLS])
        ]

    def _feed_piece(self, soft: NDArray[np.float32]) -> list[LinkFrame]:
        self._symbols += soft.size
        skipped = min(self._skip, soft.size)
        self._skip -= skipped
        soft = soft[skipped:]
        pairs = soft
        if self._rate != "1/2":
            pairs = depuncture(soft, self._rate, self._code, self._taken % self._sent)
        self._taken += soft.size
        if self._witness is not None:
            self._witness.take_symbols(pairs)
        return self._placed(self._search.feed(self._signs(self._viterbi.feed(pairs))))

    def flush(self) -> list[LinkFrame]:
        frames = self._search.feed(self._signs(self._viterbi.flush()))
        frames = self._placed(frames + self._search.flush())
        if self._witness is not None:
            self._witness.forget()
        self._begin()
        return frames

    def _signs(self, bits: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._decoded += bits.size
        if self._witness is not None:
            self._witness.take_bits(bits)
        return (2.0 * bits - 1.0).astype(np.float32)

    def _placed(self, frames: list[LinkFrame]) -> list[LinkFrame]:
        def symbol(bit: int) -> int:
            return self._first_symbol + (bit - self._first_bit) * self._sent // self._bits

        if self._witness is not None:
            witness = self._witness
            sure = [
                frame
                for frame in frames
                if witness.agreement(frame.offset - self._first_bit, frame.span) > NOISE_AGREEMENT
            ]
            if len(sure) < len(frames):
                self._rejected["noise"] += len(frames) - len(sure)
            frames = sure
        return [
            replace(
                frame,
                offset=symbol(frame.offset),
                span=symbol(frame.offset + frame.span) - symbol(frame.offset),
            )
            for frame in frames
        ]


class Deframer:
    """Soft symbols in, frames out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._searches: list[_BlockSearch] | list[_ConvolutionalPhase]
        if options.convolutional == "none":
            self._searches = [_BlockSearch(options, self.rejected)]
        else:
            self._searches = [
                _ConvolutionalPhase(options, phase, self.rejected) for phase in range(sent_symbols(options.rate))
            ]

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        elements = np.ascontiguousarray(elements, np.float32)
        frames = [frame for search in self._searches for frame in search.feed(elements)]
        return sorted(frames, key=lambda frame: frame.offset + frame.span)

    def flush(self) -> list[LinkFrame]:
        """Return what the decoders still hold, and begin anew."""
        frames = [frame for search in self._searches for frame in search.flush()]
        return sorted(frames, key=lambda frame: frame.offset + frame.span)


def encode_blocks(frames: list[bytes], options: Options, *, idle_octets: int = 16) -> NDArray[np.uint8]:
    """Return the channel bits of one continuous transmission of several frames, with idle bits before and after.

    A frame with ``fecf`` set comes with room for that field: its last two octets are replaced.
    """
    code = _code(options)
    idle = b"\x55" * idle_octets
    out = bytearray(idle)
    for frame in frames:
        if len(frame) != options.frame_octets:
            raise ValueError(f"a frame has {options.frame_octets} octets")
        block = append_crc(frame[:-2], CRC16_CCITT_FALSE, "big") if options.fecf else frame
        if code is not None:
            block = rs.encode_interleaved(code, block, options.interleaving)
        out += bytes.fromhex(options.asm) + (randomize_ccsds(block) if options.randomizer else block)
    bits = octets_to_bits(bytes(out) + idle)
    if options.precoding == "differential":
        bits = encode_nrz_m(bits)
    if options.convolutional != "none":
        convolutional = CODES[options.convolutional]
        bits = puncture(encode_convolutional(bits, convolutional), options.rate, convolutional)
    return bits


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of ``frame``."""
    return encode_blocks([frame], options)


_BY70_1 = bytes.fromhex(
    "c0b8643b001200000000c83a00000000ffd8ffe000104a46494600010101000000000000ffdbdd004300080606070605"
    "080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720162100005cfeb4c9c0c0c0c0c0c0c0"
    "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
)

EXAMPLES: Final = tuple(
    Example(
        name=name,
        source="recording by701.wav of daniestevez/satellite-recordings 952ddfe5, channel bits rebuilt by encode",
        stream=encode(_BY70_1, msgspec.convert({"frame_octets": 114, **options}, Options)).tobytes(),
        frames=(_BY70_1,),
        options={"frame_octets": 114, **options},
    )
    for name, options in (
        (
            "BY70-1: concatenated, NRZ-M",
            {"reed_solomon": "conventional", "convolutional": "ccsds", "precoding": "differential"},
        ),
        ("the frame uncoded", {}),
        ("the frame under two interleaved codewords, dual basis", {"reed_solomon": "dual", "interleaving": 2}),
        ("the frame at rate 3/4", {"reed_solomon": "dual", "convolutional": "ccsds-uninverted", "rate": "3/4"}),
    )
)
