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

_TAPS_HALF = 4
_BANK = filters.polyphase_bank(filters.lowpass_pulse(0.42, float(_TAPS_HALF), 40.0), _TAPS_HALF)

DEPTH = 16
"""Symbols after which the paths have merged: a decision's delay."""

_AGILITY = 0.02
_WIDEST_TURN = 0.35  # radians a symbol that the frequency may be off
_FULL_GAP = 2.0  # metric between the likeliest path and its nearest rival without noise, index one half
_LARGEST_SOFT = 4.0


@lru_cache(maxsize=16)
def phase_templates(
    index: float, bandwidth_time: float | None, samples_per_symbol: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the conjugate course of one symbol for each three bits, and the phasor of the phase gained.

    ``index`` is the modulation index h (its sign that of the sense), ``bandwidth_time`` the Gaussian filter's BT
    or ``None`` for rectangular pulses. Shapes: (samples, 2, 8) and (8, 2).
    """
    fine = 64
    t = (np.arange(fine * samples_per_symbol) + 0.5) / (fine * samples_per_symbol) - 0.5
    courses = np.zeros((8, t.size))
    for pattern in range(8):
        for place in (-1, 0, 1):
            bit = 1.0 if pattern >> (1 - place) & 1 else -1.0
            courses[pattern] += bit * _pulse(t - place, bandwidth_time)
    phase = np.pi * index * np.cumsum(courses, axis=1) / t.size
    middles = phase[:, fine // 2 - 1 :: fine]
    templates = np.stack((np.cos(middles.T), -np.sin(middles.T)), axis=1)
    advances = np.stack((np.cos(phase[:, -1]), np.sin(phase[:, -1])), axis=1)
    return (
        np.ascontiguousarray(templates, dtype=np.float32),
        np.ascontiguousarray(advances, dtype=np.float32),
    )


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
    ) -> None:
        """Look at ``samples_per_symbol`` samples, ``spacing`` stream samples apart, around each centre.

        ``memory`` is how much of the phase reference lives on to the next symbol.
        """
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
        self._place = 0.0  # in the ring of the paths

    def feed(
        self, samples: Planar, centres: NDArray[np.float64], *, last: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], float, float]:
        """Give (soft values, their positions, Es/N0 in dB, frequency offset in cycles a symbol)."""
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
            return np.empty(0, dtype=np.float32), np.empty(0), -99.0, 0.0
        centres, self._waiting = self._waiting[:ready], self._waiting[ready:]
        self._held = np.concatenate((self._held, centres))
        around = np.empty((ready, 2, self._count), dtype=np.float32)
        cpm_kernels.take_around(self._buffer, self._origin, centres, self._spacing, _BANK, around)
        level = math.sqrt(float(np.vdot(around, around)) / (ready * self._count) + 1e-20)
        soft = np.empty(ready, dtype=np.float32)
        quality = np.zeros(3)
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
        snr_db = 10.0 * math.log10(max(quality[1] / max(quality[0], 1e-12), 1e-4))
        return soft, given, snr_db, quality[2] / ready / (2.0 * math.pi)
