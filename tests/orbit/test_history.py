"""Manoeuvres, error bounds, and sets that are not what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.orbit.catalogue import Catalogue
from agent.orbit.checks import Identity, age_label, refreshed, suspicion
from agent.orbit.elements import NS_PER_DAY, ElementSets, MeanElements, read_elements
from agent.orbit.history import compare, decay_utc_ns, error_bound, manoeuvres
from agent.orbit.look import initialised
from agent.orbit.sgp4 import propagate
from tests.orbit.sets import AUGUST_23_UTC_NS, DAY_NS, GEOSTATIONARY, circular, korean

NOVEMBER_UTC_NS = AUGUST_23_UTC_NS + 90 * DAY_NS


def later_set(
    elements: MeanElements, days: float, *, motion_change_rev_d: float = 0.0, drag: float = 0.0
) -> MeanElements:
    """Make the set a tracker would publish days later: the predicted orbit, and a change of mean motion."""
    table = initialised(elements).table[0]
    from agent.orbit import constants as c

    minutes = days * 1440.0
    natural = 2.0 * drag * days
    turn = np.degrees
    return replace(
        elements,
        epoch_utc_ns=elements.epoch_utc_ns + int(days * NS_PER_DAY),
        mean_motion_rev_d=elements.mean_motion_rev_d + natural + motion_change_rev_d,
        raan_deg=float(turn(table[c.NODE0] + table[c.NODEDOT] * minutes) % 360.0),
        argument_of_perigee_deg=float(turn(table[c.ARGP0] + table[c.ARGPDOT] * minutes) % 360.0),
        mean_anomaly_deg=float((turn(table[c.M0] + table[c.MDOT] * minutes) + 360.0 * drag * days**2) % 360.0),
        mean_motion_dot=drag,
    )


QUIET = replace(circular(bstar=0.0), mean_motion_dot=2e-5)


def test_drag_is_no_manoeuvre_and_a_raised_or_lowered_orbit_is_one() -> None:
    for days in (0.5, 3.0, 46.0):
        assert manoeuvres([QUIET, later_set(QUIET, days, drag=2e-5)]) == ()
        assert manoeuvres([QUIET, later_set(QUIET, days, drag=2.6e-5)]) == ()
        raised = manoeuvres([QUIET, later_set(QUIET, days, drag=2e-5, motion_change_rev_d=-0.005)])
        assert [m.kind for m in raised] == ["raised"]
        assert "drag explains" in raised[0].evidence
        lowered = manoeuvres([QUIET, later_set(QUIET, days, drag=2e-5, motion_change_rev_d=+0.02)])
        assert [m.kind for m in lowered] == ["lowered"]


def test_a_turned_plane_is_a_manoeuvre() -> None:
    turned = replace(later_set(QUIET, 2.0, drag=2e-5), inclination_deg=QUIET.inclination_deg + 0.1)
    assert [m.kind for m in manoeuvres([QUIET, turned])] == ["plane turned"]


def test_a_geostationary_satellite_that_is_moved_is_seen_to_move() -> None:
    at = np.array([GEOSTATIONARY.epoch_utc_ns + 10 * DAY_NS])
    assert not propagate(initialised(GEOSTATIONARY), at).error.any()
    same = replace(GEOSTATIONARY, epoch_utc_ns=GEOSTATIONARY.epoch_utc_ns + DAY_NS)
    # A day later the same mean anomaly is wrong by the turn of the Earth: 1°, some 700 km.
    assert [m.kind for m in manoeuvres([GEOSTATIONARY, same])] == ["moved"]


def test_of_the_korean_fleet_those_that_manoeuvred_are_flagged_and_no_others(test_data: Path) -> None:
    folder = test_data / "orbits" / "korea"
    found = [read_elements(path.read_text(), source=path.name) for path in sorted(folder.glob("*.tle"))]
    catalogue = Catalogue([s for sets in found for s in sets.sets])
    flagged = {m.satellite for norad in catalogue for m in manoeuvres(catalogue.history(norad))}
    kept_in_place = {"GEO-KOMPSAT-2A", "KOREASAT 116", "KOREASAT 6A"}
    assert flagged == {"KORSAT-2", "KORSAT-4", "KORSAT-7", "CAS500-1"} | kept_in_place


def test_the_bound_grows_from_an_objects_own_misses(test_data: Path) -> None:
    folder = test_data / "orbits" / "korea"
    found = [read_elements(path.read_text(), source=path.name) for path in sorted(folder.glob("*.tle"))]
    catalogue = Catalogue([s for sets in found for s in sets.sets])
    checked = 0
    for norad in catalogue:
        history = catalogue.history(norad)
        if len(history) == 2 and not manoeuvres(history):
            comparison = compare(*history)
            assert comparison is not None
            # Known from one set alone, and honest: the later set lies inside the bound.
            alone, both = error_bound(history[:1]), error_bound(history)
            assert comparison.miss_km < alone.km(comparison.interval_d), history[0].name
            assert comparison.miss_km < both.km(comparison.interval_d)
            assert both.basis.startswith("its own misses")
            assert both.seconds(1.0) < 1.0
            checked += 1
    assert checked >= 15


def test_a_bound_grows_both_ways_in_time_and_a_manoeuvring_object_says_so() -> None:
    bound = error_bound([QUIET])
    assert bound.km(0.0) < bound.km(1.0) < bound.km(10.0)
    assert bound.km(-3.0) == bound.km(3.0)
    moved = error_bound([QUIET, later_set(QUIET, 3.0, drag=2e-5, motion_change_rev_d=-0.005)])
    assert moved.manoeuvres
    assert moved.basis.startswith("no history")


def test_decay_is_dated() -> None:
    falling = circular(mean_motion_rev_d=16.3, bstar=0.002)
    until = AUGUST_23_UTC_NS + 60 * DAY_NS
    when = decay_utc_ns(falling, until)
    assert when is not None
    assert AUGUST_23_UTC_NS < when < until
    assert decay_utc_ns(circular(), until) is None
    assert decay_utc_ns(circular(), AUGUST_23_UTC_NS - DAY_NS) is None


ANASIS = Identity(45920, ("ANASIS-II", "KOREASAT 116"), "2020-048A")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epoch_utc_ns": NOVEMBER_UTC_NS + 10 * DAY_NS}, "future_epoch"),
        ({"cospar": "2027-001A"}, "before_launch"),
        ({"cospar": "2020-048B"}, "identity"),
        ({"norad": 45918, "name": "ANASIS-II"}, "identity"),
        ({"mean_motion_rev_d": 14.9}, "swapped"),
        ({"inclination_deg": 45.0}, "swapped"),
    ],
)
def test_a_swapped_or_fabricated_set_is_refused_and_the_old_one_stays(
    change: dict[str, object], reason: str
) -> None:
    trusted = next(s for s in korean() if s.norad == 45920)
    fresh = replace(trusted, **{"epoch_utc_ns": trusted.epoch_utc_ns + DAY_NS, **change})  # type: ignore[arg-type]
    catalogue, refused = refreshed(
        Catalogue([trusted]), ElementSets((fresh,)), NOVEMBER_UTC_NS, identities={45920: ANASIS}
    )
    assert [refusal.reason for refusal in refused] == [reason]
    assert catalogue.history(45920) == (trusted,)
    assert 45918 not in catalogue


def test_a_good_new_set_joins_the_old_one() -> None:
    fresh = later_set(QUIET, 2.0, drag=2e-5)
    catalogue, refused = refreshed(Catalogue([QUIET]), ElementSets((fresh,)), NOVEMBER_UTC_NS)
    assert refused == ()
    assert catalogue.history(QUIET.norad) == (QUIET, fresh)
    assert suspicion(fresh, NOVEMBER_UTC_NS, known=[QUIET]) is None


def test_the_set_nearest_in_time_is_chosen_and_a_window_is_cut_between_sets() -> None:
    sets = [replace(QUIET, epoch_utc_ns=AUGUST_23_UTC_NS + day * DAY_NS) for day in (0, 10, 30)]
    catalogue = Catalogue(reversed(sets))
    assert catalogue.history(QUIET.norad) == tuple(sets)
    assert catalogue.nearest(QUIET.norad, AUGUST_23_UTC_NS + 6 * DAY_NS) is sets[1]
    assert catalogue.nearest(1, AUGUST_23_UTC_NS) is None
    spans = catalogue.spans(QUIET.norad, AUGUST_23_UTC_NS + DAY_NS, AUGUST_23_UTC_NS + 12 * DAY_NS)
    assert [(s, (b - a) // DAY_NS) for s, a, b in spans] == [(sets[0], 4), (sets[1], 7)]


def test_objects_are_found_by_number_name_designator_and_part_of_a_name() -> None:
    catalogue = Catalogue(korean())
    assert catalogue.find("59452") == (59452,)
    assert catalogue.find("kompsat-3a") == (40536,)
    assert catalogue.find("2020-048a") == (45920,)
    assert catalogue.find("korsat") == (59452,)
    assert catalogue.find("nothing") == ()
    assert catalogue.find("") == ()
    assert len(catalogue) == 3


def test_old_elements_are_labelled_with_what_they_may_be_off() -> None:
    assert age_label(QUIET, AUGUST_23_UTC_NS + 5 * DAY_NS, 1.0) is None
    label = age_label(QUIET, AUGUST_23_UTC_NS + 200 * DAY_NS, 345.0)
    assert label is not None
    assert "200 days old" in label
    assert "345 s" in label
