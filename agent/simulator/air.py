"""The air between transmitters and one antenna: every burst now in it, its path, and the noise on top.

``render`` gives what a receiver tuned anywhere samples between two moments of the scene's own time, which
begins at 0 s. Pure: the same scene renders the same signal whatever the order or size of the pieces; only the
noise is drawn anew, from the receiver's own generator.

Powers are relative: the noise of the receiver has the density ``noise_per_hz``; a burst at ``ebn0_db`` has
``Eb/N0 * channel bit rate * noise_per_hz``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.simulator.jammers import Jammer
from agent.simulator.modulators import Waveform

MAX_BURSTS: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """One transmission as it reaches the antenna.

    ``carrier_hz`` is where it is received at its beginning, Doppler and oscillator included, and
    ``drift_hz_s`` how that changes; ``clock_ppm`` stretches its symbols.
    """

    waveform: Waveform
    begin_s: float
    carrier_hz: float
    ebn0_db: float
    drift_hz_s: float = 0.0
    clock_ppm: float = 0.0
    phase_rad: float = 0.0

    @property
    def end_s(self) -> float:
        """Return when the last of it has passed."""
        return self.begin_s + self.waveform.duration_s / (1 + self.clock_ppm * 1e-6)


@dataclass(frozen=True, slots=True)
class View:
    """Where a receiver is tuned: what of the air it samples."""

    sample_rate_hz: float
    center_frequency_hz: float


class Air:
    """What is on the air; ``noise_per_hz`` is the receiver's noise density (full scale 1, per Hz)."""

    def __init__(self, noise_per_hz: float) -> None:
        self.noise_per_hz = noise_per_hz
        self._bursts: list[Burst] = []
        self._jammers: list[Jammer] = []

    def transmit(self, burst: Burst) -> None:
        """Put a burst on the air; raises ``ValueError`` when there are too many."""
        if len(self._bursts) >= MAX_BURSTS:
            raise ValueError(f"more than {MAX_BURSTS} bursts are on the air")
        self._bursts.append(burst)

    def jam(self, jammer: Jammer) -> None:
        """Put an interferer on the air."""
        self._jammers.append(jammer)

    def forget_before(self, moment_s: float) -> None:
        """Drop what has passed."""
        self._bursts = [burst for burst in self._bursts if burst.end_s > moment_s]
        self._jammers = [jammer for jammer in self._jammers if jammer.end_s > moment_s]

    @property
    def bursts(self) -> int:
        """Return how many bursts are on the air or will be."""
        return len(self._bursts)

    def render(
        self, view: View, first_sample: int, count: int, noise: np.random.Generator
    ) -> NDArray[np.complex64]:
        """Return ``count`` samples, complex64, of which the first is taken at ``first_sample / sample_rate_hz``."""
        sample_rate_hz, center_frequency_hz = view.sample_rate_hz, view.center_frequency_hz
        begin_s = first_sample / sample_rate_hz
        end_s = begin_s + count / sample_rate_hz
        scale = math.sqrt(self.noise_per_hz * sample_rate_hz / 2)
        out = noise.standard_normal(2 * count, dtype=np.float32)
        out *= np.float32(scale)
        samples = out.view(np.complex64)
        for burst in self._bursts:
            if burst.begin_s < end_s and burst.end_s > begin_s:
                self._add(burst, samples, first_sample, view)
        for jammer in self._jammers:
            if jammer.overlaps(begin_s, end_s) and jammer.reaches(center_frequency_hz, sample_rate_hz):
                times_s = (np.arange(count) + first_sample) / sample_rate_hz
                samples += jammer.heard(times_s, center_frequency_hz, noise)
        return samples

    def _add(self, burst: Burst, samples: NDArray[np.complex64], first_sample: int, view: View) -> None:
        sample_rate_hz = view.sample_rate_hz
        offset_hz = burst.carrier_hz - view.center_frequency_hz
        if abs(offset_hz) > sample_rate_hz / 2:
            return  # an ideal anti-alias filter: what is outside is not heard
        # Only the samples inside the burst are worked on.
        begin = max(0, math.ceil(burst.begin_s * sample_rate_hz) - first_sample)
        end = min(len(samples), math.floor(burst.end_s * sample_rate_hz) - first_sample + 1)
        if end <= begin:
            return
        times_s = (np.arange(begin, end) + first_sample) / sample_rate_hz - burst.begin_s
        envelope = burst.waveform.at(times_s * (1 + burst.clock_ppm * 1e-6))
        # The phase is the carrier's own: what the tuner has turned until the burst began is taken off.
        tuned = math.fmod(view.center_frequency_hz * burst.begin_s, 1.0)
        turns = offset_hz * times_s + 0.5 * burst.drift_hz_s * times_s**2 - tuned
        power = 10 ** (burst.ebn0_db / 10) * burst.waveform.baudrate_bd * self.noise_per_hz
        carrier = np.exp(1j * (2 * np.pi * np.remainder(turns, 1.0) + burst.phase_rad))
        samples[begin:end] += (math.sqrt(power) * envelope * carrier).astype(np.complex64)


def noise_density(signal_power: float, ebn0_db: float, bit_rate_bd: float) -> float:
    """Return N0 for a signal of this power and bit rate at a stated Eb/N0.

    ``Eb/N0 = P·fs/(Rb·σ²)`` with σ² the variance of I and Q together, so σ² = N0·fs.
    """
    return signal_power / bit_rate_bd / 10 ** (ebn0_db / 10)
