"""How long starting takes: help, a short decode, and the agent from its command line to its first reading.

Each figure is the median of several whole processes, beside an empty Python process in the same run.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.sinks.embedded_broker import EmbeddedBroker
from tests import signals
from tests.runtime.test_station import FRAMES, STATION
from tests.test_command_line import SATELLITE_TOML

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(180)]

GSAGENT = str(Path(sys.executable).parent / "gsagent")
RUNS = 7
HELP_S, DECODE_S, FIRST_READING_S = 0.3, 1.5, 2.0


def seconds(command: list[str], runs: int = RUNS) -> float:
    times = []
    for _ in range(runs + 1):
        before_s = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - before_s)
    return statistics.median(times[1:])


def test_help_answers_at_once() -> None:
    python_s = seconds([sys.executable, "-c", "pass"])
    help_s = seconds([GSAGENT, "--help"])
    print(f"\ngsagent --help: {help_s:.3f} s, {help_s / python_s:.1f} x an empty Python process (goal {HELP_S} s)")
    assert help_s < HELP_S


def test_a_short_recording_is_decoded_from_a_warm_cache(tmp_path: Path) -> None:
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    (tmp_path / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    decode_s = seconds(
        [GSAGENT, "decode", str(tmp_path / "pass.wav"), "--satellite", str(tmp_path / "testsat.toml")]
    )
    print(f"\ngsagent decode of a 0.6 s recording: {decode_s:.2f} s (goal {DECODE_S} s)")
    assert decode_s < DECODE_S


async def test_the_agent_gives_its_first_reading_soon(tmp_path: Path) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    async with EmbeddedBroker() as broker:
        file = tmp_path / "station.toml"
        file.write_text(STATION.format(port=broker.port, recording=tmp_path / "pass.wav"), encoding="utf-8")
        times = [first_reading_s(file) for _ in range(5)]
    median_s = statistics.median(times[1:])
    print(f"\ngsagent run, process start to first reading archived: {median_s:.2f} s (goal {FIRST_READING_S} s)")
    assert median_s < FIRST_READING_S


def first_reading_s(station: Path) -> float:
    before_s = time.perf_counter()
    with subprocess.Popen([GSAGENT, "run", str(station)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(r"first reading after", line):
                break
        took_s = time.perf_counter() - before_s
        process.terminate()
        process.stderr.read()
    assert process.returncode == 0
    return took_s
