"""The air: the same signal however it is cut, at the frequency, time and power that were stated."""

import math

import numpy as np
import pytest

from agent.simulator.air import MAX_BURSTS, Air, Burst, View
from agent.simulator.jammers import SWEEP_WIDTH_HZ, Jammer, JammerKind
from agent.simulator.modulators import Waveform, modulate

RATE = 250_000.0
CENTER_HZ = 437_450_000.0
VIEW = View(RATE, CENTER_HZ)
NOISE_PER_HZ = 1e-7

a_tenth_of_a_decibel = 0.1


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(1))


def carrier(duration_s: float, rate_bd: float = 10_000.0) -> Waveform:
    return Waveform(np.ones(int(duration_s * 16 * rate_bd), np.complex64), 16 * rate_bd, rate_bd)


def strongest_hz(iq: np.ndarray, rate_hz: float = RATE) -> float:
    spectrum = np.abs(np.fft.fft(iq * np.hanning(len(iq))))
    return float(np.fft.fftfreq(len(iq), 1 / rate_hz)[np.argmax(spectrum)])


def decibel(ratio: float) -> float:
    return 10 * math.log10(ratio)


def test_the_cutting_of_the_air_does_not_matter() -> None:
    bits = np.random.default_rng(1).integers(0, 2, 600).astype(np.uint8)
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(modulate("fsk", bits, 9600.0, {}), 0.0123, CENTER_HZ + 50e3, 20.0, drift_hz_s=40.0))
    air.transmit(Burst(modulate("bpsk", bits, 9600.0, {}), 0.02, CENTER_HZ - 30e3, 10.0, clock_ppm=80.0))
    air.jam(Jammer("pulse", CENTER_HZ + 3e3, 1e-3, 0.01, 0.09))
    whole = air.render(VIEW, 1000, 24_000, generator())
    noise = generator()
    pieces, at = [], 1000
    for size in (1, 2, 997, 10_000, 13_000):
        pieces.append(air.render(VIEW, at, size, noise))
        at += size
    assert np.allclose(np.concatenate(pieces), whole, atol=2e-6)


def test_a_burst_is_heard_at_its_frequency_time_and_power() -> None:
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(carrier(0.1), 0.05, CENTER_HZ + 40_000.0, 30.0))
    iq = air.render(VIEW, 0, int(0.3 * RATE), generator())
    on = iq[int(0.06 * RATE) : int(0.14 * RATE)]
    assert strongest_hz(on) == pytest.approx(40_000.0, abs=20.0)
    signal = np.mean(np.abs(on) ** 2) - NOISE_PER_HZ * RATE
    assert decibel(signal / (10_000.0 * NOISE_PER_HZ)) == pytest.approx(30.0, abs=a_tenth_of_a_decibel)
    for off in (iq[: int(0.049 * RATE)], iq[int(0.151 * RATE) :]):
        assert decibel(np.mean(np.abs(off) ** 2) / (NOISE_PER_HZ * RATE)) == pytest.approx(0, abs=0.3)


def test_a_receiver_tuned_elsewhere_hears_the_signal_at_another_offset() -> None:
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(carrier(0.1), 0.0, CENTER_HZ, 40.0))
    for rate_hz, offset_hz in ((RATE, -20_000.0), (1_024_000.0, 300_000.0)):
        iq = air.render(View(rate_hz, CENTER_HZ - offset_hz), 0, int(0.1 * rate_hz), generator())
        assert strongest_hz(iq, rate_hz) == pytest.approx(offset_hz, abs=20.0)


def test_what_is_outside_the_passband_is_not_heard() -> None:
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(carrier(0.1), 0.0, CENTER_HZ + 126_000.0, 60.0))
    iq = air.render(VIEW, 0, 20_000, generator())
    assert decibel(np.mean(np.abs(iq) ** 2) / (NOISE_PER_HZ * RATE)) == pytest.approx(0, abs=0.3)


def test_a_drifting_carrier_arrives_where_its_drift_brings_it() -> None:
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(carrier(2.0), 0.0, CENTER_HZ, 40.0, drift_hz_s=500.0))
    for at_s in (0.1, 1.0, 1.9):
        iq = air.render(VIEW, int((at_s - 0.02) * RATE), int(0.04 * RATE), generator())
        assert strongest_hz(iq) == pytest.approx(500.0 * at_s, abs=30.0)


def test_a_clock_error_shortens_the_burst() -> None:
    fast = Burst(carrier(10.0), 1.0, CENTER_HZ, 20.0, clock_ppm=1000.0)
    assert fast.end_s == pytest.approx(1.0 + 10.0 / 1.001)


def test_what_has_passed_is_forgotten() -> None:
    air = Air(NOISE_PER_HZ)
    for begin_s in (0.0, 1.0, 2.0):
        air.transmit(Burst(carrier(0.1), begin_s, CENTER_HZ, 20.0))
    air.forget_before(1.05)
    assert air.bursts == 2


@pytest.mark.parametrize("kind", ["tone", "sweep", "pulse", "noise"])
def test_a_jammer_has_its_power_while_it_is_on(kind: JammerKind) -> None:
    air = Air(NOISE_PER_HZ)
    air.jam(Jammer(kind, CENTER_HZ + 10_000.0, 1.0, 1.0, 2.0))
    before = air.render(VIEW, 0, int(RATE), generator())
    during = air.render(VIEW, int(RATE), int(RATE), generator())
    assert np.mean(np.abs(before) ** 2) == pytest.approx(NOISE_PER_HZ * RATE, rel=0.03)
    share = 0.25 if kind == "pulse" else 1.0
    assert np.mean(np.abs(during) ** 2) == pytest.approx(share + NOISE_PER_HZ * RATE, rel=0.03)


def test_a_sweep_stays_within_its_width() -> None:
    air = Air(NOISE_PER_HZ)
    air.jam(Jammer("sweep", CENTER_HZ, 1.0))
    iq = air.render(VIEW, 0, int(2 * RATE), generator())
    seen = [strongest_hz(piece) for piece in np.split(iq, 100)]
    assert max(seen) == pytest.approx(SWEEP_WIDTH_HZ / 2, abs=600.0)
    assert min(seen) == pytest.approx(-SWEEP_WIDTH_HZ / 2, abs=600.0)


def test_the_air_does_not_fill_without_end() -> None:
    air = Air(NOISE_PER_HZ)
    burst = Burst(carrier(0.1), 0.0, CENTER_HZ, 20.0)
    for _ in range(MAX_BURSTS):
        air.transmit(burst)
    with pytest.raises(ValueError, match="on the air"):
        air.transmit(burst)
