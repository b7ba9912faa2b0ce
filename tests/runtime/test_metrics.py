"""Figures for Prometheus: what is known is written, what is not is left out; served only where it is asked for."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from agent.config import load_station_config
from agent.runtime import Agent
from agent.runtime.metrics import exposition
from agent.runtime.station import run_agent
from agent.sinks.embedded_broker import EmbeddedBroker
from tests import signals
from tests.runtime.test_station import FRAMES, station
from tests.test_command_line import SATELLITE_TOML

SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)")

DESCRIPTION = {
    "station": "here",
    "version": "1.2",
    "boot": "a1",
    "archive": "5f",
    "clock": "not_synchronised",
    "cpu_temp_c": None,
    "memory_mb": 96.5,
    "archive_mb": 1.5,
    "commit_lag_ms": 12.5,
    "lost": 0,
    "storage": "full",
    "frames_by_satellite": {"link": 3},
    "sources": {"tnc": {"online": True, "frames": 3, "last_ts": None}},
    "brokers": {"local": {"connected": False, "published": 7}},
}


def samples(text: str) -> dict[str, float]:
    """Read an exposition as strictly as this needs: every line a comment or a sample, no sample twice."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        key = f"{match['name']}{{{match['labels']}}}" if match["labels"] else match["name"]
        assert key not in found
        found[key] = float(match["value"])
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_figures_are_in_base_units() -> None:
    found = samples(exposition(DESCRIPTION))
    assert found["gsagent_resident_memory_bytes"] == 96.5 * 1024 * 1024
    assert found["gsagent_archive_bytes"] == 1_500_000
    assert found["gsagent_archive_commit_lag_seconds"] == pytest.approx(0.0125)
    assert found['gsagent_satellite_frames_total{satellite="link"}'] == 3
    assert found['gsagent_source_online{source="tnc"}'] == 1
    assert found['gsagent_broker_connected{broker="local"}'] == 0
    assert found['gsagent_broker_published_total{broker="local"}'] == 7
    assert found["gsagent_storage_good"] == 0
    assert found["gsagent_clock_synchronised"] == 0
    assert found["gsagent_archive_lost_total"] == 0
    assert found['gsagent_info{station="here",version="1.2",boot="a1",archive="5f"}'] == 1


def test_what_is_unknown_is_left_out_and_not_zero() -> None:
    text = exposition(DESCRIPTION | {"clock": "unknown"})
    for name in ("cpu_temperature", "clock_synchronised", "last_block", "disk_free", "outbox"):
        assert name not in text


def test_each_family_is_described_once_before_its_samples() -> None:
    two = {"sources": {"a": {"frames": 1}, "b": {"frames": 2}}}
    lines = exposition(two).splitlines()
    family = [line for line in lines if "source_frames_total" in line]
    assert [line.split()[0] for line in family[:2]] == ["#", "#"]
    assert family[1] == "# TYPE gsagent_source_frames_total counter"
    assert family[2:] == ['gsagent_source_frames_total{source="a"} 1', 'gsagent_source_frames_total{source="b"} 2']


def test_labels_are_escaped() -> None:
    assert r'station="a\"b\\c\nd"' in exposition({"station": 'a"b\\c\nd'})


@pytest.mark.parametrize("wanted", [True, False])
async def test_an_agent_serves_its_figures_only_when_its_file_says_so(tmp_path: Path, *, wanted: bool) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    async with EmbeddedBroker() as broker:
        file = station(tmp_path, broker.port)
        if wanted:
            file.write_text("metrics = true\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
        with_port = Agent(load_station_config(file), http_port=free_port())
        running = asyncio.create_task(run_agent(with_port))
        async with asyncio.timeout(15):
            await with_port.first_reading.wait()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{with_port.http_port}/metrics") as answer,
        ):
            status, text = answer.status, await answer.text()
        with_port.stop.set()
        await running
    assert status == (200 if wanted else 404)
    if wanted:
        found = samples(text)
        assert found['gsagent_satellite_frames_total{satellite="testsat"}'] == len(FRAMES)
        assert found['gsagent_broker_connected{broker="local"}'] in (0, 1)
        assert found["gsagent_resident_memory_bytes"] > 1e6
