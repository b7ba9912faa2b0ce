"""The two small files beside the segments: who this archive is, and which sequence numbers may have been used.

A sequence number must never be given twice: a consumer that has seen it would throw the second record away. The
segments alone cannot promise that (a damaged or emptied write-ahead log takes its last rows with it and shows no
sign), so numbers are reserved in blocks, on the medium, before they are used. After an unclean end the rest of the
block is skipped; consumers follow ``prev`` and see no gap.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import SinkUnavailable
from agent.sinks.segment import fault_of, sync

BLOCK: Final = 4096
"""Sequence numbers reserved at a time: one more sync in 4,096 records."""

LEAP: Final = 1 << 20
"""How far to advance when the reservation itself is lost."""

IDENTITY_FILE: Final = "archive.json"
SEQUENCE_FILE: Final = "sequence"
_MAX_FILE_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Which archive this is: a new directory (a new SD card) is a new one."""

    archive: str
    station: str


def read_identity(directory: Path) -> Identity | None:
    """Read who this archive is, or ``None`` when the file is absent or unreadable; raises ``SinkUnavailable``."""
    try:
        told = json.loads(_read(directory / IDENTITY_FILE))
        identity = Identity(str(told["archive"]), str(told["station"]))
        version = int(told["format"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if version > 1:
        raise SinkUnavailable(
            f"{directory}: written by a later gsagent (format {version}, this one knows 1): "
            "upgrade, or name another archive directory"
        )
    return identity


def write_identity(directory: Path, identity: Identity) -> None:
    """Write who this archive is; raises ``StorageFault``."""
    text = json.dumps({"format": 1, "archive": identity.archive, "station": identity.station})
    _replace(directory / IDENTITY_FILE, text + "\n")


def new_identity(station: str) -> Identity:
    """Make an id no other archive has."""
    return Identity(secrets.token_hex(6), station)


def read_reservation(directory: Path) -> int | None:
    """Return the highest number that may have been used, or ``None`` when that is not known."""
    try:
        number, check = _read(directory / SEQUENCE_FILE).split()
        return int(number) if int(check, 16) == zlib.crc32(number.encode()) else None
    except (OSError, ValueError):
        return None


def write_reservation(directory: Path, through: int) -> None:
    """Reserve numbers up to and including ``through``; durable when it returns; raises ``StorageFault``."""
    _replace(directory / SEQUENCE_FILE, f"{through} {zlib.crc32(str(through).encode()):08x}\n")


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_FILE_OCTETS)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        sync(path.parent)
    except OSError as exc:
        raise fault_of(exc) from exc
