"""What is made of octets: who cuts them, who opens the frames, and how ``--option`` reaches who has such a one.

Knows which protocols stand behind ``tm-frames``, ``aos-frames`` … ``space-packets``, that a satellite's file may
say more of them than the kind does, and that what comes in pieces (a line of hex, a datagram) is a frame already or
holds some. Opens nothing and reads no octet.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from agent.definitions import Downlink, ProtocolChoice, Satellite
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import OctetBlock, UtcNs
from agent.stages import Watcher
from firmware_protocols import interface, slip

CHAINS: Final = {
    "tm-frames": ("ccsds_tm", "space_packet"),
    "aos-frames": ("ccsds_aos", "space_packet"),
    "uslp-frames": ("uslp", "space_packet"),
    "space-packets": ("space_packet",),
}
FRAMES: Final = "fixed_length"
PIECES: Final = "slip"
"""What carries whole frames to a receiver: delimiters and nothing else."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who transmits, and the protocol that finds frames in the octets (none of them for samples)."""

    transmitters: Sequence[Transmitter]
    framing: str = "kiss"
    framing_options: Mapping[str, Any] = field(default_factory=dict)

    def receiver(self, watch: Callable[[Transmitter], Watcher] | None = None) -> Receiver:
        """Make the receiver."""
        return Receiver(
            "decode",
            self.transmitters,
            octet_framing=self.framing,
            octet_options=self.framing_options,
            watch=watch,
        )

    def in_pieces(self) -> tuple[Plan, Pieces]:
        """Plan the same for input that comes in pieces, and give who opens them."""
        inside = None if self.framing == "kiss" else (self.framing, self.framing_options)
        options = {"max_octets": interface.MAX_FRAME_OCTETS}
        return Plan(self.transmitters, PIECES, options), Pieces(inside, self.framing_options)


class Pieces:
    """Turns pieces of input into frames for a receiver; ``rejected`` counts what held none."""

    def __init__(self, inside: tuple[str, Mapping[str, Any]] | None, options: Mapping[str, Any]) -> None:
        """``inside`` says how frames are found in a piece; without it the piece behind a prefix is a frame."""
        self.rejected: Counter[str] = Counter()
        self._inside = inside
        self._prefix = int(options.get("prefix_octets", 0)) if inside is None else 0

    def blocks(self, piece: bytes, received_utc_ns: UtcNs) -> Iterator[OctetBlock]:
        """Give the frames of one piece."""
        if self._inside is None:
            frames = [piece[self._prefix :]] if len(piece) > self._prefix else []
            if not frames:
                self.rejected["too_short"] += 1
        else:
            _, deframer = interface.make_deframer(*self._inside)
            frames = [found.data for found in [*deframer.feed(piece), *deframer.flush()]]
            self.rejected += deframer.rejected
        for frame in frames:
            yield OctetBlock(slip.encode(frame, slip.Options()), received_utc_ns)


def plan_frames(transmitters: Sequence[Transmitter], given: Mapping[str, str], prefix_octets: int = 0) -> Plan:
    """Plan the reading of a KISS file, or of pieces that are frames; raises ``ConfigError``."""
    _, options = _spread(dict(given), (), "kiss")
    if prefix_octets:
        options["prefix_octets"] = prefix_octets
    return Plan(transmitters, "kiss", options)


def plan_octets(
    kind: str,
    found: tuple[str, Satellite] | None,
    *,
    downlink: str | None = None,
    frame_octets: int | None = None,
    prefix_octets: int = 0,
    given: Mapping[str, str] | None = None,
    pieces: bool = False,
) -> Plan:
    """Plan the reading of CCSDS frames or packets; raises ``ConfigError``.

    ``found`` is the satellite with its slug; the first of its downlinks that uses the kind's protocols says how.
    Of frames that come in ``pieces`` the length need not be known: a piece is one.
    """
    chosen = _downlink(kind, found, downlink)
    chain, framing = _spread(dict(given or {}), chosen.extract, FRAMES if kind != "space-packets" else None)
    if kind == "space-packets":
        name = "space_packet"
        options = dict(chain[0].options)
    else:
        name = FRAMES
        options = framing
        length = frame_octets or (None if pieces else chosen.framing.options.get("frame_octets"))
        if length is not None:
            options["frame_octets"] = length
        elif pieces and not options:
            name = "kiss"
        else:
            raise ConfigError("say how long a frame is", mend="--frame-octets N")
    if prefix_octets:
        options["prefix_octets"] = prefix_octets
    try:
        if name != "kiss":
            interface.make_deframer(name, options)
        for choice in chain:
            interface.make_extractor(choice.protocol, choice.options)
    except interface.BadOptions as exc:
        raise ConfigError(str(exc), where="--option") from exc
    slug, satellite = found or (None, None)
    ready = msgspec.structs.replace(chosen, extract=chain)
    return Plan([Transmitter(slug, satellite, ready)], name, options)


def kind_of_chain(satellite: Satellite, downlink: str | None) -> str | None:
    """Tell which CCSDS frames a satellite sends, if its file says so."""
    for each in satellite.downlinks:
        if downlink in (None, each.name):
            for choice in each.extract[:1]:
                return next((kind for kind, chain in CHAINS.items() if chain[0] == choice.protocol), None)
    return None


def _downlink(kind: str, found: tuple[str, Satellite] | None, wanted: str | None) -> Downlink:
    """Return the downlink whose file says most of the kind, its chain cut to what the octets still carry."""
    usual = tuple(ProtocolChoice(protocol=name) for name in CHAINS[kind])
    candidates = [each for each in found[1].downlinks if wanted in (None, each.name)] if found else []
    if found and wanted is not None and not candidates:
        names = ", ".join(each.name for each in found[1].downlinks)
        raise ConfigError(f"{found[0]} has no downlink {wanted!r}", mend=f"there are: {names}" if names else "")
    for candidate in candidates:
        names_in_chain = [choice.protocol for choice in candidate.extract]
        if CHAINS[kind][0] in names_in_chain:
            begin = names_in_chain.index(CHAINS[kind][0])
            return msgspec.structs.replace(candidate, extract=candidate.extract[begin:])
    if candidates:
        return msgspec.structs.replace(candidates[0], extract=usual)
    # A downlink must name a carrier, also one that comes as a file.
    return Downlink(
        name=kind,
        frequency_hz=1.0,
        modulation="fsk",
        baudrate_bd=1.0,
        framing=ProtocolChoice(protocol=FRAMES),
        extract=usual,
    )


def _spread(
    given: dict[str, str], chain: tuple[ProtocolChoice, ...], framing: str | None
) -> tuple[tuple[ProtocolChoice, ...], dict[str, Any]]:
    """Give each option to the protocols that have it; raises ``ConfigError`` for one that none has."""
    names = [choice.protocol for choice in chain] + ([framing] if framing else [])
    tables: list[dict[str, Any]] = [dict(choice.options) for choice in chain] + ([{}] if framing else [])
    for key, text in given.items():
        taken = False
        for name, table in zip(names, tables, strict=True):
            fields = {each.name: each.type for each in msgspec.structs.fields(interface.load(name).Options)}
            field = _field_called(key, fields)
            if field is not None:
                table[field] = _value(key, text, fields[field])
                taken = True
        if not taken:
            known = sorted({each for name in names for each in interface.load(name).Options.__struct_fields__})
            raise ConfigError(f"no protocol here has an option {key!r}", where="--option", mend=", ".join(known))
    choices = tuple(
        ProtocolChoice(protocol=choice.protocol, options=table, only=choice.only)
        for choice, table in zip(chain, tables[: len(chain)], strict=True)
    )
    return choices, tables[-1] if framing else {}


def _field_called(key: str, fields: Mapping[str, Any]) -> str | None:
    name = key.strip().lower().replace(" ", "_").replace("-", "_")
    return next((each for each in (name, f"{name}_octets") if each in fields), None)


def _value(key: str, text: str, kind: Any) -> Any:
    """Read a value as TOML, or else as a word, and convert it as leniently as a command line asks for."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for each in (value, text):
        try:
            return msgspec.to_builtins(msgspec.convert(each, kind, strict=False))
        except msgspec.ValidationError as exc:
            complaint = str(exc)
    raise ConfigError(f"{text!r}: {complaint}", where=f"--option {key}")
