"""Statistics and slopes over a window against plain sums, and counters that roll over."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.definitions import Packet
from agent.health.trends import windows
from agent.health.trends.windows import NumericParameters, Windows
from agent.records import ParameterReport, ParameterValue
from tests.reference import trends as twin

S = 1_000_000_000
EXACT = 1e-9


def packet(*parameters: dict[str, Any]) -> Packet:
    return msgspec.convert({"name": "p", "parameter": parameters}, Packet)


def report(at_ns: int, **values: Any) -> ParameterReport:
    return ParameterReport("s", "p", at_ns, tuple(ParameterValue(name, 0, value) for name, value in values.items()))


X = packet({"name": "x", "type": "f64"})


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 30.0), st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))),
        min_size=1,
        max_size=120,
    )
)
def test_statistics_and_slope_are_those_of_plain_sums(steps: list[tuple[float, float]]) -> None:
    ours = Windows(NumericParameters(X), 320.0)
    plain = twin.Window(10.0, windows.BINS)
    at_ns = 10_000 * S
    for step_s, value in steps:
        at_ns += round(step_s * S)
        ours.feed(report(at_ns, x=value), at_ns)
        plain.add(at_ns / S, value)
    fits = ours.fit(at_ns)[0]
    if not plain.samples or max(at for at, _ in plain.samples) // 10 != at_ns / S // 10:
        return  # the newest samples are NaN: the window ends where they were
    count, mean, low, high = plain.statistics()
    assert fits[windows.SAMPLES] == count
    assert fits[windows.MEAN] == pytest.approx(mean, rel=EXACT, abs=1e-6)
    assert (fits[windows.MINIMUM], fits[windows.MAXIMUM]) == (low, high)
    if not math.isnan(fits[windows.SLOPE]):
        assert fits[windows.SLOPE] == pytest.approx(plain.slope(), rel=1e-6, abs=1e-6 * (high - low + 1))


def test_a_window_forgets_what_is_older_than_it() -> None:
    ours = Windows(NumericParameters(X), 320.0)
    for second in range(1000):
        ours.feed(report(second * S, x=1000.0 if second < 600 else 1.0), second * S)
    (statistics,) = ours.statistics(ours.fit(1000 * S))
    assert (statistics.minimum, statistics.maximum, statistics.slope_per_s) == (1.0, 1.0, 0.0)
    assert statistics.samples == 320


def test_too_little_gives_statistics_and_no_slope() -> None:
    ours = Windows(NumericParameters(X), 320.0)
    ours.feed(report(5 * S, x=1.0), 5 * S)
    (statistics,) = ours.statistics(ours.fit(6 * S))
    assert (statistics.samples, statistics.mean, statistics.slope_per_s) == (1, 1.0, None)


def test_a_sample_older_than_the_window_changes_nothing() -> None:
    ours = Windows(NumericParameters(X), 320.0)
    ours.feed(report(10_000 * S, x=1.0), 10_000 * S)
    ours.feed(report(10_001 * S, x=99.0), 9_000 * S)
    assert ours.statistics(ours.fit(10_001 * S))[0].maximum == 1.0


def test_only_numbers_are_watched() -> None:
    numbers = NumericParameters(
        packet(
            {"name": "a", "type": "u8"},
            {"name": "b", "type": "flag"},
            {"name": "c", "type": "text", "octets": 3},
            {"name": "d", "type": "u8", "calibration": {"kind": "enumeration", "labels": {"0": "off"}}},
            {"name": "e", "type": "f32", "count": 2},
            {"name": "g", "type": "group", "parameter": [{"name": "h", "type": "i8"}]},
        )
    )
    assert numbers.names == ("a", "e_0", "e_1", "g_h")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=100), st.integers(0, 255))
def test_a_counter_that_rolls_over_goes_on_counting(steps: list[int], start: int) -> None:
    ours = Windows(NumericParameters(packet({"name": "x", "type": "u8"})), 320.0)
    plain = twin.Counter(256.0)
    value = start
    for second, step in enumerate(steps):
        value = (value + step) % 256
        (unrolled,) = ours.feed(report(second * S, x=value), second * S)
        assert unrolled == plain.feed(float(value))


def test_a_counter_that_is_reset_is_no_roll_over() -> None:
    ours = Windows(NumericParameters(packet({"name": "x", "type": "u16"})), 320.0)
    for second in range(30):
        ours.feed(report(second * S, x=100 + second), second * S)
    (value,) = ours.feed(report(30 * S, x=2), 30 * S)
    assert value == 2.0


def test_a_calibrated_value_never_rolls_over() -> None:
    table = {"name": "x", "type": "u8", "calibration": {"kind": "polynomial", "coefficients": [0.0, 1.0]}}
    ours = Windows(NumericParameters(packet(table)), 320.0)
    found = [ours.feed(report(s * S, x=float(v)), s * S)[0] for s, v in enumerate([*range(200, 256), 3])]
    assert found[-1] == 3.0


def test_memory_is_bounded_whatever_comes() -> None:
    ours = Windows(NumericParameters(X), 600.0)
    size = ours._bins.nbytes
    for second in range(0, 100_000, 37):
        ours.feed(report(second * S, x=float(second)), second * S)
    assert ours._bins.nbytes == size == windows.BINS * 5 * 8
    assert np.isfinite(ours.fit(100_000 * S)[0]).all()
