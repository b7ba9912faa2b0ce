"""Records as people and scripts read them: text, JSON lines, CSV. Pure: gives strings, prints nothing.

The JSON shapes are a contract that scripts rely on: keys are added, never renamed or removed. Knows records and
the verdicts that go with a report; knows no stream and no format of the network (that is ``payloads.py``).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent.records import EngineeringValue, Frame, PacketRecord, ParameterHealth, ParameterReport, RawValue, UtcNs
from firmware_protocols.interface import Gap

NS_PER_S = 1_000_000_000
SHOWN_OCTETS = 32


def iso_utc(utc_ns: UtcNs) -> str:
    """Write a time as ISO 8601 with microseconds and Z."""
    seconds, ns = divmod(utc_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"


def plain(value: RawValue | EngineeringValue) -> Any:
    """Turn a value into what JSON can say: octets as hex, numbers that are not finite as null."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# -- JSON lines --------------------------------------------------------------------------------------------


def frame_object(frame: Frame, start_utc_ns: UtcNs, timed: bool) -> dict[str, Any]:
    """Describe a frame; ``timed`` says whether the recording's start is a real time."""
    link = frame.link_frame
    return {
        "record": "frame",
        "satellite": frame.satellite,
        "norad": frame.norad,
        "downlink": frame.downlink,
        "offset_s": round((frame.received_utc_ns - start_utc_ns) / NS_PER_S, 6),
        "received": iso_utc(frame.received_utc_ns) if timed else None,
        "data": link.data.hex(),
        "octets": len(link.data),
        "check": link.check,
        "corrected": link.corrected,
        "snr_db": _rounded(frame.snr_db, 2),
        "frequency_offset_hz": _rounded(frame.frequency_offset_hz, 1),
        "marking": frame.marking,
    }


def packet_object(record: PacketRecord) -> dict[str, Any]:
    """Describe a packet; the header fields of its protocol stand beside the common ones."""
    header = {
        key: list(value) if isinstance(value, tuple) else plain(value)
        for key, value in record.packet.header.items()
    }
    common = {
        "record": "packet",
        "satellite": record.satellite,
        "downlink": record.downlink,
        "protocol": record.protocol,
        "apid": header.pop("apid", None),
        "vcid": header.pop("vcid", None),
        "scid": header.pop("scid", None),
        "sequence_count": record.packet.sequence_count,
        "generated": iso_utc(record.generated_utc_ns) if record.generated_utc_ns is not None else None,
        "data": record.packet.data.hex(),
    }
    return common | {key: value for key, value in header.items() if key not in common}


def gap_object(gap: Gap) -> dict[str, Any]:
    """Describe what a counter shows to be missing, or between which counts it began anew."""
    ends = {**gap.counter, "after": gap.after, "before": gap.before}
    return ends if gap.restart else ends | {"missing": gap.missing}


def gap_text(gap: Gap) -> str:
    """Say in words what a counter shows to be missing."""
    whose = " ".join(f"{name} {number}" for name, number in gap.counter.items())
    ends = f"after {gap.after}, before {gap.before}"
    return f"{whose}: counter began anew {ends}" if gap.restart else f"{whose}: {gap.missing} missing {ends}"


def report_object(report: ParameterReport, health: Iterable[ParameterHealth]) -> dict[str, Any]:
    """Describe a parameter report with the verdict on each value (null where a parameter has no limits)."""
    results = {item.parameter: item.monitoring_result for item in health}
    return {
        "record": "report",
        "satellite": report.satellite,
        "packet": report.packet,
        "downlink": report.downlink,
        "values": {
            value.name: {
                "raw": plain(value.raw),
                "value": plain(value.value),
                "unit": value.unit,
                "result": results.get(value.name),
            }
            for value in report.values
        },
        "marking": report.marking,
    }


def json_line(described: Mapping[str, Any]) -> str:
    """Write one object on one line."""
    return json.dumps(described, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


# -- text --------------------------------------------------------------------------------------------------


def frame_text(frame: Frame, start_utc_ns: UtcNs, timed: bool) -> str:
    """Show a frame: one line of facts and the octets as a hex dump."""
    link = frame.link_frame
    when = (
        iso_utc(frame.received_utc_ns) if timed else f"{(frame.received_utc_ns - start_utc_ns) / NS_PER_S:+.3f} s"
    )
    facts = [
        f"{when}  {frame.satellite or 'unknown satellite'} {frame.downlink}",
        f"{len(link.data)} octets",
        "no check" if link.check == "none" else f"{link.check} good",
    ]
    if link.corrected:
        facts.append(f"{link.corrected} corrected")
    if frame.snr_db is not None:
        facts.append(f"Es/N0 {frame.snr_db:.1f} dB")
    if frame.frequency_offset_hz is not None:
        facts.append(f"offset {frame.frequency_offset_hz:+.0f} Hz")
    return "\n".join([", ".join(facts), *hex_dump(link.data, indent="    ")])


def hex_dump(data: bytes, indent: str = "") -> list[str]:
    """Show octets sixteen a line, with offset and printable characters."""
    lines = []
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        octets = " ".join(row[i : i + 2].hex() for i in range(0, len(row), 2))
        characters = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        lines.append(f"{indent}{offset:04x}  {octets:<39}  {characters}")
    return lines


def packet_text(record: PacketRecord) -> str:
    """Show a packet's header fields on one line."""
    fields = ", ".join(
        f"{key} {' '.join(map(str, value)) if isinstance(value, tuple) else plain(value)}"
        for key, value in record.packet.header.items()
        if value not in (None, ())
    )
    generated = f", generated {iso_utc(record.generated_utc_ns)}" if record.generated_utc_ns is not None else ""
    return f"  {record.protocol}: {fields}{generated}, {len(record.packet.data)} octets"


def report_text(report: ParameterReport, health: Iterable[ParameterHealth]) -> str:
    """Show a report as a table: name, value with unit, raw value, verdict."""
    results = {item.parameter: item for item in health}
    rows = []
    for value in report.values:
        verdict = results.get(value.name)
        words = (
            ""
            if verdict is None or verdict.monitoring_result is None
            else verdict.monitoring_result.replace("_", " ")
        )
        if verdict is not None and verdict.range_condition:
            words += f" ({verdict.range_condition})"
        raw = "" if isinstance(value.raw, bytes) and value.raw == value.value else f"raw {_shortened(value.raw)}"
        rows.append((value.name, _value_text(value.value, value.unit), raw, words))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [f"  {report.packet}"]
    for name, engineering, raw_text, words in rows:
        line = f"    {name:<{widths[0]}}  {engineering:<{widths[1]}}  {raw_text:<{widths[2]}}  {words}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _value_text(value: EngineeringValue, unit: str) -> str:
    if value is None:
        return "unknown"
    text = f"{value:.6g}" if isinstance(value, float) else _shortened(value)
    return f"{text} {unit}".rstrip()


def _shortened(value: RawValue | EngineeringValue) -> str:
    """Write a value in a line that can be read: of many octets the first, and how many they are."""
    if isinstance(value, bytes) and len(value) > SHOWN_OCTETS:
        return f"{value[:SHOWN_OCTETS].hex()}… ({len(value)} octets)"
    return str(plain(value))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)


# -- CSV ---------------------------------------------------------------------------------------------------

CSV_COLUMNS = ("offset_s", "satellite", "packet", "parameter", "raw", "value", "unit", "result")


def csv_rows(report: ParameterReport, health: Sequence[ParameterHealth], start_utc_ns: UtcNs) -> str:
    """Write a report as CSV, one parameter a row, without the heading."""
    results = {item.parameter: item.monitoring_result for item in health}
    offset_s = f"{(report.received_utc_ns - start_utc_ns) / NS_PER_S:.6f}"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for value in report.values:
        writer.writerow(
            (
                offset_s,
                report.satellite,
                report.packet,
                value.name,
                plain(value.raw),
                plain(value.value),
                value.unit,
                results.get(value.name) or "",
            )
        )
    return out.getvalue()
