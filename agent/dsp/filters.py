"""Filter design: pulse shapes as functions of continuous time, cut into polyphase banks.

Knows pulses and windows; knows no signal, no state and no modem. A bank is float32[phases + 1, taps]: row
``p`` holds the taps for an output instant ``p / phases`` of an input sample after its centre tap, so that one
bank filters and resamples to any rate in one pass (the last row spares the wrap-around).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pulse: TypeAlias = "Callable[[NDArray[np.float64]], NDArray[np.float64]]"
"""A pulse as a function of time in samples, centred on zero."""

PHASES = 64
_FINE = 32  # points a sample when a pulse is convolved with the anti-alias filter


def kaiser_beta(attenuation_db: float) -> float:
    """Give Kaiser's window parameter for a stop-band attenuation. Source: Kaiser, 1974."""
    if attenuation_db > 50:
        return 0.1102 * (attenuation_db - 8.7)
    if attenuation_db > 21:
        return float(0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21))
    return 0.0


def lowpass_pulse(cutoff: float, half_width: float, attenuation_db: float = 50.0) -> Pulse:
    """Make a windowed sinc of ``cutoff`` cycles a sample (-6 dB) that ends at ``half_width`` samples."""
    beta = kaiser_beta(attenuation_db)

    def pulse(t: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.clip(1.0 - (t / half_width) ** 2, 0.0, None)
        window = np.i0(beta * np.sqrt(inside)) / np.i0(beta) * (np.abs(t) < half_width)
        return np.asarray(2.0 * cutoff * np.sinc(2.0 * cutoff * t) * window)

    return pulse


def box_pulse(width: float) -> Pulse:
    """Make a rectangle ``width`` samples wide, band-limited to the input's Nyquist rate, of unit area."""
    margin = 4.0
    half = width / 2.0 + margin
    grid = np.arange(-np.ceil(half) - 1, np.ceil(half) + 1 + 0.5 / _FINE, 1.0 / _FINE)
    kernel = lowpass_pulse(0.45, margin)(grid)
    step = np.concatenate(([0.0], np.cumsum(0.5 * (kernel[1:] + kernel[:-1])))) / _FINE

    def pulse(t: NDArray[np.float64]) -> NDArray[np.float64]:
        upper = np.interp(t + width / 2.0, grid, step)
        lower = np.interp(t - width / 2.0, grid, step)
        return np.asarray((upper - lower) / width)

    return pulse


def rrc_pulse(samples_per_symbol: float, rolloff: float, half_width: float) -> Pulse:
    """Make a root-raised-cosine that ends at ``half_width`` samples. Source: Proakis, Digital Communications."""

    def pulse(t: NDArray[np.float64]) -> NDArray[np.float64]:
        u = t / samples_per_symbol
        at_pole = np.abs(np.abs(4.0 * rolloff * u) - 1.0) < 1e-6
        safe = np.where(at_pole, u + 1e-5, u)
        safe = np.where(np.abs(safe) < 1e-9, 1e-9, safe)
        top = np.sin(np.pi * safe * (1 - rolloff)) + 4 * rolloff * safe * np.cos(np.pi * safe * (1 + rolloff))
        value = top / (np.pi * safe * (1 - (4 * rolloff * safe) ** 2))
        edge = np.clip(1.0 - (t / half_width) ** 2, 0.0, None)
        return np.asarray(value * np.i0(2.0 * np.sqrt(edge)) / np.i0(2.0) * (np.abs(t) < half_width))

    return pulse


def polyphase_bank(pulse: Pulse, half_width: float, phases: int = PHASES) -> NDArray[np.float32]:
    """Cut a pulse into a bank with unit gain at zero frequency in every phase."""
    half = max(1, int(np.ceil(half_width)))
    taps = np.arange(-half + 1, half + 1, dtype=np.float64)
    fractions = np.arange(phases + 1, dtype=np.float64) / phases
    bank = pulse(taps[None, :] - fractions[:, None])
    bank /= bank.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(bank, dtype=np.float32)


@lru_cache(maxsize=64)
def box_bank(width: float) -> NDArray[np.float32]:
    """Make a bank of a rectangle ``width`` samples wide."""
    return polyphase_bank(box_pulse(width), width / 2 + 3)


@lru_cache(maxsize=64)
def lowpass_bank(edge: float, skirt: float) -> NDArray[np.float32]:
    """Make a low-pass bank: -6 dB at ``edge`` (cycles a sample), half the skirt on either side of it."""
    half = 1.1 / skirt
    return polyphase_bank(lowpass_pulse(edge, half), half)


@lru_cache(maxsize=64)
def lowpass_taps(edge: float, skirt: float) -> NDArray[np.float32]:
    """Make a low-pass filter for an unchanged rate."""
    half = 1.1 / skirt
    return _taps(lowpass_pulse(edge, half), half)


@lru_cache(maxsize=64)
def rrc_taps(samples_per_symbol: float, rolloff: float, half_symbols: float) -> NDArray[np.float32]:
    """Make a root-raised-cosine filter for an unchanged rate."""
    half = half_symbols * samples_per_symbol
    return _taps(rrc_pulse(samples_per_symbol, rolloff, half), half)


def _taps(pulse: Pulse, half_width: float) -> NDArray[np.float32]:
    half = max(1, int(np.ceil(half_width)) - 1)
    taps = pulse(np.arange(-half, half + 1, dtype=np.float64))
    return np.ascontiguousarray(taps / taps.sum(), dtype=np.float32)
