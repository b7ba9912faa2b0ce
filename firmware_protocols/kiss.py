"""KISS: frames of a TNC on a serial line, a TCP connection or in a file.

::

    C0        command   data …                                C0
    FEND      PPPP CCCC  C0 → DB DC (FEND), DB → DB DD (FESC)  FEND
              P port · C command: 0 data, 9 time stamp of the next frame

Source: M. Chepponis K3MC, P. Karn KA9Q, "The KISS TNC: A simple Host-to-TNC communications protocol" (1987).
Command 9 is gr-satellites' extension: eight octets, milliseconds of UTC since 1970, big endian. The octets
carry no check: a TNC passes on what it checked, so ``check`` is ``tnc``. Knows no AX.25.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware_protocols.interface import MAX_FRAME_OCTETS, Example, LinkFrame

INPUT: Final = "octets"

FEND: Final = 0xC0
FESC: Final = 0xDB
TFEND: Final = 0xDC
TFESC: Final = 0xDD
COMMAND_DATA: Final = 0
COMMAND_TIME_STAMP: Final = 9
VOTERS: Final = 64
"""So many frames of a file say whether there are command octets."""
LATEST_STAMP_UTC_MS: Final = 4_102_444_800_000
"""2100-01-01: a later time stamp is taken for damage."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``has_command`` is false for streams and files that leave the command octet out."""

    has_command: bool = True
    min_octets: Annotated[int, Meta(ge=1, le=1024)] = 1
    max_octets: Annotated[int, Meta(ge=1, le=MAX_FRAME_OCTETS)] = 4096


class Deframer:
    """Octets in, frames out; what stands before the first FEND is no frame."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._longest = 2 * (options.max_octets + 1)
        self._held = bytearray()
        self._open = False
        self._overlong = False
        self._position = 0
        self._start = 0
        self._stamp_utc_ms: int | None = None

    def feed(self, elements: bytes) -> list[LinkFrame]:
        """Take octets whole and return the frames now complete."""
        frames: list[LinkFrame] = []
        begin = 0
        while True:
            end = elements.find(FEND, begin)
            self._hold(elements[begin : end if end >= 0 else len(elements)])
            if end < 0:
                break
            frames += self._close(self._position + end)
            begin = end + 1
        self._position += len(elements)
        return frames

    def flush(self) -> list[LinkFrame]:
        """Drop a frame that lacks its end, counted as ``truncated``, and wait for a FEND."""
        if self._open and self._held:
            self.rejected["truncated"] += 1
        self._held.clear()
        self._open = self._overlong = False
        self._stamp_utc_ms = None
        return []

    def _hold(self, octets: bytes) -> None:
        if not self._open or self._overlong:
            return
        if len(self._held) + len(octets) > self._longest:
            self._overlong = True
            self._held.clear()
            self.rejected["too_long"] += 1
        else:
            self._held += octets

    def _close(self, fend: int) -> list[LinkFrame]:
        escaped, overlong, start = bytes(self._held), self._overlong, self._start
        self._held.clear()
        self._open, self._overlong, self._start = True, False, fend
        if overlong or not escaped:
            return []
        octets = unescape(escaped)
        if octets is None:
            self.rejected["bad_escape"] += 1
            return []
        if self._options.has_command:
            command, octets = octets[0] & 0x0F, octets[1:]
            if command == COMMAND_TIME_STAMP:
                self._take_stamp(octets)
                return []
            if command != COMMAND_DATA:
                self.rejected["other_command"] += 1
                return []
        stamp, self._stamp_utc_ms = self._stamp_utc_ms, None
        if len(octets) < self._options.min_octets:
            self.rejected["too_short"] += 1
            return []
        if len(octets) > self._options.max_octets:
            self.rejected["too_long"] += 1
            return []
        return [LinkFrame(octets, offset=start, span=fend + 1 - start, check="tnc", reported_utc_ms=stamp)]

    def _take_stamp(self, octets: bytes) -> None:
        stamp = int.from_bytes(octets, "big")
        if len(octets) != 8 or stamp > LATEST_STAMP_UTC_MS:
            self.rejected["bad_time_stamp"] += 1
            self._stamp_utc_ms = None
        else:
            self._stamp_utc_ms = stamp


def seems_to_have_command(octets: bytes) -> bool:
    """Tell from the beginning of a file whether its frames begin with a command octet; in doubt they do.

    Port 0's data (00) and a time stamp (09) are commands; an octet whose low half is neither is none. What is left
    (a port above 0, or a callsign's first character) is decided by where the AX.25 addresses stand.
    """
    votes = 0
    for frame in octets.split(bytes((FEND,)))[1 : 1 + VOTERS]:
        if not frame:
            continue
        first = frame[0]
        if first == COMMAND_DATA or (first == COMMAND_TIME_STAMP and len(frame) >= 9):
            votes += 1
        elif first & 0x0F not in (COMMAND_DATA, COMMAND_TIME_STAMP) or _seems_addressed(frame):
            votes -= 1
        else:
            votes += 1
    return votes >= 0


def _seems_addressed(octets: bytes) -> bool:
    """Tell whether two shifted callsigns begin here."""
    characters = octets[:6] + octets[7:13]
    return len(characters) == 12 and all(
        not octet & 1 and (chr(octet >> 1).isalnum() or octet >> 1 == 0x20) for octet in characters
    )


def unescape(octets: bytes) -> bytes | None:
    """Undo the escapes; ``None`` when a FESC is followed by neither TFEND nor TFESC."""
    first, *rest = octets.split(bytes((FESC,)))
    out = bytearray(first)
    for piece in rest:
        if piece[:1] == bytes((TFEND,)):
            out.append(FEND)
        elif piece[:1] == bytes((TFESC,)):
            out.append(FESC)
        else:
            return None
        out += piece[1:]
    return bytes(out)


def escape(octets: bytes) -> bytes:
    """Escape what would be taken for a delimiter."""
    return octets.replace(bytes((FESC,)), bytes((FESC, TFESC))).replace(bytes((FEND,)), bytes((FESC, TFEND)))


def encode(frame: bytes, options: Options, *, port: int = 0, reported_utc_ms: int | None = None) -> bytes:
    """Return the octets a TNC would send for ``frame``, after a time stamp if one is given."""
    if not 0 <= port <= 15:
        raise ValueError("a KISS port is from 0 to 15")
    fend = bytes((FEND,))
    out = b""
    if reported_utc_ms is not None:
        if not options.has_command:
            raise ValueError("a time stamp needs the command octet")
        out = fend + bytes((COMMAND_TIME_STAMP,)) + escape(reported_utc_ms.to_bytes(8, "big")) + fend
    command = bytes((port << 4 | COMMAND_DATA,)) if options.has_command else b""
    return out + fend + escape(command + frame) + fend


EXAMPLES = (
    Example(
        name="TEST",
        source='the KISS specification, section 5: "TEST" as a data frame on port 0',
        stream=bytes.fromhex("c00054455354c0"),
        frames=(b"TEST",),
    ),
    Example(
        name="special characters on port 5",
        source="the KISS specification, section 5: FEND and FESC on TNC port 5",
        stream=bytes.fromhex("c050dbdcdbddc0"),
        frames=(bytes.fromhex("c0db"),),
    ),
    Example(
        name="a time stamp before the frame",
        source="gr-satellites documentation, KISS files: control octet 09, 64 bits of milliseconds, big endian",
        stream=bytes.fromhex("c0090000018bcfe56800c0c00054455354c0"),
        frames=(b"TEST",),
    ),
    Example(
        name="no command octet",
        source="the form some satellites use to carry packets inside fixed frames",
        stream=bytes.fromhex("c054455354c0c0"),
        frames=(b"TEST",),
        options={"has_command": False},
    ),
)
