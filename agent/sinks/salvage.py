"""Takes records out of a damaged segment, page by page, whatever SQLite itself says of the file.

Pure: octets of the database and of its write-ahead log in, intact rows out. Every page is looked at by itself: a
leaf of a table b-tree whose cells have the record table's seven columns gives rows, each is believed only when its
own CRC-32 agrees. So a broken header, root or interior page costs no more than itself.

Layout of a leaf page (all numbers big endian)::

    octet 0        0x0d: leaf of a table b-tree          page 1 has the 100 octets of the file header first
    octets 3-4     number of cells
    octets 8 …     cell pointers, u16 each
    a cell         varint payload size P · varint rowid · payload · [u32 first overflow page]
    payload        varint header size · one varint per column (serial type) · the columns' octets

A write-ahead log is a 32-octet header and frames of 24 octets (page number first) and one page.
Source: SQLite documentation, "Database File Format" §1.2, §1.6, §2.1, §4.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from agent.sinks.archived import MAX_RECORD_OCTETS, Row

PAGE_OCTETS: Final = 4096
"""SQLite's default, and what every segment is made with."""

_WAL_HEADER = 32
_FRAME_HEADER = 24
_LEAF = 0x0D
_MAX_PAYLOAD = MAX_RECORD_OCTETS + 4096


def salvage_rows(database: bytes, log: bytes = b"") -> list[Row]:
    """Return every intact row, in order of ``seq``, each once.

    ``log`` is the ``-wal`` file's content. A row that stands in several places (in the log and in the database)
    is the same row; of two intact ones with the same number, which no writer makes, the first is kept.
    """
    pages = {number: database[at : at + PAGE_OCTETS] for number, at in _database_pages(database)}
    rows: dict[int, Row] = {}
    for number, page in pages.items():
        for row in _rows_of(page, number, pages):
            rows.setdefault(row.seq, row)
    logged: dict[int, bytes] = {}
    overlay = _Overlay(logged, pages)
    frames = [
        (int.from_bytes(log[at : at + 4]), log[at + _FRAME_HEADER : at + _FRAME_HEADER + PAGE_OCTETS])
        for at in range(_WAL_HEADER, len(log) - _FRAME_HEADER - PAGE_OCTETS + 1, _FRAME_HEADER + PAGE_OCTETS)
    ]
    logged.update(frames)  # the last version of each page; a leaf's earlier versions hold no other rows
    for number, page in frames:
        for row in _rows_of(page, number, overlay):
            rows.setdefault(row.seq, row)
    return [rows[seq] for seq in sorted(rows)]


class Hidden(NamedTuple):
    """Intact rows of a log that SQLite does not show, and whether a power cut alone explains that."""

    rows: list[Row]
    torn: bool


def hidden_rows(log: bytes, shown_through: int) -> Hidden:
    """Return the intact rows above a number that stand in committed transactions, whatever came between.

    SQLite ends a log at the first frame whose checksum is wrong. A commit mark of the same generation (the same
    salt) further on says that what stands there was written as a transaction. If that is one transaction and the
    last, it may be one that a power cut tore before its sync: nobody was promised it. One that others follow was
    synced before they were begun, so that the log has been damaged since.
    """
    pages: dict[int, bytes] = {}
    begun: dict[bytes, list[int]] = {}
    transactions: list[tuple[bytes, dict[int, Row]]] = []
    places = range(_WAL_HEADER, len(log) - _FRAME_HEADER - PAGE_OCTETS + 1, _FRAME_HEADER + PAGE_OCTETS)
    for at in places:
        head = log[at : at + _FRAME_HEADER]
        number, salt = int.from_bytes(head[:4]), head[8:16]
        pages[number] = log[at + _FRAME_HEADER : at + _FRAME_HEADER + PAGE_OCTETS]
        begun.setdefault(salt, []).append(number)
        if head[4:8] != bytes(4):
            found = [row for page in begun.pop(salt) for row in _rows_of(pages[page], page, pages)]
            transactions.append((salt, {row.seq: row for row in found if row.seq > shown_through}))
    hiding = [place for place, (_, rows) in enumerate(transactions) if rows]
    if not hiding:
        return Hidden([], torn=False)
    salt = transactions[hiding[0]][0]
    torn = len(hiding) == 1 and all(later != salt for later, _ in transactions[hiding[0] + 1 :])
    rows = {seq: row for _, found in transactions for seq, row in found.items()}
    return Hidden([rows[seq] for seq in sorted(rows)], torn)


class _Overlay(Mapping[int, bytes]):
    """Pages as the log says, else as the database says."""

    def __init__(self, above: Mapping[int, bytes], below: Mapping[int, bytes]) -> None:
        self._above = above
        self._below = below

    def __getitem__(self, number: int) -> bytes:
        return self._above[number] if number in self._above else self._below[number]

    def __iter__(self) -> Iterator[int]:
        return iter({**self._below, **self._above})

    def __len__(self) -> int:
        return len({**self._below, **self._above})


def _database_pages(database: bytes) -> Iterator[tuple[int, int]]:
    for at in range(0, len(database), PAGE_OCTETS):
        yield at // PAGE_OCTETS + 1, at


def _rows_of(page: bytes, number: int, pages: Mapping[int, bytes]) -> Iterator[Row]:
    start = 100 if number == 1 else 0
    if len(page) < PAGE_OCTETS or page[start] != _LEAF:
        return
    cells = min(int.from_bytes(page[start + 3 : start + 5]), (PAGE_OCTETS - start - 8) // 2)
    for index in range(cells):
        at = int.from_bytes(page[start + 8 + 2 * index : start + 10 + 2 * index])
        row = _row_at(page, at, pages)
        if row is not None and row.intact:
            yield row


def _row_at(page: bytes, at: int, pages: Mapping[int, bytes]) -> Row | None:
    try:
        size, at = _varint(page, at)
        seq, at = _varint(page, at)
        payload = _payload(page, at, size, pages)
        return _decode_row(seq, payload)
    except (IndexError, KeyError, UnicodeDecodeError, struct.error, OverflowError):
        return None


def _payload(page: bytes, at: int, size: int, pages: Mapping[int, bytes]) -> bytes:
    """Gather a cell's payload, following its overflow pages; raises ``IndexError`` or ``KeyError``."""
    if size > _MAX_PAYLOAD:
        raise IndexError
    usable = PAGE_OCTETS
    if size <= usable - 35:
        return _exactly(page[at : at + size], size)
    smallest = (usable - 12) * 32 // 255 - 23
    local = smallest + (size - smallest) % (usable - 4)
    if local > usable - 35:
        local = smallest
    parts = [_exactly(page[at : at + local], local)]
    following = int.from_bytes(_exactly(page[at + local : at + local + 4], 4))
    left = size - local
    while left > 0:
        overflow = pages[following]
        take = min(left, usable - 4)
        parts.append(_exactly(overflow[4 : 4 + take], take))
        following = int.from_bytes(overflow[:4])
        left -= take
    return b"".join(parts)


def _decode_row(seq: int, payload: bytes) -> Row | None:
    header_size, at = _varint(payload, 0)
    if header_size > 64:
        return None
    types: list[int] = []
    while at < header_size:
        kind, at = _varint(payload, at)
        types.append(kind)
    if len(types) != 7 or types[0] != 0:  # the rowid stands in for the first column
        return None
    values: list[int | bytes | str] = []
    for kind in types[1:]:
        value, at = _column(payload, at, kind)
        values.append(value)
    match values:
        case [int(number), int(at_utc_ns), str(satellite), bytes(body), bytes(octets), int(crc)]:
            return Row(seq, number, at_utc_ns, satellite, body, octets, crc)
        case _:
            return None


def _column(payload: bytes, at: int, kind: int) -> tuple[int | bytes | str, int]:
    if kind in (8, 9):
        return kind - 8, at
    if 1 <= kind <= 6:
        size = (1, 2, 3, 4, 6, 8)[kind - 1]
        return int.from_bytes(_exactly(payload[at : at + size], size), signed=True), at + size
    if kind < 12:
        raise IndexError
    size = (kind - 12) // 2
    octets = _exactly(payload[at : at + size], size)
    return (octets if kind % 2 == 0 else octets.decode("utf-8")), at + size


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    """Read a big-endian base-128 number of at most nine octets; raises ``IndexError``."""
    value = 0
    for length in range(9):
        octet = octets[at + length]
        if length == 8:
            value = (value << 8) | octet
            return value, at + 9
        value = (value << 7) | (octet & 0x7F)
        if octet < 0x80:
            return value, at + length + 1
    raise IndexError


def _exactly(octets: bytes, size: int) -> bytes:
    if len(octets) != size:
        raise IndexError
    return octets
