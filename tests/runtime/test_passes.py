"""The watch over the sky: what it makes of element files that grow, lie or go, and what it tells once."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.definitions import Satellite
from agent.orbit.elements import MeanElements
from agent.orbit.horizon import HorizonMask
from agent.orbit.omm import write_csv
from agent.records import PassEvent, Record
from agent.runtime.passes import PassWatch
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS, circular

S = 1_000_000_000
SATELLITES = {"testsat": Satellite(name="TEST 90001", norad=90001, cospar="2026-001A")}
OLD = circular(bstar=0.0)


def drifted(elements: MeanElements, days: int, *, faster_rev_d: float = 0.0) -> MeanElements:
    """The same orbit some days later: J2 turns the plane (Vallado, eq. 9-37), nothing else happens."""
    axis_km = (398600.4418 / (elements.mean_motion_rev_d * 2 * math.pi / 86400) ** 2) ** (1 / 3)
    node_deg_d = -1.5 * 1.08263e-3 * (6378.137 / axis_km) ** 2 * elements.mean_motion_rev_d * 360.0
    node_deg_d *= math.cos(math.radians(elements.inclination_deg))
    return replace(
        elements,
        epoch_utc_ns=elements.epoch_utc_ns + days * DAY_NS,
        raan_deg=(elements.raan_deg + node_deg_d * days) % 360.0,
        mean_motion_rev_d=elements.mean_motion_rev_d + faster_rev_d,
    )


def watch(
    files: Sequence[Path], *, kept: Sequence[Path] = (), mask: HorizonMask | None = None, ahead_h: float = 24.0
) -> PassWatch:
    async def announce(records: Sequence[Record]) -> None: ...

    return PassWatch(
        DAEJEON,
        SATELLITES,
        files,
        ahead_h=ahead_h,
        min_elevation_deg=0.0,
        announce=announce,
        publish_next=lambda _: None,
        frames_of=lambda _: 0,
        in_view=lambda _, __: None,
        follow=lambda _, __: None,
        kept_files=kept,
        mask=mask,
    )


def write(path: Path, *sets: MeanElements) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(write_csv(sets), encoding="utf-8")
    # Two writes within one tick of the file system's clock are still two.
    os.utime(path, ns=(before + S, before + S))


def test_passes_say_how_far_they_may_be_wrong_and_more_so_as_elements_age(tmp_path: Path) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    young, old = watch([file]), watch([file])
    young._predict(AUGUST_23_UTC_NS)
    old._predict(AUGUST_23_UTC_NS + 20 * DAY_NS)
    near = [item.uncertainty_s for item in young.sky.passes if item.uncertainty_s is not None]
    far = [item.uncertainty_s for item in old.sky.passes if item.uncertainty_s is not None]
    assert 0.0 < max(near) < 1.0 < min(far)
    assert old.sky.oldest_element_age_d(AUGUST_23_UTC_NS + 20 * DAY_NS) == 20.0


def test_sets_of_several_files_are_one_history_and_the_nearest_is_used(tmp_path: Path) -> None:
    file, kept = tmp_path / "elements.csv", tmp_path / "kept.csv"
    write(file, OLD)
    write(kept, drifted(OLD, 3))
    sky = watch([file], kept=[kept])
    sky._predict(AUGUST_23_UTC_NS + 3 * DAY_NS)
    assert len(sky.sky.catalogue.history(90001)) == 2
    assert sky.sky.elements["testsat"].epoch_utc_ns == AUGUST_23_UTC_NS + 3 * DAY_NS
    assert sky.sky.bounds[90001].basis == "its own misses over 2 sets"


def test_a_manoeuvre_between_two_sets_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    sky = watch([file])
    sky._predict(AUGUST_23_UTC_NS)
    with caplog.at_level(logging.WARNING, "agent.passes"):
        write(file, drifted(OLD, 3))
        sky._predict(AUGUST_23_UTC_NS + 3 * DAY_NS)
        assert caplog.records == []
        raised = drifted(OLD, 5, faster_rev_d=-0.02)
        write(file, raised)
        for days in (5, 6, 7):
            sky._predict(AUGUST_23_UTC_NS + days * DAY_NS)
    assert [record.message for record in caplog.records if "manoeuvred (raised)" in record.message]
    assert len(caplog.records) == 1


def test_a_set_of_another_object_does_not_take_the_place_of_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    sky = watch([file])
    sky._predict(AUGUST_23_UTC_NS)
    write(file, replace(drifted(OLD, 2), raan_deg=280.0))
    with caplog.at_level(logging.WARNING, "agent.passes"):
        for _ in range(3):
            sky._predict(AUGUST_23_UTC_NS + 2 * DAY_NS)
    assert sky.sky.elements["testsat"].epoch_utc_ns == OLD.epoch_utc_ns
    assert [record.message for record in caplog.records] == [
        "elements.csv: TEST 90001 90001: its plane lies 15° from where it should: another object's set; not used"
    ]


def test_a_clock_that_is_set_later_gets_its_elements_then(tmp_path: Path) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    sky = watch([file])
    sky._predict(AUGUST_23_UTC_NS - 900 * DAY_NS)
    assert sky.sky.notes == {"testsat": "no elements"}
    sky._predict(AUGUST_23_UTC_NS)
    assert sky.sky.passes


def test_files_that_are_gone_or_spoilt_leave_the_old_sets(tmp_path: Path) -> None:
    file, kept = tmp_path / "elements.csv", tmp_path / "not-there-yet.csv"
    write(file, OLD)
    sky = watch([file], kept=[kept])
    sky._predict(AUGUST_23_UTC_NS)
    before = len(sky.sky.passes)
    file.write_bytes(b"\x00\xff" * 100)
    sky._predict(AUGUST_23_UTC_NS)
    file.unlink()
    sky._predict(AUGUST_23_UTC_NS)
    assert len(sky.sky.passes) == before > 0


def events_of(sky: PassWatch, start_utc_ns: int, end_utc_ns: int) -> list[str]:
    told: list[str] = []
    for at in range(start_utc_ns, end_utc_ns, 5 * S):
        told += [record.type for record in sky._now(at)[0] if isinstance(record, PassEvent)]
    return told


def test_a_mask_cuts_a_pass_and_each_stretch_has_its_events(tmp_path: Path) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    free = watch([file])
    free._predict(AUGUST_23_UTC_NS)
    whole = max(free.sky.passes, key=lambda item: item.max_elevation_deg)
    assert whole.aos_utc_ns is not None
    assert whole.los_utc_ns is not None
    # A tower as wide as ten degrees stands where the satellite culminates.
    at = whole.tca_azimuth_deg
    points = sorted(
        (azimuth % 360.0, up) for azimuth, up in ((at - 6, 0.0), (at - 5, 85.0), (at + 5, 85.0), (at + 6, 0.0))
    )
    masked = watch([file], mask=HorizonMask(tuple(points)))
    masked._predict(AUGUST_23_UTC_NS)
    parts = [p for p in masked.sky.passes if abs(p.tca_utc_ns - whole.tca_utc_ns) < 900 * S]
    assert len(parts) == 2
    window = whole.aos_utc_ns - 20 * S, whole.los_utc_ns + 20 * S
    assert events_of(free, *window) == ["aos", "tca", "los"]
    assert events_of(masked, *window) == ["aos", "tca", "los", "aos", "tca", "los"]


def test_a_prediction_anew_during_a_pass_repeats_no_event(tmp_path: Path) -> None:
    file = tmp_path / "elements.csv"
    write(file, OLD)
    sky = watch([file])
    sky._predict(AUGUST_23_UTC_NS)
    one = sky.sky.passes[0]
    assert one.aos_utc_ns is not None
    assert one.los_utc_ns is not None
    told: list[str] = []
    for at in range(one.aos_utc_ns - 10 * S, one.los_utc_ns + 60 * S, 60 * S):
        sky._predict(at)
        told += events_of(sky, at, at + 60 * S)
    assert told == ["aos", "tca", "los"]
