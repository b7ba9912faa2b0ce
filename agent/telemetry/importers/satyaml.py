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
Table = dict[str, Any]


def _fsk(options: Options) -> Table:
    deviation = _number(options, "deviation")
    return {} if deviation is None else {"deviation_hz": abs(deviation)}


def _afsk(options: Options) -> Table:
    found = {"af_carrier_hz": _number(options, "af_carrier"), "deviation_hz": _number(options, "deviation")}
    return {key: value for key, value in found.items() if value is not None}


def _ccsds(convolutional: bool, reed_solomon: bool) -> Callable[[Options], Table]:
    """Make the reader of one of the three CCSDS framings: they share their options."""

    def read(options: Options) -> Table:
        table: Table = {"frame_octets": _integer(options, "frame size", 223)}
        table["precoding"] = _word(options, "precoding", {"": "none", "differential": "differential"})
        table["randomizer"] = _word(options, "scrambler", {"": True, "ccsds": True, "none": False})
        if reed_solomon:
            table["reed_solomon"] = _word(
                options, "rs basis", {"dual": "dual", "conventional": "conventional"}, "dual"
            )
            table["interleaving"] = _integer(options, "rs interleaving", 1)
        if convolutional:
            kinds = {
                kind: kind.replace(" ", "-")
                for kind in ("ccsds", "nasa-dsn", "ccsds uninverted", "nasa-dsn uninverted")
            }
            table["convolutional"] = _word(options, "convolutional", kinds, "ccsds")
        return table

    return read


def _ax100_golay(options: Options) -> Table:
    randomizer = _word(options, "scrambler", {"": True, "ccsds": True, "none": False})
    return {"mode": "asm_golay", "randomizer": randomizer}


def _mobitex(variant: str) -> Callable[[Options], Table]:
    def read(options: Options) -> Table:
        return {"variant": variant, "callsign": str(_option(options, "callsign", "")).upper()}

    return read


def _always(**table: Any) -> Callable[[Options], Table]:
    return lambda _: dict(table)


def _carrier(**table: Any) -> Callable[[Options], Table]:
    """Make the reader of a modem that looks for its carrier; the option names are this project's own."""
    return _numbers("carrier_hz", "search_hz", **table)


def _numbers(*names: str, **table: Any) -> Callable[[Options], Table]:
    def read(options: Options) -> Table:
        found = {name: _number(options, name) for name in names}
        return table | {name: value for name, value in found.items() if value is not None}

    return read


MODULATIONS: dict[str, tuple[str, Callable[[Options], Table]]] = {
    "fsk": ("fsk", _fsk),
    "fsk subaudio": ("fsk", _fsk),
    "afsk": ("afsk", _afsk),
    "bpsk": ("bpsk", _carrier()),
    "bpsk manchester": ("bpsk", _carrier(manchester=True)),
    "dbpsk": ("bpsk", _carrier(differential=True)),
    "dbpsk manchester": ("bpsk", _carrier(differential=True, manchester=True)),
    "qpsk": ("qpsk", _carrier()),
    "oqpsk": ("oqpsk", _carrier()),
    "pm": ("pm", _numbers("subcarrier_hz", "search_hz")),
    "pm manchester": ("pm", _numbers("subcarrier_hz", "search_hz", manchester=True)),
}
"""SatYAML's name of a modulation, or one it lacks → the modem and its options."""

FRAMINGS: dict[str, tuple[str, Callable[[Options], Table]]] = {
    "AX.25": ("ax25", _always()),
    "AX.25 G3RUH": ("ax25", _always(scrambler="g3ruh")),
    "AX100 ASM+Golay": ("ax100", _ax100_golay),
    "FORESAIL-1": ("ax100", _always(mode="asm_golay", asm="1acffc1d")),
    "AX100 Reed Solomon": ("ax100", _always(mode="reed_solomon")),
    "U482C": ("u482c", _always()),
    "AO-40 FEC": ("ao40_fec", _always()),
    "AO-40 FEC short": ("ao40_fec", _always(short=True)),
    "AO-40 FEC CRC-16-ARC": ("ao40_fec", _always(crc16=True)),
    "AO-40 FEC CRC-16-ARC short": ("ao40_fec", _always(crc16=True, short=True)),
    "AO-40 uncoded": ("ao40_uncoded", _always()),
    "CCSDS Uncoded": ("ccsds_tm_sync", _ccsds(convolutional=False, reed_solomon=False)),
    "CCSDS Reed-Solomon": ("ccsds_tm_sync", _ccsds(convolutional=False, reed_solomon=True)),
    "CCSDS Concatenated": ("ccsds_tm_sync", _ccsds(convolutional=True, reed_solomon=True)),
    "USP": ("usp", _always()),
    "LilacSat-1": ("lilacsat1", _always()),
    "Mobitex": ("mobitex", _mobitex("mobitex")),
    "Mobitex-NX": ("mobitex", _mobitex("nx")),
    "IL2P": ("il2p", _always()),
    "UA01": ("ax25", _always(scrambler="g3ruh", nrzi_again=True)),
    "AAUSAT-4": ("aausat4", _always()),
    "NGHam": ("ngham", _always()),
    "NGHam no Reed Solomon": ("ngham", _always(reed_solomon=False)),
    "S-NET": ("snet", _always()),
    "FOSSASAT": ("sx12xx", _always()),
    "3CAT-1": ("cc11xx", _always(fixed_octets=255, crc=False, reed_solomon=True)),
    "Reaktor Hello World": ("cc11xx", _always(sync="352e352e")),
    "FX.25": ("fx25", _always()),
    "BEESAT-9": ("mobitex", _mobitex("nx")),
    "Astrocast FX.25 NRZ": ("fx25", _always(variant="astrocast", nrzi=False)),
    "Astrocast FX.25 NRZ-I": ("fx25", _always(variant="astrocast")),
}
"""SatYAML's name of a framing → the protocol and its options. A framing that is not here is not known."""

_FRAMINGS = {name.casefold(): found for name, found in FRAMINGS.items()}


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
    found = _FRAMINGS.get(framing.strip().casefold())
    if found is not None:
        protocol, protocol_options = found
        return ProtocolChoice(protocol=protocol, options=protocol_options(options))
    if framing in protocol_names():
        return ProtocolChoice(protocol=framing)
    known = ", ".join(sorted(FRAMINGS))
    raise ConfigError(f"framing {framing!r} is not known here", mend=f"one of: {known}")


def satellite(document: object, left_out: list[str] | None = None) -> Satellite:
    """Read a SatYAML document; raises ``ConfigError`` naming the place.

    With ``left_out`` a transmitter that cannot be listened to is told there and left out, as long as another can.
    """
    if not isinstance(document, Mapping):
        raise ConfigError("a SatYAML file is a mapping with name, norad and transmitters")
    missing = [key for key in ("name", "norad", "transmitters") if key not in document]
    if missing:
        raise ConfigError(f"lacks {', '.join(missing)}")
    transmitters = document["transmitters"]
    if not isinstance(transmitters, Mapping) or not transmitters:
        raise ConfigError("names no transmitter", where="transmitters")
    downlinks: list[Downlink] = []
    refused: list[ConfigError] = []
    for label, table in transmitters.items():
        try:
            downlinks.append(_downlink(str(label), table))
        except ConfigError as exc:
            refused.append(ConfigError(exc.what, where=f"transmitters.{label}", mend=exc.mend))
            if left_out is None:
                raise refused[0] from exc
    if not downlinks:
        raise refused[0]
    if left_out is not None:
        left_out += [f"{error.where}: {error.what}" for error in refused]
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


def _integer(options: Options, key: str, default: int) -> int:
    value = _number(options, key)
    if value is not None and not (value.is_integer() and 0 < value < 1 << 31):
        raise ConfigError(f"{key} = {value:g} is no whole number above zero")
    return default if value is None else int(value)


def _word(options: Options, key: str, words: Mapping[str, Any], default: str = "") -> Any:
    """Read an option that is one of some words, in any case."""
    word = str(_option(options, key, default)).strip().casefold()
    if word not in words:
        raise ConfigError(f"{key} = {word!r} is not known here", mend=f"one of: {', '.join(filter(None, words))}")
    return words[word]


def _option(options: Options, key: str, default: Any = None) -> Any:
    """Find an option whatever its case: SatYAML writes ``RS basis``."""
    return next((value for name, value in options.items() if str(name).casefold() == key), default)


def _number(options: Options, key: str) -> float | None:
    """Read an option as a number; YAML leaves ``436.030e+6`` as it leaves ``4e3``: sometimes a text."""
    value = _option(options, key)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{key} = {value!r} is no number") from None
