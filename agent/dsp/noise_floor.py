"""The noise under a channel and what stands in it, ten times a second, and whether the samples can be believed.

The noise floor is an order statistic over the bins of a spectrum twice as wide as the channel: a burst, a tone or
a signal of one's own fills too few of them to move it, however long it lasts; wideband noise fills them all. The
level is everything in the same bins. Samples that are constant, zero, clipped or not numbers come from no antenna.

Knows samples and frequencies; what a change means, ``agent.health.interference`` judges. Source of the averaged
periodogram: P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
Electroacoust. 15 (1967); of the quantile's bias: E. B. Wilson, M. M. Hilferty, "The distribution of chi-square",
PNAS 17 (1931).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.records import ChannelNoise, IqBlock, UtcNs

Floats: TypeAlias = NDArray[np.float64]
Key: TypeAlias = "tuple[str, str]"
"""A satellite's file and its downlink."""

EVERY_S = 0.1
SEGMENTS = 8
"""Transforms averaged for one reading, spread evenly over its time."""
QUANTILE, NORMAL_QUANTILE = 0.25, -0.6744897501960817
BINS_PER_CHANNEL = 10
FEWEST_BINS, MOST_BINS = 256, 16_384
USABLE_BAND = 0.45
"""Beyond this part of the sample rate the front end's own filter shapes the noise."""
MOST_KEPT = 600
"""A minute of readings that nobody takes."""
LOWEST_DBFS = -200.0
FULL_SCALE = 0.99
MAX_CLIPPED_SHARE = 0.05
LOOKED_AT = 4096
"""So many samples of a reading tell whether it is constant or clipped."""
CONSTANT_DBFS = -110.0
"""An eight-bit converter that sees any noise at all toggles by 1/128 = -42 dB; one at 16 bits by -90 dB."""


@dataclass(frozen=True, slots=True)
class NoiseReading:
    """One reading of a source. ``fault`` says in words why its samples cannot be believed, if so."""

    at_utc_ns: UtcNs
    channels: tuple[ChannelNoise, ...]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class TakenNoise:
    """The readings of one channel, what is wrong with its samples, and whether they are the first since tuning."""

    key: Key
    readings: tuple[ChannelNoise, ...]
    fault: str | None
    first: bool


class NoiseMeter:
    """Measures the noise of several channels of one stream: (offset from the centre, bandwidth) in Hz each."""

    def __init__(self, sample_rate_hz: float, channels: Sequence[tuple[float, float]]) -> None:
        self._rate_hz = sample_rate_hz
        self._period = max(FEWEST_BINS, round(sample_rate_hz * EVERY_S))
        narrowest_hz = min((width for _, width in channels), default=sample_rate_hz)
        wanted = BINS_PER_CHANNEL * sample_rate_hz / max(narrowest_hz, 1.0)
        bins = FEWEST_BINS
        while bins < min(wanted, MOST_BINS) and 2 * bins <= self._period // 2:
            bins *= 2
        self._bins = bins
        self._starts = np.linspace(0, self._period - bins, SEGMENTS).astype(np.intp)
        self._window = np.hanning(bins).astype(np.float32)
        self._scale = 1.0 / (SEGMENTS * bins * float(np.sum(self._window.astype(np.float64) ** 2)))
        self._ranges = [self._range(offset, width) for offset, width in channels]
        # The quantile of an average of exponentials, over its mean: Wilson and Hilferty's cube of a normal.
        part = 1.0 / (9.0 * SEGMENTS)
        self._bias = (1.0 - part + NORMAL_QUANTILE * math.sqrt(part)) ** 3
        self._held: list[NDArray[np.complex64]] = []
        self._count = 0
        self._start_utc_ns: UtcNs = 0

    def _range(self, offset_hz: float, width_hz: float) -> tuple[NDArray[np.intp], float]:
        """Return the bins of twice the channel, as far as the band is flat, and how many the channel has."""
        step_hz = self._rate_hz / self._bins
        edge_hz = USABLE_BAND * self._rate_hz
        low, high = max(offset_hz - width_hz, -edge_hz), min(offset_hz + width_hz, edge_hz)
        if high - low < 4 * step_hz:
            low, high = offset_hz - width_hz, offset_hz + width_hz
        picked = np.arange(math.floor(low / step_hz), math.ceil(high / step_hz) + 1, dtype=np.intp)
        return picked % self._bins, max(width_hz / step_hz, 1.0)

    def feed(self, block: IqBlock) -> list[NoiseReading]:
        """Take a block whole; return the readings it completed. What was lost begins a reading anew."""
        if block.lost_before:
            self._held, self._count = [], 0
        readings = []
        samples = block.samples
        position = 0
        while position < len(samples):
            if not self._count:
                self._start_utc_ns = block.start_utc_ns + round(position / self._rate_hz * 1e9)
            piece = samples[position : position + self._period - self._count]
            position += len(piece)
            self._count += len(piece)
            self._held.append(piece)
            if self._count == self._period:
                readings.append(self._read(np.concatenate(self._held)))
                self._held, self._count = [], 0
        if self._held:
            # A view would keep the source's whole block.
            self._held[-1] = self._held[-1].copy()
        return readings

    def _read(self, samples: NDArray[np.complex64]) -> NoiseReading:
        at_utc_ns = self._start_utc_ns + round(len(samples) / self._rate_hz * 1e9)
        fault = sample_fault(samples)
        if fault is not None and fault != CLIPPED:
            return NoiseReading(at_utc_ns, (), fault)
        segments = samples[self._starts[:, None] + np.arange(self._bins)] * self._window
        spectrum = np.fft.fft(segments, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0, dtype=np.float64) * self._scale
        channels = []
        for picked, width in self._ranges:
            inside = power[picked]
            rank = int(QUANTILE * (len(inside) - 1))
            floor = float(np.partition(inside, rank)[rank]) / self._bias
            over = float(inside.sum()) / max(floor * len(inside), 1e-30)
            channels.append(ChannelNoise(at_utc_ns, _db(floor * width), _db(over)))
        return NoiseReading(at_utc_ns, tuple(channels), fault)


CLIPPED = "samples clipped"


def sample_fault(samples: NDArray[np.complex64]) -> str | None:
    """Say why samples come from no antenna, or are spoiled by too strong a signal; ``None`` when neither is so."""
    parts = np.ascontiguousarray(samples).view(np.float32)
    low, high = float(parts.min()), float(parts.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return "samples that are not numbers"
    if low == high == 0.0:
        return "samples all zero"
    few = samples[:: max(1, len(samples) // LOOKED_AT)]
    centred = few - few.mean()
    if _db(float(np.mean(centred.real**2 + centred.imag**2))) < CONSTANT_DBFS:
        return "samples constant"
    if max(-low, high) < FULL_SCALE:
        return None
    largest = np.maximum(np.abs(few.real), np.abs(few.imag))
    return CLIPPED if np.count_nonzero(largest >= FULL_SCALE) > MAX_CLIPPED_SHARE * len(few) else None


def _db(power: float) -> float:
    return max(10.0 * math.log10(max(power, 1e-30)), LOWEST_DBFS)


class NoiseLog:
    """Keeps the readings of named channels until somebody takes them, which may be another thread."""

    def __init__(self, sample_rate_hz: float, channels: Mapping[Key, tuple[float, float]]) -> None:
        self._keys = tuple(channels)
        self._meter = NoiseMeter(sample_rate_hz, tuple(channels.values()))
        self._readings: deque[NoiseReading] = deque(maxlen=MOST_KEPT)
        self._fresh = True

    def feed(self, block: IqBlock) -> None:
        """Take a block."""
        self._readings.extend(self._meter.feed(block))

    def take(self) -> list[TakenNoise]:
        """Take what has been measured since last time, channel by channel; nothing when nothing was."""
        taken = [self._readings.popleft() for _ in range(len(self._readings))]
        if not taken:
            return []
        fresh, self._fresh = self._fresh, False
        fault = next((reading.fault for reading in reversed(taken) if reading.fault is not None), None)
        return [
            TakenNoise(key, tuple(one.channels[index] for one in taken if one.channels), fault, fresh)
            for index, key in enumerate(self._keys)
        ]
