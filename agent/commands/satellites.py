"""``gsagent satellites``: list, search and show the satellites it knows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.config import CatalogEntry
    from agent.definitions import Downlink, Limits, Packet, Range

SUMMARY = "list, search and show the satellites it knows"
DESCRIPTION = """\
List the satellites there are files for. WORDS narrow the list: all of them must stand in a satellite's names,
number, operator, country, downlinks or description. When the words are exactly one satellite's name, slug, alias or
number, that satellite is shown in detail: downlinks, packets, parameters, limits and sources.
"""
EPILOG = """\
examples:
  gsagent satellites                 all of them
  gsagent satellites kr fsk          Korean ones with an FSK downlink
  gsagent satellites link            one in detail (42714 and KR01 do the same)
  gsagent satellites --format json   for programs
"""

COLUMN_GAP = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="what to look for")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="(%(default)s)")
    parser.add_argument(
        "--directory", action="append", default=[], metavar="DIR", help="more satellite files, may repeat"
    )


def run(arguments: argparse.Namespace) -> int:
    """Find and print; an unknown satellite is a usage error with the nearest names."""
    from agent.config import find_satellite, load_catalog, names_of

    directories = [Path(name) for name in arguments.directory]
    for directory in directories:
        if not directory.is_dir():
            raise ConfigError(f"{directory} is no folder")
    entries = load_catalog(directories)
    wanted = " ".join(arguments.words).casefold()
    exact = [entry for entry in entries if wanted in names_of(entry)]
    if arguments.words and (exact or arguments.words[0].endswith(".toml")):
        entry = exact[0] if exact else find_satellite(arguments.words[0], directories)
        print(
            json.dumps(detail(entry), indent=2, ensure_ascii=False) if arguments.format == "json" else show(entry)
        )
        return 0
    found = [entry for entry in entries if matches(entry, wanted.split())]
    if not found:
        find_satellite(" ".join(arguments.words), directories)
    if arguments.format == "json":
        print(json.dumps([summary(entry) for entry in found], indent=2, ensure_ascii=False))
    else:
        print(table(found))
    return 0


def matches(entry: CatalogEntry, words: Iterable[str]) -> bool:
    """Say whether every word stands somewhere in what the file says of the satellite."""
    from agent.config import names_of

    satellite = entry.satellite
    heap = " ".join(
        [
            *names_of(entry),
            satellite.operator,
            satellite.country,
            satellite.orbit,
            satellite.status,
            satellite.description,
            *(f"{one.modulation} {one.framing.protocol} {one.description}" for one in satellite.downlinks),
            *(packet.name for packet in satellite.packets),
        ]
    ).casefold()
    return all(word in heap for word in words)


# -- the list ----------------------------------------------------------------------------------------------


def summary(entry: CatalogEntry) -> dict[str, Any]:
    """Return one satellite as one object of the list."""
    satellite = entry.satellite
    return {
        "satellite": entry.slug,
        "name": satellite.name,
        "norad": satellite.norad,
        "aliases": list(satellite.aliases),
        "operator": satellite.operator,
        "country": satellite.country,
        "orbit": satellite.orbit,
        "status": satellite.status,
        "downlinks": [downlink.name for downlink in satellite.downlinks],
        "packets": [packet.name for packet in satellite.packets],
    }


def table(entries: Sequence[CatalogEntry]) -> str:
    """Return the list as a table."""
    rows = [("satellite", "number", "name", "country", "downlinks", "parameters")]
    for entry in entries:
        satellite = entry.satellite
        parameters = sum(len(parameter_rows(packet)) for packet in satellite.packets)
        rows.append(
            (
                entry.slug,
                str(satellite.norad),
                satellite.name,
                satellite.country,
                ", ".join(short(one) for one in satellite.downlinks) or "-",
                str(parameters) if parameters else "-",
            )
        )
    return "\n".join([columns(rows), "", f"{len(entries)} satellites; `gsagent satellites NAME` shows one"])


def short(downlink: Downlink) -> str:
    """Return a downlink in two words: ``436.030 MHz bpsk 1200``."""
    return f"{megahertz(downlink.frequency_hz)} {downlink.modulation} {downlink.baudrate_bd:g}"


def megahertz(frequency_hz: float) -> str:
    """Return a frequency to the hertz, without needless zeros."""
    text = f"{frequency_hz / 1e6:.6f}".rstrip("0")
    return f"{text}{'0' * max(0, 3 - len(text.partition('.')[2]))} MHz"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    gap = " " * COLUMN_GAP
    return "\n".join(
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


# -- one satellite -----------------------------------------------------------------------------------------


def show(entry: CatalogEntry) -> str:
    """Return one satellite in full."""
    satellite = entry.satellite
    facts = [
        ("satellite", f"{satellite.name} ({entry.slug})"),
        ("number", str(satellite.norad) + (f", {satellite.cospar}" if satellite.cospar else "")),
        ("also called", ", ".join(satellite.aliases)),
        ("operator", ", ".join(text for text in (satellite.operator, satellite.country) if text)),
        ("orbit", satellite.orbit),
        ("status", satellite.status),
        ("marking", satellite.marking),
        ("file", str(entry.path)),
        ("about", satellite.description),
    ]
    lines = [columns([fact for fact in facts if fact[1]])]
    for downlink in satellite.downlinks:
        options = "".join(f" {key}={value}" for key, value in downlink.framing.options.items())
        extract = "".join(f" ► {choice.protocol}" for choice in downlink.extract)
        lines += [
            "",
            f"downlink {downlink.name}: {short(downlink)} Bd, {downlink.framing.protocol}{options}{extract}",
        ]
    for packet in satellite.packets:
        length = f", {packet.octets} octets" if packet.octets is not None else ""
        lines += ["", f"packet {packet.name}{length}{': ' + packet.description if packet.description else ''}"]
        lines.append(columns([("parameter", "type", "unit", "limits"), *parameter_rows(packet)]))
    if satellite.sources:
        lines += ["", "sources"] + [f"  {source}" for source in satellite.sources]
    return "\n".join(lines)


def parameter_rows(packet: Packet) -> list[tuple[str, str, str, str]]:
    """Return name, type, unit and limits of every value of a packet."""
    from agent.definitions import Parameter, named_values

    rows = []
    for name, value, _ in named_values(packet):
        kind = "derived"
        if isinstance(value, Parameter):
            size = f":{value.width}" if value.width else f"[{value.octets}]" if value.octets else ""
            kind = f"{value.type}{size}"
        rows.append((name, kind, value.unit, limits_text(value.limits) if value.limits else ""))
    return rows


def limits_text(limits: Limits) -> str:
    """Return limits in one line: ``warning 7 … 8.4, critical 6.4 … 8.6``."""
    from agent.records import CONCERN_LEVELS

    parts = [
        f"{level} {range_text(one)}" for level in CONCERN_LEVELS[1:] if (one := getattr(limits, level)) is not None
    ]
    parts += [f"{one.level} {range_text(one)}" for one in limits.ranges]
    parts += [f"{level} at {label}" for label, level in (limits.labels or {}).items() if level != "normal"]
    parts += [f"{one.level} at /{one.pattern}/" for one in limits.patterns]
    parts += ["on change"] if limits.change else []
    parts += [f"{len(limits.contexts)} contexts"] if limits.contexts else []
    parts += ["disabled"] if limits.disabled else []
    return ", ".join(parts)


def range_text(one: Range) -> str:
    """Return an interval."""
    return f"{'' if one.min is None else f'{one.min:g}'} … {'' if one.max is None else f'{one.max:g}'}".strip()


def detail(entry: CatalogEntry) -> dict[str, Any]:
    """Return one satellite in full, as its file says it, defaults included."""
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(entry.satellite)
    return {"satellite": entry.slug, "file": str(entry.path), **told}
