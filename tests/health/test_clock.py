"""On-board clock correlation: what is believed, what is late, and when a new epoch begins."""

from __future__ import annotations

import random

import pytest

from agent.health.clock import LEAP_AFTER, MIN_SAMPLES, SAMPLES, ClockWatch

S = 1_000_000_000
START = 1_790_000_000 * S
VALIDITY_S = 2.0


def fed(
    clock: ClockWatch, seconds: range, *, offset_s: float = 0.0, ppm: float = 0.0, jitter_s: float = 0.0
) -> None:
    """Feed a clock that is behind by ``offset_s`` and slow by ``ppm``, received with some jitter."""
    chance = random.Random(1)
    for second in seconds:
        received = START + second * S + round(chance.uniform(0, jitter_s) * S)
        clock.observe(START + round((second * (1 - ppm * 1e-6) - offset_s) * S), received)


def test_a_clock_is_believed_from_the_fifth_sample_on() -> None:
    clock = ClockWatch(VALIDITY_S)
    assert clock.status("s", START, "U") is None
    fed(clock, range(MIN_SAMPLES - 1), offset_s=100.0)
    status = clock.status("s", START, "U")
    assert status is not None
    assert (status.state, status.offset_s, status.accuracy_s) == ("invalid", None, None)
    fed(clock, range(MIN_SAMPLES - 1, MIN_SAMPLES), offset_s=100.0)
    status = clock.status("s", START, "X")
    assert status is not None
    assert (status.state, status.marking, status.epochs) == ("valid", "X", 1)
    assert status.offset_s == pytest.approx(100.0)


def test_offset_drift_and_accuracy_are_found() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(0, 6000, 10), offset_s=-3.0, ppm=50.0, jitter_s=0.1)
    status = clock.status("s", START, "U")
    assert status is not None
    assert status.drift_ppm == pytest.approx(50.0, abs=5.0)
    assert status.offset_s == pytest.approx(-3.0 + 5990 * 50e-6 + 0.05, abs=0.02)
    assert status.accuracy_s is not None
    assert 0.03 < status.accuracy_s < 0.1
    assert status.samples <= SAMPLES


def test_a_drift_that_the_samples_do_not_show_is_not_told() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(20), jitter_s=0.2)
    status = clock.status("s", START, "U")
    assert status is not None
    assert (status.state, status.drift_ppm) == ("valid", None)


def test_a_sample_that_is_late_is_dated_by_its_clock() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(100), offset_s=100.0)
    taken = clock.observe(START + (50 - 100) * S, START + 5000 * S)
    assert taken == pytest.approx(START + 50 * S, abs=0.01 * S)
    status = clock.status("s", START, "U")
    assert status is not None
    assert (status.state, status.epochs) == ("valid", 1)


def test_stored_telemetry_played_back_fast_begins_no_epoch() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(100))
    for index in range(50):
        clock.observe(START - (5000 - 30 * index) * S, START + (100 + index) * S)
    assert clock.valid
    assert clock.epochs == 1


def test_a_clock_that_was_set_begins_a_new_epoch_and_is_believed_again() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(100))
    fed(clock, range(100, 100 + LEAP_AFTER - 1), offset_s=1e6)
    assert (clock.valid, clock.epochs) == (True, 1)
    fed(clock, range(100 + LEAP_AFTER - 1, 100 + LEAP_AFTER), offset_s=1e6)
    assert (clock.valid, clock.epochs) == (False, 2)
    fed(clock, range(103, 110), offset_s=1e6)
    status = clock.status("s", START, "U")
    assert status is not None
    assert status.state == "valid"
    assert status.offset_s == pytest.approx(1e6)


def test_a_reset_begins_a_new_epoch_at_once() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(100))
    clock.reset(START + 100 * S)
    assert (clock.valid, clock.epochs) == (False, 2)


def test_a_clock_that_jumps_about_is_never_believed() -> None:
    clock = ClockWatch(VALIDITY_S)
    chance = random.Random(2)
    for second in range(200):
        clock.observe(START + round(chance.uniform(-1e5, 1e5) * S), START + second * S)
    assert not clock.valid


def test_no_sample_is_dated_after_its_reception() -> None:
    clock = ClockWatch(VALIDITY_S)
    fed(clock, range(100), jitter_s=0.5)
    assert clock.observe(START + 900 * S, START + 101 * S) <= START + 101 * S
