"""What a protocol module looks like, and how one is loaded by name.

A module of this package offers some of:

``Options``
    a ``msgspec.Struct`` (frozen, unknown fields forbidden) of what a satellite file may say about it;
``Deframer(options)``
    a stream of octets or of soft symbols in, checked frames out;
``PacketExtractor(options)``
    frames in, packets out;
``INPUT``
    ``"octets"`` or ``"symbols"``: what the Deframer eats;
``encode(frame, options)``
    with a Deframer: what it receives for a frame, channel bits or octets;
``enclose(data, options, around)``
    with a PacketExtractor, where it can: a frame that gives ``data``, as ``Around`` says. Raises ``ValueError``;
``EXAMPLES``
    real inputs with what must come out: the contract tests feed each one whole, element by element, between
    garbage, bit-flipped and truncated.

Nothing is registered: ``load("ax25")`` imports ``firmware_protocols.ax25``.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_FRAME_OCTETS = 65_536
"""No frame of any protocol here is longer; every length from outside is held against it."""

HeaderValue: TypeAlias = "int | float | bool | str | bytes | tuple[str, ...] | None"


@dataclass(frozen=True, slots=True)
class LinkFrame:
    """A frame that a deframer found.

    ``data`` are the octets a KISS client would get. ``offset`` is the position of the frame's first element
    (octet or soft symbol) in everything fed since the deframer was made, ``span`` how many elements it took.
    ``check`` names what stands behind it (``fcs``, ``rs``, ``crc32c``, ``golay``, ``bch``, ``tnc`` when a TNC
    checked it, ``none``); ``corrected`` counts the bits or symbols that were repaired. ``reported_utc_ms`` is the
    time the stream itself gives for the frame (a KISS time stamp), in milliseconds of UTC since 1970.
    """

    data: bytes
    offset: int
    span: int
    check: str
    corrected: int = 0
    reported_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet with the header fields of its protocol; ``sequence_count`` is ``None`` where there is none."""

    data: bytes
    header: Mapping[str, HeaderValue] = field(default_factory=dict)
    sequence_count: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Counts that are missing between two that came, or (``restart``) a counter that began anew.

    ``counter`` says whose: ``{"scid": 187, "vcid": 33}`` for frames, ``{"apid": 673}`` for packets.
    """

    counter: Mapping[str, int]
    after: int
    before: int
    missing: int
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A real input and what must come of it.

    For a deframer ``stream`` holds octets, or for soft symbols one channel bit per octet (0 or 1), and
    ``frames`` the expected frames' data. For a packet extractor ``stream`` is one frame and ``packets`` the
    expected packets' data. ``source`` says where the bytes were recorded or published.
    """

    name: str
    source: str
    stream: bytes
    frames: tuple[bytes, ...] = ()
    packets: tuple[bytes, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


S_contra = TypeVar("S_contra", contravariant=True)


class Deframer(Protocol[S_contra]):
    """Elements in, frames out. ``feed`` takes everything and keeps the remainder: cutting changes nothing.

    ``rejected`` counts what was refused, by reason.
    """

    rejected: Counter[str]

    def feed(self, elements: S_contra) -> list[LinkFrame]:
        """Take elements whole and return the frames now complete."""
        ...

    def flush(self) -> list[LinkFrame]:
        """Return what is still inside at the end of a burst or stream, and begin anew."""
        ...


OctetDeframer: TypeAlias = "Deframer[bytes]"
SymbolDeframer: TypeAlias = "Deframer[NDArray[np.float32]]"


class PacketExtractor(Protocol):
    """Frames in, packets out; ``rejected`` counts what was refused, by reason.

    One that follows counters also has ``gaps`` (a list of ``Gap``) and ``missing`` (how many, by the counter's
    name, as ``{"vc 33": 7}`` or ``{"apid 673": 2}``), and one that meets what is neither a packet
    nor a fault has ``counted`` (idle packets, fill octets …, by name).
    """

    rejected: Counter[str]

    def feed(self, frame: bytes) -> list[Packet]:
        """Take one frame and return the packets now complete."""
        ...

    def flush(self) -> list[Packet]:
        """Return what is still inside at the end of a stream."""
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """What a packet is enclosed in: a frame ``like`` one that is known (or none is), counted ``number`` frames on.

    ``octets`` is its length where a protocol fills its frames up; 0 leaves it as long as need be.
    """

    like: bytes = b""
    number: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """Secret octets that a protocol checks with; an option of this type is never written in a file, nor shown."""

    octets: bytes = field(repr=False)


class UnknownProtocol(LookupError):
    """No protocol of this name; ``known`` lists those there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        super().__init__(f"no protocol is called {name!r}")


class BadOptions(ValueError):
    """Options that a protocol does not take; ``str()`` names the field."""


@cache
def protocol_names() -> tuple[str, ...]:
    """List the protocols by their files."""
    here = importlib.import_module("firmware_protocols")
    return tuple(
        sorted(
            info.name
            for info in pkgutil.iter_modules(here.__path__)
            if not info.ispkg and info.name not in ("interface", "template")
        )
    )


def load(name: str) -> ModuleType:
    """Import a protocol's module by its name; raises ``UnknownProtocol``."""
    if not name.isidentifier() or (name != "template" and name not in protocol_names()):
        raise UnknownProtocol(name, protocol_names())
    return importlib.import_module(f"firmware_protocols.{name}")


def convert_options(module: ModuleType, options: Mapping[str, Any]) -> Any:
    """Turn a table into the module's ``Options``; raises ``BadOptions`` naming the field."""
    try:
        return msgspec.convert(dict(options), module.Options, strict=True)
    except msgspec.ValidationError as exc:
        raise BadOptions(str(exc)) from exc


def make_deframer(name: str, options: Mapping[str, Any]) -> tuple[Literal["octets", "symbols"], Deframer[Any]]:
    """Make a deframer by its protocol's name; also says whether it eats octets or symbols."""
    module = load(name)
    if not hasattr(module, "Deframer"):
        raise BadOptions(f"{name} takes frames apart but does not find them: it is no framing")
    deframer: Deframer[Any] = module.Deframer(convert_options(module, options))
    kind: Literal["octets", "symbols"] = module.INPUT
    return kind, deframer


def make_extractor(name: str, options: Mapping[str, Any]) -> PacketExtractor:
    """Make a packet extractor by its protocol's name."""
    module = load(name)
    if not hasattr(module, "PacketExtractor"):
        raise BadOptions(f"{name} finds frames but takes no packets out of them")
    extractor: PacketExtractor = module.PacketExtractor(convert_options(module, options))
    return extractor
