"""Recordings: what a file (or standard input) holds, told from its name and its first octets, read as blocks.

``open_recording`` reads no more than a header; ``Recording.blocks`` then reads from beginning to end, a block
at a time, so that a week-long file needs no more memory than a short one. Times come from the recording when it
has any; offsets always count from its first sample. Synchronous: the ``recording`` source paces it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.records import AudioBlock, Block, IqBlock, OctetBlock, UtcNs
from agent.sources.recordings import sigmf, wav
from agent.sources.recordings.found import Found, Wish
from agent.sources.samples import IQ_FORMAT_NAMES, IQ_FORMATS, NUMBER_FORMATS, Converter

RecordingKind: TypeAlias = Literal["iq", "audio", "octets"]

STDIN: Final = "-"
SNIFF_OCTETS: Final = 64
OCTET_SUFFIXES: Final = frozenset({"kiss", "kss", "bin", "frames"})
RAW_SUFFIXES: Final[dict[str, str]] = {
    **{name: name for name in IQ_FORMAT_NAMES},
    "cfile": "cf32",  # GNU Radio's custom
    "fc32": "cf32",
    "c32": "cf32",
    "cs16le": "cs16",
    "sc16": "cs16",
    "c16": "cs16",
    "sc8": "cs8",
    "c8": "cs8",
    "uc8": "cu8",
}
NOT_READ: Final[tuple[tuple[bytes, str], ...]] = (
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"\xff\xfb", "MP3"),
    (b"FORM", "AIFF"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
)


@dataclass(slots=True)
class Recording:
    """An open recording.

    ``duration_s`` is what the header promises (``None`` when nobody knows: standard input, octets);
    ``start_utc_ns`` is the time of the first sample when the recording tells it. ``notes`` are sentences for
    the operator (a file cut short, a sample that is no number): complete once the blocks have been read.
    """

    name: str
    kind: RecordingKind
    sample_rate_hz: float | None = None
    center_frequency_hz: float | None = None
    duration_s: float | None = None
    start_utc_ns: UtcNs | None = None
    notes: list[str] = field(default_factory=list)
    samples_read: int = 0
    _found: Found | None = None
    _stream: BinaryIO | None = None

    def blocks(self, block_s: float = 0.05, *, start_utc_ns: UtcNs | None = None) -> Iterator[Block]:
        """Read the recording from here to its end.

        ``start_utc_ns`` stands for the first sample's time where the recording tells none (zero without it:
        the blocks' times are then offsets).
        """
        begin_ns = self.start_utc_ns if self.start_utc_ns is not None else (start_utc_ns or 0)
        if self._stream is None or self._found is None:
            raise AgentError(f"{self.name} is closed")
        if self.kind == "octets":
            yield from self._octet_blocks(begin_ns)
        else:
            yield from self._sample_blocks(self._found, block_s, begin_ns)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None and self._stream is not sys.stdin.buffer:
            self._stream.close()
        self._stream = None

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, octets: int) -> bytes:
        if self._stream is None:
            return b""
        try:
            return self._stream.read(octets)
        except OSError as exc:
            self.notes.append(f"reading stopped: {exc.strerror or exc}")
            return b""

    def _octet_blocks(self, begin_ns: UtcNs) -> Iterator[OctetBlock]:
        while octets := self._read(4096):
            yield OctetBlock(octets, begin_ns)

    def _sample_blocks(self, found: Found, block_s: float, begin_ns: UtcNs) -> Iterator[IqBlock | AudioBlock]:
        converter = found.converter
        rate = found.sample_rate_hz
        wanted = max(1, int(rate * block_s)) * converter.octets_per_sample
        left = found.data_octets
        while left is None or left > 0:
            octets = self._read(wanted if left is None else min(wanted, left))
            if not octets:
                break
            left = None if left is None else left - len(octets)
            samples = converter.feed(octets)
            if samples.size:
                start_ns = begin_ns + round(self.samples_read * 1e9 / rate)
                self.samples_read += samples.size
                yield self._block(samples, rate, start_ns)
        self._conclude(converter, left, rate)

    def _block(
        self, samples: NDArray[np.complex64] | NDArray[np.float32], rate: float, start_ns: UtcNs
    ) -> IqBlock | AudioBlock:
        if self.kind == "iq":
            return IqBlock(
                samples.astype(np.complex64, copy=False), rate, self.center_frequency_hz or 0.0, start_ns
            )
        return AudioBlock(samples.astype(np.float32, copy=False), rate, start_ns)

    def _conclude(self, converter: Converter, left: int | None, rate: float) -> None:
        if left:
            missing_s = left / converter.octets_per_sample / rate
            self.notes.append(
                f"cut short: the header promises {missing_s:.3g} s more than the {self.samples_read / rate:.3g} s"
                " that are there"
            )
        if converter.octets_left:
            self.notes.append(f"the last sample is cut: {converter.octets_left} octets left over")
        if converter.not_numbers:
            self.notes.append(
                f"{converter.not_numbers} samples were no numbers (NaN or infinite) and were set to zero"
            )
        if not self.samples_read:
            self.notes.append("there is not one sample in it")


def open_recording(
    path: str | Path,
    *,
    as_: str | None = None,
    sample_rate_hz: float | None = None,
    center_frequency_hz: float | None = None,
    sample_format: str | None = None,
) -> Recording:
    """Open a recording; raises ``AgentError`` with one line that says what would make it readable.

    ``as_`` overrules what the file seems to be: ``audio``, ``iq``, or ``kiss`` (any octets). ``sample_format``
    names the numbers of a file without a header (``cu8 cs8 cs16 cs32 cf32 cf64``, or ``s16le f32le …`` for
    audio), where its suffix does not. A path of ``-`` is standard input.
    """
    name = "standard input" if str(path) == STDIN else str(path)
    if as_ not in (None, "audio", "iq", "kiss", "octets"):
        raise AgentError(f"{name}: cannot be read as {as_!r} (audio, iq or kiss)")
    wish = Wish(name, as_, sample_rate_hz, sample_format)
    metadata: sigmf.Metadata | None = None
    if sigmf.is_sigmf(str(path)):
        metadata, path = sigmf.read_metadata(Path(path))
    stream, size = _open(path, name)
    try:
        if size == 0:
            raise AgentError(f"{name} is empty (was the recording stopped before it began?)")
        if metadata is not None:
            recording = _recording(wish, sigmf.found(name, metadata, size), stream)
        else:
            recording = _recognise(wish, stream, size)
    except BaseException:
        if stream is not sys.stdin.buffer:
            stream.close()
        raise
    if center_frequency_hz is not None:
        recording.center_frequency_hz = center_frequency_hz
    return recording


def _open(path: str | Path, name: str) -> tuple[BinaryIO, int | None]:
    if str(path) == STDIN:
        return sys.stdin.buffer, None
    file = Path(path)
    try:
        if file.is_dir():
            raise AgentError(f"{name} is a directory (name a recording in it)")
        stream = file.open("rb")
        size = file.stat().st_size if file.is_file() else None
    except FileNotFoundError as exc:
        raise AgentError(f"{name} is not there (check the path)") from exc
    except PermissionError as exc:
        raise AgentError(f"{name} cannot be read: no permission (chmod a+r, or ask its owner)") from exc
    except OSError as exc:
        raise AgentError(f"{name} cannot be read: {exc.strerror or exc}") from exc
    return stream, size


def _recognise(wish: Wish, stream: BinaryIO, size: int | None) -> Recording:
    """Tell what a file is from its first octets, its suffix and what was asked."""
    name = wish.name
    begin = stream.peek(SNIFF_OCTETS)[:SNIFF_OCTETS] if isinstance(stream, io.BufferedReader) else b""
    suffix = Path(name).suffix.lower().lstrip(".")
    if begin.startswith((b"RIFF", b"RF64", b"BW64")) and begin[8:12] == b"WAVE" and not wish.octets:
        return _recording(wish, wav.read_header(wish, stream, size), stream)
    if wish.octets or (wish.as_ is None and wish.sample_format is None and _seems_octets(begin, suffix)):
        return Recording(name, "octets", _stream=stream, _found=_NO_SAMPLES)
    for magic, what in NOT_READ:
        if begin.startswith(magic) and wish.sample_format is None and suffix not in RAW_SUFFIXES:
            raise AgentError(f"{name} is {what}, which is not read (ffmpeg -i {Path(name).name} recording.wav)")
    return _recording(wish, _raw(wish, suffix, size), stream)


def _seems_octets(begin: bytes, suffix: str) -> bool:
    return suffix in OCTET_SUFFIXES or (begin.startswith(b"\xc0") and suffix not in RAW_SUFFIXES)


def _raw(wish: Wish, suffix: str, size: int | None) -> Found:
    """Describe a file of bare numbers: their format by option or suffix, their rate by option."""
    name, chosen = wish.name, wish.sample_format or RAW_SUFFIXES.get(suffix)
    if chosen is None and wish.as_ == "audio":
        chosen = "s16le"
    number = IQ_FORMATS.get(chosen or "") or NUMBER_FORMATS.get(chosen or "")
    if chosen is None or number is None:
        what = f"unknown sample format {chosen!r}" if chosen else "no recording that is recognised"
        raise AgentError(
            f"{name}: {what} (read are WAV, SigMF, KISS, and raw samples named by suffix or option:"
            f" {', '.join(IQ_FORMATS)})"
        )
    if wish.sample_rate_hz is None:
        raise AgentError(f"{name}: raw samples do not tell their rate (--sample-rate-hz R)")
    if chosen in IQ_FORMATS and wish.as_ == "audio":
        raise AgentError(f"{name}: {chosen} is IQ, not audio (leave out --as audio)")
    is_iq = chosen in IQ_FORMATS or wish.as_ == "iq"
    converter = Converter(number, channels=2 if is_iq else 1, take="iq" if is_iq else "first")
    return Found(converter, wish.sample_rate_hz, data_octets=size)


_NO_SAMPLES: Final = Found(Converter("u8", 1, "first"), 1.0)


def _recording(wish: Wish, found: Found, stream: BinaryIO) -> Recording:
    kind: RecordingKind = "iq" if found.converter.take == "iq" else "audio"
    if wish.as_ in ("audio", "iq") and wish.as_ != kind:
        raise AgentError(f"{wish.name} holds {kind}, not {wish.as_} (leave out --as {wish.as_})")
    if wish.sample_rate_hz is not None and wish.sample_rate_hz != found.sample_rate_hz:
        found.notes.append(
            f"taken at {wish.sample_rate_hz:g} Hz as asked; its header says {found.sample_rate_hz:g} Hz"
        )
        found.sample_rate_hz = wish.sample_rate_hz
    duration_s = None
    if found.data_octets is not None:
        duration_s = found.data_octets / found.converter.octets_per_sample / found.sample_rate_hz
    return Recording(
        wish.name,
        kind,
        found.sample_rate_hz,
        found.center_frequency_hz,
        duration_s,
        found.start_utc_ns,
        found.notes,
        _found=found,
        _stream=stream,
    )
