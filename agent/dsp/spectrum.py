"""A block's power spectrum in decibels, for people to look at: one line of a waterfall.

Averages windowed transforms over the block. Source: P. D. Welch, "The use of fast Fourier transform for the
estimation of power spectra", IEEE Trans. Audio Electroacoust. 15 (1967). Pure NumPy: it runs a few times a second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_SEGMENTS = 32
FLOOR_DB = -150.0


def power_spectrum_db(samples: NDArray[np.complex64] | NDArray[np.float32], bins: int) -> NDArray[np.float64]:
    """Return float64[bins], lowest frequency first, in dB of full scale; real input gives zero to half the rate."""
    real = not np.iscomplexobj(samples)
    length = 2 * bins if real else bins
    padded = np.concatenate((samples, np.zeros(max(0, length - len(samples)), samples.dtype)))
    count = min(MOST_SEGMENTS, len(padded) // length)
    starts = np.linspace(0, len(padded) - length, count).astype(np.intp)
    window = np.hanning(length)
    segments = np.stack([padded[start : start + length] for start in starts]) * window
    spectra = (
        np.fft.rfft(segments, axis=1)[:, :bins] if real else np.fft.fftshift(np.fft.fft(segments, axis=1), axes=1)
    )
    power = np.mean(np.abs(spectra) ** 2, axis=0) / np.sum(window) ** 2
    level_db: NDArray[np.float64] = np.maximum(10.0 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)
    return level_db
