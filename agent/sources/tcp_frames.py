"""Frames or packets over TCP from a receiver or front-end processor that did the rest: CCSDS frames, space packets.

``framing`` says how the frames are found in the octets: ``fixed_length`` (by length, and by ASM where there is
one), ``space_packet`` (by the packets' own lengths), ``slip``, ``text_lines``. Knows a host and a port; never
sends.
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from agent.definitions import Port
from agent.sources import OctetTable, Signal
from agent.sources.connection.octets import Listening

SIGNAL: Signal = "octets"


class Options(OctetTable, frozen=True, kw_only=True):
    """A server's address and how its frames follow each other."""

    port: Port
    host: str = "127.0.0.1"
    framing: str = "fixed_length"
    framing_options: dict[str, Any] = field(default_factory=dict)


class Source(Listening):
    """A connection to a server of frames."""

    def __init__(self, options: Options) -> None:
        self.options = options
        mend = "is the receiver running, is this the port where it serves frames?"
        super().__init__(options.host, options.port, what="frame server", mend=mend)
