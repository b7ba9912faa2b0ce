"""Time scales, frames, Sun and Moon against published numbers and against skyfield."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skyfield.api import load, wgs84
from skyfield.sgp4lib import TEME

from agent.errors import AgentError
from agent.orbit.celestial import j2000_to_teme, moon_km, sun_km
from agent.orbit.earth_orientation import bundled, read_finals2000a, tai_minus_utc_s
from agent.orbit.frames import (
    ecef_to_geodetic,
    enu_matrix,
    geodetic_to_ecef_km,
    greenwich_mean_sidereal_time_rad,
    teme_to_ecef,
)
from tests.orbit.sets import AUGUST_23_UTC_NS

CENTIMETRE = 1e-5
SECOND_NS = 1_000_000_000
ARCSECOND_DEG = 1 / 3600

# AIAA 2006-6753, appendix C: 2004-04-06T07:51:28.386009 UTC, UT1−UTC −0.439961 s, pole −0.140682″, 0.333309″.
APPENDIX_C_UTC_NS = 1_081_237_888_386_009_000
TEME_KM = (5094.18016210, 6127.64465950, 6380.34453270, -4.746131487, 0.785818041, 5.531931288)
PEF_KM = (-1033.47503130, 7901.30558560, 6380.34453270)


def test_teme_is_turned_into_the_earth_as_in_the_published_example() -> None:
    ut1 = np.array([APPENDIX_C_UTC_NS - 439_961_000])
    angle = float(greenwich_mean_sidereal_time_rad(ut1)[0])
    assert np.degrees(angle) == pytest.approx(312.8098943, abs=1e-6)
    x = np.cos(angle) * TEME_KM[0] + np.sin(angle) * TEME_KM[1]
    y = np.cos(angle) * TEME_KM[1] - np.sin(angle) * TEME_KM[0]
    assert (x, y) == pytest.approx(PEF_KM[:2], abs=CENTIMETRE)
    # The bundled table gives the same UT1 to 1 ms and the same pole.
    assert bundled().ut1_minus_utc_s(np.array([APPENDIX_C_UTC_NS]))[0] == pytest.approx(-0.439961, abs=1e-3)
    pole = np.degrees(bundled().polar_motion_rad(APPENDIX_C_UTC_NS)) * 3600
    assert pole == pytest.approx((-0.140682, 0.333309), abs=2e-3)


def test_ecef_agrees_with_skyfield_to_a_centimetre() -> None:
    times = AUGUST_23_UTC_NS + np.arange(20, dtype=np.int64) * 40_000 * SECOND_NS
    states = np.repeat(np.array(TEME_KM)[:, None], times.size, axis=1)
    mine = teme_to_ecef(states[None], times)[0]
    for index, utc_ns in enumerate(times):
        dut1 = float(bundled().ut1_minus_utc_s(np.array([utc_ns]))[0])
        scale = load.timescale(delta_t=32.184 + 37.0 - dut1)
        x, y = (np.degrees(v) * 3600 for v in bundled().polar_motion_rad(int(times[len(times) // 2])))
        scale.polar_motion_table = ([2.4e6, 2.5e6], [x, x], [y, y])
        t = scale.utc(2026, 8, 23, 0, 0, float(utc_ns - AUGUST_23_UTC_NS) / 1e9)
        from skyfield.framelib import itrs

        turned = itrs.rotation_at(t) @ TEME.rotation_at(t).T @ states[:3, index]
        assert np.abs(mine[:3, index] - turned).max() < CENTIMETRE


def test_velocity_in_the_turning_frame_is_the_derivative_of_the_place() -> None:
    step = SECOND_NS // 10
    times = AUGUST_23_UTC_NS + np.array([-step, 0, step])
    state = np.array(TEME_KM)
    moved = np.stack([np.concatenate([state[:3] + state[3:] * dt, state[3:]]) for dt in (-0.1, 0.0, 0.1)], axis=1)
    turned = teme_to_ecef(moved[None], times)[0]
    numeric = (turned[:3, 2] - turned[:3, 0]) / 0.2
    assert numeric == pytest.approx(turned[3:, 1], abs=1e-6)


@given(st.floats(-90, 90), st.floats(-179.9, 179.9), st.floats(-500.0, 4.0e8))
def test_geodetic_coordinates_go_there_and_back(latitude: float, longitude: float, altitude_m: float) -> None:
    place = geodetic_to_ecef_km(latitude, longitude, altitude_m)
    back = [float(v) for v in ecef_to_geodetic(place)]
    assert back[0] == pytest.approx(latitude, abs=1e-9)
    assert back[2] == pytest.approx(altitude_m / 1000, abs=1e-8 + 1e-12 * abs(altitude_m))
    if abs(latitude) < 89.999:
        assert back[1] == pytest.approx(longitude, abs=1e-9)
    enu = enu_matrix(latitude, longitude)
    assert np.abs(enu @ enu.T - np.eye(3)).max() < 1e-14


def test_a_station_stands_where_skyfield_puts_it() -> None:
    there = wgs84.latlon(36.372, 127.363, 80.0).itrs_xyz.km
    assert np.abs(geodetic_to_ecef_km(36.372, 127.363, 80.0) - there).max() < 1e-9


def test_leap_seconds_step_where_they_were_announced() -> None:
    new_year_2017 = 1_483_228_800 * SECOND_NS
    assert tai_minus_utc_s(np.array([new_year_2017 - 1, new_year_2017])).tolist() == [36.0, 37.0]
    # UT1 does not step with UTC.
    dut1 = bundled().ut1_minus_utc_s(np.array([new_year_2017 - 1, new_year_2017]))
    assert dut1[1] - dut1[0] == pytest.approx(1.0, abs=1e-6)


def test_the_bundled_table_reaches_over_this_year_and_says_where_it_ends() -> None:
    assert bundled().covers(AUGUST_23_UTC_NS)
    far = AUGUST_23_UTC_NS + 20 * 365 * 86_400 * SECOND_NS
    assert not bundled().covers(far)
    assert abs(float(bundled().ut1_minus_utc_s(np.array([far]))[0])) < 0.9


def test_a_newer_table_is_read_and_a_wrong_file_refused() -> None:
    lines = [
        "26 8 2 61254.00 I  0.222416 0.000026  0.364629 0.000026  I 0.0122651 0.0000028",
        "26 8 3 61255.00 I  0.222306 0.000026  0.363629 0.000026  I 0.0112651 0.0000028",
    ]
    table = read_finals2000a("\n".join(lines), source="finals")
    noon = (61254 - 40587) * 86_400 * SECOND_NS + 43_200 * SECOND_NS
    assert table.ut1_minus_utc_s(np.array([noon]))[0] == pytest.approx(0.0117651, abs=1e-9)
    for wrong in ("", "hello", "\n".join(reversed(lines)), "x" * 80 + "\n" + "y" * 80):
        with pytest.raises(AgentError, match="finals"):
            read_finals2000a(wrong, source="finals")


def test_the_star_frame_is_turned_to_teme_as_skyfield_turns_it() -> None:
    days = np.arange(0, 9000, 613)
    t = load.timescale().utc(2003, 1, 1 + days)
    times = (1_041_379_200 + days * 86_400).astype(np.int64) * SECOND_NS
    theirs = np.moveaxis(TEME.rotation_at(t), 2, 0)
    error = np.degrees(np.abs(j2000_to_teme(times) @ np.swapaxes(theirs, 1, 2) - np.eye(3)).max())
    # The 25 largest terms of nutation, and the bias between EME2000 and the ICRF.
    assert error < 0.1 * ARCSECOND_DEG
    dense = times[0] + np.arange(200, dtype=np.int64) * 977 * SECOND_NS
    single = np.concatenate([j2000_to_teme(dense[i : i + 1]) for i in range(200)])
    assert np.abs(j2000_to_teme(dense) - single).max() < 1e-10


def test_the_moon_stands_where_meeus_computes_it() -> None:
    # Astronomical Algorithms, example 47.a: 1992-04-12T00:00 TD, apparent right ascension and declination.
    utc_ns = 703_036_800 * SECOND_NS - round((26 + 32.184) * 1e9)
    x, y, z = moon_km(np.array([utc_ns]))[:, 0]
    assert np.sqrt(x**2 + y**2 + z**2) == pytest.approx(368409.7, abs=0.5)
    assert np.degrees(np.arcsin(z / np.sqrt(x**2 + y**2 + z**2))) == pytest.approx(13.768368, abs=2e-4)
    # Right ascension counts from the true equinox, TEME from the uniform one: the equation of the equinoxes apart.
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(134.688470, abs=5e-3)


def test_the_sun_stands_where_meeus_computes_it() -> None:
    # Example 25.a: 1992-10-13T00:00 TD, apparent place; the geometric one is 20.5″ of aberration further.
    utc_ns = 718_934_400 * SECOND_NS - round((27 + 32.184) * 1e9)
    x, y, z = sun_km(np.array([utc_ns]))[:, 0]
    distance = np.sqrt(x**2 + y**2 + z**2)
    assert distance / 149_597_870.7 == pytest.approx(0.99766, abs=1e-5)
    assert np.degrees(np.arcsin(z / distance)) == pytest.approx(-7.78507, abs=0.006)
    assert np.degrees(np.arctan2(y, x)) % 360.0 == pytest.approx(198.38083, abs=0.012)
