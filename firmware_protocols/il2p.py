"""IL2P, the Improved Layer 2 Protocol: AX.25 frames in Reed–Solomon blocks without flags and stuffing.

::

    preamble   sync word   header 13 + 2            payload blocks, each with 16 octets of parity   CRC (optional)
    55 55 …    F1 5E 48    scrambled, RS(15,13)     scrambled                                       4 octets

    header octet:  bit 7                    bit 6                     bits 5 … 0
       0           parity: 1 = 16 octets    UI                        destination, six characters
       1           type                     PID 3                     (ASCII less 32)
       2 … 4       payload octets 9 … 7     PID 2 … 0
       5                          6         control 6
       6 … 11                     5 … 0     control 5 … 0             source, six characters
       12          destination SSID (high four bits), source SSID

Type 1 is an AX.25 header translated, type 0 carries the whole AX.25 frame as payload. Octets go out highest bit
first. Each block is scrambled by itself with x^9 + x^4 + 1 before its parity, which is over
x^8+x^4+x^3+x^2+1 with the first root a^0. A payload of n octets makes ceil(n / 239) blocks as even as can be, the
longer ones first. The CRC (CRC-16/X.25 of the AX.25 frame, each half octet in a Hamming(7,4) octet) follows only
where both sides agree. Source: N. Carrillo KK4HEJ, "IL2P draft specification", v0.6 (2024).

Knows AX.25 only as far as the translated header. A frame without payload has little to prove itself by: it
must have passed without corrections and show callsigns.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from firmware_protocols.coding.crc import CRC16_X25, crc
from firmware_protocols.coding.reed_solomon import ReedSolomon, decode_with_erasures, octet_reliability
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

PREAMBLE: Final = b"\x55" * 8
SYNC_WORD: Final = bytes.fromhex("f15e48")
HEADER_OCTETS: Final = 13
HEADER_CODE: Final = ReedSolomon(0x11D, 0, 1, 2)
PAYLOAD_CODE: Final = ReedSolomon(0x11D, 0, 1, 16)
BLOCK_MAX_OCTETS: Final = 239
BASELINE_BLOCK_MAX_OCTETS: Final = 247
PAYLOAD_MAX_OCTETS: Final = 1023
AX25_MIN_OCTETS: Final = 15
CRC_OCTETS: Final = 4
SCRAMBLER_START: Final = 0x1F0

AX25_PIDS: Final = (None, None, 0x20, 0x01, 0x06, 0x07, 0x08, None, None, None, None, 0xCC, 0xCD, 0xCE, 0xCF, 0xF0)
"""PID nibble → AX.25 PID; 0 is a supervisory, 1 an unnumbered frame, neither with a PID."""
UNNUMBERED: Final = (0x2F, 0x43, 0x0F, 0x63, 0x87, 0x03, 0xAF, 0xE3)
"""Opcode → control octet: SABM, DISC, DM, UA, FRMR, UI, XID, TEST."""
PLAUSIBLE: Final = frozenset(b" ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``trailing_crc`` says that frames end in one; then it must be right."""

    trailing_crc: bool = False
    sync_errors: Annotated[int, Meta(ge=0, le=3)] = 1


class Deframer:
    """Soft symbols in, AX.25 frames without FCS out."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        header = 8 * (HEADER_OCTETS + HEADER_CODE.roots)
        crc_octets = CRC_OCTETS if options.trailing_crc else 0
        blocks = -(-PAYLOAD_MAX_OCTETS // BLOCK_MAX_OCTETS)
        self._frames = SyncedFrames(
            SyncWord(bit_string(SYNC_WORD), max_errors=options.sync_errors),
            partial(_judge, options),
            self.rejected,
            first_symbols=header,
            max_symbols=header + 8 * (PAYLOAD_MAX_OCTETS + blocks * PAYLOAD_CODE.roots + crc_octets),
        )

    def feed(self, elements: NDArray[np.float32]) -> list[LinkFrame]:
        """Take symbols whole and return the frames now complete."""
        return self._frames.feed(elements)

    def flush(self) -> list[LinkFrame]:
        """Give up a frame that is incomplete, and begin anew."""
        return self._frames.flush()


def scramble(data: bytes) -> bytes:
    """Scramble one block, highest bit first."""
    return _run_scrambler(data, descrambling=False)


def descramble(data: bytes) -> bytes:
    """Descramble one block: x^9 + x^4 + 1 in Galois form, fed by the received bits."""
    return _run_scrambler(data, descrambling=True)


def _run_scrambler(data: bytes, *, descrambling: bool) -> bytes:
    register = SCRAMBLER_START
    out = bytearray()
    for octet in data:
        result = 0
        for place in range(7, -1, -1):
            bit = octet >> place & 1
            other = bit ^ register & 1
            channel = bit if descrambling else other
            register = (register >> 1 | channel << 8) ^ channel << 3
            result = result << 1 | other
        out.append(result)
    return bytes(out)


def block_sizes(octets: int, most: int = BLOCK_MAX_OCTETS) -> list[int]:
    """Return the sizes of the payload blocks of so many octets."""
    blocks = -(-octets // most)
    return [octets // blocks + (k < octets % blocks) for k in range(blocks)] if blocks else []


def _payload_plan(header: bytes, octets: int) -> tuple[list[int], ReedSolomon]:
    """Return the block sizes and their code; earlier drafts had a weaker one where the parity bit is clear."""
    if header[0] >> 7:
        return block_sizes(octets), PAYLOAD_CODE
    sizes = block_sizes(octets, BASELINE_BLOCK_MAX_OCTETS)
    return sizes, ReedSolomon(0x11D, 0, 1, min(sizes, default=0) // 32 + 2)


def _judge(options: Options, soft: NDArray[np.float32]) -> Verdict:
    header_end = 8 * (HEADER_OCTETS + HEADER_CODE.roots)
    decoded = HEADER_CODE.decode(hard_octets(soft[:header_end]))
    if decoded is None:
        return Reject()
    header, corrected = descramble(decoded[0]), decoded[1]
    size = _field(header, bit=7, first=2, count=10)
    translated = header[1] >> 7
    plausible = _shows_callsigns(header) if translated else header[0] >> 7 and size >= AX25_MIN_OCTETS
    if not plausible or (size == 0 and corrected):
        return Reject("bad_header")
    sizes, code = _payload_plan(header, size)
    end = header_end + 8 * sum(octets + code.roots for octets in sizes)
    whole = end + (8 * CRC_OCTETS if options.trailing_crc else 0)
    if soft.size < whole:
        return More(whole)
    payload = b""
    place = header_end
    for octets in sizes:
        block = soft[place : place + 8 * (octets + code.roots)]
        place += block.size
        # Few parity octets leave no room for erasures.
        reliability = octet_reliability(block) if code.roots >= 16 else None
        result = decode_with_erasures(code, hard_octets(block), reliability)
        if result is None:
            return Reject("bad_rs")
        payload += descramble(result[0])
        corrected += result[1]
    frame = ax25_header(header) + payload if translated else payload
    if options.trailing_crc and not _crc_is_good(frame, hard_octets(soft[end:whole])):
        return Reject("bad_crc")
    return Accept(frame, whole, "crc16" if options.trailing_crc else "rs", corrected)


def _field(header: bytes, *, bit: int, first: int, count: int) -> int:
    """Read a field spread over the same bit of successive header octets, the highest first."""
    value = 0
    for octet in header[first : first + count]:
        value = value << 1 | octet >> bit & 1
    return value


def _shows_callsigns(header: bytes) -> bool:
    return all((octet & 0x3F) + 0x20 in PLAUSIBLE for octet in header[:12])


def ax25_header(header: bytes) -> bytes:
    """Translate a type 1 header back: addresses, control and, where there is one, PID."""
    destination = bytes((octet & 0x3F) + 0x20 << 1 for octet in header[:6])
    source = bytes((octet & 0x3F) + 0x20 << 1 for octet in header[6:12])
    is_ui = header[0] >> 6 & 1
    pid = _field(header, bit=6, first=1, count=4)
    field = _field(header, bit=6, first=5, count=7)
    poll_final = (field >> 6) << 4
    command = field >> 2 & 1
    if is_ui or pid == 1:
        control = UNNUMBERED[field >> 3 & 7] | poll_final
    elif pid == 0:
        control = (field >> 3 & 7) << 5 | poll_final | (field & 3) << 2 | 0x01
    else:
        control = (field >> 3 & 7) << 5 | poll_final | (field & 7) << 1
        command = 1
    tail = bytes((control,))
    if is_ui or pid > 1:
        tail += bytes((AX25_PIDS[pid] or 0xF0,))
    return (
        destination
        + bytes((command << 7 | 0x60 | header[12] >> 4 << 1,))
        + source
        + bytes(((1 - command) << 7 | 0x60 | (header[12] & 0x0F) << 1 | 1,))
        + tail
    )


def _translated(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return the type 1 header (without size) and the payload of an AX.25 UI frame, if it has that form."""
    if len(frame) < 16 or frame[14] & ~0x10 != 0x03 or frame[15] not in AX25_PIDS[2:]:
        return None
    pid = AX25_PIDS.index(frame[15], 2)
    field = (frame[14] >> 4 & 1) << 6 | 5 << 3 | (frame[6] >> 7) << 2
    characters = [(octet >> 1) - 0x20 & 0x3F for octet in frame[:6] + frame[7:13]]
    header = bytearray((*characters, (frame[6] >> 1 & 0x0F) << 4 | frame[13] >> 1 & 0x0F))
    header[0] |= 0xC0
    header[1] |= 0x80
    for k in range(4):
        header[1 + k] |= (pid >> 3 - k & 1) << 6
    for k in range(7):
        header[5 + k] |= (field >> 6 - k & 1) << 6
    # Digipeaters, other bits or odd characters do not survive: such a frame goes whole.
    return (bytes(header), frame[16:]) if ax25_header(bytes(header)) == frame[:16] else None


def _hamming_octets(value: int) -> bytes:
    """Encode 16 bits as four octets, each seven bits of Hamming(7,4), the highest half octet first."""
    out = bytearray()
    for shift in (12, 8, 4, 0):
        d = value >> shift & 0x0F
        d3, d2, d1, d0 = d >> 3 & 1, d >> 2 & 1, d >> 1 & 1, d & 1
        out.append((d0 ^ d1 ^ d2) << 6 | (d0 ^ d1 ^ d3) << 5 | (d0 ^ d2 ^ d3) << 4 | d)
    return bytes(out)


def _crc_is_good(frame: bytes, octets: bytes) -> bool:
    """Compare with one wrong bit allowed in each octet, which is what the Hamming code corrects."""
    wanted = _hamming_octets(crc(frame, CRC16_X25))
    return all(((a ^ b) & 0x7F).bit_count() <= 1 for a, b in zip(octets, wanted, strict=True))


def encode(frame: bytes, options: Options) -> NDArray[np.uint8]:
    """Return the channel bits (0 and 1) of one transmission of an AX.25 frame without FCS."""
    header, payload = _translated(frame) or (b"\x80" + bytes(HEADER_OCTETS - 1), frame)
    if len(payload) > PAYLOAD_MAX_OCTETS or (not header[1] >> 7 and len(payload) < AX25_MIN_OCTETS):
        raise ValueError(f"a payload has at most {PAYLOAD_MAX_OCTETS} octets")
    sized = bytearray(header)
    for k in range(10):
        sized[2 + k] |= (len(payload) >> 9 - k & 1) << 7
    scrambled = scramble(bytes(sized))
    sent = PREAMBLE + SYNC_WORD + scrambled + HEADER_CODE.encode(scrambled)
    place = 0
    for octets in block_sizes(len(payload)):
        block = scramble(payload[place : place + octets])
        place += octets
        sent += block + PAYLOAD_CODE.encode(block)
    if options.trailing_crc:
        sent += _hamming_octets(crc(frame, CRC16_X25))
    return octets_to_bits(sent + b"\x55")


_SUPERVISORY = bytes.fromhex("968264888aaee4969668908a946fb1")  # KK4HEJ-7 to KA2DEW-2, RR
_UI = bytes.fromhex("86a240404040e0968264888aae6103f0")

EXAMPLES: Final = (
    Example(
        name="the specification's S frame",
        source="IL2P draft specification, example encoded packets: an RR of KK4HEJ-7 to KA2DEW-2",
        stream=octets_to_bits(PREAMBLE + SYNC_WORD + bytes.fromhex("26574d57f196cc8542e724f72e8a97")).tobytes(),
        frames=(_SUPERVISORY,),
    ),
    Example(
        name="a UI frame",
        source="made up; channel bits by encode",
        stream=encode(_UI + bytes(range(250)), Options()).tobytes(),
        frames=(_UI + bytes(range(250)),),
    ),
    Example(
        name="a UI frame with trailing CRC",
        source="made up; channel bits by encode",
        stream=encode(_UI + b"CQ", Options(trailing_crc=True)).tobytes(),
        frames=(_UI + b"CQ",),
        options={"trailing_crc": True},
    ),
)
