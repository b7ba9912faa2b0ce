"""Waiting for octets: of a descriptor, or of a TCP peer that is opened with one clear reason when it cannot be.

Knows sockets and what their errors mean to an operator; knows nothing of what the octets say.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import SourceLost

CONNECT_TIMEOUT_S = 5.0
READ_OCTETS = 65_536
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 10, 5, 3


@contextmanager
def reasons(peer: str, mend: str) -> Iterator[None]:
    """Turn a socket's errors into ``SourceLost`` with one line that names the peer and the mend."""
    try:
        yield
    except TimeoutError as exc:
        raise SourceLost(f"{peer} does not answer (is the address right, is a firewall between?)") from exc
    except ConnectionRefusedError as exc:
        raise SourceLost(f"{peer} refuses the connection ({mend})") from exc
    except socket.gaierror as exc:
        raise SourceLost(f"{peer}: {exc.strerror} (check the host's name)") from exc
    except OSError as exc:
        # A name with several addresses (localhost: ::1 and 127.0.0.1) fails with one error that quotes them all.
        refused = exc.errno is None and f"[Errno {errno.ECONNREFUSED}]" in str(exc)
        reason = f" refuses the connection ({mend})" if refused else f": {exc.strerror or exc}"
        raise SourceLost(peer + reason) from exc


class Connection:
    """An open connection: ``read`` gives what has come, ``write`` is for the few commands of a tuner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader = reader
        self._writer = writer
        self.peer = peer

    async def read(self, at_most: int = READ_OCTETS) -> bytes:
        """Wait for octets, at least one; raises ``SourceLost`` at their end."""
        with reasons(self.peer, "the peer went away"):
            octets = await self._reader.read(at_most)
        if not octets:
            raise SourceLost(f"{self.peer} closed the connection")
        return octets

    async def write(self, octets: bytes) -> None:
        """Send octets."""
        with reasons(self.peer, "the peer went away"):
            self._writer.write(octets)
            await self._writer.drain()

    def close(self) -> None:
        """Close at once: nothing that was written is worth waiting for."""
        transport = self._writer.transport
        if not transport.is_closing():
            transport.abort()


async def readable(descriptor: int) -> None:
    """Wait until a descriptor has something to read; what it is stays there if the wait is cancelled."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, tell)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def connect(host: str, port: int, *, what: str, mend: str) -> Connection:
    """Connect to a peer; ``what`` names it to the operator (``TNC``), ``mend`` says what to do when it refuses."""
    peer = f"{what} at {host}:{port}"
    with reasons(peer, mend):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port, limit=4 * READ_OCTETS)
    carrier: socket.socket = writer.get_extra_info("socket")
    carrier.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):
            carrier.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return Connection(reader, writer, peer)
