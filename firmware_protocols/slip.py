"""SLIP: packets on a serial line, each ended by one octet.

::

    [C0]   data …                                  C0
    END    C0 → DB DC (END), DB → DB DD (ESC)      END

Source: RFC 1055 (1988); an END before the data too is the practice it recommends, so that noise between packets
becomes a packet of its own. There is no check and no length: ``min_octets`` is what tells noise. Differs from KISS
by the command octet alone. Octets before the first END may be the end of a packet and are left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from firmware_protocols import kiss
from firmware_protocols.interface import MAX_FRAME_OCTETS, Example, LinkFrame

INPUT: Final = "octets"

END: Final = 0xC0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How short and how long a packet can be; ``starts_at_once`` believes that the stream begins with one."""

    min_octets: Annotated[int, Meta(ge=1, le=1024)] = 1
    max_octets: Annotated[int, Meta(ge=1, le=MAX_FRAME_OCTETS)] = 4096
    starts_at_once: bool = False


class Deframer:
    """Octets in, packets out; ``check`` is ``none``."""

    def __init__(self, options: Options) -> None:
        self._starts_at_once = options.starts_at_once
        self._kiss = kiss.Deframer(
            kiss.Options(has_command=False, min_octets=options.min_octets, max_octets=options.max_octets)
        )
        self.rejected: Counter[str] = self._kiss.rejected
        self._fresh = True
        self._lead = 0

    def feed(self, elements: bytes) -> list[LinkFrame]:
        """Take octets whole and return the packets now complete."""
        if self._fresh and elements and self._starts_at_once:
            # An END that was not sent: positions behind it are one too far.
            self._kiss.feed(bytes((END,)))
            self._lead += 1
        self._fresh = self._fresh and not elements
        return [self._placed(frame) for frame in self._kiss.feed(elements)]

    def flush(self) -> list[LinkFrame]:
        """Drop a packet that lacks its end, counted as ``truncated``, and begin anew."""
        frames = [self._placed(frame) for frame in self._kiss.flush()]
        self._fresh = True
        return frames

    def _placed(self, frame: LinkFrame) -> LinkFrame:
        begin = max(0, frame.offset - self._lead)
        return LinkFrame(frame.data, begin, frame.offset + frame.span - self._lead - begin, "none")


def encode(frame: bytes, options: Options) -> bytes:
    """Return the octets on the line for one packet."""
    end = bytes((END,))
    return (b"" if options.starts_at_once else end) + kiss.escape(frame) + end


EXAMPLES: Final = (
    Example(
        name="END and ESC inside",
        source="RFC 1055: END (300 octal) becomes ESC 334, ESC (333) becomes ESC 335",
        stream=bytes.fromhex("c0" + "41" + "dbdc" + "dbdd" + "42" + "c0"),
        frames=(bytes.fromhex("41c0db42"),),
    ),
    Example(
        name="two packets, each with an END before it",
        source="RFC 1055: two ENDs behind each other are no packet",
        stream=b"\xc0first\xc0\xc0second\xc0",
        frames=(b"first", b"second"),
        options={"starts_at_once": True},
    ),
)
