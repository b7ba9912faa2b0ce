"""The files of an archive: which there are, how large, whose lock, what stands in quarantine.

Knows names and sizes; opens no database.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.errors import SinkUnavailable
from agent.sinks.segment import fault_of

_PREFIX: Final = "segment-"
_SUFFIX: Final = ".sqlite"
_SALVAGE_MAX_OCTETS: Final = 512 << 20


class SegmentFiles:
    """One archive's directory. Its methods raise ``OSError`` unless they say otherwise."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: int | None = None

    def lock(self) -> None:
        """Make the directory and keep every other writer out; raises ``SinkUnavailable``, ``StorageFault``."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            raise fault_of(exc) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(descriptor)
            raise SinkUnavailable(
                f"archive {self.directory} is in use by another gsagent (stop it, or name another directory)"
            ) from exc
        self._lock = descriptor

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def listing(self) -> list[tuple[int, Path]]:
        """List the segments: first sequence number and file, in order."""
        found = []
        for path in self.directory.glob(f"{_PREFIX}*{_SUFFIX}"):
            number = path.name[len(_PREFIX) :].split("-")[0]
            if number.isdecimal():
                found.append((int(number), path))
        return sorted(found)

    def name(self, first_seq: int, day: str) -> Path:
        """Name a segment by its first sequence number and the UTC day it was begun."""
        return self.directory / f"{_PREFIX}{first_seq:016d}-{day}{_SUFFIX}"

    def remove_scratch(self) -> None:
        """Remove what a crash left half made."""
        for stale in self.directory.glob("*.new*"):
            stale.unlink(missing_ok=True)

    def disk(self) -> tuple[int, int]:
        """Return the octets free on the medium, and its size."""
        usage = shutil.disk_usage(self.directory)
        return usage.free, usage.total

    def set_aside(self, path: Path) -> None:
        """Move a segment into quarantine as it was found."""
        target = self.directory / "quarantine"
        target.mkdir(exist_ok=True)
        stamp = time.time_ns()
        for source in (path, log_of(path)):
            if source.exists():
                source.replace(target / f"{stamp}-{source.name}")
        Path(f"{path}-shm").unlink(missing_ok=True)

    def quarantined(self) -> list[Path]:
        """List what stands in quarantine, the oldest first."""
        target = self.directory / "quarantine"
        return sorted(target.iterdir()) if target.is_dir() else []


def log_of(path: Path) -> Path:
    """Name a segment's write-ahead log."""
    return Path(f"{path}-wal")


def has_log(path: Path) -> bool:
    """Tell whether a segment was left with a write-ahead log."""
    log = log_of(path)
    return log.exists() and log.stat().st_size > 0


def octets_of(path: Path) -> int:
    """Return the size of a segment with its log; 0 when it is not there."""
    total = 0
    for name in (path, log_of(path)):
        with suppress(FileNotFoundError):
            total += name.stat().st_size
    return total


def content(path: Path) -> bytes:
    """Read a file to be salvaged, bounded; empty when it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(_SALVAGE_MAX_OCTETS)
    except FileNotFoundError:
        return b""


def unlink(path: Path) -> None:
    """Remove a segment with its log and index."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
