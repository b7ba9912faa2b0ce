"""The demo as a newcomer runs it: seen with mosquitto's own client, an alarm that rises and clears, a clean end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.hil, pytest.mark.timeout(240)]

ALARM_CLEARED_S = 125.0
ENDED_S = 3.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Watcher:
    """A real ``mosquitto_sub`` and what it has printed so far, by topic, in order of arrival."""

    def __init__(self, port: int, log: Path) -> None:
        self.log = log
        client = shutil.which("mosquitto_sub")
        if client is None:
            pytest.skip("mosquitto_sub is not installed (apt install mosquitto-clients)")
        self.process = subprocess.Popen(
            [client, "-h", "127.0.0.1", "-p", str(port), "-t", "gs/#", "-F", "%r\t%t\t%p"], stdout=self._output(log)
        )

    @staticmethod
    def _output(log: Path) -> int:
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def messages(self) -> list[tuple[bool, str, str]]:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        parts = [line.split("\t", 2) for line in lines if line.count("\t") >= 2]
        return [(retained == "1", topic.split("/", 2)[2], payload) for retained, topic, payload in parts]

    def payloads(self, topic: str) -> list[str]:
        return [payload for _, seen, payload in self.messages() if seen == topic]

    def wait_for(self, topic: str, seconds: float, wanted: str = "") -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for payload in self.payloads(topic):
                if wanted in payload:
                    return payload
            time.sleep(0.1)
        seen = sorted({seen for _, seen, _ in self.messages()})
        raise AssertionError(f"nothing with {wanted!r} on {topic} within {seconds} s; seen: {seen}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], Watcher, int]]:
    folder = tmp_path_factory.mktemp("demo")
    mqtt, http = free_port(), free_port()
    command = [
        str(Path(sys.executable).parent / "gsagent"),
        "demo",
        "--mqtt-port",
        str(mqtt),
        "--http-port",
        str(http),
    ]
    with (folder / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
        watcher: Watcher | None = None
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until and not listening(mqtt):
                time.sleep(0.1)
            if process.poll() is not None:
                pytest.fail("the demo ended at once")
            watcher = Watcher(mqtt, folder / "seen.tsv")
            yield process, watcher, http
        finally:
            if watcher is not None:
                watcher.process.kill()
                watcher.process.wait()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print((folder / "demo.log").read_text(encoding="utf-8", errors="replace"))


Demo = tuple[subprocess.Popen[bytes], Watcher, int]


def test_the_station_says_it_is_online(demo: Demo) -> None:
    payload = json.loads(demo[1].wait_for("status", 15, '"online":true'))
    assert payload["delivery"] == "at_least_once_to_broker"


def test_telemetry_arrives_by_radio_and_by_serial_line(demo: Demo) -> None:
    radio = json.loads(demo[1].wait_for("sat/demosat/tm/housekeeping", 20))
    serial = json.loads(demo[1].wait_for("sat/link/tm/beacon", 20))
    assert 5.0 < radio["battery_voltage_v"] < 9.0
    assert radio["seq"] > 0
    assert 3.0 < serial["battery_voltage_v"] < 16.0
    frame = json.loads(demo[1].wait_for("sat/demosat/frame", 5))
    assert frame["check"] == "fcs"
    assert frame["snr_db"] > 0.0


def test_five_satellites_of_different_kinds_are_received(demo: Demo) -> None:
    cubesat = json.loads(demo[1].wait_for("sat/1kuns-pf/tm/beacon", 30))
    assert 6000 < cubesat["battery_voltage_mv"] < 8800
    assert json.loads(demo[1].wait_for("sat/1kuns-pf/frame", 5))["check"] == "rs"
    lunar = json.loads(demo[1].wait_for("sat/danuri/tm/telemetry", 20))
    assert lunar["packet_apid"] == 673
    geostationary = json.loads(demo[1].wait_for("sat/anasis-ii/tm/platform", 20))
    assert geostationary["mode"] == "nominal"
    assert 49.0 < geostationary["bus_voltage_v"] < 51.0


def test_passes_are_listed_and_the_satellites_stand_somewhere(demo: Demo) -> None:
    listed = json.loads(demo[1].wait_for("pass/list", 15))
    assert listed["count"] >= 1
    assert {"satellite", "max_elevation_deg"} <= listed["passes"][0].keys()


def test_units_and_limits_are_published_once_as_the_birth(demo: Demo) -> None:
    schema = json.loads(demo[1].wait_for("sat/demosat/schema", 10))
    parameter = schema["packets"]["housekeeping"]["parameters"]["battery_voltage_v"]
    assert parameter["unit"] == "V"
    assert parameter["limits"]


def test_the_status_page_answers(demo: Demo) -> None:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{demo[2]}/", timeout=5) as answer:
        page = answer.read().decode()
    assert "gsagent" in page


def test_an_alarm_rises_and_clears_by_itself(demo: Demo) -> None:
    topic = "alarm/demosat/battery_voltage"
    raised = json.loads(demo[1].wait_for(topic, ALARM_CLEARED_S, '"state":"triggered"'))
    assert raised["level"] in ("watch", "warning", "distress", "critical", "severe")
    demo[1].wait_for(topic, ALARM_CLEARED_S, '"state":"cleared"')
    assert demo[1].payloads(topic)[-1] == "", "a cleared alarm's retained value is taken away"


def test_interrupting_ends_it_cleanly_within_seconds(demo: Demo) -> None:
    process, watcher, _ = demo
    os.killpg(process.pid, signal.SIGINT)
    before = time.monotonic()
    code = process.wait(timeout=10)
    took_s = time.monotonic() - before
    assert took_s < ENDED_S
    assert code in (0, 130)
    assert '"online":false' in watcher.payloads("status")[-1]
    left = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False).stdout
    assert not left, f"processes left behind: {left}"
