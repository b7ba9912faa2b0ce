"""Other people's transmitters in the band: real modulations that carry nothing anyone here knows.

A neighbour sends bursts of random bits at its own frequency and level; a satellite's receiver has to live beside
it. Pure: the time and the chance are arguments.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, field

from agent.definitions import Definition, Positive
from agent.simulator.air import Burst
from agent.simulator.modulators import modulate


class Neighbour(Definition, frozen=True, kw_only=True):
    """Bursts of ``burst_s`` each ``every_s`` (as long: it never pauses), of a modulation by its name."""

    frequency_hz: Positive
    modulation: str = "fsk"
    baudrate_bd: Positive = 9600.0
    modulation_options: dict[str, Any] = field(default_factory=dict)
    ebn0_db: Annotated[float, Meta(ge=-10, le=80)] = 30.0
    every_s: Annotated[float, Meta(ge=0.05, le=3600)] = 2.0
    burst_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.5
    first_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


def neighbours_burst(table: Neighbour, begin_s: float, chance: np.random.Generator) -> Burst:
    """Return what a neighbour sends from ``begin_s`` on; raises ``UnknownModulator``."""
    bits = chance.integers(0, 2, max(8, int(table.burst_s * table.baudrate_bd)), np.uint8)
    waveform = modulate(table.modulation, bits, table.baudrate_bd, table.modulation_options)
    phase_rad = chance.uniform(0, 2 * math.pi)
    return Burst(waveform, begin_s, table.frequency_hz, table.ebn0_db, phase_rad=phase_rad)
