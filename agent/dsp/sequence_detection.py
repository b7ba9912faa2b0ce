"""Sequence detection of frequency-shift keying: the whole signal explains the bits, not one symbol at a time.

A continuous-phase signal carries each bit in its phase for as long as the phase is remembered. The detector keeps
the four likeliest histories (one for each pair of last bits), each with its own estimate of the carrier's phase and
frequency, so that it needs neither a phase-locked loop nor a modulation index of a convenient value. For an index
of one half it comes within about a decibel of coherent detection, some four better than a discriminator.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agent.dsp import cpm_kernels, filters
from agent.dsp.sampling import Planar
from agent.dsp.symbol_blocks import averaged

_TAPS_HALF = 4
_BANK = filters.polyphase_bank(filters.lowpass_pulse(0.42, float(_TAPS_HALF), 40.0), _TAPS_HALF)

DEPTH = 16
"""Symbols after which the paths have merged: a decision's delay."""

_AGILITY = 0.02
_WIDEST_TURN = 0.35  # radians a symbol that the frequency may be off
_FULL_GAP = 2.0  # metric between the likeliest path and its nearest rival without noise, index one half
_LARGEST_SOFT = 4.0


_NARROWEST_INDEX = 0.3
_COARSE_STEP, _FINE_STEP = 0.06, 0.0125  # of the index' logarithm
_COARSE_MEMORY = 0.5  # forgets what a wrong index does to the phase
_TUNING_SYMBOLS = 384
_WELL = 8.0  # Es/N0 that no wrong index explains: there is no need to look for another
_BETTER = 1.1  # times the Es/N0 that another index must explain to be believed


_FINE = 64  # points a sample at which the course of a symbol is worked out


def _rounded(index: float) -> float:
    return round(index, 4)


@lru_cache(maxsize=512)
def phase_templates(
    index: float, bandwidth_time: float | None, samples_per_symbol: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the conjugate course of one symbol for each three bits, and the phasor of the phase gained.

    ``index`` is the modulation index h (its sign that of the sense), ``bandwidth_time`` the Gaussian filter's BT
    or ``None`` for rectangular pulses. Shapes: (samples, 2, 8) and (8, 2).
    """
    turns = _turns(bandwidth_time, samples_per_symbol)
    phase = np.pi * index * turns
    middles = phase[:, _FINE // 2 - 1 :: _FINE]
    templates = np.stack((np.cos(middles.T), -np.sin(middles.T)), axis=1)
    advances = np.stack((np.cos(phase[:, -1]), np.sin(phase[:, -1])), axis=1)
    return (
        np.ascontiguousarray(templates, dtype=np.float32),
        np.ascontiguousarray(advances, dtype=np.float32),
    )


@lru_cache(maxsize=16)
def _turns(bandwidth_time: float | None, samples_per_symbol: int) -> NDArray[np.float64]:
    """Give the half turns gained in the course of a symbol at an index of one, for each three bits."""
    t = (np.arange(_FINE * samples_per_symbol) + 0.5) / (_FINE * samples_per_symbol) - 0.5
    courses = np.zeros((8, t.size))
    for place in (-1, 0, 1):
        pulse = _pulse(t - place, bandwidth_time)
        for pattern in range(8):
            courses[pattern] += pulse if pattern >> (1 - place) & 1 else -pulse
    return np.asarray(np.cumsum(courses, axis=1) / t.size)


def _pulse(t: NDArray[np.float64], bandwidth_time: float | None) -> NDArray[np.float64]:
    if bandwidth_time is None:
        return np.asarray((np.abs(t) <= 0.5).astype(np.float64))
    sigma = math.sqrt(math.log(2.0)) / (2.0 * math.pi * bandwidth_time)
    scale = sigma * math.sqrt(2.0)
    edges = [[math.erf((x + 0.5) / scale), math.erf((x - 0.5) / scale)] for x in t]
    both = np.array(edges)
    return np.asarray(0.5 * (both[:, 0] - both[:, 1]))


class SequenceDetector:
    """Detect bits in planar complex samples around symbol centres found elsewhere."""

    def __init__(
        self,
        index: float,
        bandwidth_time: float | None,
        samples_per_symbol: int,
        spacing: float,
        *,
        memory: float = 0.9,
        widest_index: float = 0.0,
    ) -> None:
        """Look at ``samples_per_symbol`` samples, ``spacing`` stream samples apart, around each centre.

        ``memory`` is how much of the phase reference lives on to the next symbol. With a ``widest_index`` the
        index is looked for up to there.
        """
        self._index = index
        self._widest_index = widest_index
        self._bandwidth_time = bandwidth_time
        self._templates, self._advances = phase_templates(index, bandwidth_time, samples_per_symbol)
        self._count = samples_per_symbol
        self._spacing = spacing
        self._buffer: Planar = np.zeros((2, 64), dtype=np.float32)
        self._origin = -64
        self._survivors = np.zeros((4, 6), dtype=np.float32)
        self._survivors[:, 3] = 1.0
        self._paths = np.zeros((4, DEPTH), dtype=np.float32)
        self._waiting = np.empty(0)  # centres whose samples are not all there yet
        self._held = np.empty(0)  # centres whose bits are still in the paths
        self._lead = DEPTH - 2  # bits still to come that belong to no symbol
        self._memory = memory
        self._powers = np.empty((2, 0), dtype=np.float32)
        self._place = 0.0  # in the ring of the paths

    def _tune(self, around: NDArray[np.float32], level: float) -> None:
        """Find the modulation index that explains the strongest stretch of the symbols best."""
        power = np.einsum("kcs,kcs->k", around, around)
        sums = np.concatenate(([0.0], np.cumsum(power, dtype=np.float64)))
        length = min(_TUNING_SYMBOLS, len(power))
        first = int(np.argmax(sums[length:] - sums[:-length]))
        part = np.ascontiguousarray(around[first : first + length])
        known = self._explains(part, self._index, self._memory, level)
        if known > _WELL:
            return
        steps = math.ceil(math.log(self._widest_index / _NARROWEST_INDEX) / _COARSE_STEP)
        coarse = [_NARROWEST_INDEX * math.exp(_COARSE_STEP * step) for step in range(steps + 1)]
        middle = max(coarse, key=lambda index: self._explains(part, index, _COARSE_MEMORY, level))
        reach = round(0.5 * _COARSE_STEP / _FINE_STEP) + 1
        fine = [middle * math.exp(_FINE_STEP * step) for step in range(-reach, reach + 1)]
        explained, index = max((self._explains(part, index, self._memory, level), index) for index in fine)
        if explained > _BETTER * known:
            self._index = index
            self._templates, self._advances = phase_templates(_rounded(index), self._bandwidth_time, self._count)

    def _explains(self, part: NDArray[np.float32], index: float, memory: float, level: float) -> float:
        """Give the Es/N0 that a detector for an index makes out."""
        survivors = np.zeros((4, 6), dtype=np.float32)
        survivors[:, 3] = 1.0
        soft, quality = np.empty(len(part), dtype=np.float32), np.empty((3, len(part)), dtype=np.float32)
        gains = np.array([memory, _AGILITY, _WIDEST_TURN, 1.0 / level, 0.0])
        templates, advances = phase_templates(_rounded(index), self._bandwidth_time, self._count)
        cpm_kernels.detect_sequence(
            part, templates, advances, gains, survivors, np.zeros((4, DEPTH), dtype=np.float32), soft, quality
        )
        missed, heard = quality[:2].sum(axis=1, dtype=np.float64)
        return float(heard / max(missed, 1e-12))

    def feed(
        self, samples: Planar, centres: NDArray[np.float64], *, last: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32], float]:
        """Give (soft values, their positions, N0/Es in equal stretches, frequency offset in cycles a symbol)."""
        self._buffer = np.concatenate((self._buffer, samples), axis=1)
        self._waiting = np.concatenate((self._waiting, centres))
        if last:
            # Symbols beyond the end push the last ones out of the paths.
            end = float(self._waiting[-1]) if len(self._waiting) else float(self._origin + self._buffer.shape[1])
            beyond = end + self._spacing * self._count * np.arange(1, DEPTH)
            self._waiting = np.concatenate((self._waiting, beyond))
            tail = np.zeros((2, self._count * (DEPTH + 2)), dtype=np.float32)
            self._buffer = np.concatenate((self._buffer, tail), axis=1)
        reach = 0.5 * self._count * self._spacing + _TAPS_HALF + 1
        ready = int(np.searchsorted(self._waiting, self._origin + self._buffer.shape[1] - reach))
        if not ready:
            return np.empty(0, dtype=np.float32), np.empty(0), np.empty(0, dtype=np.float32), 0.0
        centres, self._waiting = self._waiting[:ready], self._waiting[ready:]
        self._held = np.concatenate((self._held, centres))
        around = np.empty((ready, 2, self._count), dtype=np.float32)
        cpm_kernels.take_around(self._buffer, self._origin, centres, self._spacing, _BANK, around)
        level = math.sqrt(float(np.vdot(around, around)) / (ready * self._count) + 1e-20)
        if self._widest_index:
            self._tune(around, level)
        soft = np.empty(ready, dtype=np.float32)
        quality = np.empty((3, ready), dtype=np.float32)
        gains = np.array([self._memory, _AGILITY, _WIDEST_TURN, 1.0 / level, self._place])
        cpm_kernels.detect_sequence(
            around, self._templates, self._advances, gains, self._survivors, self._paths, soft, quality
        )
        self._place = gains[4]
        keep = int(centres[-1] - reach) - 16 - self._origin
        if keep > 0:
            self._buffer = self._buffer[:, keep:].copy()
            self._origin += keep
        if self._lead:  # what the empty paths held
            drop = min(self._lead, len(soft))
            soft = soft[drop:]
            self._lead -= drop
        given, self._held = self._held[: len(soft)], self._held[len(soft) :]
        soft = np.clip(soft[: len(given)] / np.float32(_FULL_GAP), -_LARGEST_SOFT, _LARGEST_SOFT)
        # A symbol's bit leaves the paths long after the symbol has shown its noise.
        powers = np.concatenate((self._powers, quality[:2]), axis=1)
        self._powers = powers[:, len(given) :].copy()
        noise = averaged(powers[0, : len(given)], powers[1, : len(given)]) if len(given) else powers[0, :0]
        return soft, given, noise, float(quality[2].mean(dtype=np.float64)) / (2.0 * math.pi)
