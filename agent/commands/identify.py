"""``gsagent identify``: which of several objects a signal comes from, by its measured Doppler."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.health.transmitter.identification import Candidate, Identification
    from agent.orbit.elements import MeanElements
    from agent.records import Frame, Station

SUMMARY = "say which of several objects a signal comes from, by its Doppler"
DESCRIPTION = """\
Fit the measured Doppler of a signal to the predictions for several objects, such as those of one launch.

INPUT is one of
  CSV        time,frequency: ISO 8601 UTC or Unix seconds; Hz, on the air or from the nominal frequency
  archive    the directory (or station file) of a station: frames of --satellite
  recording  IQ that says when it was made (SigMF, a WAV named by its time), decoded as --satellite

Every object of the element files that was above the horizon is a candidate, unless --candidates names them. The
answer is an object with its probability, or "undecided" where the curves are too alike or none fits.
"""
EPILOG = """\
examples:
  gsagent identify doppler.csv --elements launch.tle --station 36.372,127.363,80 --frequency-hz 437.665e6
  gsagent identify station.toml --satellite inha-rosat --elements launch.tle --candidates 66650 66653 66657
  gsagent identify pass.sigmf-meta --satellite demosat --elements launch.tle --station 36.372,127.363,80
"""
NS_PER_S = 1_000_000_000
ON_THE_AIR_HZ = 1e6
"""A frequency above this is one on the air, below it an offset."""
MAX_MEASUREMENTS = 100_000
MAX_CANDIDATES = 2000


class Measured(NamedTuple):
    """Carrier offsets from a nominal frequency, Doppler included."""

    times_utc_ns: list[int]
    offsets_hz: list[float]
    frequency_hz: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("input", metavar="INPUT", help="CSV, archive or recording; - for CSV on standard input")
    parser.add_argument("--elements", action="append", default=[], metavar="FILE", help="TLE or OMM, may repeat")
    parser.add_argument("--station", metavar="NAME|LAT,LON,ALT_M", help="where it was heard")
    parser.add_argument(
        "--candidates", nargs="+", type=int, default=[], metavar="NORAD", help="objects to choose from"
    )
    parser.add_argument("--satellite", metavar="NAME", help="whose frames, of an archive or a recording")
    parser.add_argument("--downlink", metavar="NAME", help="which of its downlinks (the first)")
    parser.add_argument("--frequency-hz", type=float, metavar="F", help="nominal frequency (the median of a CSV)")
    parser.add_argument("--start", metavar="ISO", help="only measurements from then on")
    parser.add_argument("--end", metavar="ISO", help="only measurements before")
    parser.add_argument("--noise-hz", type=float, metavar="HZ", help="of one measurement (found from themselves)")
    parser.add_argument(
        "--time-error-s",
        type=float,
        default=0.5,
        metavar="S",
        help="of the elements, along the track (%(default)s)",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="(%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, predict, weigh, say."""
    import numpy as np

    from agent.commands.passes import find_site, read_files
    from agent.health.transmitter.identification import identify

    if arguments.noise_hz is not None and not arguments.noise_hz > 0.0:
        raise ConfigError(f"--noise-hz {arguments.noise_hz:g} is no standard deviation", mend="more than 0")
    if not 0.0 < arguments.time_error_s <= 60.0:
        raise ConfigError(
            f"--time-error-s {arguments.time_error_s:g} is out of range", mend="more than 0, at most 60"
        )
    place = arguments.station or (arguments.input if arguments.input.endswith(".toml") else None)
    if place is None:
        raise ConfigError("no station is named", mend="add --station LAT,LON,ALT_M or a station file")
    site = find_site(place)
    files = arguments.elements or site.elements
    if not files:
        raise ConfigError("no element file is named", mend="add --elements FILE")
    measured = _within(_measure(arguments), arguments)
    if not measured.times_utc_ns:
        raise AgentError(f"{arguments.input}: no frequency was measured in it")
    times = np.array(measured.times_utc_ns, dtype=np.int64)
    window = int(times.min()), int(times.max()) + NS_PER_S
    catalogue = read_files(files, window).catalogue
    wanted = arguments.candidates or list(catalogue)
    missing = [number for number in wanted if number not in set(catalogue)]
    if missing:
        raise ConfigError(f"no elements of {', '.join(map(str, missing))} in {', '.join(files)}")
    nearest = (catalogue.nearest(number, sum(window) // 2) for number in wanted[:MAX_CANDIDATES])
    elements = [one for one in nearest if one is not None]
    candidates = _candidates(elements, site.station, measured, above_only=not arguments.candidates)
    found = identify(
        (times - times.min()) / NS_PER_S,
        np.array(measured.offsets_hz),
        candidates,
        measured.frequency_hz,
        noise_hz=arguments.noise_hz,
        time_error_s=arguments.time_error_s,
    )
    _show(found, arguments.format)
    return 0


def _candidates(
    elements: Iterable[MeanElements], station: Station, measured: Measured, *, above_only: bool
) -> list[Candidate]:
    import numpy as np

    from agent.health.transmitter.identification import Candidate
    from agent.orbit.track import Track

    times = np.array(measured.times_utc_ns, dtype=np.int64)
    few = times[:: max(1, len(times) // 50)]
    found = []
    for one in elements:
        track = Track(one, station)
        try:
            if above_only and float(np.median(track.elevation_deg(few))) < 0.0:
                continue
            shift, slope = track.doppler(times)
        except AgentError as exc:
            print(f"gsagent: {exc}; no candidate", file=sys.stderr)
            continue
        found.append(Candidate(one.name, one.norad, shift * measured.frequency_hz, slope * measured.frequency_hz))
    return found


def _show(found: Identification, form: str) -> None:
    if form == "json":
        described = {
            "decided": found.decided.norad if found.decided is not None else None,
            "words": found.words,
            "measurements": found.samples,
            "noise_hz": round(found.noise_hz, 2),
            "candidates": [
                {
                    "norad": fit.norad,
                    "name": fit.name,
                    "probability": fit.probability,
                    "offset_hz": round(fit.offset_hz, 1),
                    "scatter_hz": round(fit.scatter_hz, 1),
                    "p_value": fit.p_value,
                }
                for fit in found.fits
            ],
        }
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return
    print(found.words)
    print(f"{found.samples} measurements, noise {found.noise_hz:.1f} Hz")
    if found.fits:
        print(f"{'norad':>9}  {'probability':>11}  {'offset_hz':>10}  {'scatter_hz':>10}  name")
    for fit in found.fits[:20]:
        print(
            f"{fit.norad:>9}  {fit.probability:>11.4f}  {fit.offset_hz:>10.0f}  {fit.scatter_hz:>10.1f}  {fit.name}"
        )


# -- what was measured ---------------------------------------------------------------------------------------------


def _measure(arguments: argparse.Namespace) -> Measured:
    path = Path(arguments.input).expanduser()
    if arguments.input == "-":
        return read_csv(sys.stdin, arguments.input, arguments.frequency_hz)
    if path.suffix.lower() in (".csv", ".txt"):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return read_csv(file, arguments.input, arguments.frequency_hz)
        except (OSError, UnicodeDecodeError) as exc:
            raise AgentError(f"{arguments.input}: cannot be read: {exc}") from exc
    if arguments.satellite is None:
        raise ConfigError("whose frames?", mend="add --satellite NAME")
    frames = (
        _archived(path, arguments.satellite) if path.is_dir() or path.suffix == ".toml" else _recorded(arguments)
    )
    return _of_frames(frames, arguments)


def read_csv(lines: Iterable[str], source: str, frequency_hz: float | None) -> Measured:
    """Read time,frequency; a first line that holds no numbers is a heading. Raises ``AgentError`` with the line."""
    from agent.commands.archive import iso_time

    times: list[int] = []
    values: list[float] = []
    for number, row in enumerate(csv.reader(lines), 1):
        if not row or row[0].startswith("#"):
            continue
        try:
            moment = row[0].strip()
            try:
                at_utc_ns = round(float(moment) * NS_PER_S)
            except ValueError:
                at_utc_ns = iso_time(moment)
            value = float(row[1])
        except (ValueError, IndexError, OverflowError):
            if number == 1:
                continue
            raise AgentError(f"{source}:{number}: {','.join(row)[:60]!r} is not time,frequency") from None
        times.append(at_utc_ns)
        values.append(value)
        if len(times) > MAX_MEASUREMENTS:
            raise AgentError(f"{source}: more than {MAX_MEASUREMENTS} measurements")
    on_the_air = bool(values) and abs(sorted(values)[len(values) // 2]) > ON_THE_AIR_HZ
    if frequency_hz is None:
        if not on_the_air:
            raise ConfigError(f"{source}: offsets from which frequency?", mend="add --frequency-hz F")
        frequency_hz = sorted(values)[len(values) // 2]
    return Measured(times, [value - frequency_hz if on_the_air else value for value in values], frequency_hz)


def _archived(path: Path, satellite: str) -> list[Frame]:
    from agent.config import load_station_config
    from agent.records import Frame
    from agent.sinks.archived import UnreadableRecord, unpack
    from agent.sinks.segment_reading import ReadableSegments

    if path.suffix == ".toml":
        config = load_station_config(path)
        path = config.resolve(config.file.archive.directory)
    segments = ReadableSegments.look(path)
    frames: list[Frame] = []
    seq = 0
    try:
        while rows := segments.read_after(seq, 2000):
            seq = rows[-1].seq
            for row in rows:
                if row.satellite != satellite or row.kind != 0:
                    continue
                try:
                    record = unpack(row).record
                except UnreadableRecord:
                    continue
                if isinstance(record, Frame):
                    frames.append(record)
    finally:
        segments.abandon()
    return frames


def _recorded(arguments: argparse.Namespace) -> list[Frame]:
    from agent.config import find_satellite
    from agent.frame_reader import Transmitter
    from agent.receiver import Receiver
    from agent.records import Frame
    from agent.sources.recordings import open_recording

    entry = find_satellite(arguments.satellite, [])
    with open_recording(arguments.input) as recording:
        if recording.kind != "iq" or recording.start_utc_ns is None:
            raise AgentError(f"{arguments.input}: not IQ, or it does not say when it was made")
        transmitters = [Transmitter(entry.slug, entry.satellite, one) for one in entry.satellite.downlinks]
        receiver = Receiver("recording", transmitters)
        records = [record for block in recording.blocks() for record in receiver.feed(block)]
        records += receiver.flush()
    return [record for record in records if isinstance(record, Frame)]


def _of_frames(frames: Sequence[Frame], arguments: argparse.Namespace) -> Measured:
    from agent.config import find_satellite

    satellite = find_satellite(arguments.satellite, []).satellite
    names = [one.name for one in satellite.downlinks]
    name = arguments.downlink or (names[0] if names else "")
    downlink = next((one for one in satellite.downlinks if one.name == name), None)
    if downlink is None:
        raise ConfigError(f"{arguments.satellite} has no downlink {name!r}", mend=f"there are: {', '.join(names)}")
    times, offsets = [], []
    for frame in frames:
        if frame.downlink == name and None not in (frame.frequency_offset_hz, frame.doppler_corrected_hz):
            half_ns = round(frame.link_frame.span / downlink.baudrate_bd / 2 * NS_PER_S)
            times.append(frame.received_utc_ns + half_ns)
            offsets.append((frame.frequency_offset_hz or 0.0) + (frame.doppler_corrected_hz or 0.0))
    return Measured(times, offsets, arguments.frequency_hz or downlink.frequency_hz)


def _within(measured: Measured, arguments: argparse.Namespace) -> Measured:
    from agent.commands.archive import iso_time

    try:
        start = iso_time(arguments.start) if arguments.start else -(1 << 62)
        end = iso_time(arguments.end) if arguments.end else 1 << 62
    except ValueError as exc:
        raise ConfigError(f"no ISO 8601 time: {exc}", mend="such as 2026-08-23T12:00:00Z") from None
    kept = [pair for pair in zip(measured.times_utc_ns, measured.offsets_hz, strict=True) if start <= pair[0] < end]
    return Measured([at for at, _ in kept], [hz for _, hz in kept], measured.frequency_hz)
