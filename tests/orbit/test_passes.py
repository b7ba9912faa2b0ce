"""Passes against the slow twin: python-sgp4, sampled every few seconds and bisected."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from agent.errors import AgentError
from agent.orbit.catalogue import Catalogue
from agent.orbit.earth_orientation import bundled
from agent.orbit.elements import MeanElements
from agent.orbit.passes import predict_for_stations, predict_from_catalogue, predict_passes
from agent.orbit.refraction import geometric_deg, refraction_deg
from agent.records import Pass, Station
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS, GEOSTATIONARY, MOLNIYA, circular, korean
from tests.reference.orbit import elevation_of, true_passes

FIVE_MILLISECONDS = 0.005
GRAZING_DEG = 0.0003
TCA_S = 0.05
"""The top of a pass is flat: elevation there changes by less than 1e-6°."""
START_S = AUGUST_23_UTC_NS // 1_000_000_000


def seconds(utc_ns: int | None) -> float | None:
    return None if utc_ns is None else (utc_ns - AUGUST_23_UTC_NS) / 1e9


def compare(found: list[Pass], elements: MeanElements, station: Station, days: float, threshold_deg: float) -> int:
    """Compare with the truth pass by pass; returns how many there were."""
    middle = AUGUST_23_UTC_NS + int(days * DAY_NS / 2)
    dut1 = float(bundled().ut1_minus_utc_s(np.array([middle]))[0])
    pole = bundled().polar_motion_rad(middle)
    elevation = elevation_of(elements, station, float(START_S), dut1_s=dut1, pole_rad=pole)
    step = min(40.0, 1440.0 / elements.mean_motion_rev_d)
    truth = true_passes(elevation, days * 86400.0, threshold_deg, step)
    assert len(found) == len(truth), f"{elements.name} over {station.name}: passes missed or invented"
    for p, (aos, tca, los, top) in zip(found, truth, strict=True):
        for mine, true in ((seconds(p.aos_utc_ns), aos), (seconds(p.los_utc_ns), los)):
            assert (mine is None) == (true is None)
            if mine is not None and true is not None:
                late = abs(mine - true)
                grazes = abs(float(elevation(np.array([mine]))[0]) - threshold_deg) < GRAZING_DEG
                assert late < FIVE_MILLISECONDS or grazes, f"{p} is {late * 1e3:.2f} ms off"
        mine_tca = seconds(p.tca_utc_ns)
        assert mine_tca is not None
        assert p.max_elevation_deg == pytest.approx(top, abs=2e-5)
        assert abs(mine_tca - tca) < TCA_S or abs(float(elevation(np.array([mine_tca]))[0]) - top) < 1e-6
    return len(truth)


STATIONS = [
    DAEJEON,
    Station("quito", -0.18, -78.47, 2850.0),
    Station("north_pole", 90.0, 0.0, 0.0),
    Station("south_pole", -90.0, 45.0, 2800.0),
    Station("svalbard", 78.23, 15.39, 450.0),
    Station("date_line", -17.0, 180.0, 5.0),
]


@pytest.mark.parametrize("threshold_deg", [0.0, 5.0, 30.0, -1.0])
def test_every_pass_of_low_orbits_is_found_within_5_ms_from_the_equator_to_the_poles(threshold_deg: float) -> None:
    orbits = [
        circular(),
        circular(norad=90010, inclination_deg=45.4, mean_motion_rev_d=14.98),
        circular(norad=90011, inclination_deg=5.0, mean_motion_rev_d=13.0, eccentricity=0.05),
        korean()[0],
    ]
    predictions = predict_for_stations(
        orbits, STATIONS, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS, min_elevation_deg=threshold_deg
    )
    count = 0
    for station, prediction in zip(STATIONS, predictions, strict=True):
        for elements in orbits:
            found = [p for p in prediction.passes if p.norad == elements.norad]
            count += compare(found, elements, station, 1.0, threshold_deg)
    assert count > 40


@pytest.mark.parametrize(
    "elements",
    [
        MOLNIYA,
        circular(norad=90004, mean_motion_rev_d=2.27, eccentricity=0.72, inclination_deg=7.0),
        circular(norad=90005, mean_motion_rev_d=0.5, eccentricity=0.85, inclination_deg=28.0),
        circular(norad=90006, mean_motion_rev_d=2.0056, eccentricity=0.01, inclination_deg=55.0),
        circular(norad=90007, mean_motion_rev_d=5.0, eccentricity=0.55, inclination_deg=63.4),
        replace(GEOSTATIONARY, inclination_deg=60.0, norad=90008),
    ],
    ids=["molniya", "transfer", "highly_elliptical", "navigation", "high_drag_transfer", "inclined_synchronous"],
)
def test_every_pass_of_high_and_eccentric_orbits_is_found(elements: MeanElements) -> None:
    days = 3.0
    predictions = predict_for_stations(
        [elements], STATIONS, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + int(days * DAY_NS), min_elevation_deg=5.0
    )
    for station, prediction in zip(STATIONS, predictions, strict=True):
        found = list(prediction.passes)
        if prediction.pointing:
            assert [p.kind for p in found] == ["always_up"]
        compare(found, elements, station, days, 5.0)


def test_a_pass_that_barely_rises_is_found_and_one_that_barely_does_not_is_not() -> None:
    prediction = predict_passes([circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS)
    top = prediction.passes[1].max_elevation_deg
    tca = prediction.passes[1].tca_utc_ns

    def at_top(threshold_deg: float) -> list[Pass]:
        again = predict_passes(
            [circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS, min_elevation_deg=threshold_deg
        )
        return [p for p in again.passes if abs(p.tca_utc_ns - tca) < 10**9]

    assert len(at_top(top - 1e-6)) == 1
    assert at_top(top + 1e-6) == []


def test_the_window_cuts_passes_and_never_moves_them() -> None:
    whole = predict_passes([circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS).passes
    one = whole[2]
    assert one.aos_utc_ns is not None
    assert one.los_utc_ns is not None
    inside = predict_passes([circular()], DAEJEON, one.tca_utc_ns - 10**10, one.tca_utc_ns + 10**10).passes
    assert len(inside) == 1
    assert inside[0].aos_utc_ns is None
    assert inside[0].los_utc_ns is None
    assert inside[0].kind == "always_up"
    assert abs(inside[0].tca_utc_ns - one.tca_utc_ns) < 10**6
    rising = predict_passes([circular()], DAEJEON, one.aos_utc_ns - 10**9, one.tca_utc_ns).passes
    assert rising[0].los_utc_ns is None
    assert rising[0].aos_utc_ns is not None
    assert abs(rising[0].aos_utc_ns - one.aos_utc_ns) < 10**6
    for shift_s in (1, 7, 31, 59, 113):
        start = AUGUST_23_UTC_NS + shift_s * 10**9
        shifted = predict_passes([circular()], DAEJEON, start, start + DAY_NS).passes
        # The result does not depend on the second the search starts at.
        for p in whole:
            if p.aos_utc_ns is not None and start < p.aos_utc_ns:
                assert any(q.aos_utc_ns is not None and abs(q.aos_utc_ns - p.aos_utc_ns) < 10**6 for q in shifted)


def test_a_geostationary_satellite_gives_a_pointing_box_and_one_record() -> None:
    here = Station("below", 0.0, 0.0, 0.0)
    boxes = []
    for longitude in range(-180, 180, 30):
        station = replace(here, longitude_deg=float(longitude))
        prediction = predict_passes([GEOSTATIONARY], station, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS)
        boxes += prediction.pointing
        if prediction.notes:
            assert prediction.passes == ()
            assert "never rises above 0°" in prediction.notes[0].reason
        elif prediction.pointing:
            assert [p.kind for p in prediction.passes] == ["always_up"]
    assert 3 <= len(boxes) <= 6
    for box in boxes:
        assert box.elevation_deg[0] <= box.elevation_deg[1] < box.elevation_deg[0] + 1.0


def test_a_decayed_satellite_says_so_and_gives_no_pass_afterwards() -> None:
    falling = circular(mean_motion_rev_d=16.3, eccentricity=0.0008, bstar=0.002)
    prediction = predict_passes([falling], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 20 * DAY_NS)
    assert len(prediction.notes) == 1
    assert "decayed about 2026-" in prediction.notes[0].reason
    later = predict_passes([falling], DAEJEON, AUGUST_23_UTC_NS + 19 * DAY_NS, AUGUST_23_UTC_NS + 20 * DAY_NS)
    assert later.passes == ()
    assert len(later.notes) == 1
    assert 3 < len(prediction.passes) < 60
    assert max(p.tca_utc_ns for p in prediction.passes) < AUGUST_23_UTC_NS + 18 * DAY_NS


def test_nothing_of_a_record_is_ever_nan() -> None:
    sets = [
        circular(),
        MOLNIYA,
        GEOSTATIONARY,
        circular(norad=90020, mean_motion_rev_d=16.4, bstar=0.05),
        *korean(),
    ]
    for station in STATIONS:
        prediction = predict_passes(sets, station, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 5 * DAY_NS)
        for p in prediction.passes:
            numbers = (p.max_elevation_deg, p.tca_azimuth_deg, p.aos_azimuth_deg or 0.0, p.los_azimuth_deg or 0.0)
            assert all(math.isfinite(number) for number in numbers), p
            assert 0.0 <= p.tca_azimuth_deg < 360.0
            assert (p.aos_utc_ns or 0) <= p.tca_utc_ns <= (p.los_utc_ns or 2**62)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(AgentError, match="ends before it starts"):
        predict_passes([circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS - 1)
    with pytest.raises(AgentError, match="outside -90…90"):
        predict_passes([circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS, min_elevation_deg=95.0)


def test_no_elements_give_no_passes() -> None:
    assert predict_passes([], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS).passes == ()


def test_names_of_the_satellite_files_replace_those_of_the_elements() -> None:
    prediction = predict_passes(
        [circular()], DAEJEON, AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + DAY_NS, names={90001: "mine"}
    )
    assert {p.satellite for p in prediction.passes} == {"mine"}


def test_between_two_sets_each_pass_is_predicted_once_by_the_nearer_set() -> None:
    early = circular()
    late = replace(early, epoch_utc_ns=AUGUST_23_UTC_NS + 2 * DAY_NS, mean_anomaly_deg=140.0)
    middle, end = AUGUST_23_UTC_NS + DAY_NS, AUGUST_23_UTC_NS + 2 * DAY_NS
    found = predict_from_catalogue(Catalogue([early, late]), [90001], DAEJEON, AUGUST_23_UTC_NS, end)
    by_early = predict_passes([early], DAEJEON, AUGUST_23_UTC_NS, end).passes
    by_late = predict_passes([late], DAEJEON, AUGUST_23_UTC_NS, end).passes
    expected = [p for p in by_early if p.tca_utc_ns < middle] + [p for p in by_late if p.tca_utc_ns >= middle]
    assert [p.tca_utc_ns for p in found.passes] == [p.tca_utc_ns for p in expected]
    assert len(expected) > 4
    # One note, not one a set, where it never rises.
    south = replace(DAEJEON, latitude_deg=-89.0)
    flat = [replace(s, inclination_deg=5.0) for s in (early, late)]
    silent = predict_from_catalogue(Catalogue(flat), [90001], south, AUGUST_23_UTC_NS, end)
    assert len(silent.notes) == 1


def test_refraction_lifts_the_horizon_by_half_a_degree_and_the_zenith_not_at_all() -> None:
    # Meeus, chapter 16: 28.98′ at the horizon for the true altitude, and there and back.
    assert refraction_deg(0.0) * 60 == pytest.approx(28.98, abs=0.5)
    assert refraction_deg(90.0) == pytest.approx(0.0, abs=1e-4)
    assert refraction_deg(10.0) * 60 == pytest.approx(5.4, abs=0.2)
    for apparent in (0.0, 0.5, 3.0, 20.0, 89.0):
        true = geometric_deg(apparent)
        assert true + refraction_deg(true) == pytest.approx(apparent, abs=1e-9)
