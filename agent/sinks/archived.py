"""Turns a record into the octets the archive keeps, and back.

Pure. Knows the four kinds that are kept (frames, parameter reports, alarm transitions, pass events), how each
is packed and what its CRC-32 covers. Knows no file and no SQLite.

A row is ``(seq, kind, at_utc_ns, satellite, body, octets, crc)``. ``octets`` are a frame's octets as they came,
so that they can be taken out with nothing but SQLite; ``body`` is a MessagePack array whose first element is the
version of its layout. The CRC covers all of the row: 95 % of the bit flips in an SQLite file pass its own
``quick_check`` unseen.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import msgspec

from agent.records import Alarm, Frame, ParameterReport, ParameterValue, PassEvent, Record
from firmware_protocols.interface import LinkFrame

Archivable: TypeAlias = "Frame | ParameterReport | Alarm | PassEvent"
"""What is history: each of them happened once. All other records are state, and only the newest counts."""

Kind: TypeAlias = Literal["frame", "report", "alarm", "pass_event"]
KINDS: Final[tuple[Kind, ...]] = ("frame", "report", "alarm", "pass_event")
"""A kind's number in a row is its place here: add at the end, never reorder."""

BODY_VERSION: Final = 1
MAX_RECORD_OCTETS: Final = 1 << 20
"""No record is larger: a frame has at most 65,536 octets, a report at most 4,096 parameters."""

_ROW = struct.Struct(">qqqII")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class UnreadableRecord(ValueError):
    """A row passed its CRC but is of a kind or version this program does not know."""


class Row(NamedTuple):
    """One record as it stands in a segment, in the order of the table's columns."""

    seq: int
    kind: int
    at_utc_ns: int
    satellite: str
    body: bytes
    octets: bytes
    crc: int

    @property
    def intact(self) -> bool:
        """Whether every octet of the row is the one that was written."""
        return self.crc == checksum(self.seq, Packed(*self[1:6]))


class Packed(NamedTuple):
    """A record ready to be written; it gets its ``seq`` and CRC in the commit."""

    kind: int
    at_utc_ns: int
    satellite: str
    body: bytes
    octets: bytes

    @property
    def size(self) -> int:
        """Octets it will take, roughly: for the group commit's threshold and the ring's bound."""
        return len(self.body) + len(self.octets) + len(self.satellite) + 32

    def row(self, seq: int) -> Row:
        """Give it its place in the archive."""
        return Row(seq, *self, checksum(seq, self))


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """A record with its place in the archive; ``boot`` is the run of the agent that received it."""

    seq: int
    boot: str
    record: Archivable

    @property
    def kind(self) -> Kind:
        """The name of its kind."""
        return kind_of(self.record)

    @property
    def satellite(self) -> str | None:
        """The satellite's file name, or ``None`` for a frame decoded without one."""
        return self.record.satellite


def kind_of(record: Archivable) -> Kind:
    """Name the kind of a record that is kept."""
    match record:
        case Frame():
            return "frame"
        case ParameterReport():
            return "report"
        case Alarm():
            return "alarm"
        case PassEvent():
            return "pass_event"


def is_archived(record: Record) -> bool:
    """Tell history, which is kept, from state, of which only the newest counts."""
    return isinstance(record, Frame | ParameterReport | Alarm | PassEvent)


def archivable(records: Sequence[Record]) -> list[Archivable]:
    """Keep the records that are history."""
    return [cast(Archivable, record) for record in records if is_archived(record)]


def checksum(seq: int, packed: Packed) -> int:
    """CRC-32 (ISO-HDLC, as zlib) over a row's fields, lengths included so that no field can lend to another."""
    name = packed.satellite.encode()
    head = _ROW.pack(seq, packed.kind, packed.at_utc_ns, len(name), len(packed.body))
    return zlib.crc32(packed.octets, zlib.crc32(packed.body, zlib.crc32(name, zlib.crc32(head))))


def pack(record: Archivable, boot: str) -> Packed:
    """Turn a record into what a row holds."""
    match record:
        case Frame():
            link = record.link_frame
            body = [
                BODY_VERSION, boot, record.satellite is not None, record.downlink, link.offset, link.span,
                link.check, link.corrected, record.snr_db, record.frequency_offset_hz, record.source, record.norad,
                record.marking, record.doppler_corrected_hz,
            ]  # fmt: skip
            return Packed(0, record.received_utc_ns, record.satellite or "", _encode(body), link.data)
        case ParameterReport():
            values = [(value.name, value.raw, value.value, value.unit) for value in record.values]
            body = [
                BODY_VERSION, boot, record.packet, record.generated_utc_ns, record.downlink, record.marking,
                record.norad, values,
            ]  # fmt: skip
            return Packed(1, record.received_utc_ns, record.satellite, _encode(body), b"")
        case Alarm():
            body = [
                BODY_VERSION, boot, record.parameter, record.alarm_id, record.state, record.level,
                record.triggered_utc_ns, record.value, record.unit, record.limit, record.violations,
                record.acknowledged_by, record.marking, record.shelved_by, record.shelved_until_utc_ns,
            ]  # fmt: skip
            return Packed(2, record.as_of_utc_ns, record.satellite, _encode(body), b"")
        case PassEvent():
            body = [
                BODY_VERSION, boot, record.norad, record.type, record.elevation_deg, record.azimuth_deg,
                record.frames, record.marking,
            ]  # fmt: skip
            return Packed(3, record.at_utc_ns, record.satellite, _encode(body), b"")


def unpack(row: Row) -> ArchivedRecord:
    """Turn a row back into the record; raises ``UnreadableRecord``."""
    try:
        version, boot, *fields = cast("list[Any]", _decode(row.body))
        if version != BODY_VERSION:
            raise UnreadableRecord(f"record {row.seq} is of layout {version}, this program knows {BODY_VERSION}")
        return ArchivedRecord(row.seq, boot, _UNPACK[row.kind](row, fields))
    except (msgspec.DecodeError, TypeError, ValueError, IndexError) as exc:
        raise UnreadableRecord(f"record {row.seq} of kind {row.kind} cannot be read: {exc}") from exc


def _frame(row: Row, fields: list[Any]) -> Frame:
    named, downlink, offset, span, check, corrected, snr_db, frequency_offset_hz, source, norad, marking, *later = (
        fields
    )
    return Frame(
        satellite=row.satellite if named else None,
        downlink=downlink,
        link_frame=LinkFrame(row.octets, offset, span, check, corrected),
        received_utc_ns=row.at_utc_ns,
        snr_db=snr_db,
        frequency_offset_hz=frequency_offset_hz,
        source=source,
        norad=norad,
        marking=marking,
        doppler_corrected_hz=later[0] if later else None,
    )


def _report(row: Row, fields: list[Any]) -> ParameterReport:
    packet, generated_utc_ns, downlink, marking, norad, values = fields
    return ParameterReport(
        satellite=row.satellite,
        packet=packet,
        received_utc_ns=row.at_utc_ns,
        values=tuple(ParameterValue(*value) for value in values),
        generated_utc_ns=generated_utc_ns,
        downlink=downlink,
        marking=marking,
        norad=norad,
    )


def _alarm(row: Row, fields: list[Any]) -> Alarm:
    # Who shelved an alarm, and until when, was not always kept.
    told, (shelved_by, shelved_until) = fields[:11], (*fields[11:], None, None)[:2]
    parameter, alarm_id, state, level, triggered, value, unit, limit, violations, acknowledged_by, marking = told
    return Alarm(
        satellite=row.satellite,
        parameter=parameter,
        alarm_id=alarm_id,
        state=state,
        level=level,
        as_of_utc_ns=row.at_utc_ns,
        triggered_utc_ns=triggered,
        value=value,
        unit=unit,
        limit=limit,
        violations=violations,
        acknowledged_by=acknowledged_by,
        marking=marking,
        shelved_by=shelved_by,
        shelved_until_utc_ns=shelved_until,
    )


def _pass_event(row: Row, fields: list[Any]) -> PassEvent:
    norad, kind, elevation_deg, azimuth_deg, frames, marking = fields
    return PassEvent(
        satellite=row.satellite,
        norad=norad,
        type=kind,
        at_utc_ns=row.at_utc_ns,
        elevation_deg=elevation_deg,
        azimuth_deg=azimuth_deg,
        frames=frames,
        marking=marking,
    )


_UNPACK = (_frame, _report, _alarm, _pass_event)
