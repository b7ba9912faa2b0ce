"""A simulated orbit passes where and when it was wished."""

from __future__ import annotations

import pytest

from agent.orbit.look import look_angles
from agent.records import Station
from agent.simulator.overhead import elements_over

NOVEMBER_2026_UTC_NS = 1_795_000_000_000_000_000


@pytest.mark.parametrize("latitude_deg", [-65.0, -33.9, 0.0, 36.37, 71.0])
def test_the_satellite_stands_high_over_the_station_at_the_wished_time(latitude_deg: float) -> None:
    station = Station("test", latitude_deg, 127.36, 80.0)
    elements = elements_over(station, NOVEMBER_2026_UTC_NS, name="SIMULATED", norad=99999)
    assert look_angles(elements, station, NOVEMBER_2026_UTC_NS).elevation_deg > 40.0
    before = look_angles(elements, station, NOVEMBER_2026_UTC_NS - 180_000_000_000)
    assert 0.0 < before.elevation_deg < 40.0
