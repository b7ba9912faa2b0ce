"""The whole agent against a real broker: a recording in, telemetry and status out, kept first, resumed after."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.config import load_station_config
from agent.errors import ConfigError
from agent.runtime import Agent, check_station
from agent.runtime.station import run_agent
from agent.sinks.embedded_broker import EmbeddedBroker
from tests import signals
from tests.test_command_line import SATELLITE_TOML

STATION = """\
satellites = ["testsat"]
satellite_directories = ["satellites"]

[station]
name = "test"
latitude_deg = 36.372
longitude_deg = 127.363

[archive]
commit_interval_s = 0.05

[[broker]]
port = {port}

[[source]]
id = "recorder"
kind = "recording"
path = "{recording}"
pace = "fast"
"""

FRAMES = [signals.frame(1, 7.5), signals.frame(2, 6.5), signals.frame(3, 7.6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    return tmp_path


def station(folder: Path, port: int) -> Path:
    file = folder / "station.toml"
    file.write_text(STATION.format(port=port, recording=folder / "pass.wav"), encoding="utf-8")
    return file


class Listener:
    """A client that remembers every message, by topic below the station."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Any]] = {}
        self.arrived = asyncio.Event()

    async def listen(self, port: int, ready: asyncio.Event) -> None:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("gs/test/#", qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                topic = message.topic.value.removeprefix("gs/test/")
                if topic.startswith("ack/"):
                    continue  # the publisher trying whether it may write
                self.messages.setdefault(topic, []).append(json.loads(message.payload) if message.payload else None)
                self.arrived.set()

    async def wait_for(self, topic: str, count: int = 1) -> list[Any]:
        async with asyncio.timeout(15):
            while len(self.messages.get(topic, [])) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.messages[topic]


async def run_until_heard(file: Path, listener: Listener, port: int, count: int) -> None:
    ready = asyncio.Event()
    listening = asyncio.create_task(listener.listen(port, ready))
    await ready.wait()
    agent = Agent(load_station_config(file))
    running = asyncio.create_task(run_agent(agent))
    try:
        await listener.wait_for("sat/testsat/tm/beacon", count)
        await listener.wait_for("source/recorder")
    finally:
        agent.stop.set()
        async with asyncio.timeout(5):
            await running
        await asyncio.sleep(0.1)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_recording_becomes_telemetry_health_and_an_alarm(folder: Path) -> None:
    listener = Listener()
    async with EmbeddedBroker() as broker:
        await run_until_heard(station(folder, broker.port), listener, broker.port, 3)
    reports = listener.messages["sat/testsat/tm/beacon"]
    assert [report["count"] for report in reports[:3]] == [1, 2, 3]
    assert reports[1]["battery_voltage_v"] == pytest.approx(6.5)
    assert [frame["hex"] for frame in listener.messages["sat/testsat/frame"]] == [data.hex() for data in FRAMES]
    sequence = [frame["seq"] for frame in listener.messages["sat/testsat/frame"]]
    assert sequence == sorted(set(sequence))
    assert listener.messages["status"][0]["online"] is True
    assert listener.messages["status"][-1]["online"] is False
    assert (
        listener.messages["sat/testsat/schema"][0]["packets"]["beacon"]["parameters"]["battery_voltage_v"]["unit"]
        == "V"
    )
    states = [alarm["state"] for alarm in listener.messages["alarm/testsat/battery_voltage"] if alarm]
    assert states[0] == "triggered"
    assert "returned_to_normal" in states
    assert "sat/testsat/health" in listener.messages
    assert "sat/testsat/link" in listener.messages


async def test_a_second_start_continues_the_archive_and_repeats_nothing(folder: Path) -> None:
    first, second = Listener(), Listener()
    async with EmbeddedBroker() as broker:
        file = station(folder, broker.port)
        await run_until_heard(file, first, broker.port, 3)
        await run_until_heard(file, second, broker.port, 4)
    one = [(item["archive"], item["seq"]) for item in first.messages["sat/testsat/frame"]]
    two = [(item["archive"], item["seq"]) for item in second.messages["sat/testsat/frame"]]
    assert {archive for archive, _ in one} == {archive for archive, _ in two}
    assert not set(one) & set(two)
    assert min(seq for _, seq in two) > max(seq for _, seq in one)


async def test_without_a_broker_frames_are_kept_and_published_when_it_comes(folder: Path) -> None:
    listener = Listener()
    async with EmbeddedBroker() as broker:
        port = broker.port
    agent = Agent(load_station_config(station(folder, port)))
    running = asyncio.create_task(run_agent(agent))
    async with asyncio.timeout(10):
        await agent.first_reading.wait()
    agent.stop.set()
    await running
    async with EmbeddedBroker(port):
        await run_until_heard(station(folder, port), listener, port, 6)
    counts = [report["count"] for report in listener.messages["sat/testsat/tm/beacon"]]
    assert sorted(counts) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('kind = "recording"', 'kind = "recordign"'), "recording"),
        (('pace = "fast"', 'pace = "quick"'), "pace"),
        (('pace = "fast"', 'paice = "fast"'), "did you mean pace"),
        (('pace = "fast"', 'satellites = ["other"]'), "which is not in `satellites`"),
    ],
)
def test_a_wrong_source_is_named_before_anything_runs(folder: Path, change: tuple[str, str], expected: str) -> None:
    file = station(folder, 1883)
    file.write_text(file.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=expected) as caught:
        check_station(load_station_config(file))
    assert "station.toml" in str(caught.value)
    assert "source[0]" in str(caught.value)


def test_an_unknown_modem_of_a_satellite_is_named(folder: Path) -> None:
    satellite = folder / "satellites" / "testsat.toml"
    satellite.write_text(SATELLITE_TOML.replace('"fsk"', '"fks"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"testsat.*9k6.*'fks'"):
        check_station(load_station_config(station(folder, 1883)))
