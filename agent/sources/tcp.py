"""IQ or audio from a program that serves bare samples over TCP: no header, only numbers.

Knows an address and what the numbers are; nothing is ever sent.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Annotated, Self

from msgspec import Meta

from agent.definitions import Port
from agent.errors import SourceLost, SourceStalled
from agent.records import AudioBlock, IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.connection import Connection, connect
from agent.sources.samples import StreamFormat, check_frequency, stream_converter
from agent.sources.samples.blocks import BlockBuilder

SIGNAL: Signal = "samples"


class Options(SourceTable, frozen=True, kw_only=True):
    """A server's address and what its samples are; IQ needs the frequency in its middle."""

    port: Port
    host: str = "127.0.0.1"
    sample_format: StreamFormat = "s16le"
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e8)] = 48_000.0
    frequency_hz: Annotated[float, Meta(gt=0)] | None = None
    stall_s: Annotated[float, Meta(ge=0.5, le=3600)] = 5.0


def check_options(options: Options, where: str) -> None:
    """Refuse IQ of an unknown frequency; raises ``ConfigError``."""
    check_frequency(options.sample_format, options.frequency_hz, where)


class Source:
    """A connection to a server of samples."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._connection: Connection | None = None
        self._blocks = BlockBuilder(
            stream_converter(options.sample_format), options.sample_rate_hz, options.frequency_hz or 0.0
        )

    async def __aenter__(self) -> Self:
        self._connection = await connect(
            self.options.host,
            self.options.port,
            what="sample server",
            mend="is the program that serves it running?",
        )
        self._blocks.begin()
        return self

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
                    self._blocks.feed(await connection.read())
        except TimeoutError as exc:
            raise SourceStalled(
                f"{connection.peer} is connected but has stalled for {self.options.stall_s:g} s"
            ) from exc
        return self._blocks.take(time.monotonic_ns(), time.time_ns())
