"""The far ends of the agent's octet sources that are no serial line: TNC servers, a front-end processor, a gateway.

``kiss_tcp`` and ``agwpe`` serve frames as Dire Wolf does, ``tcp_frames`` serves a stream of frames found by ASM and
length or by another framing, ``udp_frames`` sends each frame in a datagram; the kinds are named as the sources. As
on the air what nobody hears is lost. Knows sockets and how a frame is wrapped for them; no satellite.

AGWPE: port, kind, PID, from, to, length, user, little endian, 36 octets; a client asks for raw frames by kind ``k``
and gets kind ``K``, one octet and an AX.25 frame. Source: SV2AGW, "AGW TCP/IP socket interface" (2000).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Annotated, Any, Final, Literal, Self

from msgspec import Meta, field

from agent.definitions import Definition, Name
from agent.errors import AgentError
from agent.simulator.radio import free_datagram_port
from agent.simulator.satellite_model import line_octets
from firmware_protocols import kiss

AGWPE_HEADER: Final = struct.Struct("<B3xcxBx10s10sII")
MAX_CLIENTS: Final = 16
MAX_WAITING_OCTETS: Final = 1 << 20
"""A client that does not read for so long loses frames instead of the simulator's memory."""


class Gateway(Definition, frozen=True, kw_only=True):
    """A server or sender of frames; port 0 chooses a free one. ``framing`` is for ``tcp_frames``."""

    id: Name
    kind: Literal["kiss_tcp", "agwpe", "tcp_frames", "udp_frames"]
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    framing: str = "fixed_length"
    framing_options: dict[str, Any] = field(default_factory=dict)


class PlayedGateway:
    """A gateway at work. ``sent`` counts frames that at least one client can have heard, ``unheard`` the others."""

    def __init__(self, table: Gateway) -> None:
        self.table = table
        self.port = table.port
        self.sent = 0
        self.unheard = 0
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self._listening: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        table = self.table
        try:
            if table.kind == "udp_frames":
                self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
                self.port = table.port or free_datagram_port(table.host)
            else:
                self._server = await asyncio.start_server(self._serve, table.host, table.port)
                self.port = self._server.sockets[0].getsockname()[1]
        except OSError as exc:
            where = f"{table.host}:{table.port}"
            raise AgentError(
                f"gateway {table.id} cannot listen on {where}: {exc.strerror} (0: any free port)"
            ) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._server is not None:
            self._server.close()
            for writer in list(self._clients):
                writer.transport.abort()
            tasks = [task for task in self._clients.values() if task is not None]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.transport.abort()
            return
        self._clients[writer] = asyncio.current_task()
        if self.table.kind != "agwpe":
            self._listening.add(writer)
        try:
            while octets := await reader.read(AGWPE_HEADER.size):
                # Raw frames are given to who asks for them; what else a client says is not for a receiver.
                if self.table.kind == "agwpe" and octets[4:5] == b"k":
                    self._listening.add(writer)
        except OSError:
            pass
        finally:
            self._clients.pop(writer, None)
            self._listening.discard(writer)
            writer.transport.abort()

    def send(self, frame: bytes) -> None:
        """Send a frame to whoever listens."""
        if self._socket is not None:
            self._count(heard=self._send_datagram(frame))
            return
        octets = self._wrapped(frame)
        ready = [
            writer
            for writer in self._listening
            if writer.transport.get_write_buffer_size() < MAX_WAITING_OCTETS and not writer.is_closing()
        ]
        for writer in ready:
            writer.write(octets)
        self._count(heard=bool(ready))

    def _count(self, *, heard: bool) -> None:
        self.sent += heard
        self.unheard += not heard

    def _send_datagram(self, frame: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendto(frame, (self.table.host, self.port))
        except OSError:
            return False  # nobody has opened the port, or its buffer is full
        return True

    def _wrapped(self, frame: bytes) -> bytes:
        match self.table.kind:
            case "agwpe":
                data = b"\0" + frame
                return AGWPE_HEADER.pack(0, b"K", 0xF0, b"", b"", len(data), 0) + data
            case "kiss_tcp":
                return kiss.encode(frame, kiss.Options())
            case _:
                return line_octets(self.table.framing, self.table.framing_options, frame)

    def description(self) -> dict[str, Any]:
        """Say what is served, in the words of a station file's source."""
        told: dict[str, Any] = {"kind": self.table.kind, "host": self.table.host, "port": self.port}
        if self.table.kind == "tcp_frames":
            told |= {"framing": self.table.framing, "framing_options": self.table.framing_options}
        return told
