"""``gsagent simulate`` as another program runs it: what it prints, and what it leaves behind (nothing)."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from agent.__main__ import main

ENDED_S = 2.5  # a second on a machine that does nothing else

SCENARIO = """
[[sdr]]
id = "dongle"
frequency_hz = 437_450_000
[[tnc]]
id = "tnc"
link = "{link}"
[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
every_s = 0.5
[[transmitter]]
satellite = "link"
downlink = "1k2-bpsk"
packet = "beacon"
tnc = "tnc"
every_s = 0.2
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SCENARIO.format(link=tmp_path / "ttyTNC"))
    return path


@contextmanager
def simulating(scenario: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, object]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "simulate", str(scenario), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def port_of(ready: dict[str, object]) -> int:
    return int(ready["rtl_tcp"]["dongle"]["port"])  # type: ignore[index]  # the shape is what is tested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_a_second_with_a_ledger_and_nothing_left(scenario: Path, number: signal.Signals) -> None:
    with simulating(scenario) as (process, ready):
        assert ready["record"] == "ready"
        link = Path(ready["serial_port"]["tnc"]["port"])  # type: ignore[index]  # the shape is what is tested
        with (
            serial.Serial(str(link), timeout=3) as port,
            socket.create_connection(("127.0.0.1", port_of(ready))) as rtl,
        ):
            assert rtl.recv(4) == b"RTL0"
            assert port.read(10).startswith(b"\xc0\x00")
            process.send_signal(number)
            begun = time.monotonic()
            code = process.wait(timeout=5)
            took_s = time.monotonic() - begun
        assert process.stdout is not None
        summary = json.loads(process.stdout.readline())
    assert took_s < ENDED_S
    assert code == 0
    assert summary["record"] == "summary"
    assert summary["transmitted"]["link/1k2-bpsk"] >= 1
    assert not link.is_symlink()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(ready)))


def test_it_ends_when_the_program_that_started_it_is_gone(scenario: Path) -> None:
    with simulating(scenario, "--follow-stdin") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=5) == 0


def test_killed_it_leaves_no_port_that_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SCENARIO.replace('link = "{link}"\n', ""))
    with simulating(path) as (process, ready):
        name = str(ready["serial_port"]["tnc"]["port"])  # type: ignore[index]  # the shape is what is tested
        assert os.path.exists(name)
        process.kill()
        process.wait()
        assert not os.path.exists(name)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(ready)))


def test_it_listens_where_it_is_told_to(scenario: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wanted = probe.getsockname()[1]
    with simulating(scenario, "--listen", f"dongle={wanted}", "--seconds", "0.3") as (process, ready):
        assert port_of(ready) == wanted
        assert process.wait(timeout=5) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nothing.toml"], 2, "no such file"),
        (["demmo"], 2, "no scenario is called"),
        (["{scenario}", "--listen", "dongle"], 2, "is not SDR=PORT"),
        (["{scenario}", "--listen", "dingle=1"], 2, "no SDR 'dingle'"),
        (["{scenario}", "--seconds", "-1"], 2, "more than 0"),
        (["{scenario}", "--record", "pass.wav"], 2, "--seconds S"),
        (["{scenario}", "--listen", "dongle={taken}"], 1, "cannot listen"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    scenario: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = [one.format(scenario=scenario, taken=taken.getsockname()[1]) for one in arguments]
        assert main(["simulate", *given]) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
