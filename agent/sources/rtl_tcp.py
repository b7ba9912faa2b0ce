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
from types import TracebackType
from typing import Annotated, Final, Self

import numpy as np
from msgspec import Meta

from agent.definitions import Port
from agent.errors import ConfigError, SourceLost
from agent.records import IqBlock
from agent.sources import Signal, SourceTable
from agent.sources.connection import Connection, connect
from agent.sources.samples import iq_converter
from agent.sources.samples.clock import SampleClock

SIGNAL: Signal = "iq"

BLOCK_S = 0.05
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
        self._converter = iq_converter("cu8")
        self._clock = SampleClock(options.sample_rate_hz)
        self._block_octets = 2 * int(options.sample_rate_hz * BLOCK_S)
        self._octets = bytearray()
        self._skip = 0

    async def __aenter__(self) -> Self:
        options = self.options
        connection = await connect(
            options.host, options.port, what="rtl_tcp server", mend="start it: rtl_tcp -a ADDRESS"
        )
        self._connection = connection
        try:
            await self._greet(connection)
            await connection.write(_tuning(options))
            await self._settle(connection)
        except BaseException:
            connection.close()
            self._connection = None
            raise
        self._clock = SampleClock(options.sample_rate_hz)
        return self

    async def _greet(self, connection: Connection) -> None:
        """Read the header: it tells an rtl_tcp server from anything else that accepts a connection."""
        self._octets = bytearray()
        await self._gather(connection, HEADER.size)
        magic, tuner, _ = HEADER.unpack_from(self._octets)
        if magic != b"RTL0":
            raise SourceLost(f"{connection.peer} is no rtl_tcp server: it does not begin with RTL0 (another port?)")
        del self._octets[: HEADER.size]
        self.tuner = TUNERS[tuner] if tuner < len(TUNERS) else TUNERS[0]

    async def _gather(self, connection: Connection, octets: int) -> None:
        """Wait until so many octets have come; raises ``SourceLost`` when they take longer than ``stall_s``."""
        try:
            async with asyncio.timeout(self.options.stall_s):
                while len(self._octets) < octets:
                    came = await connection.read()
                    self._octets += came[self._skip :]
                    self._skip = 0
        except TimeoutError as exc:
            raise SourceLost(
                f"{connection.peer} is connected but has stalled for {self.options.stall_s:g} s"
                " (is the dongle still plugged in there?)"
            ) from exc

    async def _settle(self, connection: Connection) -> None:
        """Drop what was sampled before the tuner obeyed: at another rate and frequency, already on its way."""
        dropped = len(self._octets)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while True:
                    dropped += len(await connection.read())
        # I and Q must not change places.
        self._octets = bytearray()
        self._skip = dropped % 2

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def read(self) -> IqBlock:
        """Wait for a block of 50 ms."""
        if self._connection is None:
            raise SourceLost(f"source {self.options.id} is not open")
        await self._gather(self._connection, self._block_octets)
        octets = bytes(self._octets[: self._block_octets])
        behind = (len(self._octets) - self._block_octets) // 2
        del self._octets[: self._block_octets]
        samples = self._converter.feed(octets)
        # What has come beyond this block was taken after it.
        behind_ns = round(behind * 1e9 / self.options.sample_rate_hz)
        start_utc_ns, lost = self._clock.stamp(
            samples.size, time.monotonic_ns() - behind_ns, time.time_ns() - behind_ns
        )
        return IqBlock(
            samples.astype(np.complex64, copy=False),
            float(self.options.sample_rate_hz),
            self.options.frequency_hz,
            start_utc_ns,
            lost,
        )


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
