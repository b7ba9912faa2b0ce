"""``gsagent check``: validate station, satellite, scenario and rig files, naming the exact place of an error."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import AgentError, ConfigError, DecodeError

if TYPE_CHECKING:
    from agent.config import StationConfig
    from agent.definitions import Downlink, Satellite, SatelliteExample
    from agent.records import ParameterReport
    from agent.sinks.broker_connection import Credentials

SUMMARY = "validate station, satellite, scenario and rig files"
DESCRIPTION = """\
Read each FILE as what it is (a station, a satellite, a scenario or a rig, told apart by its tables) and check all:
spelling of every field, modems and protocols with their options, layouts (overlaps, types, units), calibrations,
limits, for a satellite file that each example frame decodes to the values it states, and for a rig that its
hardware is there.

Every complaint names file, line and place, and what would mend it. Exit code 2 when there is any.
"""
EPILOG = """\
examples:
  gsagent check configs/satellites/*.toml
  gsagent check station.toml
"""

TOLERANCE = 1e-9
"""Relative difference up to which a decoded number is the one an example states."""

STATION_KEYS = frozenset({"station", "broker", "source", "satellites", "archive", "passes"})
SCENARIO_KEYS = frozenset({"transmitter", "sdr", "tnc", "fault"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="TOML files to check")
    parser.add_argument("--quiet", action="store_true", help="say nothing of files that are good")


def run(arguments: argparse.Namespace) -> int:
    """Check every file; 2 when one of them is wrong."""
    wrong = 0
    for name in arguments.files:
        path = Path(name)
        complaints, summary = check_file(path)
        for complaint in complaints:
            print(f"gsagent: {complaint}", file=sys.stderr)
        wrong += bool(complaints)
        if not complaints and not arguments.quiet:
            print(f"{path}: good: {summary}")
    return 2 if wrong else 0


def check_file(path: Path) -> tuple[list[str], str]:
    """Return what is wrong with a file, and one line on what it is."""
    from agent.config import read_toml

    try:
        tables, text = read_toml(path)
        kind = kind_of(tables)
        if kind == "rig":
            return check_rig_file(path)
        if kind == "station":
            return [], check_station_file(path)
        if kind == "scenario":
            return [], check_scenario_file(path)
        if kind == "satellite":
            return check_satellite_file(path, tables, text)
    except AgentError as exc:
        return [str(exc)], ""
    return [f"{path}: neither a station, nor a satellite, nor a scenario: none of their tables is there"], ""


def kind_of(tables: dict[str, Any]) -> str:
    """Tell what kind of file these tables are, by the tables only that kind has."""
    if "rig" in tables:
        return "rig"
    if "norad" in tables or "downlink" in tables or "packet" in tables:
        return "satellite"
    if SCENARIO_KEYS & tables.keys():
        return "scenario"
    return "station" if STATION_KEYS & tables.keys() else ""


def check_station_file(path: Path) -> str:
    """Check a station file and every satellite file it names; raises ``ConfigError``."""
    from agent.config import load_station_config
    from agent.runtime.station import check_station

    config = load_station_config(path)
    check_station(config)
    for slug, satellite in config.satellites.items():
        for where, problem in satellite_problems(satellite):
            raise ConfigError(problem.what, where=f"satellite {slug}: {where}", mend=problem.mend)
    for index, broker in enumerate(config.file.brokers):
        if broker.password_file is not None or broker.tls is not None:
            credentials_of(config, index)
    sources = len(config.file.sources)
    return f"station {config.file.station.name}, {len(config.satellites)} satellites, {sources} sources"


def credentials_of(config: StationConfig, index: int) -> Credentials:
    """Read the password and the certificates that a broker's table names; raises ``ConfigError`` with the place.

    An agent starts without them, and connects when they are there.
    """
    from agent.sinks.broker_connection import read_credentials

    broker = config.file.brokers[index]
    try:
        return read_credentials(broker)
    except ConfigError as exc:
        table = "password_file" if exc.where == broker.password_file else "tls"
        place = config.place(f"broker[{index}].{table}")
        raise ConfigError(f"{exc.where}: {exc.what}", where=place, mend=exc.mend) from exc


def check_scenario_file(path: Path) -> str:
    """Check a scenario file; raises ``ConfigError``."""
    from agent.simulator.scenario import load_scenario

    scenario = load_scenario(str(path))
    return f"scenario, {len(scenario.file.transmitters)} transmitters"


def check_rig_file(path: Path) -> tuple[list[str], str]:
    """Check a rig description; returns what it names and is not there, and a summary. Raises ``ConfigError``."""
    from agent.simulator.rig import HARDWARE, load_rig

    rig = load_rig(path)
    there = [name for name in HARDWARE if rig.has(name)]
    return list(rig.absent.values()), f"rig {rig.file.rig}, {', '.join(there) or 'no hardware described'}"


def check_satellite_file(path: Path, tables: dict[str, Any], text: str) -> tuple[list[str], str]:
    """Check a satellite file; returns every complaint with its line, and a summary."""
    from agent.config import SLUG, convert, place_in_file
    from agent.definitions import Satellite

    satellite = convert(tables, Satellite, path=path, text=text)
    complaints = []
    if not SLUG.match(path.stem):
        complaints.append(f"{path}: the file's name becomes a topic level: a-z, 0-9, _ and -, at most 32")
    for where, problem in satellite_problems(satellite):
        complaints.append(str(ConfigError(problem.what, where=place_in_file(path, text, where), mend=problem.mend)))
    parameters = sum(len(packet.parameters) for packet in satellite.packets)
    summary = (
        f"satellite {satellite.name} ({satellite.norad}), {len(satellite.downlinks)} downlinks, "
        f"{len(satellite.packets)} packets, {parameters} parameters, {len(satellite.examples)} examples"
    )
    return complaints, summary


def satellite_problems(satellite: Satellite) -> Iterator[tuple[str, ConfigError]]:
    """Yield what the schema cannot see: place in the file, and what is wrong."""
    from agent.downlink import downlink_problems
    from agent.health.limits import LimitSet
    from agent.telemetry.decoder import Decoder, PacketDecoder

    seen: set[str] = set()
    for index, downlink in enumerate(satellite.downlinks):
        place = f"downlink[{index}]"
        if downlink.name in seen:
            yield f"{place}.name", ConfigError(f"two downlinks are called {downlink.name!r}")
        seen.add(downlink.name)
        for where, problem in downlink_problems(downlink):
            yield f"{place}.{where}", ConfigError(str(problem).removeprefix("baudrate_bd: "))
    sound = True
    for index, packet in enumerate(satellite.packets):
        complaint = complaint_of(partial(PacketDecoder, packet, f"packet[{index}]"))
        if complaint is not None:
            sound = False
            yield complaint
    if not sound:
        return
    for check in (Decoder, LimitSet):
        complaint = complaint_of(partial(check, satellite))
        if complaint is not None:
            sound = False
            yield complaint
    for index, example in enumerate(satellite.examples if sound else ()):
        yield from example_problems(satellite, example, f"example[{index}]")


def complaint_of(check: Callable[[], object]) -> tuple[str, ConfigError] | None:
    """Return the place and the complaint of a check that fails."""
    try:
        check()
    except ConfigError as exc:
        return exc.where, exc
    return None


def example_problems(
    satellite: Satellite, example: SatelliteExample, place: str
) -> Iterator[tuple[str, ConfigError]]:
    """Yield where an example frame does not decode to what it states."""
    try:
        data = bytes.fromhex(example.frame)
    except ValueError:
        yield f"{place}.frame", ConfigError("not hex")
        return
    chosen = [one for one in satellite.downlinks if example.downlink in (None, one.name)]
    if not chosen and example.downlink is not None:
        yield f"{place}.downlink", ConfigError(f"there is no downlink {example.downlink!r}")
        return
    report, reason = decode_frame(satellite, chosen[0] if chosen else None, data)
    if report is None:
        yield f"{place}.frame", ConfigError(f"does not decode: {reason}")
        return
    if report.packet != example.packet:
        yield f"{place}.packet", ConfigError(f"decodes as packet {report.packet!r}")
        return
    values = {value.name: value.value for value in report.values}
    for name, expected in example.values.items():
        if name not in values:
            yield f"{place}.values.{name}", ConfigError("the packet has no such parameter")
        elif not same(values[name], expected):
            yield f"{place}.values.{name}", ConfigError(f"{expected!r} stated, {values[name]!r} decoded")


def decode_frame(
    satellite: Satellite, downlink: Downlink | None, data: bytes
) -> tuple[ParameterReport | None, str]:
    """Decode a frame by a downlink's extractors, or as a packet by itself; else return why it does not decode."""
    from agent.frame_reader import FrameReader, Transmitter
    from agent.records import Frame, ParameterReport
    from agent.telemetry.decoder import Decoder
    from firmware_protocols.interface import LinkFrame, Packet

    if downlink is None:
        try:
            return Decoder(satellite).decode("", Packet(data), 0), ""
        except DecodeError as exc:
            return None, exc.reason
    reader = FrameReader(Transmitter("example", satellite, downlink))
    records = reader.read(Frame("example", downlink.name, LinkFrame(data, 0, len(data), "none"), received_utc_ns=0))
    report = next((record for record in records if isinstance(record, ParameterReport)), None)
    return report, ", ".join(reader.rejected) or "no packet was found in it"


def same(value: object, expected: object) -> bool:
    """Say whether a decoded value is the one stated: reals to nine digits, octets in hex, no value as ``None``."""
    if isinstance(value, bytes):
        return value.hex() == expected
    if value is None:
        return expected == "None"
    if isinstance(value, float) and isinstance(expected, int | float):
        both_nan = math.isnan(value) and math.isnan(expected)
        return both_nan or math.isclose(value, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return value == expected
