"""IQ or audio from a program that sends bare samples in datagrams: Gqrx (audio S16LE, 48 kHz, port 7355), others.

Knows a port and what the numbers are. A sender that pauses (a squelch) is no lost source: what had come before
the pause is given at once, and the time of what comes after it is that of its arrival.
"""

from __future__ import annotations

import asyncio
import socket
import time
from types import TracebackType
from typing import Annotated, Self

from msgspec import Meta

from agent.definitions import Port
from agent.errors import SourceLost
from agent.records import AudioBlock, IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.connection import readable
from agent.sources.samples import StreamFormat, check_frequency, stream_converter
from agent.sources.samples.blocks import BlockBuilder

SIGNAL: Signal = "samples"

MAX_DATAGRAM_OCTETS = 65_536
RECEIVE_BUFFER_OCTETS = 1 << 20
PAUSE_S = 0.25
"""A sender that is silent for longer has stopped: what it sends next is not the continuation."""


class Options(SourceTable, frozen=True, kw_only=True):
    """Where datagrams are awaited and what their samples are; IQ needs the frequency in its middle.

    Loopback by default: whoever can reach the port can send samples.
    """

    port: Port = 7355
    host: str = "127.0.0.1"
    sample_format: StreamFormat = "s16le"
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e8)] = 48_000.0
    frequency_hz: Annotated[float, Meta(gt=0)] | None = None


def check_options(options: Options, where: str) -> None:
    """Refuse IQ of an unknown frequency; raises ``ConfigError``."""
    check_frequency(options.sample_format, options.frequency_hz, where)


class Source:
    """A bound datagram socket."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._socket: socket.socket | None = None
        self._blocks = self._builder()

    def _builder(self) -> BlockBuilder:
        options = self.options
        return BlockBuilder(
            stream_converter(options.sample_format), options.sample_rate_hz, options.frequency_hz or 0.0
        )

    async def __aenter__(self) -> Self:
        self._socket = bind(self.options.host, self.options.port)
        self._blocks = self._builder()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def read(self) -> IqBlock | AudioBlock:
        """Wait for a block of 50 ms, or for what there is when the sender pauses."""
        if self._socket is None:
            raise SourceLost(f"source {self.options.id} is not open")
        await asyncio.sleep(0)  # a sender that never rests must not starve the loop
        while not self._blocks.complete:
            try:
                octets = self._socket.recv(MAX_DATAGRAM_OCTETS)
            except BlockingIOError:
                if not await self._more():
                    break
                continue
            except OSError as exc:
                raise SourceLost(f"UDP port {self.options.port}: {exc.strerror or exc}") from exc
            self._blocks.feed(octets)
        return self._blocks.take(time.monotonic_ns(), time.time_ns())

    async def _more(self) -> bool:
        """Wait for a datagram; false when the sender paused and something had come before."""
        if self._socket is None:
            return False
        try:
            async with asyncio.timeout(None if self._blocks.empty else PAUSE_S):
                await readable(self._socket.fileno())
        except TimeoutError:
            return False
        return True


def bind(host: str, port: int) -> socket.socket:
    """Open a datagram socket; raises ``SourceLost`` with the reason and the mend."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        carrier = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise SourceLost(f"UDP address {host}: {exc.strerror or exc} (check the host's name)") from exc
    try:
        carrier.setblocking(False)
        carrier.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
        carrier.bind(address)
    except OSError as exc:
        carrier.close()
        raise SourceLost(
            f"UDP port {port} on {host} cannot be opened: {exc.strerror or exc} (is another program using it?)"
        ) from exc
    return carrier
