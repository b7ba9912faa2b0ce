"""What oscillator and path do to a burst: phase noise and fading as stated."""

import numpy as np
import pytest

from agent.simulator.bursts import worn
from agent.simulator.modulators import Waveform
from agent.simulator.scenario import Transmitter

five_percent = 0.05


def table(**more: object) -> Transmitter:
    return Transmitter(satellite="demosat", downlink="d", packet="p", every_s=1.0, **more)  # type: ignore[arg-type]  # tables are loose


def carrier(seconds: float) -> Waveform:
    return Waveform(np.ones(int(100_000 * seconds), np.complex64), 100_000.0, 1000.0)


def test_a_clean_transmitter_changes_nothing() -> None:
    waveform = carrier(0.1)
    assert worn(waveform, table(), 0.0, np.random.default_rng(1)) is waveform


def test_phase_noise_walks_with_its_linewidth() -> None:
    noisy = worn(carrier(20.0), table(linewidth_hz=10.0), 0.0, np.random.default_rng(1)).envelope
    lag = 100  # 1 ms
    steps = np.angle(noisy[lag:] * np.conj(noisy[:-lag]))
    assert np.var(steps) == pytest.approx(2 * np.pi * 10.0 * 1e-3, rel=2 * five_percent)
    assert np.abs(np.abs(noisy) - 1).max() < 1e-5


def test_a_tumbling_satellite_fades_and_comes_back() -> None:
    faded = worn(carrier(20.0), table(fading_db=20.0, fading_period_s=10.0), 0.0, np.random.default_rng(1)).envelope
    level_db = 20 * np.log10(np.abs(faded))
    assert level_db[0] == pytest.approx(0.0, abs=0.01)
    assert level_db[500_000] == pytest.approx(-20.0, abs=0.01)
    assert level_db[1_000_000] == pytest.approx(0.0, abs=0.01)
