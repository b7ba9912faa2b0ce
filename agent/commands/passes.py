"""``gsagent passes``: when satellites can be heard from a station."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.orbit.catalogue import Catalogue
    from agent.orbit.ephemeris import Ephemeris, EphemerisSegment
    from agent.orbit.horizon import HorizonMask
    from agent.orbit.passes import PassPrediction
    from agent.records import Pass, Station

SUMMARY = "predict passes as a table, JSON, iCalendar or a plot"
DESCRIPTION = """\
Predict when satellites rise, culminate and set over a station.

Elements are read from files: TLE (two or three lines, alpha-5), OMM as KVN, XML, JSON or CSV, or an ephemeris
(OEM as KVN or XML, also around the Moon; SPK where jplephem is installed). Of several sets of one object the
nearest in time is used, and what they say of manoeuvres and of their own errors is told. Without a SATELLITE all
of a file are predicted.
Elevations are geometric. A satellite that never sets is listed once, as always up; on stderr stands one line for
each satellite that gives no pass, with the reason.
"""
EPILOG = """\
examples:
  gsagent passes --elements active.csv --station 36.372,127.363,80 link kompsat-5
  gsagent passes --elements kr.tle --station station.toml --days 7 --min-elevation 10 --format json
  gsagent passes 43823 --elements kr.tle --station -0.18,-78.47,2850 --format ics > passes.ics
  gsagent passes link --elements kr.tle --station station.toml --plot sky
  gsagent passes link --elements kr.tle --days 2 --export link.oem
"""

MAX_FILE_OCTETS = 256 << 20
MAX_LINES_ON_STDERR = 20
PLOTS = ("sky", "timeline", "sky-svg", "timeline-svg")


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
        help="element or ephemeris file, may repeat (those of the station file)",
    )
    parser.add_argument(
        "--station",
        metavar="NAME|LAT,LON,ALT_M",
        help="a station file, or degrees north, degrees east and metres; only --export needs none",
    )
    parser.add_argument("--start", metavar="ISO", help="begin of the window, UTC (now)")
    parser.add_argument("--days", type=float, default=1.0, metavar="D", help="length of the window (%(default)s)")
    parser.add_argument(
        "--min-elevation", type=float, default=None, metavar="DEG", help="a pass begins above it (0)"
    )
    parser.add_argument(
        "--refraction", action="store_true", help="take --min-elevation as apparent, in a standard atmosphere"
    )
    parser.add_argument("--format", choices=("table", "json", "ics"), default="table", help="(%(default)s)")
    parser.add_argument(
        "--export",
        metavar="FILE",
        help="write the elements instead: OMM as .csv, .json, .xml, .kvn, or trajectories as .oem",
    )
    parser.add_argument("--plot", choices=PLOTS, help="draw the passes instead: as text, or as SVG")


def run(arguments: argparse.Namespace) -> int:
    """Predict and print."""
    if arguments.station is None and arguments.export is None:
        raise ConfigError("no station is named", mend="add --station LAT,LON,ALT_M or a station file")
    site = find_site(arguments.station) if arguments.station is not None else None
    start_utc_ns = parse_start(arguments.start)
    minimum = arguments.min_elevation
    if minimum is None:
        minimum = site.min_elevation_deg if site is not None else 0.0
    if not -90.0 < minimum < 90.0:
        raise ConfigError(f"--min-elevation {minimum:g} is no elevation", mend="-90 … 90 degrees are")
    if arguments.refraction:
        from agent.orbit.refraction import geometric_deg

        minimum = geometric_deg(minimum)
    if not 0.0 < arguments.days <= 366.0:
        raise ConfigError(f"--days {arguments.days:g} is no length of a window", mend="more than 0, at most 366")
    window = start_utc_ns, start_utc_ns + round(arguments.days * 86_400e9)
    files = arguments.elements or (site.elements if site is not None else ())
    if not files:
        raise ConfigError("no element file is named", mend="add --elements FILE")
    known = read_files(files, window)
    numbers, ephemerides = choose(arguments.satellites, known, files)
    if site is None or arguments.export is not None:
        from pathlib import Path

        from agent.commands.element_export import export

        nearest = (known.catalogue.nearest(number, sum(window) // 2) for number in numbers)
        export(Path(arguments.export).expanduser(), [s for s in nearest if s is not None], ephemerides, window)
        return 0
    prediction = predict(known.catalogue, numbers, site, window, minimum)
    prediction = with_ephemerides(prediction, ephemerides, site, window, minimum)
    tell(prediction)
    if arguments.plot:
        draw(prediction.passes, known, site.station, window, arguments.plot)
    else:
        show(prediction.passes, site.station, arguments.format)
    return 0


def complain(lines: Sequence[str]) -> None:
    """Print lines to stderr, a long list cut and the rest counted."""
    for line in lines[:MAX_LINES_ON_STDERR]:
        print(f"gsagent: {line}", file=sys.stderr)
    if len(lines) > MAX_LINES_ON_STDERR:
        print(f"gsagent: … and {len(lines) - MAX_LINES_ON_STDERR} more like these", file=sys.stderr)


def tell(prediction: PassPrediction) -> None:
    """Say on stderr which satellites give no pass and why, and where those stand that never set."""
    for note in prediction.notes:
        print(f"gsagent: {note.satellite} ({note.norad}): {note.reason}", file=sys.stderr)
    complain(
        [
            f"{box.satellite} ({box.norad}): always up; azimuth {box.azimuth_deg[0]:.2f}° to "
            f"{box.azimuth_deg[1]:.2f}°, elevation {box.elevation_deg[0]:.2f}° to {box.elevation_deg[1]:.2f}°"
            for box in prediction.pointing
        ]
    )


# -- input -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A station with what its file says of passes."""

    station: Station
    elements: tuple[str, ...] = ()
    min_elevation_deg: float = 0.0
    mask: HorizonMask | None = None


@dataclass(frozen=True)
class Known:
    """What the files hold: element sets by object, and ephemerides."""

    catalogue: Catalogue
    ephemerides: tuple[Ephemeris, ...]


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


def find_site(text: str) -> Site:
    """Read LAT,LON,ALT_M or a station file."""
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
            return Site(Station("station", latitude, longitude, altitude))
    from agent.config import load_station, station_path
    from agent.orbit.horizon import HorizonMask

    path = station_path(text)
    file = load_station(path)
    place, passes = file.station, file.passes
    return Site(
        Station(place.name, place.latitude_deg, place.longitude_deg, place.altitude_m),
        tuple(str(path.parent / name) for name in passes.elements),
        passes.min_elevation_deg,
        HorizonMask(passes.horizon_mask) if passes.horizon_mask else None,
    )


def read_files(files: Sequence[str], window_utc_ns: tuple[int, int]) -> Known:
    """Read every file, kernels over the window; raises ``AgentError`` for one that holds nothing of use."""
    from pathlib import Path

    from agent.commands.kernel_file import is_kernel, read_kernel
    from agent.orbit.catalogue import Catalogue
    from agent.orbit.elements import ElementSets, read_elements
    from agent.orbit.ephemeris import by_object
    from agent.orbit.oem import is_oem, read_oem

    found = ElementSets()
    segments: list[EphemerisSegment] = []
    for name in files:
        path = Path(name).expanduser()
        try:
            if is_kernel(path):
                segments += read_kernel(path, window_utc_ns)
                continue
            if path.stat().st_size > MAX_FILE_OCTETS:
                raise AgentError(f"{name}: larger than {MAX_FILE_OCTETS >> 20} MiB; no catalogue is so large")
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise AgentError(f"{name}: cannot be read: {error.strerror}") from error
        if is_oem(text):
            segments += read_oem(text, source=name)
        else:
            found = found + read_elements(text, source=name)
    complain([f"{refusal.source}: {refusal.message}; not used" for refusal in found.refused])
    if not found.sets and not segments:
        raise AgentError(f"{', '.join(files)}: no element set in it can be used")
    return Known(Catalogue(found.sets), by_object(segments))


def choose(words: Sequence[str], known: Known, files: Sequence[str]) -> tuple[list[int], list[Ephemeris]]:
    """Find the catalogue numbers and ephemerides meant by the words; all when there are none.

    A word that the elements do not know may name a satellite file. Raises ``ConfigError`` with the nearest
    names for a word nobody knows.
    """
    import difflib

    from agent.config import load_satellite

    if not words:
        return list(known.catalogue), list(known.ephemerides)
    chosen: dict[int, None] = {}
    trajectories: list[Ephemeris] = []
    for word in words:
        matching = [e for e in known.ephemerides if word.casefold() in (e.name.casefold(), str(e.norad))]
        trajectories += matching
        numbers = known.catalogue.find(word)
        if not numbers and not matching:
            try:
                name, satellite = load_satellite(word)
            except ConfigError:
                names = [*known.catalogue.names(), *(e.name.casefold() for e in known.ephemerides)]
                near = difflib.get_close_matches(word.casefold(), names, n=3, cutoff=0.5)
                raise ConfigError(
                    f"no satellite {word!r} in {', '.join(files)} or among the satellite files",
                    mend=f"did you mean {' or '.join(near)}?" if near else "",
                ) from None
            if satellite.norad not in known.catalogue:
                complain([f"{name} ({satellite.norad}): no elements of it in {', '.join(files)}"])
                continue
            numbers = (satellite.norad,)
        chosen.update(dict.fromkeys(numbers))
    return list(chosen), trajectories


# -- work --------------------------------------------------------------------------------------------------


def predict(
    catalogue: Catalogue, numbers: Sequence[int], site: Site, window_utc_ns: tuple[int, int], minimum_deg: float
) -> PassPrediction:
    """Predict, tell of manoeuvres and old sets; large catalogues are shared among the processors."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from agent.orbit.checks import age_label
    from agent.orbit.history import error_bound, manoeuvres
    from agent.orbit.horizon import behind_mask
    from agent.orbit.listing import iso
    from agent.orbit.passes import PassPrediction, predict_from_catalogue

    start, end = window_utc_ns
    middle = (start + end) // 2
    sets = [s for s in (catalogue.nearest(number, middle) for number in numbers) if s is not None]
    histories = {s.norad: catalogue.history(s.norad) for s in sets if len(catalogue.history(s.norad)) > 1}
    bounds = {norad: error_bound(history) for norad, history in histories.items()}
    complain(
        [
            f"{m.satellite} ({m.norad}): has manoeuvred ({m.kind}) between {iso(m.after_utc_ns)} and "
            f"{iso(m.before_utc_ns)}: {m.evidence}"
            for history in histories.values()
            for m in manoeuvres(history)
        ]
    )
    labels = []
    for elements in sets:
        bound = bounds.get(elements.norad) or error_bound([elements])
        label = age_label(elements, middle, bound.seconds(elements.age_d(middle)))
        if label:
            labels.append(f"{elements.name} ({elements.norad}): {label}")
    complain(labels)
    lowest = max(minimum_deg, site.mask.lowest_deg) if site.mask else minimum_deg
    threads = min(os.cpu_count() or 1, 1 + len(sets) // 256)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(
            pool.map(
                lambda share: predict_from_catalogue(
                    catalogue, share, site.station, start, end, min_elevation_deg=lowest, bounds=bounds
                ),
                [[s.norad for s in sets[first::threads]] for first in range(threads)],
            )
        )
    passes: list[Pass] = [p for part in parts for p in part.passes]
    if site.mask is not None:
        passes = behind_mask(passes, catalogue, site.station, site.mask, window_utc_ns)
    return PassPrediction(
        tuple(sorted(passes, key=lambda p: p.aos_utc_ns or start)),
        tuple(note for part in parts for note in part.notes),
        tuple(box for part in parts for box in part.pointing),
    )


def with_ephemerides(
    prediction: PassPrediction,
    ephemerides: Sequence[Ephemeris],
    site: Site,
    window_utc_ns: tuple[int, int],
    minimum_deg: float,
) -> PassPrediction:
    """Add the passes of objects known by an ephemeris; tells when the Moon hides them."""
    from agent.orbit.listing import iso
    from agent.orbit.passes import PassPrediction
    from agent.orbit.trajectory import occultations, predict_trajectory

    start, end = window_utc_ns
    passes, notes = list(prediction.passes), list(prediction.notes)
    for ephemeris in ephemerides:
        found = predict_trajectory(ephemeris, site.station, start, end, min_elevation_deg=minimum_deg)
        passes += found.passes
        notes += found.notes
        complain(
            [
                f"{ephemeris.name} ({ephemeris.norad}): behind the Moon from {iso(one.start_utc_ns)} to "
                f"{iso(one.end_utc_ns)}"
                for one in occultations(ephemeris, site.station, start, end)
            ]
        )
    ordered = tuple(sorted(passes, key=lambda p: p.aos_utc_ns or start))
    return PassPrediction(ordered, tuple(notes), prediction.pointing)


# -- output ------------------------------------------------------------------------------------------------


def draw(passes: Sequence[Pass], known: Known, station: Station, window_utc_ns: tuple[int, int], plot: str) -> None:
    """Print a plot of the passes: the sky, or a timeline."""
    from agent.orbit import sky_plot

    if plot.startswith("timeline"):
        form = sky_plot.timeline_svg if plot.endswith("svg") else sky_plot.timeline_text
        sys.stdout.write(form(passes, window_utc_ns))
        return
    import numpy as np

    from agent.orbit.horizon import azimuth_elevation_deg

    tracks = []
    for p in passes[: sky_plot.MAX_TRACKS]:
        elements = known.catalogue.nearest(p.norad, p.tca_utc_ns)
        if elements is None:
            continue
        first = p.aos_utc_ns if p.aos_utc_ns is not None else window_utc_ns[0]
        last = p.los_utc_ns if p.los_utc_ns is not None else window_utc_ns[1]
        times = first + np.rint(np.linspace(0.0, 1.0, 121) * (last - first)).astype(np.int64)
        azimuth, elevation = azimuth_elevation_deg(elements, station, times)
        tracks.append(sky_plot.SkyTrack(p, tuple(zip(azimuth.tolist(), elevation.tolist(), strict=True))))
    text = sky_plot.sky_svg(tracks, station) if plot.endswith("svg") else sky_plot.sky_text(tracks, station)
    sys.stdout.write(text)


def show(passes: Sequence[Pass], station: Station, form: str) -> None:
    """Print the passes to stdout."""
    if form == "json":
        from agent.orbit.listing import to_json

        sys.stdout.write(to_json(passes))
    elif form == "ics":
        from agent.orbit.calendar import to_calendar

        sys.stdout.write(to_calendar(passes, station, datetime.now(UTC)))
    else:
        show_table(passes, station)


def show_table(passes: Sequence[Pass], station: Station) -> None:
    """Print a table; plain where the output is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from agent.orbit.listing import TABLE_COLUMNS, table_rows

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120, color_system=None)
    place = f"{station.latitude_deg:.4f}°, {station.longitude_deg:.4f}°, {station.altitude_m:.0f} m"
    table = Table(box=box.SIMPLE_HEAD, title=f"{station.name}: {place}. Times are UTC", title_justify="left")
    for name in TABLE_COLUMNS:
        right = name in ("norad", "az", "el", "lasts", "±")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in table_rows(passes):
        table.add_row(*row)
    if passes:
        console.print(table)
    else:
        print("no passes")
