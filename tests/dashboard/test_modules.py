"""The page's pure modules, run where they run: in a browser, one page for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dashboard.browser import chromium, dashboard, need_browser

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("browser_at")]

DEGREE_OF_A_LOW_PRECISION_MOON = 0.4
TENTH_OF_A_DEGREE = 0.1


async def run(script: str) -> Any:
    """Run a script in a page that has no broker; ``load("module")`` imports one of the page's modules."""
    need_browser()
    async with dashboard(1) as served, chromium(served.address) as window:
        return await window.page.evaluate(
            f"(async () => {{ const load = name => import(`./${{name}}.js`); {script} }})()"
        )


async def test_history_keeps_order_thins_merges_and_is_bounded() -> None:
    found = await run(
        """
        const { History } = await load("history");
        const history = new History();
        const rows = [[1000, 1], [3000, 3], [2000, 2], [2000, 9], [3200, 4]];
        for (const [ts, v] of rows) history.add(ts, { v, name: "x" }, 500);
        history.merge("v", [500, 2000, 2500], [0.5, 2.2, 2.5]);
        const first = [history.times, history.columns.get("v"), [...history.columns.keys()]].map(list => [...list]);
        for (let n = 0; n < 5000; n++) history.add(10000 + n * 1000, { v: n, late: n > 4000 ? n : "text" });
        return [...first, history.times.length, history.columns.get("v").length, history.columns.get("late").length,
                history.columns.get("v").at(-1), history.columns.get("late")[0]];
        """
    )
    assert found[:3] == [[0.5, 1, 2, 2.5, 3], [0.5, 1, 2.2, 2.5, 3], ["v"]]
    assert found[3] == found[4] == found[5] <= 1400
    assert found[6:] == [4999, None]


async def test_limits_become_zones_as_xtce_means_them() -> None:
    found = await run(
        """
        const { zones, scale, inWords } = await load("parameters");
        const outside = { warning: { min: 0, max: 40 }, critical: { min: -10, max: 45 } };
        const inside = { form: "inside", watch: { min: 5, max: 6 } };
        return [zones(outside, -20, 50), zones(inside, 0, 10), zones(null, 0, 1), scale(outside, 12), scale({}, 1),
                inWords(outside, "V")];
        """
    )
    assert found[0] == [
        {"from": -20, "to": 0, "level": "warning"},
        {"from": 40, "to": 50, "level": "warning"},
        {"from": -20, "to": -10, "level": "critical"},
        {"from": 45, "to": 50, "level": "critical"},
    ]
    assert found[1] == [{"from": 5, "to": 6, "level": "watch"}]
    assert found[2] == []
    assert found[3]["low"] < -10 < 45 < found[3]["high"]
    assert found[4] is None
    assert found[5] == "warning outside 0 … 40 V; critical outside -10 … 45 V"


async def test_elements_of_repeated_parameters_are_described_by_what_is_repeated() -> None:
    found = await run(
        """
        const { describe } = await load("parameters");
        const parameters = {
          temperature_deg_c: { name: "temperature", unit: "degC", elements: ["battery", "panel"] },
          cell: { name: "cell", count: 2, parameters: { voltage_v: { name: "voltage", unit: "V" } } },
          rate_deg_s: { name: "rate", unit: "deg/s", count: 3 },
        };
        const satellite = { schema: { data: { packets: { beacon: { parameters } } } } };
        const keys = ["temperature_panel_deg_c", "cell_1_voltage_v", "rate_2_deg_s", "other"];
        return keys.map(key => describe(satellite, "beacon", key)).map(it => [it.name, it.unit, it.described]);
        """
    )
    assert found == [
        ["temperature_panel", "°C", True],
        ["cell_1_voltage", "V", True],
        ["rate_2", "°/s", True],
        ["other", "", False],
    ]


async def test_times_are_utc_and_countdowns_have_a_sign() -> None:
    found = await run(
        """
        const { utc, utcClock, dayOfYear, span, countdown, ago } = await load("time");
        const at = Date.UTC(2024, 11, 31, 23, 59, 58);
        return [utcClock(at), utc(at, at + 1000), utc(at, at + 5000), dayOfYear(at), span(59_400), span(61_000),
                span(3 * 3600_000 + 600_000), span(9 * 86_400_000), countdown(at + 3_725_000, at),
                countdown(at, at + 10_000), ago(null), utc(undefined)];
        """
    )
    assert found == [
        "23:59:58", "23:59:58", "2024-12-31 23:59:58", 366, "59 s", "1 min 1 s", "3 h 10 min", "9 d", "−01:02:05",
        "+00:00:10", "never heard", "unknown",
    ]  # fmt: skip


async def test_sun_and_moon_stand_where_the_almanac_has_them() -> None:
    found = await run(
        """
        const { sunBelow, moonBelow, moonPhase, lookAt } = await load("geometry");
        return [sunBelow(Date.UTC(2024, 5, 20, 20, 51)), moonBelow(Date.UTC(1992, 3, 12)),
                moonPhase(Date.UTC(2024, 3, 8, 18, 21)).lit, moonPhase(Date.UTC(2024, 3, 23, 23, 49)).lit,
                lookAt(sunBelow(Date.UTC(2024, 2, 20, 12)), { latitude_deg: 0, longitude_deg: 0 })];
        """
    )
    sun, moon, new, full, noon = found
    # June solstice of 2024, 20 June 20:51 UTC: declination is the obliquity, 23.44° (USNO).
    assert sun["latitude_deg"] == pytest.approx(23.44, abs=TENTH_OF_A_DEGREE)
    # Meeus, Astronomical Algorithms, example 47.a: 1992 April 12, 0h TD: declination 13.768°, distance 368 410 km.
    assert moon["latitude_deg"] == pytest.approx(13.77, abs=DEGREE_OF_A_LOW_PRECISION_MOON)
    assert moon["distance_km"] == pytest.approx(368410, rel=0.01)
    # Right ascension 134.688° less Greenwich sidereal time 200.11° (0h UT; TD is a minute ahead).
    assert moon["longitude_deg"] == pytest.approx(134.69 - 200.11, abs=2 * DEGREE_OF_A_LOW_PRECISION_MOON)
    # Solar eclipse of 2024 April 8 at 18:21, full Moon of 2024 April 23 at 23:49.
    assert new < 0.001
    assert full > 0.99
    # At the equinox the Sun passes the zenith of the equator; the equation of time moves it by less than 2°.
    assert noon["elevation_deg"] > 87.5


async def test_path_of_a_pass_goes_through_its_three_published_directions() -> None:
    found = await run(
        """
        const { passPath } = await load("geometry");
        const pass = { aos_azimuth_deg: 200, tca_azimuth_deg: 290, los_azimuth_deg: 20, max_elevation_deg: 55 };
        return [passPath(pass), passPath({ aos_azimuth_deg: 1 })];
        """
    )
    path, nothing = found
    assert nothing is None
    assert path[0] == pytest.approx([200, 0], abs=1e-6)
    assert path[-1] == pytest.approx([20, 0], abs=1e-6)
    highest = max(path, key=lambda point: point[1])
    assert highest == pytest.approx([290, 55], abs=1.5)


async def test_footprint_and_track_ahead_are_circles_on_a_turning_earth() -> None:
    found = await run(
        """
        const { footprint, trackAhead } = await load("geometry");
        const edge = footprint(0, 100, 550);
        const older = { ts: 0, latitude_deg: 0, longitude_deg: 0 };
        const newer = { ts: 10_000, latitude_deg: 0, longitude_deg: 0.591 };
        const ahead = trackAhead(older, newer, 550, 95.5, 4);
        return [Math.max(...edge.map(point => point[0])), ahead, trackAhead(older, newer, 36000, 10)];
        """
    )
    # The horizon circle of 550 km is acos(R / (R + h)) = 23.0°.
    assert found[0] == pytest.approx(23.0, abs=TENTH_OF_A_DEGREE)
    # One revolution of an equatorial orbit of 95.5 min: back where it was, less the Earth's turn of 23.94°.
    assert found[1][-1][1] == pytest.approx(0.59 - 23.94, abs=TENTH_OF_A_DEGREE)
    assert found[2] is None


async def test_most_urgent_alarm_stands_first() -> None:
    found = await run(
        """
        const { byUrgency } = await load("attention");
        const alarm = (level, state, since) => ({ data: { level, state, triggered_ts: since } });
        return byUrgency([alarm("watch", "triggered", 3), alarm("critical", "acknowledged", 9),
                          alarm("warning", "triggered", 1), alarm("warning", "returned_to_normal", 2)])
            .map(({ data }) => `${data.level} ${data.triggered_ts}`);
        """
    )
    assert found == ["warning 2", "warning 1", "watch 3", "critical 9"]


async def test_an_outlook_lists_forecasts_then_anomalies_and_the_clock_in_a_sentence() -> None:
    found = await run(
        """
        const { lines, clockText } = await load("tiles/satellite/outlook");
        const outlook = {
          forecasts: ["v reaches 6.5 V in about 41 min"], forecast_parameters: ["v"], forecast_levels: ["critical"],
          forecast_earliest_s: [2310], forecast_latest_s: [2630],
          anomaly_parameters: ["i"], anomaly_kinds: ["stuck"], anomaly_scores: [1.31], anomaly_since_ts: [0],
        };
        const valid = { state: "valid", offset_s: -2.81, accuracy_s: 0.6, drift_ppm: 11.5 };
        return [lines(outlook).map(line => [line.level, line.text, line.detail]), lines({}),
                clockText(undefined, 0), clockText(valid, 0)];
        """
    )
    assert found[0] == [
        ["critical", "v reaches 6.5 V in about 41 min", "between 39 and 44 min"],
        ["unknown", "i: stuck", "score 1.31 (1 is the threshold), since 00:00:00 UTC"],
    ]
    assert found[1:] == [[], "", "On-board clock: 2.81 s ± 0.60 s against the station, 11.5 ppm"]
