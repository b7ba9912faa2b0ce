"""Time to a limit: right on a line, honest about its uncertainty, silent when there is no trend."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.definitions import Limits, Packet
from agent.health.trends.forecast import bounds_of, forecast, student
from agent.health.trends.windows import NumericParameters, Windows
from agent.records import Forecast, ParameterReport, ParameterValue

S = 1_000_000_000
LIMITS = {"warning": {"min": 7.0, "max": 8.4}, "critical": {"min": 6.5, "max": 8.6}}
SECONDS = np.arange(600.0)


def ahead(
    values: NDArray[np.float64], limits: dict[str, Any] = LIMITS, horizon_s: float = 7200.0
) -> Forecast | None:
    """Feed a value a second and say what is forecast at the end."""
    table = msgspec.convert({"name": "p", "parameter": [{"name": "v", "type": "f64"}]}, Packet)
    window = Windows(NumericParameters(table), 600.0)
    for second, value in enumerate(values.tolist()):
        window.feed(ParameterReport("s", "p", second * S, (ParameterValue("v", 0, value),)), second * S)
    fits = window.fit(len(values) * S)
    return forecast("v", "V", bounds_of(msgspec.convert(limits, Limits)), fits, 0, horizon_s)


def noise(sigma: float, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, sigma, len(SECONDS))


def test_a_falling_battery_reaches_its_limit_in_about_forty_one_minutes() -> None:
    slope = -0.5 / 2460  # from 7.0 V to 6.5 V in 41 min
    found = ahead(7.0 + slope * (SECONDS - 600) + noise(0.01) - 1e-3)
    assert found is not None
    assert (found.level, found.limit, found.side, found.unit) == ("critical", 6.5, "low", "V")
    assert found.in_s / 60 == pytest.approx(41, abs=2)
    assert found.earliest_s < 2460 < found.latest_s
    assert found.slope_per_s == pytest.approx(slope, rel=0.05)


def test_a_rising_value_reaches_the_upper_bound_of_the_nearest_level() -> None:
    found = ahead(8.0 + 2e-4 * (SECONDS - 600) + noise(0.005))
    assert found is not None
    assert (found.level, found.limit, found.side) == ("warning", 8.4, "high")
    assert found.in_s == pytest.approx(2000, rel=0.05)


def test_bad_intervals_are_reached_from_outside() -> None:
    limits = {"form": "inside", "warning": {"min": 9.0, "max": 10.0}}
    found = ahead(8.0 + 1e-3 * (SECONDS - 600) + noise(0.005), limits)
    assert found is not None
    assert (found.limit, found.side) == (9.0, "high")


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_gives_no_forecast(seed: int) -> None:
    assert ahead(7.5 + noise(0.05, seed)) is None


def test_a_wander_that_is_no_trend_gives_no_forecast() -> None:
    assert ahead(7.5 + 0.2 * np.sin(2 * np.pi * SECONDS / 400)) is None


def test_a_bend_widens_the_interval_or_silences_the_forecast() -> None:
    bent = ahead(7.5 - 4e-7 * SECONDS**2 + noise(1e-3))
    straight = ahead(7.5 - 2.4e-4 * SECONDS + noise(1e-3))
    assert straight is not None
    assert bent is None or bent.latest_s - bent.earliest_s > 5 * (straight.latest_s - straight.earliest_s)


def test_a_trend_away_from_every_bound_gives_no_forecast() -> None:
    assert ahead(7.5 - 1e-4 * SECONDS, {"warning": {"max": 8.4}}) is None


def test_what_lies_beyond_the_horizon_is_not_told() -> None:
    assert ahead(7.5 - 1e-5 * SECONDS, horizon_s=7200.0) is None


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    slope, held = -2e-4, 0
    for seed in range(60):
        found = ahead(7.5 + slope * (SECONDS - 600) + noise(0.02, seed))
        assert found is not None
        held += found.earliest_s <= 2500 <= found.latest_s
    assert held >= 52  # 57 expected; fewer than 52 has a probability of 1 %


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (10, 2.228), (30, 2.042)])
def test_students_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert student(1.96, freedom) == pytest.approx(quantile, rel=0.01)  # Abramowitz & Stegun table 26.10
    assert student(1.96, 1.0) == math.inf
