"""A scenario's sky: satellites below the horizon are silent, those above it are shifted as they move."""

from __future__ import annotations

import pytest

from agent.orbit.look import look_angles
from agent.records import Station
from agent.simulator.carrier import Carrier
from agent.simulator.overhead import elements_over
from agent.simulator.sky import NS_PER_S, Sky

OVER_UTC_NS = 1_795_000_000 * NS_PER_S
STATION = Station("test", 36.37, 127.36, 80.0)
FREQUENCY_HZ = 437_500_000.0


@pytest.fixture
def sky() -> Sky:
    return Sky(STATION, {"sat": elements_over(STATION, OVER_UTC_NS, name="SAT", norad=99999)})


def test_a_satellite_is_heard_above_the_horizon_only(sky: Sky) -> None:
    for minutes in range(-30, 31, 3):
        at_utc_ns = OVER_UTC_NS + minutes * 60 * NS_PER_S
        up = look_angles(sky.elements["sat"], STATION, at_utc_ns).elevation_deg > 0
        assert (sky.carrier("sat", FREQUENCY_HZ, at_utc_ns) is not None) == up


def test_its_carrier_falls_through_the_pass_as_the_look_angles_say(sky: Sky) -> None:
    shifts = []
    for seconds in range(-200, 201, 20):
        at_utc_ns = OVER_UTC_NS + seconds * NS_PER_S
        carrier = sky.carrier("sat", FREQUENCY_HZ, at_utc_ns)
        assert carrier is not None
        expected_hz = look_angles(sky.elements["sat"], STATION, at_utc_ns, {"a": FREQUENCY_HZ}).doppler_hz["a"]
        assert carrier.shift_hz == pytest.approx(expected_hz, abs=0.5)
        shifts.append(carrier.shift_hz)
    assert shifts == sorted(shifts, reverse=True)
    assert shifts[0] > 5000 > -5000 > shifts[-1]


def test_a_satellite_without_elements_is_heard_always_and_not_shifted(sky: Sky) -> None:
    assert sky.carrier("other", FREQUENCY_HZ, OVER_UTC_NS) == Carrier(0.0, 0.0)
