"""Frames of one length in a stream or file of octets: one behind another, or each behind a sync marker.

::

    [marker]  [prefix]         frame
    asm       prefix_octets    frame_octets

The octets have been through every decoder already: a receiver's output, a recording of transfer frames, a serial
line. Without a marker the first octet fed begins a frame, and nothing can tell a stream that lost octets. With one
(``asm``, up to ``asm_errors`` wrong bits), octets between frames are stepped over and counted. ``prefix_octets``
are the receiver's own (a time, a length) and are left out. Knows nothing of what is in a frame; it has no check.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware_protocols.interface import MAX_FRAME_OCTETS, Example, LinkFrame

INPUT: Final = "octets"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a frame is and what stands before it."""

    frame_octets: Annotated[int, Meta(ge=1, le=MAX_FRAME_OCTETS)] = 1115
    prefix_octets: Annotated[int, Meta(ge=0, le=1024)] = 0
    asm: Annotated[str, Meta(pattern="^(([0-9a-fA-F]{2}){2,8})?$")] = ""
    asm_errors: Annotated[int, Meta(ge=0, le=8)] = 0


class Deframer:
    """Octets in, frames out; ``check`` is ``none``."""

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self._asm = bytes.fromhex(options.asm)
        self._errors = options.asm_errors
        self._before = len(self._asm) + options.prefix_octets
        self._span = self._before + options.frame_octets
        self._held = bytearray()
        self._position = 0
        self._in_step = True

    def feed(self, elements: bytes) -> list[LinkFrame]:
        """Take octets whole and return the frames now complete."""
        self._held += elements
        frames = []
        at = 0
        while True:
            at = self._marker(at)
            if at + self._span > len(self._held):
                break
            frame = bytes(self._held[at + self._before : at + self._span])
            frames.append(LinkFrame(frame, self._position + at, self._span, "none"))
            at += self._span
        del self._held[:at]
        self._position += at
        return frames

    def flush(self) -> list[LinkFrame]:
        """Drop a frame that lacks its end, counted as ``truncated``, and begin anew."""
        if self._held and self._in_step:
            self.rejected["truncated"] += 1
        self._position += len(self._held)
        self._held.clear()
        self._in_step = True
        return []

    def _marker(self, at: int) -> int:
        """Return where the next marker stands, or how far there is certainly none."""
        size = len(self._asm)
        while size and at + size <= len(self._held):
            there = self._held[at : at + size]
            if there == self._asm or (self._errors and self._distance(there) <= self._errors):
                self._in_step = True
                return at
            if self._in_step:
                self.rejected["no_sync"] += 1
                self._in_step = False
            at = self._next_exact(at + 1) if not self._errors else at + 1
        return at

    def _next_exact(self, at: int) -> int:
        found = self._held.find(self._asm, at)
        return found if found >= 0 else max(at, len(self._held) - len(self._asm) + 1)

    def _distance(self, there: bytearray) -> int:
        return (int.from_bytes(there, "big") ^ int.from_bytes(self._asm, "big")).bit_count()


def encode(frame: bytes, options: Options) -> bytes:
    """Return what a stream holds for one frame: marker, a prefix of zeros, the frame; raises ``ValueError``."""
    if len(frame) != options.frame_octets:
        raise ValueError(f"a frame has {options.frame_octets} octets, not {len(frame)}")
    return bytes.fromhex(options.asm) + bytes(options.prefix_octets) + frame


_BY02 = bytes.fromhex(
    "08102c2d005555555555550026e790ffffffff0000000051ee65000100494e304f52590a49112900c8d743000055ff00001b56aaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

EXAMPLES: Final = (
    Example(
        name="a transfer frame behind its marker",
        source="BY02 frame published in gr-satellites 327f3054 (qa_by02.py) behind the marker of CCSDS 131.0-B",
        stream=bytes.fromhex("1acffc1d") + _BY02,
        frames=(_BY02,),
        options={"frame_octets": len(_BY02), "asm": "1acffc1d"},
    ),
    Example(
        name="the same with a time before it and a wrong bit in its marker",
        source="the same frame",
        stream=bytes.fromhex("1acffc1c") + bytes(8) + _BY02,
        frames=(_BY02,),
        options={"frame_octets": len(_BY02), "asm": "1acffc1d", "prefix_octets": 8, "asm_errors": 1},
    ),
    Example(
        name="frames with nothing between them",
        source="the first octets of that frame",
        stream=_BY02[:10] + _BY02[10:20],
        frames=(_BY02[:10], _BY02[10:20]),
        options={"frame_octets": 10},
    ),
)
