"""The archive's records in other forms: JSON lines, CSV, KISS, plain frames, Parquet.

Pure but for Parquet, which needs pyarrow. JSON lines are the MQTT payloads with the record's kind and, for reports,
the raw values; everything else is a selection of the same. Knows no file: gives octets.
"""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Final

import msgspec

from agent.errors import AgentError
from agent.records import Frame, ParameterReport
from agent.sinks.archived import ArchivedRecord
from agent.sinks.console import iso_utc, plain
from agent.sinks.payloads import Envelope, archived_messages
from firmware_protocols import kiss

REPORT_COLUMNS: Final = ("seq", "received", "satellite", "packet", "parameter", "raw", "value", "unit", "marking")
FRAME_COLUMNS: Final = (
    "seq", "received", "satellite", "norad", "downlink", "source", "check", "corrected", "snr_db",
    "frequency_offset_hz", "hex", "marking",
)  # fmt: skip
_PARQUET_ROWS: Final = 10_000


def jsonl(records: Iterable[ArchivedRecord], archive: str) -> Iterator[bytes]:
    """One object a line: kind, identity, and the payload as it was published."""
    for item in records:
        payload = archived_messages(item.record, Envelope(archive, item.seq, None, item.boot), newest=False)[
            0
        ].payload
        told: dict[str, Any] = {"record": item.kind} | msgspec.json.decode(payload)
        if isinstance(item.record, ParameterReport):
            told["raw"] = {value.name: plain(value.raw) for value in item.record.values}
        yield msgspec.json.encode(told) + b"\n"


def csv_lines(records: Iterable[ArchivedRecord], kind: str) -> Iterator[bytes]:
    """Frames a line each, or reports a line for each parameter; other kinds are passed over."""
    columns = FRAME_COLUMNS if kind == "frame" else REPORT_COLUMNS
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for item in records:
        writer.writerows(rows(item, kind))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def kiss_octets(records: Iterable[ArchivedRecord]) -> Iterator[bytes]:
    """Frames as a TNC sends them, each after its time stamp (gr-satellites' command 9)."""
    for item in records:
        if isinstance(item.record, Frame):
            received_ms = item.record.received_utc_ns // 1_000_000
            yield kiss.encode(item.record.link_frame.data, kiss.Options(), reported_utc_ms=received_ms)


def frame_octets(records: Iterable[ArchivedRecord]) -> Iterator[bytes]:
    """Frames one after the other with nothing between: a file of CCSDS transfer frames when all have one length."""
    for item in records:
        if isinstance(item.record, Frame):
            yield item.record.link_frame.data


def rows(item: ArchivedRecord, kind: str) -> list[dict[str, Any]]:
    """Describe a record as rows of a table; none when it is of another kind."""
    match item.record:
        case Frame() as frame if kind == "frame":
            link = frame.link_frame
            values = (
                item.seq, iso_utc(frame.received_utc_ns), frame.satellite, frame.norad, frame.downlink,
                frame.source, link.check, link.corrected, frame.snr_db, frame.frequency_offset_hz,
                link.data.hex(), frame.marking,
            )  # fmt: skip
            return [dict(zip(FRAME_COLUMNS, values, strict=True))]
        case ParameterReport() as report if kind == "report":
            received = iso_utc(report.received_utc_ns)
            return [
                dict(
                    zip(
                        REPORT_COLUMNS,
                        (
                            item.seq, received, report.satellite, report.packet, value.name, plain(value.raw),
                            plain(value.value), value.unit, report.marking,
                        ),
                        strict=True,
                    )
                )
                for value in report.values
            ]  # fmt: skip
        case _:
            return []


def write_parquet(records: Iterable[ArchivedRecord], kind: str, out: IO[bytes]) -> None:
    """Write one table; values as text beside numbers, for a column has one type. Raises ``AgentError``."""
    try:
        pyarrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as exc:
        raise AgentError("Parquet needs pyarrow (pip install pyarrow), or choose --format csv") from exc
    columns = FRAME_COLUMNS if kind == "frame" else (*REPORT_COLUMNS, "number")
    numbers: dict[str, Any] = {"seq": pyarrow.int64(), "norad": pyarrow.int64(), "corrected": pyarrow.int64()}
    numbers |= dict.fromkeys(("snr_db", "frequency_offset_hz", "number"), pyarrow.float64())
    schema = pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in columns])
    with parquet.ParquetWriter(out, schema) as writer:
        for batch in _batches(records, lambda item: [_typed(row, kind) for row in rows(item, kind)]):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


def _typed(row: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "frame":
        return row
    value = row["value"]
    number = float(value) if isinstance(value, int | float) else None
    return (
        row
        | {name: None if row[name] is None else str(row[name]) for name in ("raw", "value")}
        | {"number": number}
    )


def _batches(
    records: Iterable[ArchivedRecord], described: Callable[[ArchivedRecord], list[dict[str, Any]]]
) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for item in records:
        batch += described(item)
        if len(batch) >= _PARQUET_ROWS:
            yield batch
            batch = []
    yield batch
