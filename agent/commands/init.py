"""``gsagent init``: write a first station file from what is found on this machine."""

from __future__ import annotations

import argparse
import re
import socket
import sys
from pathlib import Path

from agent.errors import AgentError, ConfigError

SUMMARY = "write a first station file: place, sources found, satellites chosen"
DESCRIPTION = """\
Write a first station file.

Looks for serial ports (/dev/serial/by-id) and for servers on this machine's usual ports (Dire Wolf 8001,
gr-satellites 8100, rtl_tcp 1234, MQTT 1883), asks for the place and the satellites where they are not given and
a terminal is there to answer, and writes a commented file. An existing file is kept unless --force is given.
"""
EPILOG = """\
example:
  gsagent init station.toml --name daejeon --place 36.372,127.363,80 --satellite link --satellite us01
"""

KNOWN_SERVERS = (
    (8001, "kiss_tcp", "tnc", "a KISS TNC (Dire Wolf's port)"),
    (8100, "kiss_tcp", "gr-satellites", "a KISS server (gr-satellites' port)"),
    (1234, "rtl_tcp", "sdr", "an rtl_tcp server"),
)
MQTT_PORT = 1883


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("config", nargs="?", default="station.toml", help="file to write (%(default)s)")
    parser.add_argument("--name", help="the station's name in every topic: a-z, 0-9, _ and - (this machine's name)")
    parser.add_argument("--place", metavar="LAT,LON,ALT_M", help="degrees north, degrees east, metres above WGS 84")
    parser.add_argument(
        "--satellite",
        action="append",
        default=[],
        metavar="NAME",
        help="name, alias or catalogue number; may repeat",
    )
    parser.add_argument(
        "--elements", action="append", default=[], metavar="FILE", help="TLE or OMM file; may repeat"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace) -> int:
    """Look around, ask, write."""
    from agent.config import find_satellite, load_station_config

    target = Path(arguments.config)
    if target.exists() and not arguments.force:
        raise ConfigError("exists already", where=str(target), mend="--force replaces it")
    name = arguments.name or slug_of(socket.gethostname())
    if slug_of(name) != name:
        raise ConfigError(f"{name!r} cannot be a topic level", where="--name", mend=f"--name {slug_of(name)}")
    latitude, longitude, altitude = read_place(arguments.place or ask("place (LAT,LON,ALT_M)", "0,0,0"))
    wanted = arguments.satellite or ask("satellites, comma between (names or numbers)", "").split(",")
    slugs = [find_satellite(item.strip()).slug for item in wanted if item.strip()]
    text = station_text(
        name=name,
        place=(latitude, longitude, altitude),
        satellites=slugs,
        elements=[str(Path(item).resolve()) for item in arguments.elements],
        serial_ports=serial_ports(),
        servers=[server for server in KNOWN_SERVERS if listening(server[0])],
        broker=listening(MQTT_PORT),
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise AgentError(f"{target}: cannot be written: {exc.strerror}") from exc
    load_station_config(target)
    print(f"wrote {target}; next: gsagent check {target}; gsagent run {target}")
    return 0


def slug_of(text: str) -> str:
    """Make a topic level of any text."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:32] or "station"


def read_place(text: str) -> tuple[float, float, float]:
    """Read ``LAT,LON,ALT_M`` (altitude may be left out); raises ``ConfigError``."""
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not -90 <= numbers[0] <= 90 or not -180 <= numbers[1] <= 360:
        raise ConfigError(
            f"{text!r} is no place", where="--place", mend="LAT,LON,ALT_M, for example 36.372,127.363,80"
        )
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0.0


def ask(question: str, default: str) -> str:
    """Ask on a terminal; without one the default stands."""
    if not sys.stdin.isatty():
        return default
    print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def serial_ports() -> list[str]:
    """List serial devices by the names that survive replugging."""
    by_id = Path("/dev/serial/by-id")
    return sorted(str(path) for path in by_id.iterdir()) if by_id.is_dir() else []


def listening(port: int) -> bool:
    """Say whether something listens on a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def station_text(
    *,
    name: str,
    place: tuple[float, float, float],
    satellites: list[str],
    elements: list[str],
    serial_ports: list[str],
    servers: list[tuple[int, str, str, str]],
    broker: bool,
) -> str:
    """Write the station file's text."""
    lines = [
        "# A gsagent station. `gsagent check` names what is wrong with it; docs/operations.md explains each line.",
        "",
        f"satellites = [{', '.join(quoted(slug) for slug in satellites)}]   # `gsagent satellites` lists them",
        "# http_port = 8080   # the dashboard, on this machine",
        "",
        "[station]",
        f"name = {quoted(name)}",
        f"latitude_deg = {place[0]}",
        f"longitude_deg = {place[1]}",
        f"altitude_m = {place[2]}",
        "",
        "[archive]",
        'directory = "archive"   # beside this file',
        "max_mb = 2048",
        "",
        "[passes]",
        f"elements = [{', '.join(quoted(item) for item in elements)}]   # TLE or OMM files",
        "min_elevation_deg = 0.0",
        "",
    ]
    if broker:
        lines += ["[[broker]]   # found on this machine", 'name = "local"', f"port = {MQTT_PORT}", ""]
    else:
        lines += ["# Without a broker the agent starts one of its own on 127.0.0.1:1883.", "# [[broker]]"]
        lines += ['# name = "local"', '# host = "broker.example"', "# port = 8883", "# tls = {}", ""]
    for number, path in enumerate(serial_ports):
        lines += [f"[[source]]   # found: {Path(path).name}", f'id = "serial{number}"', 'kind = "serial_port"']
        lines += [f"port = {quoted(path)}", "baudrate_bd = 9600", ""]
    for port, kind, identity, description in servers:
        lines += [f"[[source]]   # found: {description}", f"id = {quoted(identity)}", f"kind = {quoted(kind)}"]
        lines += ['host = "127.0.0.1"', f"port = {port}"]
        lines += ["frequency_hz = 437_000_000", "sample_rate_hz = 1_024_000"] if kind == "rtl_tcp" else []
        lines += [""]
    if not serial_ports and not servers:
        lines += ["# No serial port and no server was found. A source looks like this:", "# [[source]]"]
        lines += ['# id = "tnc"', '# kind = "kiss_tcp"', '# host = "127.0.0.1"', "# port = 8001", ""]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Write a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
