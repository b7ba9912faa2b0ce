"""The waterfall's line: a tone stands in its bin with its power, noise lies flat."""

from __future__ import annotations

import numpy as np
import pytest

from agent.dsp.spectrum import power_spectrum_db


@pytest.mark.parametrize("frequency", [-0.375, -0.125, 0.0, 0.25])
def test_a_complex_tone_stands_in_its_bin_at_its_power(frequency: float) -> None:
    tone = (0.5 * np.exp(2j * np.pi * frequency * np.arange(8192))).astype(np.complex64)
    line = power_spectrum_db(tone, 256)
    assert int(np.argmax(line)) == round((frequency + 0.5) * 256)
    assert line.max() == pytest.approx(20 * np.log10(0.5), abs=0.05)


def test_audio_shows_its_positive_frequencies() -> None:
    tone = np.cos(2 * np.pi * 0.25 * np.arange(8192)).astype(np.float32)
    assert int(np.argmax(power_spectrum_db(tone, 256))) == 128


def test_noise_lies_flat_and_silence_at_the_floor() -> None:
    noise = np.random.default_rng(3).standard_normal((2, 16384)).astype(np.float32)
    line = power_spectrum_db((noise[0] + 1j * noise[1]).astype(np.complex64), 128)
    assert line.std() < 2.0
    assert power_spectrum_db(np.zeros(10, np.complex64), 64) == pytest.approx(-150.0)
