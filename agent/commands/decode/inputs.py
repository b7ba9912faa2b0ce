"""The input, whatever it is, as blocks: samples, KISS octets, CCSDS octets, lines of hex, captured datagrams.

Recognises what a file or standard input holds from its first octets, its name, the satellite and what was asked;
says so where it was in doubt. Reads a block at a time, so that a week-long input needs no more memory than a short
one.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from agent.commands.decode.octet_plans import CHAINS, Pieces, Plan, kind_of_chain, plan_frames, plan_octets
from agent.commands.decode.transmitters import find_satellite, read_options, transmitters_of
from agent.definitions import Satellite
from agent.errors import AgentError, ConfigError
from agent.records import Block, OctetBlock, UtcNs
from agent.sources.recordings import OCTET_SUFFIXES, RAW_SUFFIXES, Recording, open_recording
from agent.sources.recordings.capture import PCAP, SECTION_MAGIC, Capture
from agent.sources.recordings.datagrams import Datagram, DatagramReader
from firmware_protocols import interface, kiss

BLOCK_S: Final = 0.5
SNIFF_OCTETS: Final = 65_536
MAX_LINE_OCTETS: Final = 4 * interface.MAX_FRAME_OCTETS
MAX_NOTES: Final = 20
STDIN: Final = "-"

_HEX_LINE = re.compile(rb"^[0-9A-Fa-fx:,;\s-]*(#.*)?$")
_PUNCTUATION = re.compile(r"0x|[\s:,;-]")


class Input:
    """Blocks of one input, and what there is to say about them."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self.start_utc_ns: UtcNs | None = None
        self.signal_s: float | None = None
        self.notes: list[str] = []
        self.rejected: Counter[str] = Counter()
        """What the input itself held that is no frame, by reason."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Read from here to the end."""

    def done(self) -> float | None:
        """Tell which share has been read; ``None`` when nobody knows how much there is."""
        return None

    def close(self) -> None:
        """Close what was opened."""

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, sentence: str) -> None:
        """Keep a sentence for the operator, but no more than some."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)


class RecordingInput(Input):
    """Samples, or octets that run on from block to block."""

    def __init__(self, recording: Recording, plan: Plan) -> None:
        super().__init__(recording.name, plan)
        self.start_utc_ns = recording.start_utc_ns
        self.notes = recording.notes
        self.recording = recording
        self._octets = 0
        file = Path(recording.name)
        self._size = file.stat().st_size if recording.kind == "octets" and file.is_file() else None

    def blocks(self) -> Iterator[Block]:
        """Read from here to the end."""
        for block in self.recording.blocks(BLOCK_S):
            if isinstance(block, OctetBlock):
                self._octets += len(block.data)
            yield block
        if self.recording.sample_rate_hz:
            self.signal_s = self.recording.samples_read / self.recording.sample_rate_hz

    def done(self) -> float | None:
        """Tell which share has been read."""
        if self._size:
            return self._octets / self._size
        if self.recording.duration_s and self.recording.sample_rate_hz:
            return self.recording.samples_read / self.recording.sample_rate_hz / self.recording.duration_s
        return None

    def close(self) -> None:
        """Close the recording."""
        self.recording.close()


class PieceInput(Input):
    """What comes in pieces, each of which is a frame or holds some."""

    def __init__(self, name: str, stream: BinaryIO, size: int | None, plan: Plan) -> None:
        plan, self._pieces = plan.in_pieces()
        super().__init__(name, plan)
        self._stream = stream
        self._size = size

    def blocks(self) -> Iterator[Block]:
        """Read from here to the end."""
        pieces: Pieces = self._pieces
        for piece, received_utc_ns in self.pieces(self._stream):
            yield from pieces.blocks(piece, received_utc_ns)
        self.rejected += pieces.rejected

    @abstractmethod
    def pieces(self, stream: BinaryIO) -> Iterator[tuple[bytes, UtcNs]]:
        """Give each piece with the time it came at."""

    def done(self) -> float | None:
        """Tell which share has been read."""
        return self._stream.tell() / self._size if self._size else None

    def close(self) -> None:
        """Close the file."""
        if self._stream is not sys.stdin.buffer:
            self._stream.close()


class HexInput(PieceInput):
    """Hex, a frame a line; what follows a ``#`` is a comment."""

    def pieces(self, stream: BinaryIO) -> Iterator[tuple[bytes, UtcNs]]:
        """Give each line."""
        number = 0
        while line := stream.readline(MAX_LINE_OCTETS):
            number += 1
            digits = _PUNCTUATION.sub("", line.decode("ascii", "replace").partition("#")[0])
            try:
                data = bytes.fromhex(digits)
            except ValueError:
                self.rejected["not_hex"] += 1
                self.note(f"line {number} is not hex and was left out")
                continue
            if data:
                yield data, 0


class CaptureInput(PieceInput):
    """The datagrams of a pcap or pcapng capture."""

    def __init__(self, name: str, stream: BinaryIO, size: int | None, plan: Plan, port: int | None) -> None:
        super().__init__(name, stream, size, plan)
        self._reader = DatagramReader(port)
        self._capture = Capture(name, stream)
        self._datagrams = self._reader.read(self._capture.packets())
        self._first: Datagram | None = next(self._datagrams, None)
        self._last_utc_ns: UtcNs = 0
        if self._first is not None:
            self.start_utc_ns = self._first.captured_utc_ns or None

    def pieces(self, stream: BinaryIO) -> Iterator[tuple[bytes, UtcNs]]:  # noqa: ARG002  (the capture reads it)
        """Give what each datagram carried."""
        if self._first is not None:
            yield self._first.payload, self._first.captured_utc_ns
        for datagram in self._datagrams:
            yield datagram.payload, datagram.captured_utc_ns
        self.rejected += self._reader.rejected
        self.notes += self._capture.notes


# -- recognising -------------------------------------------------------------------------------------------


def open_input(arguments: argparse.Namespace) -> Input:
    """Recognise the input and plan what is made of it; raises ``AgentError`` or ``ConfigError``."""
    notes: list[str] = []
    found = find_satellite(arguments.satellite, notes) if arguments.satellite is not None else None
    begin = _begin(arguments.input)
    holder = _holder(begin, arguments.as_, Path(arguments.input).suffix.lower().lstrip("."))
    kind = arguments.as_ if arguments.as_ in CHAINS else _kind(begin, holder, arguments, found)
    plan = _plan(kind, holder, begin, arguments, found, notes)
    given: Input
    if holder == "stream":
        given = _open_stream(arguments, plan, kind, begin)
    else:
        name, stream, size = _open(arguments.input)
        try:
            if holder == "capture":
                given = CaptureInput(name, stream, size, plan, arguments.port)
            else:
                given = HexInput(name, stream, size, plan)
        except AgentError:
            stream.close()
            raise
    given.notes += notes
    return given


def _holder(begin: bytes, asked: str | None, suffix: str) -> str:
    """Tell in what the octets lie: a ``capture``, lines of ``hex``, or a ``stream`` of octets or samples."""
    if asked in ("audio", "iq"):
        return "stream"
    if asked == "pcap" or begin[:4] in PCAP or begin[:4] == SECTION_MAGIC:
        return "capture"
    if asked == "hex" or (asked != "kiss" and suffix not in RAW_SUFFIXES and _seems_hex(begin)):
        return "hex"
    return "stream"


def _seems_hex(begin: bytes) -> bool:
    lines = begin.splitlines()[:64]
    whole = lines if len(begin) < SNIFF_OCTETS or len(lines) == 1 else lines[:-1]
    digits = [len(_PUNCTUATION.sub("", line.decode("ascii", "replace").partition("#")[0])) for line in whole]
    return all(_HEX_LINE.match(line) for line in whole) and any(count >= 4 for count in digits)


def _kind(
    begin: bytes, holder: str, arguments: argparse.Namespace, found: tuple[str, Satellite] | None
) -> str | None:
    """Tell what is held: ``frames``, CCSDS frames that the satellite sends, or ``None``, samples or KISS."""
    if holder != "stream":
        return "frames"
    if arguments.as_ == "kiss":
        return "frames"
    of_samples = arguments.sample_format is not None or arguments.sample_rate_hz is not None
    if arguments.as_ is not None or of_samples or begin.startswith((b"RIFF", b"RF64", b"BW64")):
        return None
    suffix = Path(arguments.input).suffix.lower().lstrip(".")
    if begin.startswith(bytes((kiss.FEND,))) and suffix not in RAW_SUFFIXES:
        return "frames"
    chain = kind_of_chain(found[1], arguments.downlink) if found else None
    if chain is not None and suffix not in RAW_SUFFIXES and ".sigmf" not in arguments.input:
        return chain
    return "frames" if suffix in OCTET_SUFFIXES else None


def _plan(
    kind: str | None,
    holder: str,
    begin: bytes,
    arguments: argparse.Namespace,
    found: tuple[str, Satellite] | None,
    notes: list[str],
) -> Plan:
    options = read_options(arguments.option)
    if kind in CHAINS:
        return plan_octets(
            kind,
            found,
            downlink=arguments.downlink,
            frame_octets=arguments.frame_octets,
            prefix_octets=arguments.prefix_octets,
            given=options,
            pieces=holder != "stream",
        )
    if arguments.port is not None and holder != "capture":
        raise ConfigError("--port chooses datagrams, and this is no capture", where=arguments.input)
    transmitters = transmitters_of(found, arguments, notes, required=kind is None)
    if kind is None:
        if found is not None and options:
            names = ", ".join(options)
            raise ConfigError(f"{names}: the satellite's file says this", where="--option", mend="leave it out")
        return Plan(transmitters)
    if transmitters and found is None:
        options = {}  # they were the transmitter's
    if arguments.prefix_octets and holder == "stream":
        raise ConfigError("KISS frames have no prefix", where="--prefix-octets", mend="--as says what it is")
    plan = plan_frames(transmitters, options, arguments.prefix_octets)
    if holder == "stream" and "has_command" not in plan.framing_options and not kiss.seems_to_have_command(begin):
        return Plan(plan.transmitters, plan.framing, {**plan.framing_options, "has_command": False})
    return plan


def _open_stream(arguments: argparse.Namespace, plan: Plan, kind: str | None, begin: bytes) -> RecordingInput:
    recording = open_recording(
        arguments.input,
        as_="octets" if kind is not None else arguments.as_,
        sample_rate_hz=arguments.sample_rate_hz,
        center_frequency_hz=arguments.frequency_hz,
        sample_format=arguments.sample_format,
    )
    given = RecordingInput(recording, plan)
    if kind in CHAINS and arguments.as_ is None:
        given.note(f"taken as {kind}, as the satellite sends them (--as says otherwise)")
    options: Mapping[str, Any] = plan.framing_options
    if kind == "frames" and options.get("has_command") is False and "has_command" not in str(arguments.option):
        given.note("taken as KISS without command octets (--option has_command=true says otherwise)")
    if kind == "frames" and arguments.as_ is None and kiss.FEND not in begin:
        recording.close()
        raise AgentError(
            f"{given.name}: not one KISS delimiter in it (--as says what it is: {', '.join(CHAINS)}, hex)"
        )
    return given


def _begin(path: str) -> bytes:
    """Look at the first octets; raises ``AgentError``."""
    if path == STDIN:
        stdin: IO[bytes] = sys.stdin.buffer
        return stdin.peek(SNIFF_OCTETS)[:SNIFF_OCTETS] if isinstance(stdin, io.BufferedReader) else b""
    if ".sigmf" in path or Path(path).is_dir():
        return b""  # for `open_recording` to open or refuse
    _, stream, _ = _open(path)
    with stream:
        return stream.peek(SNIFF_OCTETS)[:SNIFF_OCTETS] if isinstance(stream, io.BufferedReader) else b""


def _open(path: str) -> tuple[str, BinaryIO, int | None]:
    if path == STDIN:
        return "standard input", sys.stdin.buffer, None
    file = Path(path)
    try:
        stream = file.open("rb", buffering=SNIFF_OCTETS)
        size = file.stat().st_size if file.is_file() else None
    except FileNotFoundError as exc:
        raise AgentError(f"{path} is not there (check the path)") from exc
    except PermissionError as exc:
        raise AgentError(f"{path} cannot be read: no permission (chmod a+r, or ask its owner)") from exc
    except OSError as exc:
        raise AgentError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if size == 0:
        stream.close()
        raise AgentError(f"{path} is empty (was the recording stopped before it began?)")
    return path, stream, size
