"""What is on the air and is no satellite: tones, sweeps, pulses, wideband noise, on purpose or not.

Pure: the scene's time is an argument, and the same moment sounds the same however it is cut (noise apart).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

JammerKind: TypeAlias = Literal["tone", "sweep", "pulse", "noise"]

SWEEP_HZ_S = 20_000.0
SWEEP_WIDTH_HZ = 20_000.0
PULSES_PER_S = 20.0
PULSE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Jammer:
    """An interferer on the air from ``begin_s`` to ``end_s``; ``power`` is at the receiver (full scale 1).

    A sweep runs over ``SWEEP_WIDTH_HZ`` about its frequency, a pulsed carrier is on for ``PULSE_SHARE`` of the
    time, noise is spread evenly over whatever the receiver samples.
    """

    kind: JammerKind
    frequency_hz: float
    power: float
    begin_s: float = 0.0
    end_s: float = math.inf

    def heard(
        self, times_s: NDArray[np.float64], center_hz: float, noise: np.random.Generator
    ) -> NDArray[np.complex64]:
        """Return what a receiver at ``center_hz`` hears at these times."""
        amplitude = math.sqrt(self.power)
        inside = (times_s >= self.begin_s) & (times_s < self.end_s)
        if self.kind == "noise":
            draw = noise.standard_normal(2 * len(times_s), dtype=np.float32).view(np.complex64)
            return np.asarray(draw * (inside * np.float32(amplitude * math.sqrt(0.5))), np.complex64)
        turns = (self.frequency_hz - center_hz) * times_s
        if self.kind == "sweep":
            within_s = np.remainder(times_s, SWEEP_WIDTH_HZ / SWEEP_HZ_S)
            turns = turns + 0.5 * SWEEP_HZ_S * within_s**2 - 0.5 * SWEEP_WIDTH_HZ * within_s
        if self.kind == "pulse":
            inside &= np.remainder(times_s * PULSES_PER_S, 1.0) < PULSE_SHARE
        return np.asarray(amplitude * inside * np.exp(2j * np.pi * np.remainder(turns, 1.0)), np.complex64)

    def overlaps(self, begin_s: float, end_s: float) -> bool:
        """Tell whether it is on at any time of an interval."""
        return self.begin_s < end_s and self.end_s > begin_s

    def reaches(self, center_hz: float, sample_rate_hz: float) -> bool:
        """Tell whether a receiver there hears it."""
        return self.kind == "noise" or abs(self.frequency_hz - center_hz) < sample_rate_hz / 2
