"""Look angles, Doppler and its curve."""

from __future__ import annotations

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from agent.errors import AgentError
from agent.orbit.doppler import DopplerCurve, doppler_curve
from agent.orbit.earth_orientation import bundled
from agent.orbit.look import LIGHT_KM_S, look_angles, retarded_range
from agent.orbit.passes import predict_passes
from agent.records import Pass
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS, GEOSTATIONARY, KOREAN, circular, korean

UHF_HZ = 437.0e6
TENTH_OF_A_HERTZ = 0.1
SECOND_NS = 1_000_000_000


def best_pass() -> Pass:
    passes = predict_passes(korean()[:1], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 7 * DAY_NS).passes
    return max(passes, key=lambda p: p.max_elevation_deg)


def test_look_angles_agree_with_skyfield() -> None:
    lines = KOREAN.splitlines()
    p = best_pass()
    dut1 = float(bundled().ut1_minus_utc_s(np.array([p.tca_utc_ns]))[0])
    scale = load.timescale(delta_t=32.184 + 37.0 - dut1)
    satellite = EarthSatellite(lines[1], lines[2], lines[0], scale)
    for offset_s in (-200, -30, 0, 30, 200):
        at = p.tca_utc_ns + offset_s * SECOND_NS
        mine = look_angles(korean()[0], DAEJEON, at)
        t = scale.utc(2026, 8, 23, 0, 0, (at - AUGUST_23_UTC_NS) / 1e9)
        place = (satellite - wgs84.latlon(36.372, 127.363, 80.0)).at(t)
        elevation, azimuth, distance = place.altaz()
        # Skyfield has no pole here: 10 m on the ground.
        assert mine.elevation_deg == pytest.approx(elevation.degrees, abs=2e-3)
        assert abs((mine.azimuth_deg - azimuth.degrees + 180) % 360 - 180) * np.cos(elevation.radians) < 2e-3
        assert mine.range_km == pytest.approx(distance.km, abs=0.02)
        below = wgs84.geographic_position_of(satellite.at(t))
        assert mine.latitude_deg == pytest.approx(below.latitude.degrees, abs=2e-4)
        assert mine.altitude_km == pytest.approx(below.elevation.km, abs=1e-3)


def test_doppler_is_positive_while_the_satellite_approaches_and_negative_after() -> None:
    p = best_pass()
    assert p.aos_utc_ns is not None
    assert p.los_utc_ns is not None
    rising = look_angles(korean()[0], DAEJEON, p.aos_utc_ns, {"uhf": UHF_HZ})
    setting = look_angles(korean()[0], DAEJEON, p.los_utc_ns, {"uhf": UHF_HZ})
    assert rising.range_rate_km_s < -6.0
    assert 8_000 < rising.doppler_hz["uhf"] < 11_000
    assert -11_000 < setting.doppler_hz["uhf"] < -8_000
    assert rising.doppler_hz["uhf"] == pytest.approx(-UHF_HZ * rising.range_rate_km_s / LIGHT_KM_S)


def test_range_rate_is_the_derivative_of_the_range_the_signal_travels() -> None:
    p = best_pass()
    times = p.tca_utc_ns + np.arange(-300, 300, 7, dtype=np.int64) * SECOND_NS
    step = SECOND_NS // 20
    after, _ = retarded_range(korean()[0], DAEJEON, times + step)
    before, _ = retarded_range(korean()[0], DAEJEON, times - step)
    _, rate = retarded_range(korean()[0], DAEJEON, times)
    # SGP4's velocity is not quite the derivative of its position: 4 cm/s.
    assert np.abs((after - before) / 0.1 - rate).max() < 5e-5


def curve_of(p: Pass) -> DopplerCurve:
    assert p.aos_utc_ns is not None
    assert p.los_utc_ns is not None
    return doppler_curve(korean()[0], DAEJEON, p.aos_utc_ns, p.los_utc_ns)


def test_the_curve_of_an_overhead_pass_meets_the_orbit_everywhere() -> None:
    p = best_pass()
    assert p.max_elevation_deg > 80
    curve = curve_of(p)
    times = [curve.start_utc_ns, curve.end_utc_ns, p.tca_utc_ns]
    times += [curve.start_utc_ns + k * (curve.end_utc_ns - curve.start_utc_ns) // 997 for k in range(997)]
    for at in times:
        truth = look_angles(korean()[0], DAEJEON, at, {"uhf": UHF_HZ})
        assert curve.shift_hz(UHF_HZ, at) == pytest.approx(truth.doppler_hz["uhf"], abs=TENTH_OF_A_HERTZ)
    distance, _ = retarded_range(korean()[0], DAEJEON, np.array(times))
    assert max(abs(curve.range_km(t) - d) for t, d in zip(times, distance, strict=True)) < 1e-6
    with pytest.raises(ValueError, match="outside"):
        curve.range_km(curve.end_utc_ns + 1)


def test_the_phase_of_the_curve_takes_the_doppler_out_of_a_carrier_without_a_step() -> None:
    p = best_pass()
    curve = curve_of(p)
    rate_hz, count = 1000.0, 60_000
    start = p.tca_utc_ns - 30 * SECOND_NS
    phase = curve.phase_cycles(UHF_HZ, start, rate_hz, count)
    assert phase[0] == 0.0
    frequency = np.diff(phase) * rate_hz
    assert np.abs(np.diff(frequency)).max() < 0.3
    for index in (1000, 30_000, 58_000):
        at = start + round((index + 0.5) / rate_hz * 1e9)
        assert frequency[index] == pytest.approx(curve.shift_hz(UHF_HZ, at), abs=0.05)
    # Cut differently, the phase is the same.
    second = curve.phase_cycles(UHF_HZ, start + 20 * SECOND_NS, rate_hz, 1000)
    assert np.abs(phase[20_000:21_000] - phase[20_000] - second).max() < 1e-4
    # Before AOS and after LOS it goes on straight instead of jumping.
    outside = curve.phase_cycles(UHF_HZ, curve.start_utc_ns - 2 * SECOND_NS, rate_hz, 4000)
    assert np.abs(np.diff(np.diff(outside) * rate_hz)).max() < 0.3


def test_a_geostationary_curve_of_a_day_is_small() -> None:
    curve = doppler_curve(GEOSTATIONARY, DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS)
    assert len(curve.coefficients) < 200
    assert abs(curve.shift_hz(1.7e9, AUGUST_23_UTC_NS + DAY_NS // 3)) < 200


def test_a_curve_without_an_orbit_or_a_window_is_an_error() -> None:
    with pytest.raises(AgentError, match="ends before it starts"):
        doppler_curve(circular(), DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS)
    fallen = circular(mean_motion_rev_d=16.4, bstar=0.1)
    with pytest.raises(AgentError, match=r"decayed|range"):
        doppler_curve(fallen, DAEJEON, AUGUST_23_UTC_NS + 90 * DAY_NS, AUGUST_23_UTC_NS + 91 * DAY_NS)
    with pytest.raises(AgentError, match="TEST 90001"):
        look_angles(fallen, DAEJEON, AUGUST_23_UTC_NS + 90 * DAY_NS)
