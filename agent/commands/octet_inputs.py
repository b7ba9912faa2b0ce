"""What ``--as tm-frames``, ``aos-frames`` … ``space-packets`` mean: who cuts the octets and who opens the frames.

Knows which protocols stand behind each kind, that a satellite's file may say more of them than the kind does, and
how ``--option`` reaches the protocol that has such an option. Opens nothing and reads no octet.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from agent.definitions import Downlink, ProtocolChoice, Satellite
from agent.downlink import Transmitter
from agent.errors import ConfigError
from firmware_protocols import interface

CHAINS: Final = {
    "tm-frames": ("ccsds_tm", "space_packet"),
    "aos-frames": ("ccsds_aos", "space_packet"),
    "uslp-frames": ("uslp", "space_packet"),
    "space-packets": ("space_packet",),
}
FRAMES: Final = "fixed_length"


@dataclass(frozen=True, slots=True)
class OctetPlan:
    """Who transmits, and the protocol that finds frames in the octets."""

    transmitters: Sequence[Transmitter]
    framing: str
    framing_options: Mapping[str, Any]


def plan_octets(
    kind: str,
    found: tuple[str, Satellite] | None,
    *,
    downlink: str | None = None,
    frame_octets: int | None = None,
    prefix_octets: int = 0,
    given: Mapping[str, str] | None = None,
) -> OctetPlan:
    """Plan the reading of an octet file; raises ``ConfigError``.

    ``found`` is the satellite with its slug; the first of its downlinks that uses the kind's protocols says how.
    """
    chosen = _downlink(kind, found, downlink)
    chain, framing = _spread(dict(given or {}), chosen.extract, FRAMES if kind != "space-packets" else None)
    if kind == "space-packets":
        name = "space_packet"
        options = dict(chain[0].options)
    else:
        name = FRAMES
        options = framing
        length = frame_octets or chosen.framing.options.get("frame_octets")
        if length is None:
            raise ConfigError("say how long a frame is", mend="--frame-octets N")
        options["frame_octets"] = length
    if prefix_octets:
        options["prefix_octets"] = prefix_octets
    try:
        interface.make_deframer(name, options)
        for choice in chain:
            interface.make_extractor(choice.protocol, choice.options)
    except interface.BadOptions as exc:
        raise ConfigError(str(exc), where="--option") from exc
    slug, satellite = found or (None, None)
    ready = msgspec.structs.replace(chosen, extract=chain)
    return OctetPlan([Transmitter(slug, satellite, ready)], name, options)


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
        ProtocolChoice(protocol=choice.protocol, options=table)
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
