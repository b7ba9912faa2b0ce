"""IQ from an rtl_tcp server: an RTL-SDR on this machine or on another one.

::

    server → client   "RTL0"  tuner type u32  number of gains u32      12 octets, big endian, once
                      I u8  Q u8  I u8  Q u8 …                         127.5 is zero
    client → server   command u8  argument u32                         5 octets, big endian

    command  1 frequency, Hz   2 sample rate, Hz   3 gain mode (1 manual)   4 gain, 0.1 dB
             5 frequency correction, ppm           8 RTL2832 AGC            14 bias tee

Source: the wire format as documented with librtlsdr's ``rtl_tcp`` (Osmocom, rtl-sdr). Knows how to tune a server
and to stamp its samples; what is in them is the receiver's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Annotated, Final, Self

from msgspec import Meta

from agent.definitions import Port
from agent.errors import ConfigError, SourceLost, SourceStalled
from agent.records import AudioBlock, IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.connection import Connection, connect
from agent.sources.samples import iq_converter
from agent.sources.samples.blocks import BlockBuilder

SIGNAL: Signal = "iq"

SETTLE_S = 0.15
HEADER: Final = struct.Struct(">4sII")
COMMAND: Final = struct.Struct(">BI")
SET_FREQUENCY, SET_SAMPLE_RATE, SET_GAIN_MODE, SET_GAIN, SET_PPM, SET_AGC, SET_BIAS_TEE = 1, 2, 3, 4, 5, 8, 14
TUNERS: Final = ("unknown", "E4000", "FC0012", "FC0013", "FC2580", "R820T", "R828D")


class Options(SourceTable, frozen=True, kw_only=True):
    """A server's address and how its tuner is to be set; without ``gain_db`` the tuner sets its own gain."""

    frequency_hz: Annotated[float, Meta(gt=0, le=4_294_967_295)]
    host: str = "127.0.0.1"
    port: Port = 1234
    sample_rate_hz: Annotated[int, Meta(ge=225_001, le=3_200_000)] = 250_000
    gain_db: Annotated[float, Meta(ge=-10, le=100)] | None = None
    ppm: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    agc: bool = False
    bias_tee: bool = False
    stall_s: Annotated[float, Meta(ge=0.5, le=60)] = 3.0


def check_options(options: Options, where: str) -> None:
    """Refuse a sample rate the RTL2832 cannot make; raises ``ConfigError``."""
    if 300_000 < options.sample_rate_hz <= 900_000:
        raise ConfigError(
            f"an RTL-SDR cannot sample at {options.sample_rate_hz} Hz",
            where=f"{where}.sample_rate_hz",
            mend="225001 to 300000 or 900001 to 3200000",
        )


class Source:
    """A connection to an rtl_tcp server, tuned."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.tuner = ""
        self._connection: Connection | None = None
        self._blocks = BlockBuilder(iq_converter("cu8"), float(options.sample_rate_hz), options.frequency_hz)

    async def __aenter__(self) -> Self:
        options = self.options
        connection = await connect(
            options.host, options.port, what="rtl_tcp server", mend="start it: rtl_tcp -a ADDRESS"
        )
        self._connection = connection
        try:
            beyond = await self._greet(connection)
            await connection.write(_tuning(options))
            await self._settle(connection, beyond)
        except BaseException:
            connection.close()
            self._connection = None
            raise
        return self

    async def _greet(self, connection: Connection) -> int:
        """Read the header, which tells an rtl_tcp server from anything else; returns the octets beyond it."""
        octets = b""
        with self._not_stalled(connection):
            async with asyncio.timeout(self.options.stall_s):
                while len(octets) < HEADER.size:
                    octets += await connection.read()
        magic, tuner, _ = HEADER.unpack_from(octets)
        if magic != b"RTL0":
            raise SourceLost(f"{connection.peer} is no rtl_tcp server: it does not begin with RTL0 (another port?)")
        self.tuner = TUNERS[tuner] if tuner < len(TUNERS) else TUNERS[0]
        return len(octets) - HEADER.size

    async def _settle(self, connection: Connection, dropped: int) -> None:
        """Drop what was sampled before the tuner obeyed: at another rate and frequency, already on its way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while True:
                    dropped += len(await connection.read())
        # I and Q must not change places.
        self._blocks.begin(skip_octets=dropped % 2)

    @contextlib.contextmanager
    def _not_stalled(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        except TimeoutError as exc:
            raise SourceStalled(
                f"{connection.peer} is connected but has stalled for {self.options.stall_s:g} s"
                " (is the dongle still plugged in there?)"
            ) from exc

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
        with self._not_stalled(connection):
            async with asyncio.timeout(self.options.stall_s):
                while not self._blocks.complete:
                    self._blocks.feed(await connection.read())
        return self._blocks.take(time.monotonic_ns(), time.time_ns())


def _tuning(options: Options) -> bytes:
    """Return the commands that set the tuner, the sample rate first (a change of it retunes)."""
    manual = options.gain_db is not None
    commands = [
        (SET_SAMPLE_RATE, options.sample_rate_hz),
        (SET_PPM, options.ppm),
        (SET_FREQUENCY, round(options.frequency_hz)),
        (SET_AGC, int(options.agc)),
        (SET_GAIN_MODE, int(manual)),
        (SET_BIAS_TEE, int(options.bias_tee)),
    ]
    if options.gain_db is not None:
        commands.append((SET_GAIN, round(options.gain_db * 10)))
    return b"".join(COMMAND.pack(command, argument & 0xFFFFFFFF) for command, argument in commands)
