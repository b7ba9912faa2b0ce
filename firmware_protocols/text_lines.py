"""Lines of text on a serial line or socket: a beacon that a modem prints, a GPS receiver's sentences.

::

    text …              [CR] LF        or whatever octet ends a line (``end``)
    0x20–0x7E, tab

A line is given without its end. With ``begins_with`` only lines that hold it are given, from its last occurrence
on, so that what a line lost the beginning of, or noise before it, is left out. A line with an octet that is no text
is refused, and so is one that is too long. There is no check. Source: ASCII (ANSI X3.4-1986). Knows no meaning of a
line.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware_protocols.interface import Example, LinkFrame

INPUT: Final = "octets"

ENDS: Final = {"lf": b"\n", "cr": b"\r", "nul": b"\0"}
BLANKS: Final = b"\r\n\0"
TEXT: Final = frozenset({0x09, *range(0x20, 0x7F)})


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ends a line, how long one can be, and what the lines that are wanted hold."""

    end: Literal["lf", "cr", "nul"] = "lf"
    min_octets: Annotated[int, Meta(ge=1, le=1024)] = 1
    max_octets: Annotated[int, Meta(ge=1, le=4096)] = 1024
    begins_with: Annotated[str, Meta(max_length=64, pattern="^[\t -~]*$")] = ""


class Deframer:
    """Octets in, lines out; ``check`` is ``none``."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._options = options
        self._end = ENDS[options.end]
        self._begin = options.begins_with.encode()
        self._held = bytearray()
        self._overrun = 0
        self._position = 0

    def feed(self, elements: bytes) -> list[LinkFrame]:
        """Take octets whole and return the lines now complete."""
        frames = []
        for piece in _pieces(elements, self._end):
            room = self._options.max_octets + len(BLANKS) - len(self._held)
            self._held += piece[: max(0, room)]
            self._overrun += max(0, len(piece) - max(0, room))
            if piece.endswith(self._end):
                frame = self._line()
                if frame is not None:
                    frames.append(frame)
        return frames

    def flush(self) -> list[LinkFrame]:
        """Drop a line that lacks its end, counted as ``truncated``, and begin anew."""
        if self._held.strip(BLANKS):
            self.rejected["truncated"] += 1
        self._forget()
        return []

    def _forget(self) -> None:
        self._position += len(self._held) + self._overrun
        self._held.clear()
        self._overrun = 0

    def _line(self) -> LinkFrame | None:
        begin, span = self._position, len(self._held) + self._overrun
        line, overrun = bytes(self._held), self._overrun
        self._forget()
        text = line.strip(BLANKS)
        if not text:
            return None
        lead = line.index(text)
        if self._begin:
            found = text.rfind(self._begin)
            if found < 0:
                self.rejected["other_line"] += 1
                return None
            text, lead = text[found:], lead + found
        reason = self._refuse(text, overrun)
        if reason is not None:
            self.rejected[reason] += 1
            return None
        return LinkFrame(text, begin + lead, span - lead, "none")

    def _refuse(self, text: bytes, overrun: int) -> str | None:
        if overrun or len(text) > self._options.max_octets:
            return "too_long"
        if len(text) < self._options.min_octets:
            return "too_short"
        return None if TEXT.issuperset(text) else "not_text"


def _pieces(octets: bytes, end: bytes) -> list[bytes]:
    """Cut octets behind each line end."""
    *whole, rest = octets.split(end)
    return [piece + end for piece in whole] + ([rest] if rest else [])


def encode(frame: bytes, options: Options) -> bytes:
    """Return what a line holds for one text."""
    return frame + (b"\r\n" if options.end == "lf" else ENDS[options.end])


EXAMPLES: Final = (
    Example(
        name="two lines of a modem",
        source="made by hand",
        stream=b"BEACON 1 7.42V\r\n\r\nBEACON 2 7.40V\r\n",
        frames=(b"BEACON 1 7.42V", b"BEACON 2 7.40V"),
        options={"begins_with": "BEACON"},
    ),
    Example(
        name="lines ended by a carriage return",
        source="made by hand",
        stream=b"T=21.5\rT=21.7\r",
        frames=(b"T=21.5", b"T=21.7"),
        options={"end": "cr", "begins_with": "T="},
    ),
)
