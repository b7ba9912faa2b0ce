"""A KISS stream laid into the frames of another protocol, as the satellites of Harbin send their packets.

::

    frame n      C0 packet C0 C0 C0 … pack
    frame n + 1  et C0 packet C0 …

Packets stand between FENDs, escaped as in ``kiss``, without a command octet, and run on from frame to frame; FENDs
fill what is left. ``skip_octets`` leaves out what stands before the stream in each frame. The stream has no check
of its own: behind a lost frame one packet may be joined from two, which only the packet's own check can tell.

Source: the KISS TNC protocol (M. Chepponis, P. Karn, 1987); its use from real frames of BY70-1 and KS-1Q.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware_protocols import kiss
from firmware_protocols.interface import MAX_FRAME_OCTETS, Around, Example, Packet


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands before the stream in each frame, and how long a packet may be."""

    skip_octets: Annotated[int, Meta(ge=0, le=256)] = 0
    min_octets: Annotated[int, Meta(ge=1, le=1024)] = 1
    max_octets: Annotated[int, Meta(ge=1, le=MAX_FRAME_OCTETS)] = 4096


class PacketExtractor:
    """Frames in, the packets of their stream out."""

    def __init__(self, options: Options) -> None:
        self._skip = options.skip_octets
        self._stream = kiss.Deframer(
            kiss.Options(has_command=False, min_octets=options.min_octets, max_octets=options.max_octets)
        )
        self.rejected: Counter[str] = self._stream.rejected

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame and return the packets that end in it."""
        if len(frame) <= self._skip:
            self.rejected["too_short"] += 1
            return []
        return [Packet(found.data) for found in self._stream.feed(frame[self._skip :])]

    def flush(self) -> list[Packet]:
        """Forget what has not ended; return nothing, for no packet is complete without its FEND."""
        self._stream.flush()
        return []


def enclose(data: bytes, options: Options, around: Around) -> bytes:
    """Put a packet into one frame of the stream, FENDs behind it up to the length of one like it."""
    framed = around.like[: options.skip_octets].ljust(options.skip_octets, b"\0")
    framed += kiss.encode(data, kiss.Options(has_command=False))
    wanted = around.octets or len(around.like)
    if wanted and len(framed) > wanted:
        raise ValueError(f"{len(data)} octets, escaped, do not fit into a frame that holds {wanted}")
    return framed.ljust(wanted, bytes((kiss.FEND,)))


EXAMPLES: Final = (
    Example(
        name="BY70-1 piece of an image, escaped",
        source="by701.wav of daniestevez/satellite-recordings 952ddfe5 (public domain)",
        stream=bytes.fromhex(
            "c0b8643d001200000000c83a00800000323232323232323232323232323232323232323232323232323232323232ffc4001f0000"
            "010501010101010100000000000000000102030405060708090a0bff18210000dbdc4bf707c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
            "c0c0c0c0c0c0c0c0c0c0"
        ),
        packets=(
            bytes.fromhex(
                "b8643d001200000000c83a00800000323232323232323232323232323232323232323232323232323232323232ffc4001f0000"
                "010501010101010100000000000000000102030405060708090a0bff18210000c04bf707"
            ),
        ),
    ),
)
