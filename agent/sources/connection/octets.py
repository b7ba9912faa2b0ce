"""A TCP connection that only listens: opened, read, closed. Knows no protocol; never sends."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from agent.errors import SourceLost
from agent.records import OctetBlock
from agent.sources.connection import Connection, connect


class Listening:
    """Octets of a server, as they come; ``what`` names it to the operator, ``mend`` is said when it refuses."""

    def __init__(self, host: str, port: int, *, what: str, mend: str) -> None:
        self._address = host, port
        self._what = what
        self._mend = mend
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await connect(*self._address, what=self._what, mend=self._mend)
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
            raise SourceLost(f"{self._what} is not open")
        octets = await self._connection.read()
        return OctetBlock(octets, time.time_ns())
