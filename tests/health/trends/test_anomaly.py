"""Anomalies: what each kind of fault looks like, what is no anomaly, and that memory and work are bounded."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.definitions import Packet
from agent.health.trends import anomaly
from agent.health.trends.anomaly import HOLD_NS, KINDS, AnomalyWatch
from agent.health.trends.windows import NumericParameters
from tests.reference.trends import Season, Unusual

S = 1_000_000_000
START = 1_790_000_000
Series = NDArray[np.float64]
TIME_S = np.arange(2000.0)


def watching(**watch: Any) -> AnomalyWatch:
    table = {"name": "p", "parameter": [{"name": "x", "type": "f64", "watch": watch}]}
    return AnomalyWatch(NumericParameters(msgspec.convert(table, Packet)))


def kinds_of(values: Series, every_s: float = 1.0, period_s: float | None = None, **watch: Any) -> dict[int, str]:
    """Feed a series; return what was said at which sample."""
    watched = watching(**watch)
    told = {}
    for index, value in enumerate(values.tolist()):
        watched.feed(np.array([value]), round((START + index * every_s) * S), period_s)
        kind = KINDS[watched.kinds[0]]
        if kind is not None:
            told[index] = kind
    return told


def noise(sigma: float = 0.1, count: int = len(TIME_S), seed: int = 1) -> Series:
    return np.random.default_rng(seed).normal(0.0, sigma, count)


def wave() -> Series:
    return 20 + 5 * np.sin(2 * np.pi * TIME_S / 1500) + noise()


@pytest.mark.parametrize("seed", range(5))
def test_noise_on_a_slow_wave_is_no_anomaly(seed: int) -> None:
    assert kinds_of(20 + 5 * np.sin(2 * np.pi * TIME_S / 1500) + noise(seed=seed)) == {}


def test_a_value_that_jumps_and_returns_is_a_spike() -> None:
    values = wave()
    values[1000] += 3.0
    assert kinds_of(values) == {1000: "spike"}


def test_a_value_that_jumps_and_stays_is_a_step() -> None:
    values = wave()
    values[1000:] += 3.0
    assert kinds_of(values) == {1000: "spike", 1001: "spike", 1002: "spike", 1003: "step"}


def test_noise_that_grows_is_told() -> None:
    values = wave()
    values[1000:] += noise(0.8)[1000:]
    told = kinds_of(values)
    assert min(told) >= 1000
    assert "noise" in told.values()


def test_a_value_that_stands_still_is_stuck_as_long_as_it_does() -> None:
    values = wave()
    values[1000:1200] = values[1000]
    told = kinds_of(values)
    assert set(told) >= set(range(1020, 1200))
    assert told[1199] == "stuck"


def test_a_value_that_never_moved_and_one_that_rarely_does_are_not_stuck() -> None:
    assert kinds_of(np.full(2000, 5.0)) == {}
    assert kinds_of(np.repeat(np.arange(40.0) % 2, 50)) == {}


def test_a_drift_against_earlier_orbits_is_told_and_the_orbit_itself_is_not() -> None:
    orbit_s, every_s = 5700.0, 30.0
    time_s = np.arange(0.0, 10 * orbit_s, every_s)
    values = 7.5 + 0.5 * np.sin(2 * np.pi * time_s / orbit_s) + noise(0.01, len(time_s))
    assert kinds_of(values, every_s, orbit_s) == {}
    begin = int(6 * orbit_s / every_s)
    values[begin:] -= np.linspace(0.0, 0.2, len(values) - begin)
    told = kinds_of(values, every_s, orbit_s)
    assert set(told.values()) == {"drift"}
    assert begin < min(told) < begin + 1.5 * orbit_s / every_s


def test_what_comes_again_and_again_becomes_the_habit() -> None:
    values = wave()
    for at in range(300, 2000, 200):
        values[at] += 3.0
    assert list(kinds_of(values)) == [300, 500]


def test_a_gap_begins_the_line_anew_without_an_anomaly() -> None:
    watched = watching()
    values = wave()
    for index in range(500):
        watched.feed(values[index : index + 1], (START + index) * S, None)
    for index in range(500, 1000):
        watched.feed(values[index : index + 1] + 50.0, (START + 20_000 + index) * S, None)
        assert watched.kinds[0] == 0


def test_nan_is_no_sample_and_an_older_one_neither() -> None:
    values = wave()
    values[::7] = math.nan
    values[1003] += 3.0
    assert kinds_of(values) == {1003: "spike"}
    watched = watching()
    watched.feed(np.array([1.0]), START * S, None)
    watched.feed(np.array([99.0]), (START - 5) * S, None)
    assert watched._state[0, 0] == 1.0


def test_a_threshold_and_a_switch_are_the_parameters_own() -> None:
    values = wave()
    values[1000] += 1.5
    assert kinds_of(values) == {1000: "spike"}
    assert kinds_of(values, threshold=50.0) == {}
    assert kinds_of(values, anomaly=False) == {}


def test_an_anomaly_is_told_for_a_while_with_its_highest_score() -> None:
    watched = watching()
    values = wave()
    values[1000:] += 3.0
    for index in range(1010):
        watched.feed(values[index : index + 1], (START + index) * S, None)
    (found,) = watched.current((START + 1010) * S)
    assert (found.parameter, found.kind) == ("x", "step")
    assert found.since_utc_ns == (START + 1000) * S
    assert found.score > 2.0
    assert watched.current((START + 1003) * S + HOLD_NS) == (found,)
    assert watched.current((START + 1003) * S + HOLD_NS + 1) == ()


def test_another_period_forgets_the_seasons() -> None:
    watched = watching()
    for index in range(300):
        watched.feed(np.array([float(index % 7)]), (START + 30 * index) * S, 5700.0)
    watched.feed(np.array([1.0]), (START + 30 * 300) * S, 6000.0)
    assert np.isnan(watched._season).all()


def test_memory_is_bounded() -> None:
    watched = watching()
    arrays = [one for one in vars(watched).values() if isinstance(one, np.ndarray)]
    assert sum(one.nbytes for one in arrays) < 4096
    assert len(watched._laps) == anomaly.PHASES


@pytest.mark.parametrize("seed", range(12))
def test_kernel_and_slow_twin_say_the_same_of_every_sample(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = 1500
    values = 3 * np.sin(np.arange(count) / 90.0) + random.normal(0, 0.1, count)
    for at in random.integers(100, count, 6):
        match random.integers(4):
            case 0:
                values[at] += random.normal(0, 5)
            case 1:
                values[at:] += random.normal(0, 5)
            case 2:
                values[at : at + 100] = values[at]
            case 3:
                values[at : at + 200] += random.normal(0, 1.5, len(values[at : at + 200]))
    if seed % 3 == 0:
        values = np.round(values * 8) / 8
    watched, twin = watching(), Unusual()
    at_s = float(START)
    for value in values.tolist():
        dt_s = float(random.choice([1.0, 2.0]))
        at_s += dt_s
        watched.feed(np.array([value]), round(at_s * S), None)
        assert (KINDS[watched.kinds[0]] or "") == twin.feed(value, dt_s)


@pytest.mark.parametrize("period_s", [5760.0, None])
@pytest.mark.parametrize("seed", range(3))
def test_seasons_agree_with_their_slow_twin(seed: int, period_s: float | None) -> None:
    phase_s = 120.0
    random = np.random.default_rng(seed)
    watched, twin = watching(), Season(periodic=period_s is not None)
    laps: dict[int, int] = {}
    drift, phase, mean = 0.0, 0, 0.0
    for number in range(600):
        at_s = 5760.0 * 400_000 + number * phase_s
        wave_ = np.sin(2 * np.pi * at_s / 5760.0) + drift
        values = wave_ + random.normal(0, 0.05, 24)
        if number > 450:
            drift += 0.01
        if number:  # the phase before ends with this one's first sample
            watched.feed(np.array([values[0]]), round(at_s * S), period_s)
            expected = twin.close(phase, laps.get(phase, 0), mean)
            assert watched._drifts[0] == pytest.approx(expected, rel=1e-3, abs=1e-3)
            laps[phase] = laps.get(phase, 0) + 1
        for index in range(0 if not number else 1, 24):
            watched.feed(np.array([values[index]]), round((at_s + 5.0 * index) * S), period_s)
        place = watched._place
        assert place is not None
        phase, mean = place[1], float(values.mean())
    # Without a period the orbit itself is the usual, and a drift smaller than it is not seen.
    assert (twin.smoothed > 6.0) == (period_s is not None)


@pytest.mark.parametrize("period_s", [5700.0, None])
def test_what_grows_for_ever_does_not_drift(period_s: float | None) -> None:
    assert kinds_of(np.arange(5000.0) * 10 + 3600, 10.0, period_s) == {}
