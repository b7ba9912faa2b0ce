"""The RIFF WAVE header, as sound programs and SDR programs write it.

::

    "RIFF" size u32 "WAVE"   then chunks: name 4, size u32, data, padded to an even length
    "fmt "   format u16, channels u16, rate u32, octets/s u32, octets/frame u16, bits u16 [, extensible: … GUID]
    "auxi"   SDR programs: start and stop as SYSTEMTIME, centre frequency u32 Hz
    "ds64"   RF64: 64-bit sizes in place of those that say FFFFFFFF
    "data"   the samples

Sources: Microsoft/IBM Multimedia Programming Interface 1.0 (RIFF WAVE); EBU Tech 3306 (RF64); SpectraVue's
``auxi`` chunk as HDSDR, SDR# and SDR Console write it. A size that lies (zero or all ones, as a program that was
killed leaves it) means: until the end.
"""

from __future__ import annotations

import calendar
import io
import struct
from typing import BinaryIO, Final

import numpy as np

from agent.errors import AgentError
from agent.sources.recordings.found import Found, Wish
from agent.sources.samples import Converter, SampleFormat, to_float

PCM, IEEE_FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
FORMATS: Final[dict[tuple[int, int], SampleFormat]] = {
    (PCM, 8): "u8",
    (PCM, 16): "s16le",
    (PCM, 24): "s24le",
    (PCM, 32): "s32le",
    (IEEE_FLOAT, 32): "f32le",
    (IEEE_FLOAT, 64): "f64le",
}
MAX_CHUNKS = 64
MAX_CHUNK_OCTETS = 1 << 20
LIES: Final = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000})
SYSTEMTIME: Final = struct.Struct("<8H")
SNIFF_OCTETS, SNIFF_SAMPLES = 4096, 256


def read_header(wish: Wish, stream: BinaryIO, size: int | None) -> Found:
    """Read up to the first octet of the samples; raises ``AgentError``."""
    name = wish.name
    stream.read(12)
    position = 12
    fmt: bytes | None = None
    auxi = b""
    long_data_octets: int | None = None
    for _ in range(MAX_CHUNKS):
        head = stream.read(8)
        if len(head) < 8:
            raise AgentError(f"{name}: a WAV file without samples (it ends after {position} octets)")
        chunk, octets = head[:4], int.from_bytes(head[4:], "little")
        position += 8
        if chunk == b"data":
            if fmt is None:
                raise AgentError(f"{name}: a WAV file that does not say what its samples are (no fmt chunk)")
            promised = long_data_octets if octets == 0xFFFFFFFF and long_data_octets else octets
            found = _found(wish, fmt, stream)
            found.data_octets = _data_octets(promised, size, position)
            if len(auxi) >= 36:
                _read_auxi(auxi, found)
            return found
        if octets > MAX_CHUNK_OCTETS:
            raise AgentError(f"{name}: a damaged WAV header (chunk {chunk!r} of {octets} octets)")
        body = stream.read(octets + octets % 2)
        position += len(body)
        if chunk == b"fmt ":
            fmt = body
        elif chunk == b"auxi":
            auxi = body
        elif chunk == b"ds64" and len(body) >= 16:
            long_data_octets = int.from_bytes(body[8:16], "little")
    raise AgentError(f"{name}: a damaged WAV header (more than {MAX_CHUNKS} chunks before the samples)")


def _data_octets(promised: int, size: int | None, position: int) -> int | None:
    """Return the octets to expect: as promised, or what is there when the promise is none."""
    if promised in LIES:
        return None if size is None else size - position
    return promised


def _found(wish: Wish, fmt: bytes, stream: BinaryIO) -> Found:
    name = wish.name
    if len(fmt) < 16:
        raise AgentError(f"{name}: a damaged WAV header (fmt chunk of {len(fmt)} octets)")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if code == EXTENSIBLE and len(fmt) >= 26:
        code = int.from_bytes(fmt[24:26], "little")
    number = FORMATS.get((code, bits))
    if number is None:
        raise AgentError(
            f"{name}: WAV format {code} with {bits} bits is not read"
            " (ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav makes one that is)"
        )
    if not 1 <= channels <= 64 or not 1 <= rate <= 100_000_000:
        raise AgentError(f"{name}: a damaged WAV header ({channels} channels at {rate} Hz)")
    converter = Converter(number, channels, "first", wav=True)
    found = Found(converter, float(rate))
    if wish.as_ == "iq" and channels < 2:
        raise AgentError(f"{name} has one channel: IQ needs two (leave out --as iq)")
    if channels >= 2 and wish.as_ != "audio" and (wish.as_ == "iq" or _is_iq(converter, stream, found.notes)):
        converter.take = "iq"
    return found


def _is_iq(converter: Converter, stream: BinaryIO, notes: list[str]) -> bool:
    """Tell whether two channels are I and Q: they are, unless they are plainly not."""
    begin = stream.peek(SNIFF_OCTETS) if isinstance(stream, io.BufferedReader) else b""
    whole = len(begin) // converter.octets_per_sample * converter.octets_per_sample
    table = to_float(begin[:whole], converter.number, wav=True).reshape(-1, converter.channels)
    left, right = table[:, 0], table[:, 1]
    if len(table) < SNIFF_SAMPLES or not left.any():
        return True
    if np.array_equal(left, right):
        notes.append("both channels are the same: taken as audio, not as IQ")
        return False
    if not right.any():
        notes.append("the second channel is silent: the first is taken as audio")
        return False
    return True


def _read_auxi(auxi: bytes, found: Found) -> None:
    year, month, _, day, hour, minute, second, millisecond = SYSTEMTIME.unpack_from(auxi)
    (center_hz,) = struct.unpack_from("<I", auxi, 32)
    if center_hz:
        found.center_frequency_hz = float(center_hz)
    if 1990 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61:
        seconds = calendar.timegm((year, month, day, hour, minute, second))
        found.start_utc_ns = seconds * 1_000_000_000 + millisecond * 1_000_000
