"""Ephemeris messages, their interpolation, and trajectories as far as the Moon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AgentError
from agent.orbit.celestial import MOON_RADIUS_KM, moon_km
from agent.orbit.doppler import doppler_curve
from agent.orbit.ephemeris import EphemerisSegment, Method, by_object
from agent.orbit.frames import teme_to_ecef
from agent.orbit.oem import is_oem, read_oem, to_utc_ns, write_kvn
from agent.orbit.passes import predict_passes
from agent.orbit.sgp4 import initialise, propagate
from agent.orbit.shadow import eclipses, light_of, sun_elevation_deg, twilight_at
from agent.orbit.trajectory import look_at_trajectory, occultations, predict_trajectory
from agent.records import Station
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS, GEOSTATIONARY, circular

SECOND_NS = 1_000_000_000
HEADER = "CCSDS_OEM_VERS = {version}\nCREATION_DATE = 2026-08-23T00:00:00\nORIGINATOR = TEST\n"
META = """\
META_START
OBJECT_NAME = TEST
OBJECT_ID = 2026-001A
CENTER_NAME = EARTH
REF_FRAME = EME2000
TIME_SYSTEM = UTC
START_TIME = 2026-08-23T00:00:00
STOP_TIME = 2026-08-23T00:05:00
META_STOP
"""
STATES = "".join(f"2026-08-23T00:0{k}:00.000 {7000 + k} {k} 0.5 0.1 7.5 0.2\n" for k in range(6))


def segment_from_sgp4(
    step_s: int, *, method: Method = "HERMITE", degree: int = 7, frame: str = "TEME"
) -> EphemerisSegment:
    """Tabulate a low orbit over three hours."""
    times = AUGUST_23_UTC_NS + np.arange(0, 3 * 3600 + 1, step_s, dtype=np.int64) * SECOND_NS
    states = propagate(initialise([circular()]), times).km[0]
    if frame.startswith("ITRF"):
        states = teme_to_ecef(states[None], times)[0]
    return EphemerisSegment(
        "TEST 90001", "90001", "EARTH", frame, times, np.ascontiguousarray(states.T),
        (int(times[0]), int(times[-1])), method, degree, "test",
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1.0", "2.0", "3.0"])
def test_every_version_is_read_and_told_from_elements(version: str) -> None:
    text = HEADER.format(version=version) + META + STATES
    assert is_oem(text)
    (segment,) = read_oem(text, source="test")
    assert (segment.object_name, segment.center, segment.frame) == ("TEST", "EARTH", "EME2000")
    assert segment.states_km.shape == (6, 6)
    assert (segment.method, segment.degree) == ("HERMITE", 7)
    assert not is_oem("CCSDS_OMM_VERS = 3.0")


def test_a_message_written_is_read_back_exactly() -> None:
    original = segment_from_sgp4(60)
    (again,) = read_oem(write_kvn([original], created_utc_ns=AUGUST_23_UTC_NS, originator="T"), source="test")
    assert np.array_equal(again.utc_ns, original.utc_ns)
    assert np.array_equal(again.states_km, original.states_km)
    assert again.usable_utc_ns == original.usable_utc_ns


def test_xml_says_the_same_as_kvn() -> None:
    vectors = "".join(
        "<stateVector><EPOCH>{}</EPOCH><X>{}</X><Y>{}</Y><Z>{}</Z><X_DOT>{}</X_DOT><Y_DOT>{}</Y_DOT><Z_DOT>{}</Z_DOT>"
        "</stateVector>".format(*line.split())
        for line in STATES.splitlines()
    )
    leaves = "".join(
        f"<{key.strip()}>{value.strip()}</{key.strip()}>"
        for key, equals, value in (line.partition("=") for line in META.splitlines())
        if equals
    )
    text = (
        '<?xml version="1.0"?><oem id="CCSDS_OEM_VERS" version="2.0"><header><ORIGINATOR>T</ORIGINATOR></header>'
        f"<body><segment><metadata>{leaves}</metadata><data>{vectors}</data></segment></body></oem>"
    )
    assert is_oem(text)
    (xml,) = read_oem(text, source="x")
    (kvn,) = read_oem(HEADER.format(version="2.0") + META + STATES, source="x")
    assert np.array_equal(xml.states_km, kvn.states_km)
    assert np.array_equal(xml.utc_ns, kvn.utc_ns)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("OEM_VERS = 2.0", "OEM_VERS = 9.0", "version 9.0"),
        ("ORIGINATOR = TEST\n", "", "ORIGINATOR is missing"),
        ("CENTER_NAME = EARTH\n", "", "CENTER_NAME is missing"),
        ("TIME_SYSTEM = UTC", "TIME_SYSTEM = MARS", "TIME_SYSTEM MARS"),
        ("META_STOP\n", "", "is not keyword = value"),
        ("META_STOP", "USEABLE_START_TIME = 2026-08-24T00:00:00\nMETA_STOP", "not in order"),
        ("META_STOP", "INTERPOLATION = SPLINE\nMETA_STOP", "SPLINE"),
        ("META_STOP", "INTERPOLATION = LAGRANGE\nMETA_STOP", "INTERPOLATION_DEGREE"),
        ("META_STOP", "INTERPOLATION = LAGRANGE\nINTERPOLATION_DEGREE = 7.1\nMETA_STOP", "7.1"),
        ("META_STOP", "FAVOURITE_COLOUR = blue\nMETA_STOP", "FAVOURITE_COLOUR"),
        ("2026-08-23T00:02:00.000", "2026-08-23T00:01:00.000", "does not come after"),
        ("7002 2", "7002 two", "no number"),
        ("7002 2", "inf 2", "not finite"),
        ("7002 2", "7002", "a state has an epoch and 6 numbers"),
        ("7002 2 0.5 0.1 7.5 0.2", "7002 2 0.5 0.1 7.5 0.2 0 0 0", "accelerations"),
        ("START_TIME = 2026-08-23T00:00:00", "START_TIME = soon", "soon"),
    ],
)
def test_a_broken_message_is_refused_whole_with_the_place(old: str, new: str, what: str) -> None:
    text = HEADER.format(version="2.0") + META + STATES
    assert old in text
    with pytest.raises(AgentError, match=what.replace(".", r"\.")) as caught:
        read_oem(text.replace(old, new, 1), source="bad.oem")
    assert str(caught.value).startswith("bad.oem")


@given(st.text(max_size=300), st.integers(0, 400))
def test_no_text_makes_the_reader_fail_in_any_other_way(text: str, at: int) -> None:
    whole = HEADER.format(version="2.0") + META + STATES
    for mangled in (text, whole[:at] + text + whole[at:], whole[:at], "<oem>" + text):
        try:
            read_oem(mangled, source="fuzz")
        except AgentError:
            continue


def test_time_systems_are_brought_to_utc() -> None:
    utc = AUGUST_23_UTC_NS
    assert to_utc_ns(utc + 37 * SECOND_NS, "TAI") == utc
    assert to_utc_ns(utc + 69_184_000_000, "TT") == utc
    assert to_utc_ns(utc + 18 * SECOND_NS, "GPS") == utc


@pytest.mark.parametrize(
    ("method", "degree", "step_s", "limit_km"),
    [("HERMITE", 7, 120, 5e-4), ("LAGRANGE", 9, 60, 1e-6), ("LAGRANGE", 5, 60, 5e-3), ("LINEAR", 1, 10, 0.12)],
)
def test_a_segment_is_interpolated_as_it_states(method: Method, degree: int, step_s: int, limit_km: float) -> None:
    segment = segment_from_sgp4(step_s, method=method, degree=degree)
    times = AUGUST_23_UTC_NS + np.arange(37, 10_700, 173, dtype=np.int64) * SECOND_NS
    truth = propagate(initialise([circular()]), times).km[0]
    found = segment.at(times)
    off = np.abs(found[:3] - truth[:3]).max()
    assert off < limit_km
    assert off > limit_km / 10_000  # the method is really the one stated
    if method != "LINEAR":
        assert np.abs(found[3:] - truth[3:]).max() < 1e-4
    nodes = segment.utc_ns[::7]
    assert np.abs(segment.at(nodes) - segment.states_km[::7].T).max() < 1e-9


def test_nothing_is_interpolated_outside_or_over_a_gap() -> None:
    whole = segment_from_sgp4(60)
    keep = np.ones(len(whole.utc_ns), dtype=bool)
    keep[60:100] = False
    gapped = replace(whole, utc_ns=whole.utc_ns[keep], states_km=whole.states_km[keep])
    assert len(gapped.spans()) == 2
    inside, outside = int(whole.utc_ns[80]), int(whole.utc_ns[-1]) + 1
    assert np.isnan(gapped.at(np.array([inside, outside]))).all()
    assert not np.isnan(gapped.at(np.array([int(whole.utc_ns[10])]))).any()


@pytest.mark.parametrize("frame", ["TEME", "ITRF2000"])
def test_passes_of_an_ephemeris_are_those_of_the_elements_it_was_made_from(frame: str) -> None:
    ephemeris = by_object([segment_from_sgp4(60, frame=frame)])[0]
    start, end = AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 3 * 3600 * SECOND_NS
    compared = 0
    for longitude in range(0, 360, 40):
        station = Station("s", 60.0, float(longitude), 0.0)
        by_elements = predict_passes([circular()], station, start, end).passes
        by_table = predict_trajectory(ephemeris, station, start, end).passes
        assert len(by_table) == len(by_elements)
        for a, b in zip(by_table, by_elements, strict=True):
            compared += 1
            # A light time of at most 10 ms lies between them, which elements do not count.
            for mine, other in (
                (a.aos_utc_ns, b.aos_utc_ns),
                (a.tca_utc_ns, b.tca_utc_ns),
                (a.los_utc_ns, b.los_utc_ns),
            ):
                assert (mine is None) == (other is None)
                assert mine is None or other is None or 0 <= mine - other < 12_000_000
    assert compared > 8
    look = look_at_trajectory(ephemeris, DAEJEON, start + 1800 * SECOND_NS, {"x": 437e6})
    assert look.norad == 90001
    assert np.isfinite([look.azimuth_deg, look.elevation_deg, look.doppler_hz["x"]]).all()


def test_frames_and_centres_that_cannot_be_turned_are_refused_by_name() -> None:
    good = segment_from_sgp4(60)
    for change, what in (({"center": "MARS"}, "MARS"), ({"frame": "TOD"}, "TOD")):
        ephemeris = by_object([replace(good, **change)])[0]  # type: ignore[arg-type]
        with pytest.raises(AgentError, match=what):
            predict_trajectory(ephemeris, DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS)


def test_a_window_the_ephemeris_does_not_reach_is_said_to_be_uncovered() -> None:
    ephemeris = by_object([segment_from_sgp4(60)])[0]
    nothing = predict_trajectory(ephemeris, DAEJEON, AUGUST_23_UTC_NS + 5 * DAY_NS, AUGUST_23_UTC_NS + 6 * DAY_NS)
    assert nothing.passes == ()
    assert "does not reach" in nothing.notes[0].reason
    part = predict_trajectory(ephemeris, DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS)
    assert "covers 12%" in part.notes[0].reason


def lunar_orbiter() -> EphemerisSegment:
    """Make a polar orbit of 100 km around the Moon by Kepler's laws, two hours a turn."""
    times = AUGUST_23_UTC_NS + np.arange(0, 2 * 86_400, 60, dtype=np.int64) * SECOND_NS
    radius, gm = MOON_RADIUS_KM + 100.0, 4902.8
    rate = np.sqrt(gm / radius**3)
    phase = rate * (times - times[0]) / 1e9
    # The plane holds the line of sight now and then: normal along x.
    zero = np.zeros_like(phase)
    position = radius * np.stack([zero, np.cos(phase), np.sin(phase)])
    velocity = radius * rate * np.stack([zero, -np.sin(phase), np.cos(phase)])
    states = np.concatenate([position, velocity]).T
    return EphemerisSegment(
        "ORBITER",
        "ORBITER",
        "MOON",
        "EME2000",
        times,
        states,
        (int(times[0]), int(times[-1])),
        "HERMITE",
        7,
        "test",
    )


def test_a_lunar_orbiter_rises_with_the_moon_and_hides_behind_it_every_turn() -> None:
    ephemeris = by_object([lunar_orbiter()])[0]
    start, end = AUGUST_23_UTC_NS + 600 * SECOND_NS, AUGUST_23_UTC_NS + 2 * DAY_NS - 600 * SECOND_NS
    prediction = predict_trajectory(ephemeris, DAEJEON, start, end)
    assert 1 <= len(prediction.passes) <= 3
    one = next(p for p in prediction.passes if p.aos_utc_ns and p.los_utc_ns)
    look = look_at_trajectory(ephemeris, DAEJEON, one.tca_utc_ns, {"s": 2260.8e6})
    assert 350_000 < look.range_km < 410_000
    assert abs(look.range_rate_km_s) < 2.5
    moon = float(np.linalg.norm(moon_km(np.array([one.tca_utc_ns]))))
    assert abs(look.range_km - moon) < 6378 + 2000
    hidden = occultations(ephemeris, DAEJEON, start, end)
    lengths_min = [(o.end_utc_ns - o.start_utc_ns) / 60e9 for o in hidden]
    assert 10 <= len(hidden) <= 25
    assert all(length < 50 for length in lengths_min)
    curve = doppler_curve(ephemeris, DAEJEON, one.tca_utc_ns, one.tca_utc_ns + 7200 * SECOND_NS)
    for minutes in (1, 33, 70, 119):
        at = one.tca_utc_ns + minutes * 60 * SECOND_NS
        truth = look_at_trajectory(ephemeris, DAEJEON, at, {"s": 2260.8e6}).doppler_hz["s"]
        assert curve.shift_hz(2260.8e6, at) == pytest.approx(truth, abs=0.5)


def test_the_flight_of_artemis_rises_nine_times_over_korea_and_passes_behind_the_moon(test_data: Path) -> None:
    path = next((test_data / "orbits" / "oem").glob("Artemis*.asc"))
    ephemeris = by_object(read_oem(path.read_text(), source="artemis"))[0]
    start, end = ephemeris.segments[0].usable_utc_ns
    prediction = predict_trajectory(ephemeris, DAEJEON, start, end)
    assert len(prediction.passes) == 9
    (hidden,) = occultations(ephemeris, DAEJEON, start, end)
    # NASA's timeline of the fly-by has a loss of signal of about 40 minutes.
    assert 35 < (hidden.end_utc_ns - hidden.start_utc_ns) / 60e9 < 45


def test_public_messages_are_read_and_the_broken_ones_refused(test_data: Path) -> None:
    folder = test_data / "orbits" / "oem" / "oem-python"
    for path in [*folder.glob("real/*.oem"), *folder.glob("v*/valid/*.oem")]:
        if "unknown time system" not in path.read_text():
            assert read_oem(path.read_text(), source=path.name), path.name
    for number in (5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 21, 22, 23, 24):
        path = folder / "v2_0" / "invalid" / f"sample{number:02d}.oem"
        with pytest.raises(AgentError):
            read_oem(path.read_text(), source=path.name)


def test_a_low_orbit_is_dark_for_a_third_of_each_turn_and_a_geostationary_one_only_near_the_equinox() -> None:
    noon_orbit = circular(raan_deg=150.0)
    dark = eclipses(noon_orbit, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS // 4)
    assert 3 <= len(dark) <= 5
    for one in dark[1:-1]:
        assert 20 < (one.end_utc_ns - one.start_utc_ns) / 60e9 < 40
        assert one.umbra_utc_ns is not None
        assert one.start_utc_ns < one.umbra_utc_ns[0] < one.umbra_utc_ns[1] < one.end_utc_ns
        assert light_of(noon_orbit, (one.start_utc_ns + one.end_utc_ns) // 2) == "umbra"
        assert light_of(noon_orbit, one.end_utc_ns + 60 * SECOND_NS) == "sunlit"
        assert light_of(noon_orbit, (one.start_utc_ns + one.umbra_utc_ns[0]) // 2) == "penumbra"
    september_22 = AUGUST_23_UTC_NS + 30 * DAY_NS
    (night,) = eclipses(GEOSTATIONARY, september_22, september_22 + DAY_NS)
    assert 60 < (night.end_utc_ns - night.start_utc_ns) / 60e9 < 75
    assert eclipses(GEOSTATIONARY, AUGUST_23_UTC_NS - 60 * DAY_NS, AUGUST_23_UTC_NS - 59 * DAY_NS) == ()


def test_day_and_twilight_follow_the_sun() -> None:
    # Daejeon, 2026-08-23: sunrise 05:55, noon 12:33, sunset 19:11 KST (UTC+9).
    day = AUGUST_23_UTC_NS - 9 * 3600 * SECOND_NS
    minutes = day + np.arange(1440, dtype=np.int64) * 60 * SECOND_NS
    elevation = sun_elevation_deg(DAEJEON, minutes)
    up = np.flatnonzero(elevation > -0.833)
    assert abs(int(up[0]) - (5 * 60 + 55)) <= 3
    assert abs(int(up[-1]) - (19 * 60 + 11)) <= 3
    assert elevation.max() == pytest.approx(90.0 - 36.372 + 11.4, abs=0.3)
    names = [twilight_at(DAEJEON, int(day + hour * 3600 * SECOND_NS)) for hour in (12, 1)]
    assert names == ["day", "night"]
    seen = {twilight_at(DAEJEON, int(at)) for at in minutes[::5]}
    assert seen == {"day", "civil", "nautical", "astronomical", "night"}
