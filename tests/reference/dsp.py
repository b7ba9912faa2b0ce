"""Slow twins of the modems' kernels, from their definitions: one line of mathematics where the kernel has ten."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


def convolve(samples: Floats, taps: Floats) -> Floats:
    return np.stack([np.correlate(row, taps, "valid") for row in samples.astype(np.float64)])


def resample(samples: Floats, first: float, step: float, bank: Floats, count: int) -> Floats:
    phases, n_taps = bank.shape[0] - 1, bank.shape[1]
    out = np.zeros((samples.shape[0], count))
    for m in range(count):
        t = first + m * step
        whole = int(np.floor(t))
        taps = bank[int((t - whole) * phases + 0.5)]
        begin = whole - (n_taps // 2 - 1)
        out[:, m] = samples[:, begin : begin + n_taps].astype(np.float64) @ taps
    return out


def mix(samples: Floats, frequencies: Floats, segment: int) -> Floats:
    """Give planar complex samples times exp(-2 pi i phase), the frequency straight between the segments' starts."""
    n = samples.shape[1]
    knots = np.arange(len(frequencies)) * segment
    frequency = np.interp(np.arange(n) + 0.5, knots, frequencies)
    phase = np.concatenate(([0.0], np.cumsum(frequency)[:-1]))
    z = (samples[0] + (1j * samples[1] if len(samples) == 2 else 0.0)) * np.exp(-2j * np.pi * phase)
    return np.stack((z.real, z.imag))


def discriminate(samples: Floats) -> Floats:
    z = samples[0].astype(np.float64) + 1j * samples[1]
    return np.angle(z * np.conj(np.concatenate(([0.0], z[:-1])))) / (2.0 * np.pi)


def clock_phasor(samples: Floats, first: int) -> complex:
    n = np.arange(first, first + 64)
    slope = samples[:, n + 2].astype(np.float64) - samples[:, n - 2]
    return complex(np.sum(np.sum(slope**2, axis=0) * (-1j) ** n[: len(n)]) * (1j) ** first)


def detect_sequence(symbols: Floats, courses: Floats, gains: Floats, memory: float, agility: float) -> Floats:
    """Detect bits with four survivors, each a whole path kept from the beginning.

    ``symbols`` complex[k, samples], ``courses`` complex[8, samples] the expected courses, ``gains`` complex[8] the
    phase each adds. Returns the bits (±1) of the best path at the end, one a symbol.
    """
    survivors = [(0.0, 0j, 1 + 0j, [0.0, 0.0]) for _ in range(4)]
    for received in symbols:
        correlation = (courses.conj() @ received) / len(received)
        fresh = []
        for new in range(4):
            ways = []
            for oldest in (0, 1):
                branch = oldest << 2 | new
                metric, reference, turn, path = survivors[oldest << 1 | new >> 1]
                gain = (correlation[branch] * np.conj(reference)).real / max(abs(reference), 1e-6)
                ways.append((metric + gain, branch, reference, turn, path))
            metric, branch, reference, turn, path = max(ways, key=lambda way: way[0])
            error = (correlation[branch] * np.conj(reference)).imag / max(abs(reference), 1e-6)
            sine = turn.imag + turn.real * agility * float(np.clip(error, -1, 1))
            sine = float(np.clip(sine, -0.35, 0.35))
            turn = complex(np.sqrt(1 - sine * sine), sine)
            reference = (memory * reference + (1 - memory) * correlation[branch]) * gains[branch] * turn
            fresh.append((metric, reference, turn, [*path, 1.0 if new & 1 else -1.0]))
        survivors = fresh
    best = max(survivors, key=lambda survivor: survivor[0])
    return np.array(best[3][1 : len(symbols) + 1])
