"""Passes octets between a browser's WebSocket and the broker's TCP port, and understands none of them.

A page cannot open a TCP connection; an MQTT client in it can speak MQTT over a WebSocket (MQTT 3.1.1 §6: binary
frames, sub-protocol ``mqtt``). What the broker allows is the broker's matter: the page gives its own name and
password. Knows back-pressure (a slow side makes the other wait, nothing is queued without bound) and how to
say that the broker is away; knows neither pages nor MQTT.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

log = logging.getLogger(__name__)

SUBPROTOCOL: Final = "mqtt"
CHUNK_OCTETS: Final = 64 * 1024
MAX_MESSAGE_OCTETS: Final = 256 * 1024
CONNECT_S: Final = 5.0
HEARTBEAT_S: Final = 20.0
MAX_PAGES: Final = 64
"""Pages connected at once; each holds a socket and at most a few hundred kilobytes."""


class Bridge:
    """Bridges WebSockets to one broker; ``serve`` handles one request, ``close`` ends all."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Carry one page's connection until either side ends it."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in (item.strip() for item in offered.split(",")):
            raise web.HTTPBadRequest(text="this address speaks MQTT over a WebSocket, sub-protocol mqtt")
        if len(self._open) >= MAX_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MAX_PAGES} pages are connected already")
        page = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MAX_MESSAGE_OCTETS, heartbeat=HEARTBEAT_S, compress=False
        )
        self._open.add(page)
        try:
            await page.prepare(request)
            await self._connect(page)
        finally:
            self._open.discard(page)
        return page

    async def close(self) -> None:
        """Tell every page that the agent goes."""
        for page in tuple(self._open):
            await page.close(code=WSCloseCode.GOING_AWAY, message=b"the agent is stopping")

    async def _connect(self, page: web.WebSocketResponse) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    self.host, self.port, limit=CHUNK_OCTETS, ssl=self._tls
                )
        except (OSError, TimeoutError) as exc:
            log.debug("broker %s:%d: %s", self.host, self.port, exc)
            await page.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the broker cannot be reached")
            return
        inward = asyncio.create_task(_to_page(reader, page), name="bridge to page")
        try:
            await _to_broker(page, writer, inward)
        finally:
            inward.cancel()
            with suppress(asyncio.CancelledError):
                await inward
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        if not page.closed:
            await page.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the broker closed the connection")


async def _to_broker(page: web.WebSocketResponse, writer: asyncio.StreamWriter, inward: asyncio.Task[None]) -> None:
    """Pass the page's octets on until it leaves or the other direction ends."""
    while not inward.done():
        incoming = asyncio.ensure_future(page.receive())
        await asyncio.wait((incoming, inward), return_when=asyncio.FIRST_COMPLETED)
        if not incoming.done():
            incoming.cancel()
            with suppress(asyncio.CancelledError):
                await incoming
            return
        message = incoming.result()
        if message.type is not WSMsgType.BINARY:
            return
        try:
            writer.write(message.data)
            await writer.drain()
        except OSError:
            return


async def _to_page(reader: asyncio.StreamReader, page: web.WebSocketResponse) -> None:
    """Pass the broker's octets on until it closes or the page is gone."""
    with suppress(OSError):
        while octets := await reader.read(CHUNK_OCTETS):
            await page.send_bytes(octets)
