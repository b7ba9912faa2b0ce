"""The modems' kernels against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest

from agent.dsp import cpm_kernels, filters, kernels, psk_kernels
from agent.dsp.sequence_detection import DEPTH, phase_templates
from tests.reference import dsp as slow

SINGLE = 2e-5
"""What single precision leaves of sums of a few dozen terms near one."""
PARABOLAS = 3e-3


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n_taps", [1, 3, 8, 29, 40])
def test_convolve_is_a_correlation(n_taps: int) -> None:
    samples, taps = noise(2, 3000), noise(n_taps, seed=2)
    out = np.empty((2, 3000 - n_taps + 1), np.float32)
    kernels.convolve(samples, taps, out)
    assert np.allclose(out, slow.convolve(samples, taps), atol=SINGLE * n_taps)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("step", [0.7, 1.0, 5.0, 12.345])
def test_resample_applies_the_nearest_phase_of_the_bank(channels: int, step: float) -> None:
    bank = filters.lowpass_bank(0.4 / max(step, 1.0), 0.3)
    samples, out = noise(channels, 4000), np.empty((channels, 200), np.float32)
    kernels.resample(samples, 50.25, step, bank, out)
    assert np.allclose(out, slow.resample(samples, 50.25, step, bank, 200), atol=SINGLE)


@pytest.mark.parametrize("channels", [1, 2])
def test_mix_follows_a_frequency_that_bends(channels: int) -> None:
    samples, frequencies = noise(channels, 1000), np.array([0.01, 0.03, -0.02, 0.0, 0.1])
    out = np.empty((2, 1000), np.float32)
    kernels.mix(samples, frequencies, 0.0, 250, np.zeros(1), out)
    assert np.allclose(out, slow.mix(samples, frequencies, 250), atol=1e-4)


def test_mix_goes_on_where_it_stopped() -> None:
    samples, state = noise(2, 600), np.zeros(1)
    whole, parts = np.empty((2, 600), np.float32), np.empty((2, 600), np.float32)
    kernels.mix(samples, np.array([0.0123]), 0.0, 600, np.zeros(1), whole)
    for a, b in ((0, 100), (100, 350), (350, 600)):
        part = np.empty((2, b - a), np.float32)
        kernels.mix(np.ascontiguousarray(samples[:, a:b]), np.array([0.0123]), 0.0, b - a, state, part)
        parts[:, a:b] = part
    assert np.allclose(whole, parts, atol=1e-5)


def test_discriminate_gives_the_angle_between_samples() -> None:
    samples, out = noise(2, 2000), np.empty(2000, np.float32)
    cpm_kernels.discriminate(samples, np.zeros(2), out)
    assert np.allclose(out[1:], slow.discriminate(samples)[1:], atol=5e-6)


def test_clock_phasors_point_at_the_transitions() -> None:
    samples = noise(2, 400)
    out = np.empty((3, 4))
    kernels.clock_phasors(samples, 64, out)
    for h in range(4):
        expected = slow.clock_phasor(samples, 64 + 64 * h)
        assert complex(out[0, h], out[1, h]) == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_levels_of_two_values_are_found_whatever_the_balance() -> None:
    rng = np.random.default_rng(3)
    bits = np.where(rng.random(512 + 96) < 0.2, 1.0, -1.0)
    values = (0.7 + 0.3 * bits).astype(np.float32)
    soft, levels = np.empty(512, np.float32), np.empty((32, 4), np.float32)
    kernels.level_symbols(values, 48, soft, levels)
    assert np.allclose(soft, bits[48:-48], atol=1e-4)
    assert np.allclose(levels[:, 0], 0.7, atol=1e-4)
    assert np.allclose(levels[:, 1], 0.3, atol=1e-4)


def test_bpsk_symbols_are_turned_upright_while_the_carrier_runs_away() -> None:
    bits = np.sign(np.random.default_rng(4).standard_normal(1000))
    z = 3.0 * bits * np.exp(1j * (0.4 + 0.002 * np.arange(1000)))
    symbols = np.stack((z.real, z.imag)).astype(np.float32)
    axes, state, quality = np.empty((2, 960), np.float32), np.array([0.0, -1.0]), np.empty((121, 3))
    psk_kernels.align_psk(symbols, 2, 2, state, axes, quality)
    assert np.allclose(axes[0], bits[16:976], atol=0.01)
    assert np.allclose(axes[1], 0.0, atol=0.01)
    missed, symbols_of, turned = quality.sum(axis=0)
    assert symbols_of == 960
    assert missed == pytest.approx(0.0, abs=0.02)
    assert turned / 960 == pytest.approx(0.002, rel=0.02)


def test_remodulated_phase_is_the_integral_of_the_frequency() -> None:
    frequency = noise(640)
    levels = np.tile(np.array([0.25, 2.0, 0.1, 0.0], np.float32), (10, 1))
    out, state = np.empty((2, 640), np.float32), np.array([0.0, 0.0, 1.0 / 16.0])
    cpm_kernels.remodulate(frequency, np.arange(0, 641, 64), levels, state, out)
    phase = np.cumsum((frequency - 0.25) / 32.0)
    assert np.allclose(out[0] + 1j * out[1], np.exp(2j * np.pi * phase), atol=PARABOLAS)


@pytest.mark.parametrize("index", [0.5, 0.8, -0.5])
def test_sequence_detector_decides_as_its_slow_twin(index: float) -> None:
    rng = np.random.default_rng(5)
    templates, advances = phase_templates(index, 0.5, 4)
    courses = np.moveaxis(templates[:, 0] - 1j * templates[:, 1], 0, 1)
    gains = advances[:, 0] + 1j * advances[:, 1]
    bits = rng.integers(0, 2, 402)
    phase, symbols = 1.0 + 0j, []
    for k in range(1, 401):
        pattern = bits[k - 1] << 2 | bits[k] << 1 | bits[k + 1]
        symbols.append(phase * courses[pattern])
        phase *= gains[pattern]
    received = np.array(symbols) * np.exp(0.7j)
    received = received + 0.45 * (rng.standard_normal((400, 4)) + 1j * rng.standard_normal((400, 4)))
    twin = slow.detect_sequence(received, courses, gains, 0.9, 0.02)
    planar = np.ascontiguousarray(np.stack((received.real, received.imag), axis=1), dtype=np.float32)
    survivors, paths = np.zeros((4, 6), np.float32), np.zeros((4, DEPTH), np.float32)
    survivors[:, 3] = 1.0
    soft, quality = np.empty(400, np.float32), np.empty((400, 3), np.float32)
    cpm_kernels.detect_sequence(
        planar, templates, advances, np.array([0.9, 0.02, 0.35, 1.0, 0.0]), survivors, paths, soft, quality
    )
    decided = np.sign(soft[DEPTH - 2 :])
    agreeing = np.mean(decided == twin[: len(decided)])
    assert agreeing > 0.995  # the twin looks back from the very end, the kernel over its depth
    right = np.mean(decided[20:] == 2.0 * bits[21 : len(decided) + 1] - 1.0)
    assert right > 0.97


def test_confidence_follows_the_noise() -> None:
    templates, advances = phase_templates(0.5, None, 4)
    courses = np.moveaxis(templates[:, 0] - 1j * templates[:, 1], 0, 1)
    rng = np.random.default_rng(6)
    bits = rng.integers(0, 2, 2002)
    phase, symbols = 1.0 + 0j, []
    for k in range(1, 2001):
        pattern = bits[k - 1] << 2 | bits[k] << 1 | bits[k + 1]
        symbols.append(phase * courses[pattern])
        phase *= advances[pattern, 0] + 1j * advances[pattern, 1]
    received = np.array(symbols) + 0.9 * (rng.standard_normal((2000, 4)) + 1j * rng.standard_normal((2000, 4)))
    planar = np.ascontiguousarray(np.stack((received.real, received.imag), axis=1), dtype=np.float32)
    survivors, paths = np.zeros((4, 6), np.float32), np.zeros((4, DEPTH), np.float32)
    survivors[:, 3] = 1.0
    soft, quality = np.empty(2000, np.float32), np.empty((2000, 3), np.float32)
    gains = np.array([0.9, 0.02, 0.35, 1.0, 0.0])
    cpm_kernels.detect_sequence(planar, templates, advances, gains, survivors, paths, soft, quality)
    decided = soft[DEPTH - 2 :]
    wrong = np.sign(decided) != 2.0 * bits[1 : len(decided) + 1] - 1.0
    assert 0.005 < wrong.mean() < 0.2
    assert np.abs(decided[wrong]).mean() < 0.5 * np.abs(decided[~wrong]).mean()
