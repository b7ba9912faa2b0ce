"""SatYAML: the satellite files of gr-satellites, read as they are, and its words for modems and framings.

Turns names and options of SatYAML into modulations, protocols and their options here. Knows no telemetry of
SatYAML: its ``data`` section names programs, not layouts. Pure: gets a parsed document, opens nothing.

Source: the SatYAML section of gr-satellites' user manual (options by their names there).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agent.definitions import Downlink, ProtocolChoice, Satellite
from agent.errors import ConfigError
from firmware_protocols.interface import protocol_names

Options = Mapping[str, Any]


def _fsk(options: Options) -> dict[str, Any]:
    deviation = _number(options, "deviation")
    return {} if deviation is None else {"deviation_hz": abs(deviation)}


def _afsk(options: Options) -> dict[str, Any]:
    found = {"carrier_hz": _number(options, "af_carrier"), "deviation_hz": _number(options, "deviation")}
    return {key: value for key, value in found.items() if value is not None}


MODULATIONS: dict[str, tuple[str, Callable[[Options], dict[str, Any]]]] = {
    "fsk": ("fsk", _fsk),
    "fsk subaudio": ("fsk", _fsk),
    "afsk": ("afsk", _afsk),
    "bpsk": ("bpsk", lambda _: {}),
    "bpsk manchester": ("bpsk", lambda _: {"manchester": True}),
    "dbpsk": ("bpsk", lambda _: {"differential": True}),
    "dbpsk manchester": ("bpsk", lambda _: {"differential": True, "manchester": True}),
}

FRAMINGS: dict[str, tuple[str, Callable[[Options], dict[str, Any]]]] = {
    "ax.25": ("ax25", lambda _: {}),
    "ax.25 g3ruh": ("ax25", lambda _: {"scrambler": "g3ruh"}),
}

TRANSMITTER_KEYS = frozenset({"frequency", "modulation", "baudrate", "framing", "data", "transports"})


def transmitter(name: str, modulation: str, baudrate_bd: float, framing: str, options: Options) -> Downlink:
    """Make a downlink of SatYAML's words, or of this project's; raises ``ConfigError`` for unknown ones."""
    found = MODULATIONS.get(modulation.strip().casefold())
    if found is None:
        raise ConfigError(f"no modulation is called {modulation!r}", mend=f"one of: {', '.join(MODULATIONS)}")
    module, modem_options = found
    try:
        return Downlink(
            name=slug_of(name),
            frequency_hz=_number(options, "frequency") or 1.0,
            modulation=module,
            baudrate_bd=float(baudrate_bd),
            framing=framing_choice(framing, options),
            modulation_options=modem_options(options),
            description=name,
        )
    except msgspec.ValidationError as exc:
        raise ConfigError(str(exc)) from exc


def framing_choice(framing: str, options: Options) -> ProtocolChoice:
    """Choose the protocol of a framing by SatYAML's name or by the protocol's own."""
    found = FRAMINGS.get(framing.strip().casefold())
    if found is not None:
        protocol, protocol_options = found
        return ProtocolChoice(protocol=protocol, options=protocol_options(options))
    if framing in protocol_names():
        return ProtocolChoice(protocol=framing)
    known = ", ".join(sorted(FRAMINGS))
    raise ConfigError(f"framing {framing!r} is not known here", mend=f"one of: {known}")


def satellite(document: object) -> Satellite:
    """Read a SatYAML document; raises ``ConfigError`` naming the place."""
    if not isinstance(document, Mapping):
        raise ConfigError("a SatYAML file is a mapping with name, norad and transmitters")
    missing = [key for key in ("name", "norad", "transmitters") if key not in document]
    if missing:
        raise ConfigError(f"lacks {', '.join(missing)}")
    transmitters = document["transmitters"]
    if not isinstance(transmitters, Mapping) or not transmitters:
        raise ConfigError("names no transmitter", where="transmitters")
    downlinks = []
    for label, table in transmitters.items():
        try:
            downlinks.append(_downlink(str(label), table))
        except ConfigError as exc:
            raise ConfigError(exc.what, where=f"transmitters.{label}", mend=exc.mend) from exc
    norad = document["norad"]
    if not isinstance(norad, int) or not 1 <= norad <= 999_999_999:
        raise ConfigError(f"{norad!r} is no catalogue number", where="norad")
    aliases = document.get("alternative_names") or []
    return Satellite(
        name=str(document["name"]),
        norad=norad,
        downlinks=tuple(_distinct(downlinks)),
        aliases=tuple(str(alias) for alias in aliases) if isinstance(aliases, list) else (),
    )


def _downlink(label: str, table: object) -> Downlink:
    if not isinstance(table, Mapping):
        raise ConfigError("is no mapping")
    missing = [key for key in ("modulation", "baudrate", "framing") if key not in table]
    if missing:
        raise ConfigError(f"lacks {', '.join(missing)}")
    baudrate_bd = _number(table, "baudrate")
    if baudrate_bd is None or baudrate_bd <= 0:
        raise ConfigError(f"baudrate {table['baudrate']!r} is no positive number")
    return transmitter(label, str(table["modulation"]), baudrate_bd, str(table["framing"]), table)


def _distinct(downlinks: list[Downlink]) -> list[Downlink]:
    """Number the names that two labels share once they are slugs."""
    seen: dict[str, int] = {}
    distinct = []
    for downlink in downlinks:
        count = seen[downlink.name] = seen.get(downlink.name, 0) + 1
        name = downlink.name if count == 1 else f"{downlink.name[:28]}-{count}"
        distinct.append(msgspec.structs.replace(downlink, name=name))
    return distinct


def slug_of(label: str) -> str:
    """Make a topic level of a transmitter's label."""
    return re.sub(r"[^a-z0-9_-]+", "-", label.casefold()).strip("-_")[:32] or "downlink"


def _number(options: Options, key: str) -> float | None:
    """Read an option as a number; YAML leaves ``436.030e+6`` as it leaves ``4e3``: sometimes a text."""
    value = options.get(key)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{key} = {value!r} is no number") from None
