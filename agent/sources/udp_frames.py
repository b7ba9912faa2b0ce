"""Frames that come in datagrams, one whole frame in each: from a modem or gateway that did the rest.

What is in a frame (AX.25, a CCSDS transfer frame, a space packet) the satellite's file says. The frames are
given on as KISS octets, which is how frames travel in octets here. A sender that cuts a stream anywhere
(``datagrams = "stream"``) needs a ``framing`` that finds its frames, by ASM and length or by the packets' own.
"""

from __future__ import annotations

import asyncio
import socket
import time
from types import TracebackType
from typing import Annotated, Literal, Self

from msgspec import Meta

from agent.definitions import Port
from agent.errors import ConfigError, SourceLost
from agent.records import OctetBlock
from agent.sources import OctetTable, Signal
from agent.sources.connection import readable
from agent.sources.udp import MAX_DATAGRAM_OCTETS, bind
from firmware_protocols import kiss

SIGNAL: Signal = "octets"


class Options(OctetTable, frozen=True, kw_only=True):
    """Where datagrams are awaited, what one holds, and how many octets at its begin are the gateway's own."""

    port: Port
    host: str = "127.0.0.1"
    datagrams: Literal["frame", "stream"] = "frame"
    prefix_octets: Annotated[int, Meta(ge=0, le=1024)] = 0


def check_options(options: Options, where: str) -> None:
    """Refuse another framing where the datagram is the frame; raises ``ConfigError``."""
    if options.datagrams == "frame" and options.framing != "kiss":
        raise ConfigError(
            "each datagram is a frame already",
            where=f"{where}.framing",
            mend='leave it out, or say datagrams = "stream"',
        )


class Source:
    """A bound datagram socket. ``empty`` counts datagrams that held no frame."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.empty = 0
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self._socket = bind(self.options.host, self.options.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def read(self) -> OctetBlock:
        """Wait for a frame."""
        if self._socket is None:
            raise SourceLost(f"source {self.options.id} is not open")
        await asyncio.sleep(0)  # a sender that never rests must not starve the loop
        while True:
            try:
                frame = self._socket.recv(MAX_DATAGRAM_OCTETS)[self.options.prefix_octets :]
            except BlockingIOError:
                await readable(self._socket.fileno())
                continue
            except OSError as exc:
                raise SourceLost(f"UDP port {self.options.port}: {exc.strerror or exc}") from exc
            if frame and self.options.datagrams == "stream":
                return OctetBlock(frame, time.time_ns())
            if frame:
                return OctetBlock(kiss.encode(frame, kiss.Options()), time.time_ns())
            self.empty += 1
