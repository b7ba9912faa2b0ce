"""A plain status page over HTTP on loopback: what the station says of itself, for a browser or ``curl``.

Knows HTML and how to serve one page (``/``) and the same as JSON (``/status.json``). Takes the state from a
callable; knows nothing of the agent.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from agent.errors import AgentError

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>gsagent · {station}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }}
body {{ max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100% }}
th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; vertical-align: top }}
td {{ font-variant-numeric: tabular-nums }} caption {{ text-align: left; font-weight: 600 }}
</style>
<h1>{station}</h1><p>gsagent {version}, at {now} UTC</p>{tables}</html>
"""


class StatusPage:
    """Serves the page while its context is open."""

    def __init__(self, port: int, describe: Callable[[], Mapping[str, Any]], host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self._describe = describe
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/status.json", self._json)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        """Listen; raises ``AgentError`` when the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as exc:
            await self._runner.cleanup()
            raise AgentError(
                f"the page cannot listen on {self.host}:{self.port}: {exc.strerror}; choose another --http-port"
            ) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=render(self._describe()), content_type="text/html")

    async def _json(self, _: web.Request) -> web.Response:
        return web.json_response(_plain(self._describe()))


def render(state: Mapping[str, Any]) -> str:
    """Write the page: one table of plain values, and one for each nested one."""
    plain = _plain(state)
    scalars = {key: value for key, value in plain.items() if not isinstance(value, dict | list)}
    tables = [_table("station", scalars)]
    for key, value in plain.items():
        if isinstance(value, dict):
            tables.append(_table(key, value))
        elif isinstance(value, list):
            tables.append(_table(key, dict(enumerate(value, 1))))
    return _PAGE.format(
        station=html.escape(str(state.get("station", "station"))),
        version=html.escape(str(state.get("version", ""))),
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        tables="".join(tables),
    )


def _table(caption: str, rows: Mapping[Any, Any]) -> str:
    body = "".join(
        f"<tr><th scope=row>{html.escape(str(key))}<td>{html.escape(_cell(value))}" for key, value in rows.items()
    )
    return f"<table><caption>{html.escape(caption.replace('_', ' '))}</caption>{body or '<tr><td>none'}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items() if item is not None)
    if value is None:
        return "unknown"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
