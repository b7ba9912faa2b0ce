"""Faults on board: what a satellite's model sends while they last and after, and what a scenario may not ask."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.config import load_satellite
from agent.errors import AgentError, ConfigError
from agent.simulator.fault import Fault
from agent.simulator.faults.onboard import KINDS
from agent.simulator.satellite_model import SatelliteModel
from agent.simulator.scenario import load_scenario

NOW_NS = 1_790_000_000 * 10**9

SCENARIO = """\
seconds = 10

[[tnc]]
id = "tnc"

[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
tnc = "tnc"
every_s = 1

[[fault]]
kind = "parameter_set"
target = "demosat"
at_s = 1
parameter = "{parameter}"
value = 1.0
"""


class Scene:
    """Nothing but a satellite's model."""

    def __init__(self, *curves: dict[str, Any]) -> None:
        _, satellite = load_satellite("demosat", [])
        made = [msgspec.convert(curve, _curve_type()) for curve in curves]
        self.model = SatelliteModel(satellite, satellite.downlinks[0], "housekeeping", made)

    def models(self, _: str) -> list[SatelliteModel]:
        return [self.model]

    def value(self, name: str, t_s: float) -> Any:
        return self.model.values(t_s, NOW_NS)[name]


def _curve_type() -> Any:
    from agent.simulator.satellite_model import Curve

    return Curve


def happening(scene: Scene, kind: str, **keys: Any) -> AbstractAsyncContextManager[None]:
    return KINDS[kind].happen(scene, Fault(kind=kind, target="demosat", at_s=10.0, **keys))  # type: ignore[arg-type]


RISING = {"kind": "ramp", "parameter": "battery_voltage", "start": 7.0, "per_s": 0.01}


async def test_a_parameter_that_is_set_has_its_value_until_the_fault_is_over() -> None:
    scene = Scene(RISING)
    async with happening(scene, "parameter_set", parameter="battery_voltage", value=6.0):
        assert scene.value("battery_voltage", 20.0) == 6.0
    assert scene.value("battery_voltage", 30.0) == pytest.approx(7.3)


async def test_a_parameter_that_is_stuck_keeps_the_first_value_it_had() -> None:
    scene = Scene(RISING)
    async with happening(scene, "parameter_stuck", parameter="battery_voltage"):
        assert scene.value("battery_voltage", 10.0) == scene.value("battery_voltage", 50.0) == pytest.approx(7.1)


async def test_a_drift_leaves_the_course_from_the_faults_beginning_on() -> None:
    scene = Scene(RISING)
    async with happening(scene, "parameter_drift", parameter="battery_voltage", value=-0.1):
        assert scene.value("battery_voltage", 10.0) == pytest.approx(7.1)
        assert scene.value("battery_voltage", 20.0) == pytest.approx(7.2 - 1.0)


async def test_noise_is_about_the_course() -> None:
    scene = Scene(RISING)
    async with happening(scene, "parameter_noise", parameter="battery_voltage", value=0.2):
        values = [scene.value("battery_voltage", 10.0) for _ in range(200)]
    assert sum(values) / 200 == pytest.approx(7.1, abs=0.06)
    assert max(values) - min(values) > 0.5


async def test_what_the_packet_cannot_say_is_not_sent() -> None:
    scene = Scene(RISING)
    async with happening(scene, "parameter_drift", parameter="battery_voltage", value=-100.0):
        assert scene.value("battery_voltage", 20.0) == pytest.approx(7.2)


async def test_a_silent_satellite_sends_again_afterwards() -> None:
    scene = Scene()
    async with happening(scene, "satellite_silent"):
        assert scene.model.silent
    assert not scene.model.silent


async def test_a_reset_begins_the_uptime_anew_and_counts_a_boot_for_good() -> None:
    scene = Scene({"kind": "ramp", "parameter": "uptime", "start": 3600})
    boots = scene.value("reset_count", 5.0)
    async with happening(scene, "onboard_reset"):
        assert scene.model.silent
    assert scene.value("uptime", 15.0) == 5
    assert scene.value("reset_count", 15.0) == boots + 1
    async with happening(scene, "onboard_reset"):
        pass
    assert scene.value("reset_count", 15.0) == boots + 2


async def test_a_parameter_that_is_not_sent_cannot_be_broken() -> None:
    with pytest.raises(AgentError, match="sends no parameter"):
        async with happening(Scene(), "parameter_set", parameter="warp_drive", value=1.0):
            pass


def test_a_scenario_names_the_place_of_a_parameter_that_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SCENARIO.format(parameter="battery_volt"))
    with pytest.raises(ConfigError, match="did you mean battery_voltage") as raised:
        load_scenario(str(path))
    assert "s.toml:17" in str(raised.value)
