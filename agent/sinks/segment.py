"""One file of the archive: an SQLite database of records, appended to once and then only read.

Knows the schema, the durability settings and what SQLite's errors mean: either the medium refuses
(``StorageFault``) or the octets are not those that were written (``Damaged``). Knows nothing of the other segments.

Settings: WAL with ``synchronous=FULL`` (0 of 1,500 reconstructed power-cut images lost an acknowledged row; NORMAL
lost some in 933), ``wal_autocheckpoint=1000``, ``journal_size_limit`` 4 MiB, no secondary index. A new file is made
under another name in rollback mode with ``synchronous=EXTRA``, then renamed and its directory synced: else the
unlinked journal of the schema's creation may come back after a power cut and wipe it.
Source: SQLite documentation, "Write-Ahead Logging", "Result and Error Codes", "PRAGMA synchronous".
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from agent.errors import AgentError, SinkUnavailable
from agent.sinks.archived import KINDS, Row

APPLICATION_ID: Final = 0x67734172
"""``gsAr``: lets ``file`` and this program tell a segment from any other database."""

READER_CACHE_KIB: Final = 512
"""A backlog is read once and in order: pages are not met again."""

FORMAT: Final = 1
MAX_ROW_OCTETS: Final = 4 << 20

_SCHEMA = f"""
CREATE TABLE record (seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, at_utc_ns INTEGER NOT NULL,
                     satellite TEXT NOT NULL, body BLOB NOT NULL, octets BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX alarm ON record (seq) WHERE kind = {KINDS.index("alarm")};
CREATE TABLE cursor (destination TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jump (after INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_FAULTS = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_IOERR: "io_error",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_PERM: "cannot_open",
    sqlite3.SQLITE_AUTH: "cannot_open",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_NOMEM: "no_memory",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}
_DAMAGED_IO = (sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR | (33 << 8))  # SHORT_READ, CORRUPTFS


class StorageFault(AgentError):
    """The medium refuses: ``reason`` is ``full``, ``read_only``, ``io_error``, ``cannot_open``, ``busy`` …"""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")


class Damaged(AgentError):
    """A segment's structure is not what was written."""


class NewerFormat(SinkUnavailable):
    """A segment was written by a later version of this program: it is left alone."""


def fault_of(error: OSError) -> StorageFault:
    """Name what an operating system's error means for the archive."""
    names = {
        "ENOSPC": "full",
        "EDQUOT": "full",
        "EROFS": "read_only",
        "EACCES": "cannot_open",
        "EPERM": "cannot_open",
    }
    code = os.strerror(error.errno) if error.errno else str(error)
    name = _ERRNO_NAMES.get(error.errno or 0, "")
    return StorageFault(names.get(name, "io_error"), f"{error.filename or 'archive'}: {code}")


_ERRNO_NAMES = {28: "ENOSPC", 122: "EDQUOT", 30: "EROFS", 13: "EACCES", 1: "EPERM"}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        reason = _FAULTS.get(code & 0xFF)
        if reason is None or code in _DAMAGED_IO:
            raise Damaged(f"{path.name}: {exc}") from exc
        raise StorageFault(reason, f"{path.name}: {exc}") from exc
    except OSError as exc:
        raise fault_of(exc) from exc


class Segment:
    """One segment; made by ``create`` or ``open``, closed by ``close``.

    ``writable`` until it is sealed or a write failed: what was half written is never trusted by writing more.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self.suspect = False
        self._connection = connection
        self._jumps: list[tuple[int, int]] | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        identity: Mapping[str, str],
        cursors: Mapping[str, int],
        counters: Mapping[str, int],
    ) -> Self:
        """Make an empty segment, durable before it is returned; raises ``StorageFault``."""
        scratch = path.with_suffix(".new")
        with _translated(path):
            for stale in (scratch, Path(f"{scratch}-journal"), Path(f"{scratch}-wal"), Path(f"{scratch}-shm")):
                stale.unlink(missing_ok=True)
            connection = sqlite3.connect(scratch, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA synchronous=EXTRA")
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={FORMAT}")
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO identity VALUES (?, ?)", identity.items())
                connection.executemany("INSERT INTO cursor VALUES (?, ?)", cursors.items())
                connection.executemany("INSERT INTO counter VALUES (?, ?)", counters.items())
                connection.execute("COMMIT")
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
            sync(scratch)
            scratch.rename(path)
            sync(path.parent)
        return cls.open(path, writable=True)

    @classmethod
    def open(cls, path: Path, *, writable: bool) -> Self:
        """Open a segment; raises ``StorageFault``, ``Damaged`` or ``NewerFormat``.

        To be read, it is opened for writing all the same where that is allowed: a write-ahead log cannot be read
        without its index, which may have to be made first. On a read-only medium the log is left out.
        """
        modes = ("mode=rw",) if writable else ("mode=rw", "mode=ro", "mode=ro&immutable=1")
        for mode in modes:
            try:
                return cls(path, _connect(path, mode, writable=writable), writable=writable)
            except StorageFault as fault:
                if mode == modes[-1] or fault.reason not in ("cannot_open", "read_only"):
                    raise
        raise AssertionError("unreachable: the last mode returns or raises")

    def append(
        self,
        rows: Sequence[Row],
        *,
        cursors: Mapping[str, int],
        counters: Mapping[str, int],
        jumps: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Commit rows, cursors and counters together; returns when they are durable.

        Raises ``StorageFault`` or ``Damaged``, and is not writable from then on.
        """
        try:
            with _translated(self.path):
                execute = self._connection.execute
                execute("BEGIN IMMEDIATE")
                self._connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                self._connection.executemany("REPLACE INTO cursor VALUES (?, ?)", cursors.items())
                self._connection.executemany("REPLACE INTO counter VALUES (?, ?)", counters.items())
                if jumps:
                    self._connection.executemany("REPLACE INTO jump VALUES (?, ?)", jumps)
                    self._jumps = None
                execute("COMMIT")
        except AgentError:
            self.distrust()
            raise

    def distrust(self) -> None:
        """Stop writing to it: after a failed write or sync nobody knows what the medium holds."""
        self.writable = False
        self.suspect = True
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")
            self._connection.execute("PRAGMA query_only=ON")
        except sqlite3.Error:
            return  # it is read through the same connection as far as it still can be

    def rows_after(self, seq: int, limit: int, *, before: int | None = None) -> list[Row | int]:
        """Read rows in order, from after ``seq`` and before ``before``; a damaged one is given as its ``seq``.

        Raises ``Damaged`` when the file's structure is broken, ``StorageFault`` when it cannot be read.
        """
        query = "SELECT * FROM record WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"
        with _translated(self.path):
            found = self._connection.execute(query, (seq, before or (1 << 62), limit)).fetchall()
        return [_checked(values) for values in found]

    def rows_before(self, seq: int, limit: int, *, after: int, kind: int | None = None) -> list[Row | int]:
        """Read the last rows (of a kind) before ``seq`` and after ``after``, newest first."""
        # The number stands in the text: a partial index serves no parameter.
        of_kind = "" if kind is None else f"AND kind = {kind:d}"
        query = f"SELECT * FROM record WHERE seq < ? AND seq > ? {of_kind} ORDER BY seq DESC LIMIT ?"
        with _translated(self.path):
            found = self._connection.execute(query, (seq, after, limit)).fetchall()
        return [_checked(values) for values in found]

    def last_seq(self) -> int | None:
        """Return the highest sequence number it holds."""
        with _translated(self.path):
            value = self._connection.execute("SELECT max(seq) FROM record").fetchone()[0]
        return value if isinstance(value, int) else None

    def count_after(self, seq: int, *, before: int | None = None) -> int:
        """Count the rows after ``seq`` and before ``before``."""
        with _translated(self.path):
            query = "SELECT count(*) FROM record WHERE seq > ? AND seq < ?"
            return int(self._connection.execute(query, (seq, before or (1 << 62))).fetchone()[0])

    def count_of_nobody(self) -> int:
        """Count the frames that no configured satellite claims."""
        with _translated(self.path):
            query = "SELECT count(*) FROM record WHERE kind = 0 AND satellite = ''"
            return int(self._connection.execute(query).fetchone()[0])

    def cursors(self) -> dict[str, int]:
        """Return the destinations and how far each has acknowledged."""
        return self._table("SELECT destination, seq FROM cursor")

    def counters(self) -> dict[str, int]:
        """Return the counters that outlive the process."""
        return self._table("SELECT name, value FROM counter")

    def identity(self) -> dict[str, str]:
        """Return whose segment it is: ``archive`` and ``station``."""
        with _translated(self.path):
            return {str(name): str(value) for name, value in self._connection.execute("SELECT * FROM identity")}

    def jumps(self) -> list[tuple[int, int]]:
        """Return the places where the sequence was advanced on purpose: (last before, first after)."""
        if self._jumps is None:
            with _translated(self.path):
                self._jumps = list(self._connection.execute("SELECT after, next FROM jump ORDER BY after"))
        return self._jumps

    def check(self) -> None:
        """Look through the file's structure; raises ``Damaged``."""
        with _translated(self.path):
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict is None or verdict[0] != "ok":
            raise Damaged(f"{self.path.name}: {verdict[0] if verdict else 'no verdict'}")

    def seal(self) -> None:
        """Make it one plain file that is only read from now on; a reader in the way leaves it in WAL mode."""
        if not self.writable:
            return
        try:
            with _translated(self.path):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=DELETE")
        except StorageFault as fault:
            if fault.reason != "busy":
                self.distrust()
                raise
        self.writable = False

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def _table(self, query: str) -> dict[str, int]:
        with _translated(self.path):
            found = self._connection.execute(query).fetchall()
        return {str(name): value for name, value in found if isinstance(value, int)}


def _connect(path: Path, mode: str, *, writable: bool) -> sqlite3.Connection:
    with _translated(path):
        connection = sqlite3.connect(
            f"file:{_uri(path)}?{mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=2.0
        )
        try:
            connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_OCTETS)
            connection.execute("PRAGMA temp_store=MEMORY")
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise Damaged(f"{path.name}: not a segment of an archive")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > FORMAT:
                raise NewerFormat(
                    f"{path}: written by a later gsagent (format {version}, this one knows {FORMAT}): "
                    "upgrade, or name another archive directory"
                )
            if writable:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA wal_autocheckpoint=1000")
                connection.execute(f"PRAGMA journal_size_limit={4 << 20}")
            else:
                connection.execute("PRAGMA query_only=ON")
                connection.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
    return connection


def _checked(values: tuple[object, ...]) -> Row | int:
    """Make a row of what SQLite returned, or its sequence number when the row is not as it was written."""
    match values:
        case (int(seq), int(kind), int(at), str(satellite), bytes(body), bytes(octets), int(crc)):
            row = Row(seq, kind, at, satellite, body, octets, crc)
            return row if row.intact else seq
        case (int(seq), *_):
            return seq
        case _:
            return 0


def sync(path: Path) -> None:
    """Wait until a file or directory is on the medium; raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _uri(path: Path) -> str:
    """Escape what has a meaning in an SQLite URI."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
