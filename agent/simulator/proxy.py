"""A link between a client and a server that can be cut, refused, slowed, or swallow everything without a word."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

PIECE = 65_536
SLOW_PIECE_S = 0.1


class Link:
    """Listens on ``port`` of loopback and passes octets to ``target``."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        self.octets_per_s: float | None = None
        self._host = host
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """End every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def swallow(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._open.clear()

    def heal(self) -> None:
        """Let everything through again, what was held back first."""
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self.target)
        except OSError:
            writer.close()
            return
        self._writers.add(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(self._piece()):
                if self.octets_per_s is not None:
                    await asyncio.sleep(len(octets) / self.octets_per_s)
                await self._open.wait()
                sink.write(octets)
                await sink.drain()
        self._writers.discard(sink)
        sink.close()

    def _piece(self) -> int:
        return PIECE if self.octets_per_s is None else max(1, int(self.octets_per_s * SLOW_PIECE_S))
