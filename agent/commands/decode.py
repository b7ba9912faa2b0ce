"""``gsagent decode``: what a recording holds, from samples or octets to engineering values."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.commands.octet_inputs import OctetPlan
    from agent.downlink import Transmitter
    from agent.receiver import Receiver
    from agent.records import Record

SUMMARY = "decode a recording: frames, packets and telemetry as text, JSON lines, KISS or CSV"
DESCRIPTION = """\
Decode a recording of a satellite.

INPUT is a WAV file (mono audio of an FM or SSB receiver, or stereo IQ), raw IQ (.cu8 .cs8 .cs16 .cf32), SigMF,
a KISS file, a file of CCSDS transfer frames or space packets (say --as), or - for standard input. The satellite's
file says how it transmits and what its packets mean; every downlink of it is tried unless --downlink names one.
Without a satellite, say --modulation, --baudrate-bd and --framing: frames are then found, but nothing is known of
their meaning. CCSDS frames without a satellite are taken to hold M_PDUs and neither insert zone nor error control.

What was refused is counted by reason in the summary; a recording that holds nothing is no error.
"""
EPILOG = """\
examples:
  gsagent decode pass.wav --satellite link
  gsagent decode pass.wav --satellite 42714 --format jsonl | jq .
  gsagent decode iq.cs16 --sample-rate-hz 48000 --modulation fsk --baudrate-bd 9600 --framing "AX.25 G3RUH"
  gsagent decode frames.kss --satellite link --format csv --output values.csv
  gsagent decode frames.bin --as aos-frames --satellite danuri --format jsonl
  gsagent decode frames.bin --as tm-frames --frame-octets 1115 --option fecf=true --option ocf=true
  gsagent decode packets.dat --as space-packets --prefix-octets 4 --option "cadence={384 = 10}"
"""

BLOCK_S = 0.5
CCSDS_INPUTS = ("tm-frames", "aos-frames", "uslp-frames", "space-packets")
MAX_OCTETS = 65_536
INPUTS = ("audio", "iq", "kiss", "hex", *CCSDS_INPUTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("input", metavar="INPUT", help="recording, or - for standard input")
    known = parser.add_argument_group("what transmits")
    known.add_argument(
        "--satellite", metavar="NAME|FILE", help="name, alias, catalogue number, .toml or SatYAML .yml"
    )
    known.add_argument("--downlink", metavar="NAME", help="only this downlink of the satellite")
    known.add_argument("--modulation", metavar="M", help="fsk, afsk, bpsk …, without a satellite file")
    known.add_argument("--baudrate-bd", type=float, metavar="B", help="symbols per second")
    known.add_argument("--framing", metavar="NAME", help="SatYAML's name, such as \"AX.25 G3RUH\", or a protocol's")
    known.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a transmitter option as SatYAML names it (deviation, af_carrier, 'frame size' …), or with CCSDS"
        " inputs a protocol's (scid, service, fecf, ocf, asm, cadence …); may repeat",
    )
    given = parser.add_argument_group("what the input is")
    given.add_argument("--as", dest="as_", choices=INPUTS, help="overrules what it seems")
    given.add_argument("--frame-octets", type=_octets, metavar="N", help="length of transfer frames")
    given.add_argument(
        "--prefix-octets",
        type=_octets,
        default=0,
        metavar="N",
        help="what a receiver wrote before each frame or packet, to be left out",
    )
    given.add_argument("--sample-rate-hz", type=float, metavar="R", help="of raw samples, which do not say")
    given.add_argument("--frequency-hz", type=float, metavar="F", help="centre of IQ samples (the downlink's)")
    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=("text", "jsonl", "kiss", "csv"), default="text", help="(%(default)s)")
    out.add_argument("--output", metavar="FILE", help="write there instead of to standard output")


def run(arguments: argparse.Namespace) -> int:
    """Decode and print."""
    import time

    from agent.receiver import Receiver

    cpu_before_s = time.process_time()
    if arguments.as_ in CCSDS_INPUTS:
        plan = _plan_octets(arguments)
        transmitters = list(plan.transmitters)
        receiver = Receiver("decode", transmitters, octet_framing=plan.framing, octet_options=plan.framing_options)
    else:
        transmitters = find_transmitters(arguments)
        receiver = Receiver("decode", transmitters)
    with _Input(arguments) as recording, _OutputFile(arguments) as stream:
        out = _Output(arguments.format, stream, transmitters, recording.start_utc_ns)
        for block in recording.blocks():
            out.write(receiver.feed(block))
        out.write(receiver.flush())
        out.finish(receiver, recording.signal_s, time.process_time() - cpu_before_s, recording.notes)
    for note in recording.notes:
        print(f"gsagent: {recording.name}: {note}", file=sys.stderr)
    if receiver.outside_band:
        outside = ", ".join(receiver.outside_band)
        print(f"gsagent: {recording.name}: outside the samples' band, not decoded: {outside}", file=sys.stderr)
    return 0


# -- what transmits ----------------------------------------------------------------------------------------


def find_transmitters(arguments: argparse.Namespace) -> list[Transmitter]:
    """Say whose signal is looked for; raises ``ConfigError``."""
    from agent.downlink import Transmitter, check_downlink
    from agent.telemetry.importers import satyaml

    if arguments.satellite is None:
        if arguments.as_ in ("kiss", "hex") and arguments.framing is None:
            return []
        missing = [name for name in ("modulation", "baudrate_bd", "framing") if getattr(arguments, name) is None]
        if missing:
            options = ", ".join("--" + name.replace("_", "-") for name in missing)
            raise ConfigError("say who transmits", mend=f"--satellite NAME, or else {options}")
        downlink = satyaml.transmitter(
            "given", arguments.modulation, arguments.baudrate_bd, arguments.framing, read_options(arguments.option)
        )
        transmitters = [Transmitter(None, None, downlink)]
    else:
        slug, satellite = _load_satellite(arguments.satellite)
        transmitters = [
            Transmitter(slug, satellite, downlink)
            for downlink in satellite.downlinks
            if arguments.downlink in (None, downlink.name)
        ]
        if not transmitters:
            names = ", ".join(downlink.name for downlink in satellite.downlinks)
            raise ConfigError(
                f"{slug} has no downlink {arguments.downlink!r}"
                if names
                else f"{slug}: no public downlink is known",
                mend=f"there are: {names}" if names else "",
            )
    for transmitter in transmitters:
        try:
            check_downlink(transmitter.downlink)
        except (ValueError, LookupError) as exc:
            raise ConfigError(str(exc), where=f"downlink {transmitter.downlink.name}") from exc
    return transmitters


def _plan_octets(arguments: argparse.Namespace) -> OctetPlan:
    from agent.commands.octet_inputs import plan_octets

    return plan_octets(
        arguments.as_,
        _load_satellite(arguments.satellite) if arguments.satellite is not None else None,
        downlink=arguments.downlink,
        frame_octets=arguments.frame_octets,
        prefix_octets=arguments.prefix_octets,
        given=read_options(arguments.option),
    )


def _octets(text: str) -> int:
    """Read a number of octets for ``argparse``."""
    octets = int(text)
    if not 0 <= octets <= MAX_OCTETS:
        raise argparse.ArgumentTypeError(f"from 0 to {MAX_OCTETS}")
    return octets


def _load_satellite(name: str) -> tuple[str, Any]:
    from agent.config import load_satellite, read_satyaml

    return read_satyaml(Path(name)) if name.endswith((".yml", ".yaml")) else load_satellite(name)


def read_options(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``KEY=VALUE`` pairs."""
    options = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"{pair!r} is not KEY=VALUE", where="--option")
        options[key.strip()] = value.strip()
    return options


# -- input and output --------------------------------------------------------------------------------------


class _Input:
    """The recording, whatever it is, as blocks; ``signal_s`` is how long it lasts."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.name = arguments.input
        self.start_utc_ns: int | None = None
        self.signal_s: float | None = None
        self.notes: list[str] = []
        self._arguments = arguments
        self._recording: Any = None

    def __enter__(self) -> _Input:
        from agent.sources.recording import open_recording

        if self._arguments.as_ == "hex":
            return self
        self._recording = open_recording(
            self._arguments.input,
            as_="octets" if self._arguments.as_ in CCSDS_INPUTS else self._arguments.as_,
            sample_rate_hz=self._arguments.sample_rate_hz,
            center_frequency_hz=self._arguments.frequency_hz,
        )
        self.start_utc_ns = self._recording.start_utc_ns
        self.notes = self._recording.notes
        return self

    def __exit__(self, *_: object) -> None:
        if self._recording is not None:
            self._recording.close()

    def blocks(self) -> Iterator[Any]:
        if self._recording is None:
            yield from self._hex_blocks()
            return
        yield from self._recording.blocks(BLOCK_S)
        if self._recording.sample_rate_hz:
            self.signal_s = self._recording.samples_read / self._recording.sample_rate_hz

    def _hex_blocks(self) -> Iterator[Any]:
        """Read one frame in hex a line, as if a TNC had sent it."""
        from agent.records import OctetBlock
        from firmware_protocols import kiss

        text = sys.stdin.read() if self.name == "-" else _read_text(Path(self.name))
        for number, line in enumerate(text.splitlines(), 1):
            digits = "".join(line.partition("#")[0].split())
            try:
                data = bytes.fromhex(digits)
            except ValueError:
                self.notes.append(f"line {number} is not hex and was left out")
                continue
            if data:
                yield OctetBlock(kiss.encode(data, kiss.Options()), 0)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise AgentError(f"{path}: cannot be read: {exc.strerror}") from exc


class _OutputFile:
    """Standard output, or the file that --output names."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._path = arguments.output
        self._format = arguments.format
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        if self._path is None:
            if self._format == "kiss" and sys.stdout.isatty():
                raise ConfigError("KISS is binary and standard output is a terminal", mend="--output FILE")
            return sys.stdout.buffer
        try:
            self._stream = Path(self._path).open("wb")
        except OSError as exc:
            raise AgentError(f"{self._path}: cannot be written: {exc.strerror}") from exc
        return self._stream

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


class _Output:
    """Writes records in one of the formats, and the summary at the end."""

    def __init__(
        self, form: str, stream: IO[bytes], transmitters: Sequence[Transmitter], start_utc_ns: int | None
    ) -> None:
        from agent.health.limits import LimitSet
        from agent.sinks import console

        self._console = console
        self._form = form
        self._stream = stream
        self._timed = start_utc_ns is not None
        self._start_utc_ns = start_utc_ns or 0
        self._limits = {item.slug: LimitSet(item.satellite) for item in transmitters if item.satellite is not None}
        self._counts: Counter[str] = Counter()
        if form == "csv":
            self._line(",".join(console.CSV_COLUMNS))

    def write(self, records: Sequence[Record]) -> None:
        from agent.records import Frame, PacketRecord, ParameterReport

        for record in records:
            self._counts[type(record).__name__] += 1
            if isinstance(record, Frame):
                self._frame(record)
            elif isinstance(record, PacketRecord):
                self._packet(record)
            elif isinstance(record, ParameterReport):
                self._report(record)
        if records:
            self._stream.flush()

    def _frame(self, frame: Any) -> None:
        from firmware_protocols import kiss

        if self._form == "jsonl":
            self._line(self._console.json_line(self._console.frame_object(frame, self._start_utc_ns, self._timed)))
        elif self._form == "text":
            self._line(self._console.frame_text(frame, self._start_utc_ns, self._timed))
        elif self._form == "kiss":
            self._stream.write(kiss.encode(frame.link_frame.data, kiss.Options()))

    def _packet(self, record: Any) -> None:
        if self._form == "jsonl":
            self._line(self._console.json_line(self._console.packet_object(record)))
        elif self._form == "text":
            self._line(self._console.packet_text(record))

    def _report(self, report: Any) -> None:
        limits = self._limits.get(report.satellite)
        health = limits.evaluate(report) if limits is not None else ()
        if self._form == "jsonl":
            self._line(self._console.json_line(self._console.report_object(report, health)))
        elif self._form == "text":
            self._line(self._console.report_text(report, health))
        elif self._form == "csv":
            self._stream.write(self._console.csv_rows(report, health, self._start_utc_ns).encode())

    def finish(self, receiver: Receiver, signal_s: float | None, cpu_s: float, notes: Sequence[str]) -> None:
        """Write the summary: the last JSON line, or one line of text on stderr."""
        frames, packets = self._counts["Frame"], self._counts["PacketRecord"]
        # What gave no packet without being a fault (fill, idle) stands among the reasons: nothing is left unsaid.
        rejected = receiver.rejected + receiver.counted
        gaps = receiver.gaps
        if self._form == "jsonl":
            summary = {
                "record": "summary",
                "frames": frames,
                "packets": packets,
                "reports": self._counts["ParameterReport"],
                "rejected": dict(sorted(rejected.items())),
                "gaps": [self._console.gap_object(gap) for gap in gaps if not gap.restart],
                "restarts": [self._console.gap_object(gap) for gap in gaps if gap.restart],
                "cadences": {str(apid): step for apid, step in sorted(receiver.cadences.items())},
                "signal_s": None if signal_s is None else round(signal_s, 6),
                "cpu_s": round(cpu_s, 3),
                "notes": list(notes),
            }
            self._line(self._console.json_line(summary))
            return
        for gap in gaps:
            print(f"gsagent: {self._console.gap_text(gap)}", file=sys.stderr)
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items())) or "nothing"
        length = f" in {signal_s:.1f} s of signal" if signal_s is not None else ""
        print(f"{frames} frames{length}, {packets} packets; refused: {refused}; CPU {cpu_s:.2f} s", file=sys.stderr)

    def _line(self, text: str) -> None:
        self._stream.write(text.encode() + b"\n")
