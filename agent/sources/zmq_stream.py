"""IQ or audio from a ZeroMQ publisher, as GNU Radio's ZMQ PUB sink sends it: bare samples in messages.

Speaks just enough of ZMTP 3.0 to subscribe over TCP, so that no library is needed::

    both     FF 00×8 7F   version 03 00   mechanism "NULL" padded to 20   as-server 00   00×31      64 octets
    both     READY command with Socket-Type (SUB or XSUB here, PUB or XPUB there)
    client   message of one octet 01: everything

    frame    flags u8 (1 more · 2 long · 4 command)   length u8, or u64 big endian when long   body

Source: ZeroMQ RFC 23/ZMTP 3.0 and RFC 29/PUBSUB. Knows nothing of what the samples hold.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Annotated, Final, Self

from msgspec import Meta

from agent.definitions import Port
from agent.errors import SourceLost, SourceStalled
from agent.records import AudioBlock, IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.connection import Connection, connect
from agent.sources.samples import StreamFormat, check_frequency, stream_converter
from agent.sources.samples.blocks import BlockBuilder

SIGNAL: Signal = "samples"

GREETING: Final = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY: Final = b"\x05READY" + b"\x0bSocket-Type" + (3).to_bytes(4, "big") + b"SUB"
MORE, LONG, COMMAND = 1, 2, 4
MAX_FRAME_OCTETS = 16 << 20


class Options(SourceTable, frozen=True, kw_only=True):
    """A publisher's address and what its samples are; IQ needs the frequency in its middle."""

    host: str = "127.0.0.1"
    port: Port = 5555
    sample_format: StreamFormat = "cf32"
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e8)]
    frequency_hz: Annotated[float, Meta(gt=0)] | None = None
    stall_s: Annotated[float, Meta(ge=0.5, le=3600)] = 5.0


def check_options(options: Options, where: str) -> None:
    """Refuse IQ of an unknown frequency; raises ``ConfigError``."""
    check_frequency(options.sample_format, options.frequency_hz, where)


class Source:
    """A subscription."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._connection: Connection | None = None
        self._octets = bytearray()
        self._blocks = BlockBuilder(
            stream_converter(options.sample_format), options.sample_rate_hz, options.frequency_hz or 0.0
        )

    async def __aenter__(self) -> Self:
        connection = await connect(
            self.options.host, self.options.port, what="ZMQ publisher", mend="is the flow graph running?"
        )
        self._octets = bytearray()
        self._blocks.begin()
        try:
            async with asyncio.timeout(self.options.stall_s):
                await self._subscribe(connection)
        except TimeoutError as exc:
            connection.close()
            raise SourceLost(f"{connection.peer} does not finish its greeting (is this a ZMQ PUB socket?)") from exc
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return self

    async def _subscribe(self, connection: Connection) -> None:
        await connection.write(GREETING)
        await self._gather(connection, len(GREETING))
        greeting = bytes(self._octets[: len(GREETING)])
        del self._octets[: len(GREETING)]
        if greeting[0] != 0xFF or greeting[9] != 0x7F or greeting[10] < 3:
            raise SourceLost(f"{connection.peer} does not speak ZMTP 3 (another port?)")
        if greeting[12:32].rstrip(b"\0") != b"NULL":
            raise SourceLost(f"{connection.peer} wants credentials (only the NULL mechanism is spoken)")
        await connection.write(bytes([COMMAND, len(READY)]) + READY)
        await connection.write(b"\x00\x01\x01")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def read(self) -> IqBlock | AudioBlock:
        """Wait for a block of 50 ms."""
        connection = self._connection
        if connection is None:
            raise SourceLost(f"source {self.options.id} is not open")
        try:
            async with asyncio.timeout(self.options.stall_s):
                while not self._blocks.complete:
                    if not self._take_frame(connection.peer):
                        self._octets += await connection.read()
        except TimeoutError as exc:
            raise SourceStalled(
                f"{connection.peer} is connected but has stalled for {self.options.stall_s:g} s"
            ) from exc
        return self._blocks.take(time.monotonic_ns(), time.time_ns())

    async def _gather(self, connection: Connection, octets: int) -> None:
        while len(self._octets) < octets:
            self._octets += await connection.read()

    def _take_frame(self, peer: str) -> bool:
        """Take one frame out of what has come, if it is whole; commands (READY, PING) say nothing of samples."""
        if len(self._octets) < 2:
            return False
        flags = self._octets[0]
        head = 9 if flags & LONG else 2
        if len(self._octets) < head:
            return False
        length = int.from_bytes(self._octets[1:head], "big")
        if flags & ~(MORE | LONG | COMMAND) or length > MAX_FRAME_OCTETS:
            raise SourceLost(f"{peer} sent a frame that is none of ZMTP's")
        if len(self._octets) < head + length:
            return False
        if not flags & COMMAND:
            self._blocks.feed(bytes(self._octets[head : head + length]))
        del self._octets[: head + length]
        return True
