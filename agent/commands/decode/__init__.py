"""``gsagent decode``: what a recording holds, from samples or octets to engineering values.

Knows the options and the order of the work: say who transmits, recognise the input, feed a receiver, write what
comes out. The parts stand beside: ``transmitters``, ``octet_plans``, ``inputs``, ``outputs``, ``progress``, and for
those who want to look inside, ``dump`` and ``plot``.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.commands.decode.inputs import Input
    from agent.commands.decode.watching import Watching
    from agent.receiver import Receiver
    from agent.records import Record

SUMMARY = "decode a recording: frames, packets and telemetry as text, JSON lines, KISS, CSV or Parquet"
DESCRIPTION = """\
Decode a recording of a satellite.

INPUT is one of
  samples   WAV (mono audio of an FM or SSB receiver, or stereo IQ), raw IQ (.cu8 .cs8 .cs16 .cf32), SigMF
  frames    KISS files, with or without the command octet; hex, a frame a line; pcap and pcapng captures of
            UDP, a frame a datagram
  CCSDS     files, hex or captures of transfer frames or space packets (say --as)
or - for standard input. The satellite's file says how it transmits and what its packets mean; every downlink of it
is tried unless --downlink names one. Without a satellite, say --modulation, --baudrate-bd and --framing: frames are
then found, but nothing is known of their meaning. CCSDS frames without a satellite are taken to hold M_PDUs and
neither insert zone nor error control.

What was refused is counted by reason in the summary; a recording that holds nothing is no error.
"""
EPILOG = """\
examples:
  gsagent decode pass.wav --satellite link
  gsagent decode pass.wav --satellite 42714 --format jsonl | jq .
  gsagent decode pass.wav --satellite KR01.yml --format jsonl          a SatYAML file, as it is
  gsagent decode iq.cs16 --sample-rate-hz 48000 --modulation fsk --baudrate-bd 9600 --framing "AX.25 G3RUH"
  gsagent decode pass.wav --modulation afsk --baudrate-bd 4800 --framing U482C --option af_carrier=3600 \\
                          --option deviation=-1200
  rtl_sdr -f 437.5M -s 240k - | gsagent decode - --sample-format cu8 --sample-rate-hz 240000 --satellite link
  gsagent decode frames.kss --satellite link --format csv --output values.csv
  gsagent decode frames.kss --satellite link --format parquet --output values.parquet
  echo c0ffee00 | gsagent decode - --satellite link
  gsagent decode gateway.pcapng --port 10015 --satellite link
  gsagent decode frames.bin --as aos-frames --satellite danuri --format jsonl
  gsagent decode frames.bin --as tm-frames --frame-octets 1115 --option fecf=true --option ocf=true
  gsagent decode packets.dat --as space-packets --prefix-octets 4 --option "cadence={384 = 10}"
  gsagent decode pass.wav --satellite link --plot pass.html         spectrum, waterfall, eye, constellation …
  gsagent decode pass.wav --satellite link --dump signals           every internal signal, for numpy.load
"""

MAX_OCTETS = 65_536
MAX_HZ = 1e12
CCSDS_INPUTS = ("tm-frames", "aos-frames", "uslp-frames", "space-packets")
INPUTS = ("audio", "iq", "kiss", "hex", "pcap", *CCSDS_INPUTS)
FORMATS = ("text", "jsonl", "kiss", "csv", "parquet")


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
        help="a transmitter option as SatYAML names it (deviation, af_carrier, 'frame size' …); with octets a"
        " protocol's (scid, service, fecf, ocf, asm, cadence …; has_command of KISS); may repeat",
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
    given.add_argument("--port", type=_port, metavar="P", help="only datagrams from or to this UDP port")
    given.add_argument("--sample-rate-hz", type=_rate, metavar="R", help="of raw samples, which do not say")
    given.add_argument(
        "--sample-format",
        metavar="F",
        help="of raw samples: cu8 cs8 cs16 cs32 cf32 cf64, or s16le f32le … for audio",
    )
    given.add_argument("--frequency-hz", type=_rate, metavar="F", help="centre of IQ samples (the downlink's)")
    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=FORMATS, default="text", help="(%(default)s)")
    out.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    out.add_argument("--files", metavar="DIR", help="keep the files that came by CFDP there, and list them")
    out.add_argument(
        "--dump", metavar="DIR", help="write every internal signal of every downlink there, as .npy with an index"
    )
    out.add_argument(
        "--plot",
        metavar="FILE|DIR",
        help="draw spectrum, waterfall, eye, constellation and symbol clock: .html, .svg, or a folder of them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Decode and print."""
    import time

    from agent.commands.decode.inputs import open_input
    from agent.commands.decode.outputs import open_output
    from agent.commands.decode.progress import Progress

    cpu_before_s = time.process_time()
    with ExitStack() as stack:
        given = stack.enter_context(open_input(arguments))
        watching = _watching(arguments, given)
        receiver = given.plan.receiver(None if watching is None else watching.watcher)
        out = stack.enter_context(open_output(arguments, given.plan.transmitters, given.start_utc_ns))
        kept = _keeper(arguments.files)
        with Progress(given.name, given.done, wanted=not out.on_terminal) as progress:
            for block in given.blocks():
                if watching is not None:
                    watching.feed(block)
                out.write(kept(receiver.feed(block)))
                progress.show()
        out.write(kept(receiver.flush()))
        if watching is not None:
            given.notes += watching.close(receiver)
        out.finish(receiver, given, time.process_time() - cpu_before_s)
    _say_what_is_left(given, receiver)
    deaf = len(receiver.outside_band) + len(receiver.unheard)
    return 1 if deaf and deaf == len(given.plan.transmitters) else 0


def _keeper(directory: str | None) -> Callable[[list[Record]], list[Record]]:
    """Return what keeps the files among records, and gives all of them on."""
    if directory is None:
        return lambda records: records
    from agent.records import PacketRecord
    from agent.sinks.files import FileStore, is_file

    store = FileStore(Path(directory))

    def keep(records: list[Record]) -> list[Record]:
        for record in records:
            if isinstance(record, PacketRecord) and is_file(record):
                store.put(record)
        return records

    return keep


def _watching(arguments: argparse.Namespace, given: Input) -> Watching | None:
    if arguments.dump is None and arguments.plot is None:
        return None
    from agent.commands.decode.watching import Watching

    return Watching(arguments.dump, arguments.plot, given)


def _say_what_is_left(given: Input, receiver: Receiver) -> None:
    for note in given.notes:
        print(f"gsagent: {given.name}: {note}", file=sys.stderr)
    if receiver.outside_band:
        outside = ", ".join(receiver.outside_band)
        print(f"gsagent: {given.name}: outside the samples' band, not decoded: {outside}", file=sys.stderr)
    for downlink, why in receiver.unheard.items():
        print(f"gsagent: {given.name}: {downlink} cannot be heard: {why}", file=sys.stderr)


def _octets(text: str) -> int:
    """Read a number of octets for ``argparse``."""
    octets = int(text)
    if not 0 <= octets <= MAX_OCTETS:
        raise argparse.ArgumentTypeError(f"from 0 to {MAX_OCTETS}")
    return octets


def _rate(text: str) -> float:
    rate_hz = float(text)
    if not 0.0 < rate_hz <= MAX_HZ:
        raise argparse.ArgumentTypeError(f"above 0, at most {MAX_HZ:g}")
    return rate_hz


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("from 1 to 65535")
    return port
