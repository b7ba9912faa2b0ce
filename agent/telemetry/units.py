"""The units a definition may use, and the suffix each gives to a name.

Knows symbols only; converts nothing. A unit that is not listed is an error in the definition, so that
dashboards and topics never meet two spellings of one thing. Symbols: SI brochure (BIPM, 9th ed.), with ``°``
and ``%`` as usual, and the counts that telemetry is full of.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from agent.errors import ConfigError

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "": "",
        "V": "v",
        "mV": "mv",
        "µV": "uv",
        "A": "a",
        "mA": "ma",
        "µA": "ua",
        "W": "w",
        "mW": "mw",
        "Wh": "wh",
        "mWh": "mwh",
        "Ah": "ah",
        "mAh": "mah",
        "J": "j",
        "Ω": "ohm",
        "°C": "c",
        "K": "k",
        "°F": "f",
        "rad": "rad",
        "°": "deg",
        "rad/s": "rad_s",
        "°/s": "deg_s",
        "rad/s²": "rad_s2",
        "rpm": "rpm",
        "m": "m",
        "mm": "mm",
        "cm": "cm",
        "km": "km",
        "m/s": "m_s",
        "cm/s": "cm_s",
        "km/s": "km_s",
        "km/h": "km_h",
        "m/s²": "m_s2",
        "g": "g",
        "mg": "mg",
        "kg": "kg",
        "N": "n",
        "N·m": "n_m",
        "A·m²": "a_m2",
        "s": "s",
        "ms": "ms",
        "µs": "us",
        "ns": "ns",
        "min": "min",
        "h": "h",
        "d": "d",
        "Hz": "hz",
        "kHz": "khz",
        "MHz": "mhz",
        "GHz": "ghz",
        "Bd": "bd",
        "bit/s": "bit_s",
        "dB": "db",
        "dBm": "dbm",
        "dBW": "dbw",
        "dBHz": "dbhz",
        "Pa": "pa",
        "hPa": "hpa",
        "kPa": "kpa",
        "bar": "bar",
        "mbar": "mbar",
        "T": "t",
        "mT": "mt",
        "µT": "ut",
        "nT": "nt",
        "mG": "mgauss",
        "lx": "lx",
        "cd": "cd",
        "W/m²": "w_m2",
        "Gy": "gy",
        "rad(Si)": "rad_si",
        "%": "pct",
        "B": "octets",
        "kB": "kb",
        "MB": "mb",
        "1/s": "per_s",
        "fps": "fps",
        "UTC": "",
    }
)
"""Symbol → suffix of the name in a flat message (``battery_voltage`` in ``V`` becomes ``battery_voltage_v``)."""


def check_unit(unit: str, where: str) -> str:
    """Return the unit, or raise ``ConfigError`` with the nearest ones known."""
    if unit in SUFFIXES:
        return unit
    folded = {symbol.casefold(): symbol for symbol in SUFFIXES if symbol}
    near = [folded[one] for one in difflib.get_close_matches(unit.casefold(), folded, n=3, cutoff=0.3)]
    mend = f"did you mean {' or '.join(near)}?" if near else "units stand in agent/telemetry/units.py"
    raise ConfigError(f"unknown unit {unit!r}", where=where, mend=mend)
