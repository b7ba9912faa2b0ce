"""Alarms end to end: a simulated satellite goes wrong on board, an operator answers with ``mosquitto_pub``.

The scenario ``parameter-faults`` is played into a TNC, the agent is a process, the broker a real mosquitto. What is
published under ``alarm/#`` is the whole story: each fault raises exactly its alarm, in the states that the
operator's answers lead to, and nothing else does; in the end the broker retains only what is still open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.simulator.play import Playing
from agent.simulator.scenario import load_scenario
from hil_tests.rigs.mosquitto import Mosquitto

pytestmark = [pytest.mark.hil, pytest.mark.timeout(120)]

SECONDS = 46.0
READY_S = 30.0
SOON_S = 5.0

STATION = """\
satellites = ["demosat"]

[station]
name = "here"
latitude_deg = 36.372
longitude_deg = 127.363

[archive]
directory = "archive"

[[broker]]
port = {port}
commands = true

[[source]]
id = "tnc"
kind = "serial_port"
port = "{tnc}"
"""


@dataclass
class Story:
    """Everything that was published about alarms, and what is retained now."""

    told: list[dict[str, Any]] = field(default_factory=list)
    retained: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    outlooks: list[dict[str, Any]] = field(default_factory=list)
    clocks: list[dict[str, Any]] = field(default_factory=list)
    online: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, topic: str, payload: bytes) -> None:
        place = topic.removeprefix("gs/here/")
        if place.startswith("reply/"):
            answer = json.loads(payload)
            self.replies[answer["id"]] = answer
        elif place == "status":
            self.online = json.loads(payload)["online"]
        elif place == "sat/demosat/outlook":
            self.outlooks.append(json.loads(payload))
        elif place == "sat/demosat/clock":
            self.clocks.append(json.loads(payload))
        elif not payload:
            self.retained.pop(place, None)
        else:
            said = json.loads(payload)
            if said not in self.told:
                self.told.append(said)
            self.retained[place] = said
        self.changed.set()

    def states(self, name: str) -> list[str]:
        return [one["state"] for one in self.told if one["parameter"] == name]

    async def until(self, true: Callable[[], bool], within_s: float = SECONDS) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self.changed.clear()
                await self.changed.wait()


class Operator:
    """Somebody at a terminal with ``mosquitto_pub``."""

    def __init__(self, port: int, story: Story) -> None:
        self._port = port
        self._story = story
        self._orders = 0

    async def order(self, verb: str, alarm: dict[str, Any], **more: Any) -> dict[str, Any]:
        self._orders += 1
        name = f"order{self._orders}"
        told = {"id": name, "client": "terminal", "user": "kim", "satellite": "demosat"}
        told |= {"parameter": alarm["parameter"], "alarm_id": alarm["alarm_id"], **more}
        publishing = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-h", "127.0.0.1", "-p", str(self._port), "-q", "1",
            "-t", f"gs/here/cmd/{verb}", "-m", json.dumps(told),
        )  # fmt: skip
        assert await publishing.wait() == 0
        await self._story.until(lambda: name in self._story.replies, SOON_S)
        return self._story.replies[name]

    def newest(self, name: str) -> dict[str, Any]:
        return next(one for one in reversed(self._story.told) if one["parameter"] == name)


@contextlib.asynccontextmanager
async def agent(directory: Path, port: int, tnc: str) -> AsyncIterator[None]:
    station = directory / "station.toml"
    station.write_text(STATION.format(port=port, tnc=tnc))
    with (directory / "agent.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "run", str(station), stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            async with asyncio.timeout(10):
                await process.wait()


async def listen(port: int, story: Story) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic in ("gs/here/alarm/#", "gs/here/reply/terminal", "gs/here/status", "gs/here/sat/demosat/+"):
            await client.subscribe(topic, qos=1)
        async for message in client.messages:
            topic = str(message.topic)
            if topic.split("/")[2] != "sat" or topic.endswith(("/outlook", "/clock")):
                assert isinstance(message.payload, bytes)
                story.hear(topic, message.payload)


async def answer(story: Story, operator: Operator) -> None:
    """Do what an operator does, as the alarms come."""
    # The battery's alarm acknowledges itself: shelved for a second, it clears while it is silent.
    await story.until(lambda: "triggered" in story.states("battery_voltage"))
    battery = operator.newest("battery_voltage")
    assert (await operator.order("shelve", battery, duration_s=30))["ok"]
    assert not (await operator.order("acknowledge", battery | {"alarm_id": "0"}))["ok"]
    # The current's has to be acknowledged: twice is once, and after its end it is over.
    await story.until(lambda: "triggered" in story.states("battery_current"))
    current = operator.newest("battery_current")
    assert (await operator.order("acknowledge", current))["ok"]
    assert (await operator.order("acknowledge", current))["ok"]
    await story.until(lambda: "cleared" in story.states("battery_current"))
    late = await operator.order("acknowledge", current)
    assert not late["ok"]
    assert "no alarm" in late["error"]
    # Silence: shelved, and told again when the second is over; nobody acknowledges, so that it stays.
    await story.until(lambda: "triggered" in story.states("housekeeping_stale"))
    assert (await operator.order("shelve", operator.newest("housekeeping_stale"), duration_s=1))["ok"]
    # The reset: acknowledged; it goes on holding beyond the end of the play.
    await story.until(lambda: "triggered" in story.states("onboard_reset"))
    assert (await operator.order("acknowledge", operator.newest("onboard_reset")))["ok"]


async def test_each_fault_raises_its_alarm_and_an_operator_answers_over_mqtt(tmp_path: Path) -> None:
    scenario = load_scenario("parameter-faults")
    story = Story()
    async with Mosquitto(tmp_path) as broker, Playing(scenario) as scene:
        port = scene.ready()["serial_port"]["tnc"]["port"]
        listening = asyncio.create_task(listen(broker.port, story))
        async with agent(tmp_path, broker.port, port):
            await story.until(lambda: story.online, READY_S)
            answering = asyncio.create_task(answer(story, Operator(broker.port, story)))
            await scene.play(seconds=SECONDS)
            await asyncio.wait_for(answering, SOON_S)
            await story.until(lambda: "acknowledged" in story.states("onboard_reset"), SOON_S)
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
    print(f"{len(story.told)} transitions of {len({one['parameter'] for one in story.told})} alarms")
    raised = {one["parameter"] for one in story.told}
    assert raised == {"battery_voltage", "battery_current", "mode", "housekeeping_stale", "onboard_reset"}
    assert story.states("battery_voltage") == ["pending", "triggered", "shelved", "cleared"]
    assert story.states("battery_current") == ["triggered", "acknowledged", "cleared"]
    assert story.states("mode") == ["triggered", "cleared"]
    assert story.states("housekeeping_stale") == ["triggered", "shelved", "triggered", "returned_to_normal"]
    assert story.states("onboard_reset") == ["triggered", "acknowledged"]
    cleared = next(one for one in story.told if (one["parameter"], one["state"]) == ("battery_current", "cleared"))
    assert cleared["acknowledged_by"] == "kim"
    assert set(story.retained) == {"alarm/demosat/housekeeping_stale", "alarm/demosat/onboard_reset"}
    # Stuck inside its limits is no alarm: it stands in the outlook, beside them.
    stuck = [one for one in story.outlooks if "stuck" in one["anomaly_kinds"]]
    assert any("battery_current" in one["anomaly_parameters"] for one in stuck)
    # The clock is believed until the reset, which begins a new epoch; the beacon counts whole seconds.
    assert [one["epochs"] for one in story.clocks][:: len(story.clocks) - 1] == [1, 2]
    assert all(abs(one["offset_s"]) < 1.5 for one in story.clocks if one["state"] == "valid")
    assert any(one["state"] == "valid" for one in story.clocks)
