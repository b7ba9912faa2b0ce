"""SigMF: a metadata file in JSON beside a data file of bare samples.

Knows ``core:datatype``, ``core:sample_rate``, the first capture's ``core:frequency``, ``core:datetime`` and
``core:sample_start``, the number of channels, and header and trailing octets. Either file of the pair may be
named. Source: SigMF specification 1.2.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from agent.errors import AgentError
from agent.records import UtcNs
from agent.sources.recordings.found import Found
from agent.sources.samples import Converter, SampleFormat

META, DATA = ".sigmf-meta", ".sigmf-data"
MAX_META_OCTETS = 64 << 20
_DATATYPE: Final = re.compile(r"^(?P<kind>[cr])(?P<number>[fiu])(?P<bits>8|16|32|64)(?P<order>_le|_be)?$")
_NUMBERS: Final[dict[tuple[str, str, str], SampleFormat]] = {
    ("u", "8", "le"): "u8",
    ("i", "8", "le"): "s8",
    ("i", "16", "le"): "s16le",
    ("i", "16", "be"): "s16be",
    ("i", "32", "le"): "s32le",
    ("i", "32", "be"): "s32be",
    ("f", "32", "le"): "f32le",
    ("f", "32", "be"): "f32be",
    ("f", "64", "le"): "f64le",
    ("f", "64", "be"): "f64be",
}


class Global(Struct, frozen=True):
    """What the ``global`` object says about all samples; other keys are allowed by the specification."""

    datatype: str = field(name="core:datatype")
    sample_rate: float | None = field(name="core:sample_rate", default=None)
    num_channels: int = field(name="core:num_channels", default=1)


class Capture(Struct, frozen=True):
    """One stretch of samples taken without a break."""

    sample_start: int = field(name="core:sample_start", default=0)
    frequency: float | None = field(name="core:frequency", default=None)
    datetime: str | None = field(name="core:datetime", default=None)
    header_bytes: int = field(name="core:header_bytes", default=0)


class Metadata(Struct, frozen=True):
    """A whole metadata file, as far as it concerns a receiver."""

    globals: Global = field(name="global")
    captures: tuple[Capture, ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()


def is_sigmf(path: str) -> bool:
    """Tell whether a path names one of a SigMF pair."""
    return path.endswith((META, DATA))


def read_metadata(path: Path) -> tuple[Metadata, Path]:
    """Read the metadata of a pair by either name; returns the data file's path too. Raises ``AgentError``."""
    stem = str(path).removesuffix(META).removesuffix(DATA)
    meta, data = Path(stem + META), Path(stem + DATA)
    try:
        if meta.stat().st_size > MAX_META_OCTETS:
            raise AgentError(f"{meta}: metadata of more than {MAX_META_OCTETS >> 20} MiB are not read")
        text = meta.read_bytes()
    except FileNotFoundError as exc:
        raise AgentError(f"{meta} is not there (SigMF samples need their metadata beside them)") from exc
    except OSError as exc:
        raise AgentError(f"{meta} cannot be read: {exc.strerror or exc}") from exc
    try:
        return msgspec.json.decode(text, type=Metadata), data
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AgentError(f"{meta}: no SigMF metadata: {exc}") from exc


def found(name: str, metadata: Metadata, size: int | None) -> Found:
    """Describe the data file of a pair; raises ``AgentError``."""
    about = metadata.globals
    match = _DATATYPE.match(about.datatype)
    number = _NUMBERS.get((match["number"], match["bits"], (match["order"] or "_le")[1:])) if match else None
    if match is None or number is None:
        raise AgentError(f"{name}: core:datatype {about.datatype[:40]!r} is not read")
    if about.sample_rate is None or not 0 < about.sample_rate < 1e10:
        raise AgentError(f"{name}: the metadata tell no core:sample_rate (write it into the global object)")
    if not 1 <= about.num_channels <= 64:
        raise AgentError(f"{name}: core:num_channels {about.num_channels} is out of range")
    is_complex = match["kind"] == "c"
    # The channels of complex data are interleaved as I1 Q1 I2 Q2 …: the first pair is taken.
    converter = Converter(number, about.num_channels * (2 if is_complex else 1), "iq" if is_complex else "first")
    result = Found(converter, about.sample_rate, size)
    if metadata.captures:
        first = metadata.captures[0]
        result.center_frequency_hz = first.frequency
        if first.datetime is not None:
            begin_ns = _utc_ns(name, first.datetime)
            result.start_utc_ns = begin_ns - round(first.sample_start * 1e9 / about.sample_rate)
        if len(metadata.captures) > 1:
            result.notes.append(f"{len(metadata.captures)} captures: times count on from the first")
    return result


def _utc_ns(name: str, text: str) -> UtcNs:
    """Read an ISO 8601 time, to the nanosecond; SigMF's are UTC."""
    whole, _, fraction = text.strip().rstrip("Zz").partition(".")
    try:
        moment = datetime.fromisoformat(whole)
        nanoseconds = int(fraction[:9].ljust(9, "0")) if fraction else 0
    except ValueError as exc:
        raise AgentError(f"{name}: core:datetime {text[:40]!r} is no ISO 8601 time") from exc
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + nanoseconds
