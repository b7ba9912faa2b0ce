"""A spacecraft's body follows its Sun: battery, heat, mode, resets; and the sky gives it the Sun of its orbit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.orbit.shadow import eclipses
from agent.simulator.scenario import load_scenario
from agent.simulator.sky import make_sky
from agent.simulator.spacecraft import Body, Spacecraft, State, state_value

BEGIN_UTC_NS = 1_790_000_000 * 10**9
TABLE = Spacecraft(panel_w=8.0, load_w=4.0, safe_load_w=1.0, battery_wh=10.0, charge=0.5, resets_s=(5000.0,))
ten_seconds = 10.0


def dark(_: int) -> float:
    return 0.0


def lit(_: int) -> float:
    return 1.0


def test_the_battery_gains_in_light_and_loses_in_shadow_what_was_drawn() -> None:
    body = Body.beginning(TABLE)
    body.follow(900.0, BEGIN_UTC_NS, 0, lit)
    assert body.charge == pytest.approx(0.5 + 4.0 * 900 / 3600 / 10.0)
    body.follow(2700.0, BEGIN_UTC_NS, 0, dark)
    assert body.charge == pytest.approx(0.6 - 4.0 * 1800 / 3600 / 10.0)
    assert body.quantity("eclipse", 0) is True
    current = body.quantity("battery_current_a", 0)
    assert isinstance(current, float)
    assert current < 0


def test_an_empty_battery_makes_it_safe_until_it_is_charged_again() -> None:
    body = Body.beginning(TABLE)
    body.follow(3000.0, BEGIN_UTC_NS, 0, dark)
    assert (body.quantity("mode", 0), body.load_w) == ("safe", 1.0)
    body.follow(3600.0, BEGIN_UTC_NS, 0, lit)
    assert body.quantity("mode", 0) == "safe"
    body.follow(6000.0, BEGIN_UTC_NS, 0, lit)
    assert body.quantity("mode", 0) == "nominal"


def test_temperatures_go_the_way_of_their_time_constants() -> None:
    body = Body.beginning(TABLE)
    body.follow(TABLE.panel_constant_s, BEGIN_UTC_NS, 0, dark)
    fallen = TABLE.panel_cold_degc + (TABLE.panel_hot_degc - TABLE.panel_cold_degc) / 2.718281828
    assert body.panel_degc == pytest.approx(fallen)
    assert body.body_degc > body.panel_degc


def test_a_reset_begins_uptime_and_frames_anew() -> None:
    body = Body.beginning(TABLE)
    body.follow(4999.0, BEGIN_UTC_NS, 100, lit)
    assert (body.quantity("uptime_s", 100), body.quantity("resets", 100)) == (86_400 + 4999, 0)
    body.follow(5010.0, BEGIN_UTC_NS, 101, lit)
    assert (body.quantity("uptime_s", 101), body.quantity("resets", 101)) == (10, 1)
    assert body.quantity("frames_since_reset", 104) == 3


def test_a_parameter_says_it_in_its_own_unit_and_words() -> None:
    body, chance = Body.beginning(TABLE), random.Random(1)
    in_mv = State(parameter="x", of="battery_voltage_v", scale=1000.0)
    voltage = body.quantity("battery_voltage_v", 0)
    assert isinstance(voltage, float)
    assert state_value(in_mv, body, 0, chance) == pytest.approx(1000 * voltage)
    words = State(parameter="x", of="mode", labels={"nominal": "operational"})
    assert state_value(words, body, 0, chance) == "operational"
    assert state_value(State(parameter="x", of="uptime_s"), body, 0, chance) == 86_400


def test_the_sun_of_its_orbit_shines_on_a_simulated_satellite(tmp_path: Path) -> None:
    (tmp_path / "orbit.toml").write_text(
        "[station]\nlatitude_deg = 36.4\nlongitude_deg = 127.4\nreference_range_km = 1000\n"
        '[[sdr]]\nid = "dongle"\nfrequency_hz = 437_450_000\n[[transmitter]]\nsatellite = "demosat"\n'
        'downlink = "9k6-fsk"\npacket = "housekeeping"\n[[transmitter.curve]]\nkind = "state"\n'
        'parameter = "eclipse"\nof = "eclipse"\n'
    )
    scenario = load_scenario(str(tmp_path / "orbit.toml"))
    assert scenario.file.station is not None
    sky = make_sky(scenario, scenario.file.station, BEGIN_UTC_NS)
    (model,) = [item.model for item in scenario.transmissions]
    found = eclipses(sky.elements["demosat"], BEGIN_UTC_NS, BEGIN_UTC_NS + 7200 * 10**9)
    assert found
    for eclipse in found:
        middle = (eclipse.start_utc_ns + eclipse.end_utc_ns) // 2
        assert model.sunlight(middle) == 0.0
        assert model.sunlight(eclipse.end_utc_ns + round(ten_seconds * 1e9)) == 1.0


def test_the_paths_length_weakens_a_signal(tmp_path: Path) -> None:
    (tmp_path / "pass.toml").write_text(
        "[station]\nlatitude_deg = 36.4\nlongitude_deg = 127.4\nreference_range_km = 1000\n"
        '[[sdr]]\nid = "dongle"\nfrequency_hz = 437_450_000\n[[transmitter]]\nsatellite = "demosat"\n'
        'downlink = "9k6-fsk"\npacket = "housekeeping"\n'
    )
    scenario = load_scenario(str(tmp_path / "pass.toml"))
    assert scenario.file.station is not None
    sky = make_sky(scenario, scenario.file.station, BEGIN_UTC_NS)
    levels = []
    for seconds in (0, 100, 210):
        carrier = sky.carrier("demosat", 437.5e6, BEGIN_UTC_NS + seconds * 10**9)
        assert carrier is not None
        levels.append(carrier.level_db)
    # From 18° of elevation to overhead a circular orbit of 550 km comes nearer by a factor of about 2.3.
    assert levels == sorted(levels)
    assert 5.0 < levels[-1] - levels[0] < 9.0
