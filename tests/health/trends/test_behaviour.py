"""A satellite's behaviour through the monitor: what a file of today gains, when it is told, and by which clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.definitions import Satellite
from agent.health.monitor import Monitor
from agent.records import (
    Alarm,
    ClockCorrelation,
    Outlook,
    ParameterReport,
    ParameterValue,
    Record,
    TrendStatus,
)

S = 1_000_000_000
START = 1_790_000_000 * S


def satellite(**keys: Any) -> Satellite:
    battery = {
        "name": "v",
        "type": "f64",
        "unit": "V",
        "limits": {"warning": {"min": 7.0}, "critical": {"min": 6.5}},
    }
    packet = {"name": "p", "parameter": [battery | keys.pop("battery", {}), {"name": "i", "type": "f64"}]}
    return msgspec.convert({"name": "S", "norad": 1, "marking": "X", "packet": [packet], **keys}, Satellite)


def fed(
    monitor: Monitor, volts: Iterable[float], every_s: float = 2.0, late_s: float | None = None
) -> list[Record]:
    """Feed a battery's voltage and a noisy current; returns all that was told."""
    random = np.random.default_rng(1)
    told: list[Record] = []
    for index, value in enumerate(volts):
        at = START + round(index * every_s * S)
        values = (ParameterValue("v", 0, float(value), "V"), ParameterValue("i", 0, float(random.normal())))
        generated = None if late_s is None else at - round(late_s * S)
        told += monitor.observe(ParameterReport("sat", "p", at, values, generated_utc_ns=generated))
        told += monitor.tick(at)
    return told


def of(kind: type[Any], records: list[Record]) -> list[Any]:
    return [one for one in records if isinstance(one, kind)]


def falling(samples: int = 400) -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, 0.005, samples)
    return 7.6 - 2e-4 * 2.0 * np.arange(samples) + noise


def test_a_file_of_today_gains_statistics_forecasts_and_scores() -> None:
    values = falling()
    values[380] += 0.3
    told = fed(Monitor({"sat": satellite()}), values)
    trend, outlook = of(TrendStatus, told)[-1], of(Outlook, told)[-1]
    assert (trend.satellite, trend.packet, trend.window_s, trend.marking) == ("sat", "p", 600.0, "X")
    volts = trend.statistics[0]
    assert (volts.parameter, volts.unit) == ("v", "V")
    assert volts.minimum < volts.mean < volts.maximum
    assert volts.slope_per_s == pytest.approx(-2e-4, rel=0.1)
    (coming,) = outlook.forecasts
    assert (coming.parameter, coming.level, coming.limit) == ("v", "warning", 7.0)
    assert coming.in_s == pytest.approx((7.44 - 7.0) / 2e-4, rel=0.1)
    assert [(one.parameter, one.kind) for one in outlook.anomalies] == [("v", "spike")]
    assert not of(Alarm, told), "an anomaly is no alarm"


def test_trends_are_told_every_ten_seconds_and_an_outlook_when_it_changes() -> None:
    told = fed(Monitor({"sat": satellite()}), np.full(100, 7.6))
    assert len(of(TrendStatus, told)) == pytest.approx(200 / 10, abs=1)
    assert of(Outlook, told) == []


def test_nothing_more_is_told_of_a_satellite_that_fell_silent_but_that_its_outlook_is_empty() -> None:
    monitor = Monitor({"sat": satellite()})
    fed(monitor, falling())
    later = [record for second in range(0, 2000, 5) for record in monitor.tick(START + (900 + second) * S)]
    assert len(of(TrendStatus, later)) <= 1
    assert of(Outlook, later)[-1].forecasts == ()


def test_forecasts_may_be_switched_off_and_have_a_horizon() -> None:
    off = fed(Monitor({"sat": satellite(battery={"watch": {"forecast": False}})}), falling())
    near = fed(Monitor({"sat": satellite(behaviour={"horizon_s": 600})}), falling())
    assert [one for one in of(Outlook, off) if one.forecasts] == []
    assert [one for one in of(Outlook, near) if one.forecasts] == []


def test_the_rule_of_the_mode_says_which_bound_comes() -> None:
    limits = {"warning": {"min": 7.0}, "context": [{"when": {"i": {"min": -1e9}}, "warning": {"min": 7.2}}]}
    told = fed(Monitor({"sat": satellite(battery={"limits": limits})}), falling())
    assert of(Outlook, told)[-1].forecasts[0].limit == 7.2


def test_the_clock_is_told_and_generated_times_are_used_while_it_is_valid() -> None:
    change = {"change": {"warning": {"min": -0.5, "max": 0.5}}}
    monitor = Monitor({"sat": satellite(battery={"limits": change})})
    told = fed(monitor, np.full(50, 7.0), late_s=100.0)
    clock = of(ClockCorrelation, told)[-1]
    assert (clock.state, clock.marking) == ("valid", "X")
    assert clock.offset_s == pytest.approx(100.0, abs=0.01)
    # Received half a second after the last one, measured ten seconds after it: the change is 0.1 a second.
    at = START + 98 * S + S // 2
    generated = START + 98 * S - 100 * S + 10 * S
    report = ParameterReport("sat", "p", at, (ParameterValue("v", 0, 8.0, "V"),), generated_utc_ns=generated)
    assert of(Alarm, monitor.observe(report))  # from the future: not believed, 2 a second
    monitor = Monitor({"sat": satellite(battery={"limits": change})})
    fed(monitor, np.full(50, 7.0), late_s=100.0)
    late = ParameterReport(
        "sat", "p", START + 108 * S, (ParameterValue("v", 0, 8.0, "V"),), generated_utc_ns=START + 8 * S
    )
    assert not of(Alarm, monitor.observe(late))


def test_an_orbits_period_comes_from_the_file_before_the_elements() -> None:
    monitor = Monitor(
        {"a": satellite(), "b": satellite(behaviour={"orbit_period_s": 6000}), "c": satellite(orbit="geo")}
    )
    for slug in "abc":
        monitor.set_orbit_period(slug, 5700.0)
    monitor.set_orbit_period("a", None)
    assert [monitor._states[slug].behaviour.period_s for slug in "abc"] == [5700.0, 6000.0, 5700.0]


def test_a_station_clock_that_is_set_back_begins_windows_anew_and_stops_nothing() -> None:
    monitor = Monitor({"sat": satellite()})
    fed(monitor, falling())
    random = np.random.default_rng(5)
    told: list[Record] = []
    for index in range(100):
        at = START - (86_400 - 2 * index) * S
        values = (ParameterValue("v", 0, 8.0 + 0.01 * float(random.normal()), "V"), ParameterValue("i", 0, 0.0))
        told += monitor.observe(ParameterReport("sat", "p", at, values))
    told += monitor.tick(at + 86_400 * S)
    volts = monitor._states["sat"].behaviour._packets["p"]
    assert volts is not None
    (statistics, _) = volts.windows.statistics(volts.windows.fit(at))
    assert statistics.samples == 100
    assert statistics.minimum > 7.9
    assert not of(Alarm, told)
