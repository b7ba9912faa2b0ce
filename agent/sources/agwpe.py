"""Frames from a TNC over the AGW packet engine's protocol: Dire Wolf and others, port 8000.

::

    port u8, 3 reserved · kind, reserved, PID, reserved · from 10 · to 10 · length u32 · user u32 · data
    little endian; 36 octets of header

    client → server   kind "k": give me raw frames      (once; nothing else is ever sent)
    server → client   kind "K": data = one octet (the TNC's port) and an AX.25 frame without FCS

Source: SV2AGW, "AGW TCP/IP socket interface" (2000). The frames are given on as KISS octets, which is how
frames travel in octets here.
"""

from __future__ import annotations

import struct
import time
from types import TracebackType
from typing import Final, Self

from agent.definitions import Port
from agent.errors import ConfigError, SourceLost
from agent.records import OctetBlock
from agent.sources import OctetTable, Signal
from agent.sources.connection import Connection, connect
from firmware_protocols import kiss

SIGNAL: Signal = "octets"

HEADER: Final = struct.Struct("<B3xcxBx10s10sII")
ASK_FOR_RAW: Final = HEADER.pack(0, b"k", 0, b"", b"", 0, 0)
MAX_DATA_OCTETS = 4096


class Options(OctetTable, frozen=True, kw_only=True):
    """A TNC's address."""

    host: str = "127.0.0.1"
    port: Port = 8000


def check_options(options: Options, where: str) -> None:
    """Refuse another framing: the protocol gives frames; raises ``ConfigError``."""
    if options.framing != "kiss":
        raise ConfigError("AGWPE gives frames already", where=f"{where}.framing", mend="leave it out")


class Source:
    """A connection to an AGWPE server."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._connection: Connection | None = None
        self._octets = bytearray()

    async def __aenter__(self) -> Self:
        connection = await connect(
            self.options.host,
            self.options.port,
            what="AGWPE server",
            mend="is the TNC running, is this its AGW port?",
        )
        self._octets = bytearray()
        try:
            await connection.write(ASK_FOR_RAW)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def read(self) -> OctetBlock:
        """Wait for frames."""
        if self._connection is None:
            raise SourceLost(f"source {self.options.id} is not open")
        while True:
            frames = self._frames(self._connection.peer)
            if frames:
                return OctetBlock(b"".join(kiss.encode(one, kiss.Options()) for one in frames), time.time_ns())
            self._octets += await self._connection.read()

    def _frames(self, peer: str) -> list[bytes]:
        """Take the raw frames out of what has come; raises ``SourceLost`` when it is no AGWPE."""
        frames = []
        while len(self._octets) >= HEADER.size:
            _, kind, _, _, _, length, _ = HEADER.unpack_from(self._octets)
            if length > MAX_DATA_OCTETS or not kind.isalpha():
                raise SourceLost(f"{peer} does not speak AGWPE (is this its AGW port?)")
            if len(self._octets) < HEADER.size + length:
                break
            data = bytes(self._octets[HEADER.size : HEADER.size + length])
            del self._octets[: HEADER.size + length]
            if kind == b"K" and len(data) > 1:
                frames.append(data[1:])
        return frames
