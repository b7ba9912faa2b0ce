"""What may be asked over MQTT: alarms by their own id, history from the archive, everything within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.config import load_station_config
from agent.health.monitor import Monitor
from agent.records import Alarm, ParameterReport, ParameterValue, Record
from agent.runtime import Agent
from agent.runtime.orders import Orders
from agent.runtime.station import run_agent
from agent.sinks.archive import Archive
from agent.sinks.embedded_broker import EmbeddedBroker
from tests import signals
from tests.runtime.test_station import STATION
from tests.test_command_line import SATELLITE_TOML

BEGIN_UTC_NS = 1_795_000_000_000_000_000


def report(count: int, voltage: float) -> ParameterReport:
    values = (ParameterValue("count", count, count), ParameterValue("battery_voltage", 0, voltage, "V"))
    return ParameterReport("testsat", "beacon", BEGIN_UTC_NS + count * 1_000_000_000, values)


class Desk:
    """Orders over a real archive, with what was kept."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.kept: list[Record] = []
        self.shown: list[tuple[str, float]] = []
        self.monitor = Monitor({"testsat": signals.SATELLITE})
        self.orders = Orders(self.monitor, archive, keep=self.keep, spectrum=self.show)

    async def keep(self, records: Sequence[Record]) -> None:
        self.kept += records

    def show(self, source: str, seconds: float) -> bool:
        self.shown.append((source, seconds))
        return source == "dongle"

    async def ask(self, name: str, **request: Any) -> dict[str, Any]:
        body = {"id": "1", "client": "me", "user": "kim", **request}
        answer = await self.orders.carry_out(name, json.dumps(body).encode())
        assert answer is not None
        assert (answer.topic, answer.retain) == ("reply/me", False)
        found: dict[str, Any] = json.loads(answer.payload)
        assert found["id"] == "1"
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Archive(tmp_path, "test", commit_interval_s=0.01) as archive:
        yield Desk(archive)


async def test_an_alarm_is_acknowledged_by_its_own_id_only(desk: Desk) -> None:
    (alarm,) = [record for record in desk.monitor.observe(report(1, 6.0)) if isinstance(record, Alarm)]
    which = {"satellite": "testsat", "parameter": "battery_voltage"}
    stale = await desk.ask("acknowledge", **which, alarm_id="0" * 16)
    assert stale["ok"] is False
    assert desk.kept == []
    assert (await desk.ask("acknowledge", **which, alarm_id=alarm.alarm_id))["ok"] is True
    (kept,) = [record for record in desk.kept if isinstance(record, Alarm)]
    assert (kept.state, kept.acknowledged_by) == ("acknowledged", "kim")


async def test_history_gives_values_in_order_within_the_window_and_the_bound(desk: Desk) -> None:
    await desk.archive.write([report(count, 7 + count / 100) for count in range(100)])
    begin_ms = BEGIN_UTC_NS // 1_000_000
    window = {"from_ts": begin_ms + 10_000, "to_ts": begin_ms + 60_000, "satellite": "testsat", "packet": "beacon"}
    answer = await desk.ask("history", **window, parameter="battery_voltage_v")
    assert answer["ts"] == [begin_ms + count * 1000 for count in range(10, 61)]
    assert answer["values"][0] == pytest.approx(7.1)
    thinned = await desk.ask("history", **window, parameter="battery_voltage", max_points=10)
    assert len(thinned["ts"]) <= 10
    assert (await desk.ask("history", **window, parameter="nothing"))["ts"] == []


async def test_a_spectrum_is_shown_for_a_bounded_time(desk: Desk) -> None:
    assert (await desk.ask("spectrum", source="dongle", duration_s=1e9))["ok"] is True
    assert desk.shown == [("dongle", 60.0)]
    assert "no source" in (await desk.ask("spectrum", source="tnc"))["error"]


@pytest.mark.parametrize(
    ("name", "request_", "error"),
    [
        ("reboot", {}, "no command is called 'reboot'"),
        ("acknowledge", {"satellite": "testsat"}, "missing required field"),
        ("history", {"satellite": "testsat", "packet": "p", "parameter": "x", "from_ts": 0, "to_ts": "now"}, "int"),
    ],
)
async def test_a_wrong_order_is_answered_with_a_sentence(
    desk: Desk, name: str, request_: dict[str, Any], error: str
) -> None:
    answer = await desk.ask(name, **request_)
    assert answer["ok"] is False
    assert error in answer["error"]


@pytest.mark.parametrize(
    "payload", [b"", b"not json", b"[]", b'{"id":"1"}', b'{"id":"1","client":"a/#"}', b"x" * 5000]
)
async def test_what_cannot_be_answered_is_ignored(desk: Desk, payload: bytes) -> None:
    assert await desk.orders.carry_out("acknowledge", payload) is None


async def test_orders_reach_the_agent_only_where_the_broker_allows_commands(tmp_path: Path) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio([signals.frame(1, 6.5)]) * 0.5)
    answers = {}
    async with EmbeddedBroker() as broker:
        for allowed in ("true", "false"):
            text = STATION.format(port=broker.port, recording=tmp_path / "pass.wav")
            text = text.replace(f"port = {broker.port}", f"port = {broker.port}\ncommands = {allowed}")
            (tmp_path / "station.toml").write_text(text, encoding="utf-8")
            answers[allowed] = await ask_running_agent(tmp_path / "station.toml", broker.port)
    assert answers["true"] is not None
    assert answers["true"]["ok"] is False
    assert answers["false"] is None


async def ask_running_agent(station: Path, port: int) -> dict[str, Any] | None:
    agent = Agent(load_station_config(station))
    running = asyncio.create_task(run_agent(agent))
    try:
        async with asyncio.timeout(15), aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe([("gs/test/reply/me", 1), ("gs/test/station", 1)])
            try:
                async with asyncio.timeout(4.0):
                    return await ask_when_connected(client)
            except TimeoutError:
                return None
    finally:
        agent.stop.set()
        await running


async def ask_when_connected(client: aiomqtt.Client) -> dict[str, Any] | None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        if message.topic.matches("gs/test/reply/me"):
            answer: dict[str, Any] = json.loads(message.payload)
            return answer
        # The station's own telemetry comes once the agent is wholly connected.
        await client.publish("gs/test/cmd/nonsense", json.dumps({"id": "7", "client": "me"}), qos=1)
    return None
