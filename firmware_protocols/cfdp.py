"""CFDP class 1: files that arrive in pieces, unacknowledged, and come out whole or are listed as incomplete.

::

    version  type  direction  mode  CRC  large │ length │ control  id size  metadata  number size │ entity,
    3        1     1          1     1    1     │ 16     │ 1        3        1         3           │ number,
    001      0 directive, 1 file data          │        │ sizes less one                          │ entity

    metadata 07   closure and checksum type 8 · file size 32/64 · names: length 8 and octets, source and destination
    file data     [segment metadata] · offset 32/64 · octets
    end 04        condition 4, spare 4 · checksum 32 · file size 32/64

A file is given when its metadata, its end and every octet are there and the checksum agrees; pieces may come in any
order and twice. What is not complete when the stream ends (or when too many transactions are open) is given without
octets, ``complete`` false, with the missing places named. Sends nothing: of class 2 it hears the files and not the
questions. ``skip_octets`` leaves out the space packet's header.

Source: CCSDS 727.0-B-5 §4.2 (checksum) and §5 (PDUs); checksum types as in the SANA registry: 0 modular, 1 CRC-32
of Proximity-1, 2 CRC-32C, 3 CRC-32, 15 none. Keeps files in memory, bounded; knows no file system and gives names
as they were sent.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from construct import (
    BitsInteger,
    BitStruct,
    Byte,
    Construct,
    ConstructError,
    Flag,
    GreedyBytes,
    IfThenElse,
    Int32ub,
    Int64ub,
    Prefixed,
    Struct,
    this,
)
from msgspec import Meta

from firmware_protocols.coding.crc import (
    CRC16_CCITT_FALSE,
    CRC32_IEEE,
    CRC32_PROXIMITY_1,
    CRC32C,
    append_crc,
    crc,
    crc_matches,
)
from firmware_protocols.interface import Example, HeaderValue, Packet

VERSION: Final = 1
FIXED_OCTETS: Final = 4
END_OF_FILE, METADATA = 0x04, 0x07
MODULAR, PROXIMITY_1, CASTAGNOLI, IEEE, NULL = 0, 1, 2, 3, 15
CRCS: Final = {PROXIMITY_1: CRC32_PROXIMITY_1, CASTAGNOLI: CRC32C, IEEE: CRC32_IEEE}
NO_ERROR: Final = 0
MAX_MISSING_NAMED: Final = 64
MAX_RANGES: Final = 16_384
"""A file in more pieces that do not touch is no file that loses some on the way."""

FIXED = BitStruct(
    "version" / BitsInteger(3),
    "file_data" / Flag,
    "towards_sender" / Flag,
    "unacknowledged" / Flag,
    "crc" / Flag,
    "large" / Flag,
    "data_length" / BitsInteger(16),
    "segmentation_control" / Flag,
    "id_octets" / BitsInteger(3),
    "segment_metadata" / Flag,
    "number_octets" / BitsInteger(3),
)
SIZE: Construct = IfThenElse(this._params.large, Int64ub, Int32ub)
METADATA_PDU: Construct = Struct(
    "flags" / BitStruct("reserved" / Flag, "closure" / Flag, "spare" / BitsInteger(2), "checksum" / BitsInteger(4)),
    "file_octets" / SIZE,
    "source_name" / Prefixed(Byte, GreedyBytes),
    "destination_name" / Prefixed(Byte, GreedyBytes),
)
END_PDU: Construct = Struct(
    "flags" / BitStruct("condition" / BitsInteger(4), "spare" / BitsInteger(4)),
    "checksum" / Int32ub,
    "file_octets" / SIZE,
)
DATA_PDU: Construct = Struct("offset" / SIZE, "octets" / GreedyBytes)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a PDU begins in what is fed, and how much is kept."""

    skip_octets: Annotated[int, Meta(ge=0, le=64)] = 0
    max_file_octets: Annotated[int, Meta(ge=1, le=1 << 30)] = 4 << 20
    max_open: Annotated[int, Meta(ge=1, le=256)] = 16


@dataclass(slots=True)
class _File:
    """One transaction: what has come of its file. ``there`` are the ranges received, sorted and apart."""

    metadata: Any = None
    end: Any = None
    octets: bytearray = field(default_factory=bytearray)
    there: list[tuple[int, int]] = field(default_factory=list)

    def put(self, offset: int, octets: bytes) -> None:
        if not octets:
            return
        stop = offset + len(octets)
        if len(self.octets) < stop:
            self.octets.extend(bytes(stop - len(self.octets)))
        self.octets[offset:stop] = octets
        # The ranges that touch this one stand in a row: they and it become one.
        first = bisect_left(self.there, offset, key=lambda there: there[1])
        last = bisect_right(self.there, stop, key=lambda there: there[0])
        touched = self.there[first:last]
        begin = min([offset, *(there[0] for there in touched[:1])])
        end = max([stop, *(there[1] for there in touched[-1:])])
        self.there[first:last] = [(begin, end)]

    @property
    def size(self) -> int | None:
        known = self.end or self.metadata
        return None if known is None else int(known.file_octets)

    def missing(self) -> list[tuple[int, int]]:
        """Return the ranges that have not come, up to the size if it is known."""
        stop = self.size if self.size is not None else len(self.octets)
        gaps, at = [], 0
        for begin, end in self.there:
            if at < min(begin, stop):
                gaps.append((at, min(begin, stop)))
            at = end
        return [*gaps, (at, stop)] if at < stop else gaps


class PacketExtractor:
    """A PDU in, a file out when it is complete.

    Header fields: ``source_entity``, ``transaction``, ``source_name``, ``destination_name``, ``file_octets``,
    ``complete``, and for one that is not ``missing``: ``metadata``, ``end`` and ranges ``from-to``.
    """

    def __init__(self, options: Options) -> None:
        self.rejected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self._options = options
        self._open: dict[tuple[int, int], _File] = {}
        self._done: dict[tuple[int, int], None] = {}

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one PDU."""
        pdu = frame[self._options.skip_octets :]
        if len(pdu) < FIXED_OCTETS:
            self.rejected["too_short"] += 1
            return []
        fields = FIXED.parse(pdu[:FIXED_OCTETS])
        header_octets = FIXED_OCTETS + 2 * (fields.id_octets + 1) + fields.number_octets + 1
        end = header_octets + fields.data_length
        if fields.version != VERSION:
            self.rejected["wrong_version"] += 1
            return []
        if end > len(pdu) or fields.data_length <= 2 * fields.crc:
            self.rejected["bad_pdu_length"] += 1
            return []
        pdu = pdu[:end]
        if fields.crc:
            if not crc_matches(pdu, CRC16_CCITT_FALSE, "big"):
                self.rejected["bad_crc"] += 1
                return []
            pdu = pdu[:-2]
        first = FIXED_OCTETS + fields.id_octets + 1
        source = int.from_bytes(pdu[FIXED_OCTETS:first], "big")
        number = int.from_bytes(pdu[first : first + fields.number_octets + 1], "big")
        if (source, number) in self._done:
            self.counted["repeated_pdu"] += 1
            return []
        try:
            known = self._take((source, number), fields, pdu[header_octets:])
        except ConstructError:
            self.rejected["bad_pdu"] += 1
            return []
        return self._deliver((source, number)) if known else []

    def flush(self) -> list[Packet]:
        """List every file that was not completed."""
        listed = [self._give_up(key) for key in list(self._open)]
        self._done.clear()
        return listed

    def _take(self, key: tuple[int, int], fields: Any, body: bytes) -> bool:
        """Put a PDU's content where it belongs; false for one of no interest."""
        if fields.file_data:
            if fields.segment_metadata:
                body = body[1 + (body[0] & 0x3F) :]
            piece = DATA_PDU.parse(body, large=fields.large)
            if piece.offset + len(piece.octets) > self._options.max_file_octets:
                self.rejected["file_too_long"] += 1
                return False
            file = self._file(key)
            if len(file.there) >= MAX_RANGES:
                self.rejected["too_many_pieces"] += 1
                return False
            file.put(piece.offset, piece.octets)
            return True
        code, body = body[0], body[1:]
        if code == METADATA:
            self._file(key).metadata = METADATA_PDU.parse(body, large=fields.large)
        elif code == END_OF_FILE:
            self._file(key).end = END_PDU.parse(body, large=fields.large)
        else:
            self.counted["other_directive"] += 1
            return False
        return True

    def _file(self, key: tuple[int, int]) -> _File:
        if key not in self._open:
            self._open[key] = _File()
        return self._open[key]

    def _deliver(self, key: tuple[int, int]) -> list[Packet]:
        """Return the file if it is whole, and those that must make room."""
        given = []
        file = self._open[key]
        if file.end is not None and file.end.flags.condition != NO_ERROR:
            self.rejected["cancelled_file"] += 1
            given.append(self._give_up(key))
        elif file.metadata is not None and file.end is not None and not file.missing():
            octets = bytes(file.octets[: file.size])
            if _checksum_agrees(octets, file.metadata.flags.checksum, file.end.checksum):
                self._close(key)
                given.append(Packet(octets, _header(key, file) | {"complete": True}))
            else:
                self.rejected["bad_checksum"] += 1
                given.append(self._give_up(key))
        while len(self._open) > self._options.max_open:
            given.append(self._give_up(next(iter(self._open))))
        return given

    def _give_up(self, key: tuple[int, int]) -> Packet:
        file = self._open[key]
        self._close(key)
        self.rejected["incomplete_file"] += 1
        missing = [name for name, pdu in (("metadata", file.metadata), ("end", file.end)) if pdu is None]
        missing += [f"{begin}-{end - 1}" for begin, end in file.missing()[:MAX_MISSING_NAMED]]
        return Packet(b"", _header(key, file) | {"complete": False, "missing": tuple(missing)})

    def _close(self, key: tuple[int, int]) -> None:
        del self._open[key]
        self._done[key] = None
        if len(self._done) > self._options.max_open:
            del self._done[next(iter(self._done))]


def _header(key: tuple[int, int], file: _File) -> dict[str, HeaderValue]:
    header: dict[str, HeaderValue] = {"source_entity": key[0], "transaction": key[1], "file_octets": file.size}
    if file.metadata is not None:
        for name in ("source_name", "destination_name"):
            header[name] = file.metadata[name].decode("utf-8", "backslashreplace")
    return header


def _checksum_agrees(octets: bytes, kind: int, sent: int) -> bool:
    """Compare a file with its checksum; one of a kind not known here says nothing against the file."""
    if kind == MODULAR:
        return modular_checksum(octets) == sent
    model = CRCS.get(kind)
    return model is None or crc(octets, model) == sent


def checksum_of(octets: bytes, kind: int) -> int:
    """Return a file's checksum of a kind; zero for none."""
    if kind == MODULAR:
        return modular_checksum(octets)
    return crc(octets, CRCS[kind]) if kind in CRCS else 0


def modular_checksum(octets: bytes) -> int:
    """Add the file's words of four octets, the last one filled with zeros, modulo 2³² (§4.2)."""
    padded = octets + bytes(-len(octets) % 4)
    return int(np.frombuffer(padded, ">u4").sum(dtype=np.uint64)) & 0xFFFF_FFFF


def build_file(
    octets: bytes,
    *,
    source: int,
    transaction: int,
    name: str,
    piece_octets: int = 256,
    with_crc: bool = False,
    checksum: int = MODULAR,
) -> list[bytes]:
    """Build the PDUs of a file: metadata, pieces, end."""

    def pdu(body: bytes, *, file_data: bool) -> bytes:
        fixed: bytes = FIXED.build(
            {
                "version": VERSION,
                "file_data": file_data,
                "towards_sender": False,
                "unacknowledged": True,
                "crc": with_crc,
                "large": False,
                "data_length": len(body) + 2 * with_crc,
                "segmentation_control": False,
                "id_octets": 0,
                "segment_metadata": False,
                "number_octets": 1,
            }
        )
        whole = fixed + bytes([source]) + transaction.to_bytes(2, "big") + b"\1" + body
        return append_crc(whole, CRC16_CCITT_FALSE, "big") if with_crc else whole

    flags = {"reserved": False, "closure": False, "spare": 0, "checksum": checksum}
    names = {"source_name": name.encode(), "destination_name": name.encode()}
    begin: bytes = METADATA_PDU.build({"flags": flags, "file_octets": len(octets), **names}, large=False)
    pieces: list[bytes] = [
        DATA_PDU.build({"offset": at, "octets": octets[at : at + piece_octets]}, large=False)
        for at in range(0, len(octets), piece_octets)
    ]
    done = {"condition": NO_ERROR, "spare": 0}
    end: bytes = END_PDU.build(
        {"flags": done, "checksum": checksum_of(octets, checksum), "file_octets": len(octets)}, large=False
    )
    return [
        pdu(bytes([METADATA]) + begin, file_data=False),
        *(pdu(piece, file_data=True) for piece in pieces),
        pdu(bytes([END_OF_FILE]) + end, file_data=False),
    ]


EXAMPLES: Final = (
    Example(
        name="one piece of a file, listed as incomplete",
        source="made from CCSDS 727.0-B-5 §5",
        stream=build_file(b"status of a satellite", source=3, transaction=77, name="status.txt")[1],
        packets=(b"",),
    ),
)
