"""Passes as lists to read: the JSON that scripts rely on, and the rows of a table. Text only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from agent.records import Pass, UtcNs

TABLE_COLUMNS = ("satellite", "norad", "rises", "az", "highest", "el", "az", "sets", "az", "lasts", "±")


def iso(utc_ns: UtcNs | None) -> str | None:
    """Write a time with microseconds and Z."""
    if utc_ns is None:
        return None
    microseconds = (utc_ns + 500) // 1000
    whole = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"


def to_json(passes: Sequence[Pass]) -> str:
    """Return a JSON list with one object a line for each pass; NaN never gets out."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    rows = [
        {
            "satellite": p.satellite,
            "norad": p.norad,
            "aos": iso(p.aos_utc_ns),
            "tca": iso(p.tca_utc_ns),
            "los": iso(p.los_utc_ns),
            "max_elevation_deg": rounded(p.max_elevation_deg),
            "aos_azimuth_deg": rounded(p.aos_azimuth_deg),
            "tca_azimuth_deg": rounded(p.tca_azimuth_deg),
            "los_azimuth_deg": rounded(p.los_azimuth_deg),
            "kind": p.kind,
            "element_age_d": rounded(p.element_age_d),
            "uncertainty_s": rounded(p.uncertainty_s),
        }
        for p in passes
    ]
    body = ",\n ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return f"[{body}]\n"


def table_rows(passes: Sequence[Pass]) -> Iterator[tuple[str, ...]]:
    """Return the cells of ``TABLE_COLUMNS`` for each pass."""
    for p in passes:
        yield (
            p.satellite[:24],
            str(p.norad),
            _moment(p.aos_utc_ns, "%m-%d %H:%M:%S") or "already up",
            _degrees(p.aos_azimuth_deg),
            _moment(p.tca_utc_ns, "%H:%M:%S") or "",
            f"{p.max_elevation_deg:.1f}",
            _degrees(p.tca_azimuth_deg),
            _moment(p.los_utc_ns, "%H:%M:%S") or ("always up" if p.kind == "always_up" else "still up"),
            _degrees(p.los_azimuth_deg),
            _duration(p),
            "" if p.uncertainty_s is None else f"{p.uncertainty_s:.0f} s",
        )


def _moment(utc_ns: int | None, form: str) -> str | None:
    return None if utc_ns is None else datetime.fromtimestamp(round(utc_ns / 1e9), UTC).strftime(form)


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value % 360.0:.0f}"


def _duration(p: Pass) -> str:
    if p.aos_utc_ns is None or p.los_utc_ns is None:
        return ""
    seconds = round((p.los_utc_ns - p.aos_utc_ns) / 1e9)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
