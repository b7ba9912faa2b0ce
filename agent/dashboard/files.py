"""The page's files in memory: what may be asked for, under which path, with which type, tag and life.

Everything servable is found once, by walking the folders; a request is a look-up in that table, so that no path
can lead outside. Knows nothing of requests, and puts the page together for any other web server (``export``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
VENDOR: Final = HERE / "vendor"

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}

REVALIDATE: Final = "no-cache"
"""Ask every time; unchanged is answered in a few octets. A page of two versions would be worse than slow."""

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Vendored folders carry their version in their name."""


@dataclass(frozen=True)
class File:
    """One file as it is served."""

    body: bytes
    content_type: str
    cache_control: str

    @cached_property
    def etag(self) -> str:
        """A strong tag: the content's digest."""
        return hashlib.sha256(self.body).hexdigest()[:32]

    @cached_property
    def compressed(self) -> bytes | None:
        """The body in gzip, or ``None`` where that saves too little."""
        if len(self.body) < 1024:
            return None
        small = gzip.compress(self.body, compresslevel=6, mtime=0)
        return small if len(small) < 0.9 * len(self.body) else None


def read_files() -> dict[str, File]:
    """Read everything that may be served, by its path under ``/``."""
    found = {}
    for folder, prefix, cache_control in ((STATIC, "", REVALIDATE), (VENDOR, "vendor/", FOR_EVER)):
        for path in sorted(folder.rglob("*")):
            content_type = CONTENT_TYPES.get(path.suffix)
            if path.is_file() and content_type is not None:
                name = prefix + path.relative_to(folder).as_posix()
                found[name] = File(path.read_bytes(), content_type, cache_control)
    return found


def tiles(names: dict[str, File]) -> dict[str, list[str]]:
    """List the tiles by view: a file ``tiles/<view>/<tile>.js`` is a tile, nothing else registers it."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) == 3 and parts[0] == "tiles" and name.endswith(".js"):
            found.setdefault(parts[1], []).append(parts[2])
    return found


def settings(names: dict[str, File], *, topic_prefix: str, version: str, broker: str) -> dict[str, Any]:
    """Say what the page must know before it connects: its tiles, the topics' prefix, where MQTT is spoken."""
    return {"version": version, "topic_prefix": topic_prefix, "broker": broker, "tiles": tiles(names)}


def export(directory: Path, *, topic_prefix: str, version: str, broker: str) -> int:
    """Write the page for another web server, ``broker`` being the WebSocket's URL; returns the number of files."""
    names = read_files()
    told = settings(names, topic_prefix=topic_prefix, version=version, broker=broker)
    bodies = {name: file.body for name, file in names.items()}
    bodies["dashboard.json"] = json.dumps(told, indent=1).encode()
    for name, body in bodies.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
    return len(bodies)
