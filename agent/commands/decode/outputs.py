"""What came out, written as text, JSON lines, KISS, CSV or Parquet, and the summary at the end.

Knows where the octets go and what the summary says; how a record looks is told by ``agent.sinks.console``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from agent.commands.decode.inputs import Input
from agent.errors import AgentError, ConfigError
from agent.frame_reader import Transmitter
from agent.health.limits import LimitSet
from agent.receiver import Receiver
from agent.records import Frame, PacketRecord, ParameterHealth, ParameterReport, Record, UtcNs
from agent.sinks import console
from firmware_protocols import kiss

NEEDS_FILE: Final = ("kiss", "parquet")
PARQUET_ROWS: Final = 20_000
PARQUET_COLUMNS: Final = (*console.CSV_COLUMNS, "number")


class Output:
    """Writes records; this one as text. ``counts`` are the records by their kind."""

    def __init__(self, stream: IO[bytes], transmitters: Sequence[Transmitter], start_utc_ns: UtcNs | None) -> None:
        self.stream = stream
        self.timed = start_utc_ns is not None
        self.start_utc_ns = start_utc_ns or 0
        self.counts: Counter[str] = Counter()
        self._limits = {item.slug: LimitSet(item.satellite) for item in transmitters if item.satellite is not None}

    @property
    def on_terminal(self) -> bool:
        """Tell whether somebody sees what is written as it comes."""
        return self.stream is sys.stdout.buffer and sys.stdout.isatty()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream is not sys.stdout.buffer:
            self.stream.close()

    def write(self, records: Sequence[Record]) -> None:
        """Write what a block completed."""
        for record in records:
            self.counts[type(record).__name__] += 1
            if isinstance(record, Frame):
                self.frame(record)
            elif isinstance(record, PacketRecord):
                self.packet(record)
            elif isinstance(record, ParameterReport):
                limits = self._limits.get(record.satellite)
                self.report(record, limits.evaluate(record) if limits is not None else ())
        if records:
            self.stream.flush()

    def frame(self, frame: Frame) -> None:
        """Write a frame."""
        self.line(console.frame_text(frame, self.start_utc_ns, self.timed))

    def packet(self, packet: PacketRecord) -> None:
        """Write a packet."""
        self.line(console.packet_text(packet))

    def report(self, report: ParameterReport, health: Sequence[ParameterHealth]) -> None:
        """Write the parameters of a packet."""
        self.line(console.report_text(report, health))

    def finish(self, receiver: Receiver, given: Input, cpu_s: float) -> None:
        """Say on stderr what there was: gaps, counts, what was refused and why."""
        frames, packets = self.counts["Frame"], self.counts["PacketRecord"]
        for gap in receiver.gaps:
            print(f"gsagent: {console.gap_text(gap)}", file=sys.stderr)
        if receiver.undefined:
            print(f"gsagent: without a defined value: {_counted(receiver.undefined)}", file=sys.stderr)
        refused = _counted(refusals(receiver, given)) or "nothing"
        length = f" in {given.signal_s:.1f} s of signal" if given.signal_s is not None else ""
        print(f"{frames} frames{length}, {packets} packets; refused: {refused}; CPU {cpu_s:.2f} s", file=sys.stderr)

    def line(self, text: str) -> None:
        """Write a line."""
        self.stream.write(text.encode() + b"\n")


class JsonLines(Output):
    """One object a line, the last of them the summary."""

    def frame(self, frame: Frame) -> None:
        """Write a frame."""
        self._object(console.frame_object(frame, self.start_utc_ns, self.timed))

    def packet(self, packet: PacketRecord) -> None:
        """Write a packet."""
        self._object(console.packet_object(packet))

    def report(self, report: ParameterReport, health: Sequence[ParameterHealth]) -> None:
        """Write the parameters of a packet."""
        self._object(console.report_object(report, health))

    def finish(self, receiver: Receiver, given: Input, cpu_s: float) -> None:
        """Write the summary."""
        gaps = receiver.gaps
        self._object(
            {
                "record": "summary",
                "frames": self.counts["Frame"],
                "packets": self.counts["PacketRecord"],
                "reports": self.counts["ParameterReport"],
                "rejected": dict(sorted(refusals(receiver, given).items())),
                "undefined": dict(sorted(receiver.undefined.items())),
                "gaps": [console.gap_object(gap) for gap in gaps if not gap.restart],
                "restarts": [console.gap_object(gap) for gap in gaps if gap.restart],
                "cadences": {str(apid): step for apid, step in sorted(receiver.cadences.items())},
                "signal_s": None if given.signal_s is None else round(given.signal_s, 6),
                "cpu_s": round(cpu_s, 3),
                "notes": given.notes,
            }
        )

    def _object(self, described: Mapping[str, Any]) -> None:
        self.line(console.json_line(described))


class Kiss(Output):
    """The frames as a TNC sends them."""

    def frame(self, frame: Frame) -> None:
        """Write a frame."""
        self.stream.write(kiss.encode(frame.link_frame.data, kiss.Options()))

    def packet(self, packet: PacketRecord) -> None:
        """Write nothing: its frame has been."""

    def report(self, report: ParameterReport, health: Sequence[ParameterHealth]) -> None:
        """Write nothing."""


class Table(Output):
    """What has columns: values only; says so when there were frames but no value."""

    def frame(self, frame: Frame) -> None:
        """Write nothing: a frame has no column."""

    def packet(self, packet: PacketRecord) -> None:
        """Write nothing."""

    def finish(self, receiver: Receiver, given: Input, cpu_s: float) -> None:
        """Say on stderr what there was."""
        super().finish(receiver, given, cpu_s)
        if self.counts["Frame"] and not self.counts["ParameterReport"]:
            print("gsagent: no values in these frames (--format jsonl shows the frames)", file=sys.stderr)


class Csv(Table):
    """A row for each value."""

    def __init__(self, stream: IO[bytes], transmitters: Sequence[Transmitter], start_utc_ns: UtcNs | None) -> None:
        super().__init__(stream, transmitters, start_utc_ns)
        self.line(",".join(console.CSV_COLUMNS))

    def report(self, report: ParameterReport, health: Sequence[ParameterHealth]) -> None:
        """Write a row for each parameter."""
        self.stream.write(console.csv_rows(report, health, self.start_utc_ns).encode())


class Parquet(Table):
    """A row for each value; raw and value as text, and the value as a number where it is one."""

    def __init__(self, stream: IO[bytes], transmitters: Sequence[Transmitter], start_utc_ns: UtcNs | None) -> None:
        super().__init__(stream, transmitters, start_utc_ns)
        self._pyarrow: Any = _pyarrow("pyarrow")
        numbers = dict.fromkeys(("offset_s", "number"), self._pyarrow.float64())
        self._schema = self._pyarrow.schema(
            [(name, numbers.get(name, self._pyarrow.string())) for name in PARQUET_COLUMNS]
        )
        self._writer: Any = _pyarrow("pyarrow.parquet").ParquetWriter(stream, self._schema)
        self._rows: list[dict[str, Any]] = []

    def report(self, report: ParameterReport, health: Sequence[ParameterHealth]) -> None:
        """Keep a row for each parameter, and write them when there are many."""
        results = {item.parameter: item.monitoring_result for item in health}
        for value in report.values:
            raw, shown = console.plain(value.raw), console.plain(value.value)
            self._rows.append(
                {
                    "offset_s": (report.received_utc_ns - self.start_utc_ns) / 1e9,
                    "satellite": report.satellite,
                    "packet": report.packet,
                    "parameter": value.name,
                    "raw": None if raw is None else str(raw),
                    "value": None if shown is None else str(shown),
                    "number": float(shown) if isinstance(shown, int | float) else None,
                    "unit": value.unit,
                    "result": results.get(value.name),
                }
            )
        if len(self._rows) >= PARQUET_ROWS:
            self._flush()

    def finish(self, receiver: Receiver, given: Input, cpu_s: float) -> None:
        """Write what is left, and the table's end."""
        self._flush()
        self._writer.close()
        super().finish(receiver, given, cpu_s)

    def _flush(self) -> None:
        self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


OUTPUTS: Final[dict[str, type[Output]]] = {
    "text": Output,
    "jsonl": JsonLines,
    "kiss": Kiss,
    "csv": Csv,
    "parquet": Parquet,
}


def open_output(
    arguments: argparse.Namespace, transmitters: Sequence[Transmitter], start_utc_ns: UtcNs | None
) -> Output:
    """Open where the records go; raises ``AgentError`` or ``ConfigError``."""
    form, path = arguments.format, arguments.output
    if form == "parquet":
        _pyarrow("pyarrow")
        if path is None:
            raise ConfigError("Parquet is a file", mend="--output FILE")
    if path is None:
        if form in NEEDS_FILE and sys.stdout.isatty():
            raise ConfigError("KISS is binary and standard output is a terminal", mend="--output FILE")
        return OUTPUTS[form](sys.stdout.buffer, transmitters, start_utc_ns)
    try:
        stream = Path(path).open("wb")  # noqa: SIM115  (the output closes it)
    except OSError as exc:
        raise AgentError(f"{path}: cannot be written: {exc.strerror}") from exc
    return OUTPUTS[form](stream, transmitters, start_utc_ns)


def refusals(receiver: Receiver, given: Input) -> Counter[str]:
    """Count what gave nothing by its reason; fill and idle stand among them: nothing is left unsaid."""
    return receiver.rejected + receiver.counted + given.rejected


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def _pyarrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise AgentError("Parquet needs pyarrow (pip install 'gsagent[parquet]'), or choose --format csv") from exc
