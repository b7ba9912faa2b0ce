"""``gsagent archive``: look into, export, verify and send again what the station has kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.sinks.archived import ArchivedRecord
    from agent.sinks.segment_reading import ReadableSegments

SUMMARY = "look into, export, verify and send again what was kept"
DESCRIPTION = """\
The archive holds every frame, every parameter report, every alarm transition and every pass event, in order. These
commands read it beside a running agent or without one; none of them changes it.

  stats     what it holds, how far each destination has come, what was lost or evicted
  export    records as JSON lines, CSV, KISS, plain frames or Parquet
  verify    every record against its CRC, every segment for what is missing; exit code 1 if anything is
  replay    publish records again to a broker, not retained, with the identity they had
"""
EPILOG = """\
examples:
  gsagent archive stats
  gsagent archive export --satellite link --kind frame --format kiss --output link.kss
  gsagent archive export --from 2026-11-22T10:00:00Z --format csv > morning.csv
  gsagent archive verify /srv/gsagent/archive
  gsagent archive replay --broker 127.0.0.1:1883 --satellite link --speed 60
"""

KINDS = ("frame", "report", "alarm", "pass_event")
FORMATS = ("jsonl", "csv", "kiss", "ccsds", "parquet")
READ_ROWS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("action", choices=("stats", "export", "verify", "replay"))
    parser.add_argument(
        "archive",
        nargs="?",
        default="configs/station.toml",
        metavar="ARCHIVE",
        help="an archive's directory, or the station file that names it (%(default)s)",
    )
    parser.add_argument("--format", choices=FORMATS, default=None, help="of an export (jsonl)")
    parser.add_argument("--output", default="-", metavar="FILE", help="where an export goes (standard output)")
    chosen = parser.add_argument_group("which records (export, replay)")
    chosen.add_argument("--satellite", action="append", default=[], metavar="NAME", help="only its, may repeat")
    chosen.add_argument("--kind", choices=KINDS, action="append", default=[], help="only these, may repeat")
    chosen.add_argument("--from", dest="start", type=iso_time, metavar="ISO", help="received at or after")
    chosen.add_argument("--to", dest="end", type=iso_time, metavar="ISO", help="received before")
    chosen.add_argument("--after", type=int, default=0, metavar="SEQ", help="after this sequence number")
    again = parser.add_argument_group("replay")
    again.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="(%(default)s)")
    again.add_argument("--prefix", default="gs", help="first topic level (%(default)s)")
    again.add_argument(
        "--speed", type=float, default=0.0, metavar="N", help="N times real pace; 0: as fast as it goes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; 1 when a verification finds damage."""
    from agent.sinks.segment_reading import ReadableSegments

    directory = _directory(arguments.archive)
    if not directory.is_dir():
        raise AgentError(f"{directory}: no such archive (gsagent run makes one, or name another directory)")
    segments = ReadableSegments.look(directory)
    try:
        match arguments.action:
            case "stats":
                print(_stats(segments))
                return 0
            case "verify":
                return _verify(segments)
            case "export":
                return _export(segments, arguments)
            case _:
                return _replay(segments, arguments)
    finally:
        segments.abandon()


def _directory(name: str) -> Path:
    path = Path(name)
    if path.suffix != ".toml":
        return path
    from agent.config import load_station_config

    config = load_station_config(path)
    return config.resolve(config.file.archive.directory)


def iso_time(text: str) -> int:
    """Read ISO 8601 as nanoseconds UTC; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000


# -- stats and verify ------------------------------------------------------------------------------------------


def _stats(segments: ReadableSegments) -> str:
    from agent.sinks.console import iso_utc

    first, last = next(iter(segments.read_after(0, 1)), None), next(iter(segments.read_before(1 << 62, 1)), None)
    lines = [
        f"archive    {segments.identity.archive} of station {segments.identity.station}",
        f"place      {segments.directory}: {len(segments.paths())} segments, {segments.octets() / 1e6:.1f} MB",
        f"records    {segments.count_after(0)}",
    ]
    if first is not None and last is not None:
        lines.append(f"from       {iso_utc(first.at_utc_ns)} (seq {first.seq})")
        lines.append(f"to         {iso_utc(last.at_utc_ns)} (seq {last.seq})")
    for name, seq in sorted(segments.cursors.items()):
        if not name.endswith(":sent"):
            lines.append(f"delivered  {name}: through {seq}, {segments.count_after(seq)} waiting")
    lines += [f"counter    {name}: {value}" for name, value in sorted(segments.counters.items()) if value]
    return "\n".join(lines)


def _verify(segments: ReadableSegments) -> int:
    good = True
    total = 0
    with _progress("verifying", len(segments.paths())) as advance:
        for verdict in segments.verify():
            advance(1)
            total += verdict.intact
            if not verdict.good:
                good = False
                found = [f"{verdict.damaged} records altered"] if verdict.damaged else []
                found += ["records missing"] if verdict.missing else []
                found += [verdict.structure] if verdict.structure else []
                print(f"{verdict.path.name}: {'; '.join(found)}")
    print(f"{total} records intact in {len(segments.paths())} segments" + ("" if good else "; damage found"))
    return 0 if good else 1


# -- export and replay -----------------------------------------------------------------------------------------


def _records(segments: ReadableSegments, arguments: argparse.Namespace) -> Iterator[ArchivedRecord]:
    """Read the records that are asked for, in order; says on stderr what cannot be read."""
    from agent.sinks.archived import UnreadableRecord, unpack

    seq = arguments.after
    with _progress("reading", segments.count_after(seq)) as advance:
        while rows := segments.read_after(seq, READ_ROWS):
            seq = rows[-1].seq
            advance(len(rows))
            for row in rows:
                if arguments.satellite and row.satellite not in arguments.satellite:
                    continue
                if arguments.kind and KINDS[row.kind] not in arguments.kind:
                    continue
                if arguments.start is not None and row.at_utc_ns < arguments.start:
                    continue
                if arguments.end is not None and row.at_utc_ns >= arguments.end:
                    continue
                try:
                    yield unpack(row)
                except UnreadableRecord as exc:
                    print(f"gsagent: {exc}", file=sys.stderr)


def _export(segments: ReadableSegments, arguments: argparse.Namespace) -> int:
    from agent.sinks import export

    form = arguments.format or "jsonl"
    kind = "report"
    if form in ("csv", "parquet"):
        if len(arguments.kind) > 1 or not set(arguments.kind) <= {"frame", "report"}:
            raise ConfigError(f"a table ({form}) is of frames or of reports", mend="--kind frame or --kind report")
        kind = arguments.kind[0] if arguments.kind else "report"
    records = _records(segments, arguments)
    with _output(arguments.output) as out:
        if form == "parquet":
            export.write_parquet(records, kind, out)
            return 0
        parts = {
            "jsonl": lambda: export.jsonl(records, segments.identity.archive),
            "csv": lambda: export.csv_lines(records, kind),
            "kiss": lambda: export.kiss_octets(records),
            "ccsds": lambda: export.frame_octets(records),
        }[form]()
        for part in parts:
            out.write(part)
    return 0


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    """Give where an export goes; a file appears under its name only when it is whole."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    scratch = path.with_name(f"{path.name}.part")
    try:
        with scratch.open("wb") as out:
            yield out
        scratch.replace(path)
    except OSError as exc:
        raise AgentError(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        scratch.unlink(missing_ok=True)


def _replay(segments: ReadableSegments, arguments: argparse.Namespace) -> int:
    import asyncio

    from agent.sinks.replay import replay

    host, _, port = arguments.broker.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"{arguments.broker!r} names no broker", mend="--broker HOST:PORT")
    count = asyncio.run(
        replay(
            _records(segments, arguments),
            segments.identity,
            host=host,
            port=int(port),
            prefix=arguments.prefix,
            speed=arguments.speed,
        )
    )
    print(f"{count} records published again", file=sys.stderr)
    return 0


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
