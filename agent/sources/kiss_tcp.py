"""Octets from a TNC over TCP: Dire Wolf (port 8001), gr-satellites (port 8100), any server that speaks KISS.

Knows a host and a port; what the octets mean is the framing's business. Never sends: a KISS frame sent to a
TNC would be transmitted.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from agent.definitions import Port
from agent.errors import SourceLost
from agent.records import OctetBlock
from agent.sources import OctetTable, Signal
from agent.sources.connection import Connection, connect

SIGNAL: Signal = "octets"


class Options(OctetTable, frozen=True, kw_only=True):
    """A TNC's address."""

    host: str = "127.0.0.1"
    port: Port = 8001


class Source:
    """A connection to a TNC."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await connect(
            self.options.host, self.options.port, what="TNC", mend="is the TNC running, is this its KISS port?"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def read(self) -> OctetBlock:
        """Wait for octets."""
        if self._connection is None:
            raise SourceLost(f"source {self.options.id} is not open")
        octets = await self._connection.read()
        return OctetBlock(octets, time.time_ns())
