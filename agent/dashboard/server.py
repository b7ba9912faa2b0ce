"""Serves the dashboard: its files, ``/status.json``, and ``/mqtt``, where pages speak MQTT to the broker.

The page itself consumes MQTT only; this server adds nothing that another dashboard could not have. Listens on
loopback unless told otherwise. A page from elsewhere cannot use the bridge: the ``Origin`` of a WebSocket must be
this server's own, and a server on loopback answers only to loopback's names (DNS rebinding). Knows HTTP; takes the
station's state from a callable and knows nothing of the agent.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from aiohttp import web

from agent import __version__
from agent.dashboard.bridge import Bridge
from agent.dashboard.files import File, read_files, settings
from agent.errors import AgentError

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

HEADERS: Final = {
    # Nothing from elsewhere, no inline script; 'self' includes the WebSocket of this origin (CSP 3 §6.7.2.8).
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Dashboard:
    """Serves the page while its context is open.

    ``broker_host``, ``broker_port`` and ``broker_tls`` say where the bridge leads; ``topic_prefix`` is what
    stands before the station in every topic. ``allowed_hosts`` are further names this server is called by, such
    as a reverse proxy's. ``metrics`` writes what ``/metrics`` answers to Prometheus; without it there is none.
    """

    def __init__(
        self,
        port: int,
        describe: Callable[[], Mapping[str, Any]],
        broker_host: str = "127.0.0.1",
        broker_port: int = 1883,
        *,
        broker_tls: ssl.SSLContext | None = None,
        topic_prefix: str = "gs",
        metrics: Callable[[], str] | None = None,
        host: str = "127.0.0.1",
        allowed_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.port = port
        self.host = host
        self._describe = describe
        self._write_metrics = metrics
        self._bridge = Bridge(broker_host, broker_port, broker_tls)
        self._allowed_hosts = allowed_hosts
        self._files = read_files()
        self._told = settings(self._files, topic_prefix=topic_prefix, version=__version__, broker="mqtt")
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/status.json", self._status)
        app.router.add_get("/dashboard.json", self._settings)
        app.router.add_get("/mqtt", self._mqtt)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/{path:.*}", self._file)
        app.on_shutdown.append(lambda _: self._bridge.close())
        self._runner = web.AppRunner(app, access_log=None)

    @property
    def address(self) -> str:
        """The page's address, for people."""
        return f"http://{self.host}:{self.port}/"

    async def __aenter__(self) -> Self:
        """Listen; raises ``AgentError`` when the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as exc:
            await self._runner.cleanup()
            raise AgentError(f"{self.address}: cannot listen: {exc.strerror}; choose another --http-port") from exc
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening and part with every page."""
        await self._runner.cleanup()

    # -- answers ---------------------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["path"] or "index.html")
        if file is None:
            raise web.HTTPNotFound(text="no such file")
        return _served(request, file)

    async def _settings(self, _: web.Request) -> web.Response:
        return _no_store(web.json_response(self._told))

    async def _status(self, _: web.Request) -> web.Response:
        return _no_store(web.json_response(_plain(self._describe())))

    async def _metrics(self, _: web.Request) -> web.Response:
        if self._write_metrics is None:
            raise web.HTTPNotFound(text="no metrics here")
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return _no_store(web.Response(body=self._write_metrics().encode(), headers=headers))

    async def _mqtt(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            raise web.HTTPForbidden(text="pages from elsewhere may not use this bridge")
        return await self._bridge.serve(request)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Answer to own names only, and send the security headers with everything, refusals too."""
        try:
            if not self._is_own_name(request.host):
                raise web.HTTPMisdirectedRequest(text="this server is not called by that name")
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as exc:
            exc.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _is_own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in LOOPBACK_NAMES or name in self._allowed_hosts:
            return True
        return not _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _served(request: web.Request, file: File) -> web.Response:
    headers = {"Cache-Control": file.cache_control, "ETag": f'"{file.etag}"', "Vary": "Accept-Encoding"}
    known = request.if_none_match
    if known is not None and any(tag.value in (file.etag, "*") for tag in known):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.content_type
    if file.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=file.compressed, headers=headers | {"Content-Encoding": "gzip"})
    return web.Response(body=file.body, headers=headers)


def _no_store(response: web.Response) -> web.Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
