"""Horizon masks, and what is drawn and listed of passes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pytest

from agent.errors import AgentError
from agent.orbit.calendar import to_calendar
from agent.orbit.catalogue import Catalogue
from agent.orbit.horizon import HorizonMask, azimuth_elevation_deg, behind_mask
from agent.orbit.listing import iso, table_rows, to_json
from agent.orbit.passes import predict_passes
from agent.orbit.sky_plot import SkyTrack, sky_svg, sky_text, timeline_svg, timeline_text
from agent.records import Pass
from tests.orbit.sets import AUGUST_23_UTC_NS, DAEJEON, DAY_NS, GEOSTATIONARY, circular

WINDOW = AUGUST_23_UTC_NS, AUGUST_23_UTC_NS + 2 * DAY_NS
# A valley open to the south, a wall to the north, a tower in the east.
MASK = HorizonMask(((0.0, 40.0), (60.0, 35.0), (85.0, 5.0), (88.0, 70.0), (92.0, 70.0), (95.0, 5.0), (300.0, 3.0)))


def passes_above(threshold_deg: float) -> list[Pass]:
    return list(predict_passes([circular()], DAEJEON, *WINDOW, min_elevation_deg=threshold_deg).passes)


def test_a_flat_mask_cuts_where_a_threshold_does() -> None:
    flat = HorizonMask(((0.0, 10.0),))
    cut = behind_mask(passes_above(10.0), Catalogue([circular()]), DAEJEON, flat, WINDOW)
    lower = behind_mask(passes_above(0.0), Catalogue([circular()]), DAEJEON, flat, WINDOW)
    truth = passes_above(10.0)
    assert len(cut) == len(lower) == len(truth) > 4
    for a, b in zip(lower, truth, strict=True):
        assert a.aos_utc_ns is not None
        assert b.aos_utc_ns is not None
        assert abs(a.aos_utc_ns - b.aos_utc_ns) < 5_000_000
        assert abs(a.tca_utc_ns - b.tca_utc_ns) < 5_000_000
        assert a.max_elevation_deg == pytest.approx(b.max_elevation_deg, abs=1e-5)


def test_behind_the_mask_nothing_is_seen_and_above_it_everything() -> None:
    cut = behind_mask(passes_above(MASK.lowest_deg), Catalogue([circular()]), DAEJEON, MASK, WINDOW)
    times = AUGUST_23_UTC_NS + np.arange(0, 2 * 86_400, 5, dtype=np.int64) * 10**9
    azimuth, elevation = azimuth_elevation_deg(circular(), DAEJEON, times)
    clear = elevation > MASK.elevation_deg(azimuth)
    listed = np.zeros(times.size, dtype=bool)
    for p in cut:
        listed |= (times > (p.aos_utc_ns or 0)) & (times < (p.los_utc_ns or 2**62))
        assert p.max_elevation_deg > MASK.lowest_deg
    assert clear.any()
    assert (clear == listed).all()
    assert len(cut) != len(passes_above(MASK.lowest_deg))


def test_a_mask_is_linear_between_its_points_and_around_north() -> None:
    mask = HorizonMask(((10.0, 10.0), (350.0, 30.0)))
    assert mask.elevation_deg(np.array([10.0, 180.0, 350.0, 0.0, 360.0])).tolist() == pytest.approx(
        [10, 20, 30, 20, 20]
    )


@pytest.mark.parametrize(
    "points", [(), ((10.0, 1.0), (5.0, 1.0)), ((370.0, 1.0),), ((0.0, 95.0),), ((0.0, 1.0), (0.0, 2.0))]
)
def test_a_mask_that_is_none_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(AgentError, match="mask"):
        HorizonMask(points)


def test_the_json_holds_what_the_records_hold() -> None:
    passes = [
        *passes_above(0.0),
        *predict_passes([GEOSTATIONARY], replace(DAEJEON, longitude_deg=30.0), *WINDOW).passes,
    ]
    rows = json.loads(to_json(passes))
    assert [row["norad"] for row in rows] == [p.norad for p in passes]
    assert set(rows[0]) >= {
        "satellite", "norad", "aos", "tca", "los", "max_elevation_deg", "aos_azimuth_deg", "tca_azimuth_deg",
        "los_azimuth_deg", "kind",
    }  # fmt: skip
    moment = datetime.fromisoformat(rows[1]["aos"])
    assert passes[1].aos_utc_ns is not None
    assert abs(moment.timestamp() - passes[1].aos_utc_ns / 1e9) < 1e-6
    assert iso(1_787_443_199_999_999_600) == "2026-08-23T00:00:00.000000Z"
    assert iso(None) is None
    assert json.loads(to_json([])) == []
    assert len(list(table_rows(passes))) == len(passes)


def test_the_calendar_has_an_event_for_each_whole_pass_in_lines_of_75_octets() -> None:
    passes = [replace(p, satellite="Ätna, größte; Müller\\1") for p in passes_above(0.0)]
    text = to_calendar(passes, DAEJEON, datetime(2026, 8, 23, tzinfo=UTC))
    lines = text.split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2] == "END:VCALENDAR"
    assert all(len(line.encode()) <= 75 for line in lines)
    whole = [p for p in passes if p.aos_utc_ns and p.los_utc_ns]
    assert text.count("BEGIN:VEVENT") == len(whole)
    assert "SUMMARY:Ätna\\, größte\\; Müller\\\\1" in text.replace("\r\n ", "")
    assert len({line for line in lines if line.startswith("UID:")}) == len(whole)


def track(p: Pass) -> SkyTrack:
    times = (p.aos_utc_ns or WINDOW[0]) + np.arange(0, 600, 10, dtype=np.int64) * 10**9
    azimuth, elevation = azimuth_elevation_deg(circular(), DAEJEON, times)
    return SkyTrack(p, tuple(zip(azimuth.tolist(), elevation.tolist(), strict=True)))


def test_the_sky_has_north_up_and_every_pass_on_it() -> None:
    tracks = [track(p) for p in passes_above(0.0)[:3]]
    text = sky_text(tracks, DAEJEON).splitlines()
    assert "N" in text[1]
    assert text[17].startswith("W")
    assert text[17].rstrip().endswith("E")
    for mark in "abc":
        assert any(mark in line for line in text[1:34])
    root = ElementTree.fromstring(sky_svg(tracks, replace(DAEJEON, name="<&>")))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 3


def test_the_timeline_has_a_row_for_each_satellite() -> None:
    passes = passes_above(0.0)
    text = timeline_text(passes, WINDOW).splitlines()
    assert len(text) == 2
    tens = {str(int(p.max_elevation_deg // 10)) for p in passes}
    assert set(text[1].split()[-1]) - {"·"} <= tens
    root = ElementTree.fromstring(timeline_svg(passes, WINDOW))
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 1 + len(passes)
    assert timeline_text([], WINDOW)
