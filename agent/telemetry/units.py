"""The units a definition may use.

Knows symbols only; converts nothing. A unit that is not listed is an error in the definition, so that
dashboards and topics never meet two spellings of one thing. Symbols: SI brochure (BIPM, 9th ed.), with ``°``
and ``%`` as usual, and the counts that telemetry is full of; ``UTC`` marks a time.
"""

from __future__ import annotations

import difflib

from agent.errors import ConfigError

# fmt: off
UNITS = frozenset({
    "V", "mV", "µV", "A", "mA", "µA", "W", "mW", "Wh", "mWh", "Ah", "mAh", "J", "Ω",  # electricity
    "°C", "K", "°F", "Pa", "hPa", "kPa", "bar", "mbar", "lx", "cd", "W/m²", "Gy", "rad(Si)",  # environment
    "m", "mm", "cm", "km", "m/s", "cm/s", "km/s", "km/h", "m/s²", "N", "g", "kg",  # length, speed, force, mass
    "rad", "°", "rad/s", "°/s", "rad/s²", "rpm", "N·m", "A·m²", "T", "mT", "µT", "nT", "mG",  # attitude
    "s", "ms", "µs", "ns", "min", "h", "d", "UTC",  # time
    "Hz", "kHz", "MHz", "GHz", "Bd", "bit/s", "dB", "dBm", "dBW", "dBHz", "B", "kB", "MB", "1/s", "fps",  # data
    "%",  # ratio
})
# fmt: on


def check_unit(unit: str, where: str) -> str:
    """Return the unit, or raise ``ConfigError`` with the nearest ones known; no unit is fine."""
    if not unit or unit in UNITS:
        return unit
    folded = {symbol.casefold(): symbol for symbol in sorted(UNITS)}
    near = [folded[one] for one in difflib.get_close_matches(unit.casefold(), folded, n=3, cutoff=0.3)]
    mend = f"did you mean {' or '.join(near)}?" if near else "units stand in agent/telemetry/units.py"
    raise ConfigError(f"unknown unit {unit!r}", where=where, mend=mend)
