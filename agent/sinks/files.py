"""Files that satellites sent (CFDP), kept on disk: whole ones as files, incomplete ones named with what they lack.

``<directory>/<satellite>/<entity>-<transaction>-<name>``, and beside them ``files.jsonl``, a line for each file
whole or not: when, whose, how long, its SHA-256, and for one that is not whole the places that are missing. A file
appears under its name when it is all there. The names a satellite gives are only letters, digits and ``. _ -`` here
and can lead nowhere else. Bounded: the oldest files go first when all are more than ``max_octets``. Knows no
protocol but the header fields ``source_entity``, ``transaction``, ``source_name``, ``destination_name``,
``complete`` and ``missing``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Final

from agent.errors import SinkUnavailable
from agent.records import PacketRecord
from agent.telemetry.onboard_time import format_utc

PROTOCOL: Final = "cfdp"
LISTING: Final = "files.jsonl"
MAX_NAME: Final = 64
MAX_LISTING_OCTETS: Final = 4 << 20
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


def is_file(record: PacketRecord) -> bool:
    """Say whether a packet is a file, whole or not."""
    return "complete" in record.packet.header and record.protocol == PROTOCOL


class FileStore:
    """Where files are kept; ``kept`` and ``incomplete`` count them."""

    def __init__(self, directory: Path, *, max_octets: int = 256 << 20) -> None:
        self.directory = directory
        self.kept = 0
        self.incomplete = 0
        self._max_octets = max_octets

    def put(self, record: PacketRecord) -> dict[str, Any]:
        """Keep one and return its line of the listing; blocks for the disk. Raises ``SinkUnavailable``."""
        header, data = record.packet.header, record.packet.data
        folder = self.directory / plain_name(record.satellite or "unknown")
        entry: dict[str, Any] = {
            "received": format_utc(record.received_utc_ns),
            "satellite": record.satellite,
            "downlink": record.downlink,
            "source_entity": header.get("source_entity"),
            "transaction": header.get("transaction"),
            "source_name": header.get("source_name"),
            "destination_name": header.get("destination_name"),
            "octets": header.get("file_octets"),
            "complete": header["complete"],
            "marking": record.marking,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if header["complete"]:
                name = plain_name(str(header.get("destination_name") or header.get("source_name") or "file"))
                path = folder / f"{entry['source_entity']}-{entry['transaction']}-{name}"
                _write(path, data)
                entry |= {"path": str(path), "sha256": hashlib.sha256(data).hexdigest()}
                self.kept += 1
            else:
                missing = header.get("missing")
                entry["missing"] = list(missing) if isinstance(missing, tuple) else []
                self.incomplete += 1
            self._list(entry)
            self._evict()
        except OSError as exc:
            raise SinkUnavailable(f"{self.directory}: {exc.strerror or exc}") from exc
        return entry

    def _list(self, entry: dict[str, Any]) -> None:
        listing = self.directory / LISTING
        if listing.exists() and listing.stat().st_size > MAX_LISTING_OCTETS:
            listing.replace(listing.with_suffix(".old.jsonl"))
        with listing.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _evict(self) -> None:
        """Take the oldest files away until the others fit."""
        files = sorted(
            (path for path in self.directory.glob("*/*") if path.is_file()),
            key=lambda path: path.stat().st_mtime_ns,
        )
        octets = sum(path.stat().st_size for path in files)
        for path in files[:-1]:
            if octets <= self._max_octets:
                return
            octets -= path.stat().st_size
            path.unlink()


def plain_name(name: str) -> str:
    """Make a file name of what a satellite calls a file: its last part, plain characters, never hidden."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return _NOT_PLAIN.sub("_", last).lstrip(".")[:MAX_NAME] or "file"


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there wholly or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
