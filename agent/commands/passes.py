"""``gsagent passes``: when satellites can be heard from a station."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.orbit.catalogue import Catalogue
    from agent.orbit.elements import ElementSets, MeanElements
    from agent.orbit.passes import PassPrediction
    from agent.records import Pass, Station

SUMMARY = "predict passes as a table, JSON or iCalendar"
DESCRIPTION = """\
Predict when satellites rise, culminate and set over a station.

Elements are read from files: TLE (two or three lines, alpha-5), or OMM as KVN, XML, JSON or CSV; of several
sets of one object the nearest in time is used. Without a SATELLITE all of a file are predicted. Elevations are
geometric. A satellite that never sets is listed once, as always up; on stderr stands one line for each
satellite that gives no pass, with the reason.
"""
EPILOG = """\
examples:
  gsagent passes --elements active.csv --station 36.372,127.363,80 link kompsat-5
  gsagent passes --elements kr.tle --station station.toml --days 7 --min-elevation 10 --format json
  gsagent passes 43823 --elements kr.tle --station -0.18,-78.47,2850 --format ics > passes.ics
"""

MAX_FILE_OCTETS = 64 << 20
MAX_LINES_ON_STDERR = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument(
        "satellites", nargs="*", metavar="SATELLITE", help="name, part of a name, or catalogue number (all)"
    )
    parser.add_argument(
        "--elements",
        action="append",
        default=[],
        metavar="FILE",
        help="element file, may repeat (those of the station file)",
    )
    parser.add_argument(
        "--station",
        required=True,
        metavar="NAME|LAT,LON,ALT_M",
        help="a station file, or degrees north, degrees east and metres",
    )
    parser.add_argument("--start", metavar="ISO", help="begin of the window, UTC (now)")
    parser.add_argument("--days", type=float, default=1.0, metavar="D", help="length of the window (%(default)s)")
    parser.add_argument(
        "--min-elevation", type=float, default=None, metavar="DEG", help="a pass begins above it (0)"
    )
    parser.add_argument("--format", choices=("table", "json", "ics"), default="table", help="(%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Predict and print."""
    from agent.orbit.catalogue import Catalogue
    from agent.orbit.passes import check_window

    station, station_elements, station_minimum = find_station(arguments.station)
    start_utc_ns = parse_start(arguments.start)
    minimum = arguments.min_elevation if arguments.min_elevation is not None else station_minimum
    if not -90.0 < minimum < 90.0:
        raise ConfigError(f"--min-elevation {minimum:g} is no elevation", mend="-90 … 90 degrees are")
    if not 0.0 < arguments.days <= 366.0:
        raise ConfigError(f"--days {arguments.days:g} is no length of a window", mend="more than 0, at most 366")
    end_utc_ns = start_utc_ns + round(arguments.days * 86_400e9)
    check_window(start_utc_ns, end_utc_ns)
    files = arguments.elements or station_elements
    if not files:
        raise ConfigError("no element file is named", mend="add --elements FILE")
    found = read_element_files(files)
    complain([f"{refusal.source}: {refusal.message}; not used" for refusal in found.refused])
    if not found.sets:
        raise AgentError(f"{', '.join(files)}: no element set in it can be used")
    catalogue = Catalogue(found.sets)
    numbers = choose(arguments.satellites, catalogue, files)
    prediction = predict(catalogue, numbers, station, (start_utc_ns, end_utc_ns), minimum)
    for note in prediction.notes:
        print(f"gsagent: {note.satellite} ({note.norad}): {note.reason}", file=sys.stderr)
    complain(
        [
            f"{box.satellite} ({box.norad}): always up; azimuth {box.azimuth_deg[0]:.2f}° to "
            f"{box.azimuth_deg[1]:.2f}°, elevation {box.elevation_deg[0]:.2f}° to {box.elevation_deg[1]:.2f}°"
            for box in prediction.pointing
        ]
    )
    show(prediction.passes, station, arguments.format)
    return 0


def complain(lines: Sequence[str]) -> None:
    """Print lines to stderr, a long list cut and the rest counted."""
    for line in lines[:MAX_LINES_ON_STDERR]:
        print(f"gsagent: {line}", file=sys.stderr)
    if len(lines) > MAX_LINES_ON_STDERR:
        print(f"gsagent: … and {len(lines) - MAX_LINES_ON_STDERR} more like these", file=sys.stderr)


# -- input -------------------------------------------------------------------------------------------------


def parse_start(text: str | None) -> int:
    """Read an ISO 8601 date or time; without a zone it is UTC."""
    if text is None:
        return int(datetime.now(UTC).timestamp()) * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--start {text!r} is no ISO 8601 time", mend="such as 2026-08-23 or 2026-08-23T12:00:00Z"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def find_station(text: str) -> tuple[Station, list[str], float]:
    """Read LAT,LON,ALT_M or a station file; returns its element files and lowest elevation too."""
    from agent.records import Station

    parts = text.split(",")
    if len(parts) in (2, 3):
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if numbers:
            latitude, longitude, altitude = (*numbers, 0.0)[:3]
            if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 360.0 and -500.0 <= altitude <= 9000.0):
                raise ConfigError(
                    f"--station {text} is no place on Earth",
                    mend="degrees north -90…90, degrees east -180…360, metres -500…9000",
                )
            return Station("station", latitude, longitude, altitude), [], 0.0
    from agent.config import load_station, station_path

    path = station_path(text)
    file = load_station(path)
    place = file.station
    elements = [str(path.parent / name) for name in file.passes.elements]
    return (
        Station(place.name, place.latitude_deg, place.longitude_deg, place.altitude_m),
        elements,
        file.passes.min_elevation_deg,
    )


def read_element_files(files: Sequence[str]) -> ElementSets:
    """Read every file; raises ``AgentError`` for one that cannot be read or holds no elements."""
    from pathlib import Path

    from agent.orbit.elements import ElementSets, read_elements

    found = ElementSets()
    for name in files:
        path = Path(name).expanduser()
        try:
            if path.stat().st_size > MAX_FILE_OCTETS:
                raise AgentError(f"{name}: larger than {MAX_FILE_OCTETS >> 20} MiB; no catalogue is so large")
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise AgentError(f"{name}: cannot be read: {error.strerror}") from error
        found = found + read_elements(text, source=name)
    return found


def choose(words: Sequence[str], catalogue: Catalogue, files: Sequence[str]) -> list[int]:
    """Find the catalogue numbers meant by the words; all when there are none.

    A word that the elements do not know may name a satellite file. Raises ``ConfigError`` with the nearest
    names for a word nobody knows.
    """
    import difflib

    from agent.config import load_satellite

    if not words:
        return list(catalogue)
    chosen: dict[int, None] = {}
    for word in words:
        numbers = catalogue.find(word)
        if not numbers:
            try:
                name, satellite = load_satellite(word)
            except ConfigError:
                near = difflib.get_close_matches(word.casefold(), catalogue.names(), n=3, cutoff=0.5)
                raise ConfigError(
                    f"no satellite {word!r} in {', '.join(files)} or among the satellite files",
                    mend=f"did you mean {' or '.join(near)}?" if near else "",
                ) from None
            if satellite.norad not in catalogue:
                complain([f"{name} ({satellite.norad}): no elements of it in {', '.join(files)}"])
                continue
            numbers = (satellite.norad,)
        chosen.update(dict.fromkeys(numbers))
    return list(chosen)


# -- work --------------------------------------------------------------------------------------------------


def predict(
    catalogue: Catalogue,
    numbers: Sequence[int],
    station: Station,
    window_utc_ns: tuple[int, int],
    min_elevation_deg: float,
) -> PassPrediction:
    """Predict with the set that is nearest in time; large catalogues are shared among the processors."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from agent.orbit.passes import PassPrediction, predict_passes

    start_utc_ns, end_utc_ns = window_utc_ns
    middle = (start_utc_ns + end_utc_ns) // 2
    sets: list[MeanElements] = [s for s in (catalogue.nearest(n, middle) for n in numbers) if s is not None]
    threads = min(os.cpu_count() or 1, 1 + len(sets) // 256)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(
            pool.map(
                lambda share: predict_passes(
                    share, station, start_utc_ns, end_utc_ns, min_elevation_deg=min_elevation_deg
                ),
                [sets[first::threads] for first in range(threads)],
            )
        )
    return PassPrediction(
        tuple(sorted((p for part in parts for p in part.passes), key=lambda p: p.aos_utc_ns or start_utc_ns)),
        tuple(note for part in parts for note in part.notes),
        tuple(box for part in parts for box in part.pointing),
    )


# -- output ------------------------------------------------------------------------------------------------


def iso(utc_ns: int | None) -> str | None:
    """Write a time with microseconds and Z."""
    if utc_ns is None:
        return None
    microseconds = round(utc_ns / 1000)
    whole = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"


def show(passes: Sequence[Pass], station: Station, form: str) -> None:
    """Print the passes to stdout."""
    if form == "json":
        show_json(passes)
    elif form == "ics":
        from agent.orbit.calendar import to_calendar

        sys.stdout.write(to_calendar(passes, station, datetime.now(UTC)))
    else:
        show_table(passes, station)


def show_json(passes: Sequence[Pass]) -> None:
    """Print the list that scripts rely on."""
    import json

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
        }
        for p in passes
    ]
    body = ",\n ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    print(f"[{body}]")


def show_table(passes: Sequence[Pass], station: Station) -> None:
    """Print a table; plain where the output is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120, color_system=None)
    place = f"{station.latitude_deg:.4f}°, {station.longitude_deg:.4f}°, {station.altitude_m:.0f} m"
    table = Table(box=box.SIMPLE_HEAD, title=f"{station.name}: {place}. Times are UTC", title_justify="left")
    for name in ("satellite", "norad", "rises", "az", "highest", "el", "az", "sets", "az", "lasts"):
        right = name in ("norad", "az", "el", "lasts")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for p in passes:
        table.add_row(
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
        )
    if passes:
        console.print(table)
    else:
        print("no passes")


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
