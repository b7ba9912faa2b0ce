"""Every shipped scenario, played by the command line with a real agent and broker: its ledger must be good.

And what a judge that is killed leaves behind: nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil_tests.reporting import keep_for_report

pytestmark = [pytest.mark.hil, pytest.mark.timeout(240)]

SHIPPED = sorted((Path(__file__).parents[1] / "configs" / "scenarios").glob("*.toml"))
JUDGED = [path.stem for path in SHIPPED if "seconds" in tomllib.loads(path.read_text(encoding="utf-8"))]
GONE_S = 5.0


def gsagent(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent", *arguments]


@pytest.mark.parametrize("name", JUDGED)
def test_a_scenario_raises_exactly_its_alarms_and_loses_nothing(name: str, tmp_path: Path) -> None:
    log, figures = tmp_path / "agent.log", tmp_path / "figures.json"
    done = subprocess.run(
        gsagent("simulate", name, "--judge", "--json", "--log", str(log), "--figures", str(figures)),
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr[-2000:]
    ledger = json.loads(done.stdout)
    keep_for_report(f"scenario-{name}", {"ledger": ledger, "figures": json.loads(figures.read_text())})
    raised = [alarm for alarm in ledger["alarms"] if alarm["verdict"] == "as expected"]
    latencies = ", ".join(f"{alarm['name']} after {alarm['latency_s']:.1f} s" for alarm in raised if alarm["fault"])
    print(
        f"{sum(ledger['sent'].values())} sent, {ledger['archived']} archived,"
        f" {ledger['published']['ops']} published, {ledger['clean_lost']} of {ledger['clean_sent']} lost"
        f" on clean air; {latencies or 'no alarm expected and none raised'}"
    )
    agent_said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    assert ledger["verdict"] == "good", f"{ledger['faulty']}\n{agent_said}"
    assert done.returncode == 0


def descendants(process: int) -> set[int]:
    """Every child of a process, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                status = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
                parents[int(entry.name)] = int(status[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def listening_ports(processes: set[int]) -> set[int]:
    """The TCP ports of loopback on which these processes listen."""
    inodes = set()
    for process in processes:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(descriptor)
                    if target.startswith("socket:["):
                        inodes.add(target[8:-1])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return {int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and line[9] in inodes}


def alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return False
    return status[0] != "Z"


@pytest.fixture
def judging(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A judge in the middle of a disk fault: simulator, agent, broker and tracer are at work."""
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        'seconds = 100\n[[sdr]]\nid = "dongle"\nfrequency_hz = 437_450_000\n[[tnc]]\nid = "tnc"\n'
        '[[transmitter]]\nsatellite = "demosat"\ndownlink = "9k6-fsk"\npacket = "housekeeping"\nevery_s = 1\n'
        'tnc = "tnc"\n[[fault]]\nkind = "disk_full"\nat_s = 0.5\nfor_s = 90\n'
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        gsagent("simulate", str(scenario), "--judge"), stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "disk_full begins" in line:
                break
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_judge_that_ends_in_any_way_leaves_no_child_no_port_and_no_terminal(
    judging: subprocess.Popen[str], number: signal.Signals
) -> None:
    children = descendants(judging.pid)
    ports = listening_ports(children | {judging.pid})
    terminals = set(os.listdir("/dev/pts"))
    names = {Path(f"/proc/{child}/comm").read_text().strip() for child in children}
    assert {"strace", "mosquitto"} <= names
    assert len(ports) >= 3  # the SDR, the broker, the link to it
    judging.send_signal(number)
    judging.wait(timeout=15)
    until_s = time.monotonic() + GONE_S
    while any(alive(child) for child in children) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not [child for child in children if alive(child)]
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} still answers"
    assert not Path(f"/proc/{judging.pid}/fd/200").exists()
    assert set(os.listdir("/dev/pts")) <= terminals
    print(f"{len(children)} children, {len(ports)} ports and a terminal gone after {number.name}")
