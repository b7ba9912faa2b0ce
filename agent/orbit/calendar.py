"""Passes as an iCalendar, to be read by any calendar program; text only. Source: RFC 5545."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from agent.records import Pass, Station

LINE_OCTETS = 75


def _escape(text: str) -> str:
    """Escape TEXT (§3.3.11)."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _fold(line: str) -> Iterator[str]:
    """Cut a content line at 75 octets, never inside a character (§3.1)."""
    piece, octets = "", 0
    for character in line:
        size = len(character.encode())
        if octets + size > LINE_OCTETS:
            yield piece
            piece, octets = " ", 1
        piece += character
        octets += size
    yield piece


def _moment(utc_ns: int) -> str:
    return datetime.fromtimestamp(round(utc_ns / 1e9), UTC).strftime("%Y%m%dT%H%M%SZ")


def to_calendar(passes: Sequence[Pass], station: Station, written: datetime) -> str:
    """Return a VCALENDAR with one event for each pass that rises and sets in the window."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//gsagent//passes//EN", "CALSCALE:GREGORIAN"]
    for p in passes:
        if p.aos_utc_ns is None or p.los_utc_ns is None:
            continue
        lines += [
            "BEGIN:VEVENT",
            f"UID:{p.norad}-{p.aos_utc_ns // 1_000_000_000}-{_escape(station.name)}@gsagent",
            f"DTSTAMP:{written.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART:{_moment(p.aos_utc_ns)}",
            f"DTEND:{_moment(p.los_utc_ns)}",
            f"SUMMARY:{_escape(p.satellite)} {p.max_elevation_deg:.0f}°",
            "DESCRIPTION:"
            + _escape(
                f"rises at azimuth {p.aos_azimuth_deg:.0f}°, highest {p.max_elevation_deg:.1f}° at "
                f"{_moment(p.tca_utc_ns)} (azimuth {p.tca_azimuth_deg:.0f}°), sets at {p.los_azimuth_deg:.0f}°"
            ),
            f"GEO:{station.latitude_deg:.4f};{station.longitude_deg:.4f}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{piece}\r\n" for line in lines for piece in _fold(line))
