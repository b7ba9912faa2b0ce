"""What the service manager is told, on a notify socket of our own; and a task that hangs while the loop turns."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agent.config import load_station_config, shipped_configs
from agent.receiver import Receiver
from agent.records import OctetBlock, Record
from agent.runtime import Agent
from agent.runtime.feed import Feed
from agent.runtime.service_manager import Promises, ServiceManager
from agent.runtime.station import run_agent
from agent.sinks.embedded_broker import EmbeddedBroker
from firmware_protocols import kiss
from tests import signals
from tests.runtime.test_feed import FaultySource
from tests.runtime.test_station import FRAMES, station
from tests.test_command_line import SATELLITE_TOML


class NotifySocket:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def heard(self) -> list[str]:
        """Take what was said since last time."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[NotifySocket]:
    end = NotifySocket(str(tmp_path / "notify"))
    yield end
    end.close()


def manager(tmp_path: Path, watchdog_s: float = 0.09) -> ServiceManager:
    usec = str(round(watchdog_s * 1e6))
    return ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": usec})


def test_what_is_said_arrives_as_lines_of_one_datagram(tmp_path: Path, notify: NotifySocket) -> None:
    manager(tmp_path).say("READY=1", "STATUS=receiving")
    assert notify.heard() == ["READY=1\nSTATUS=receiving"]


def test_an_address_that_begins_with_an_at_sign_is_abstract(tmp_path: Path) -> None:
    address = f"@gsagent-test-{tmp_path.name}-{id(tmp_path)}"
    end = NotifySocket(address)
    ServiceManager({"NOTIFY_SOCKET": address}).say("READY=1")
    assert end.heard() == ["READY=1"]
    end.close()


async def test_without_a_service_manager_nothing_is_said_and_nothing_waits() -> None:
    alone = ServiceManager({})
    alone.say("READY=1")
    await alone.feed_watchdog(Promises())
    assert alone.watchdog_s is None


def test_a_manager_that_has_gone_is_no_error(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).say("READY=1")


@pytest.mark.parametrize(
    ("pid", "expected_s"), [("", 20.0), ("41", 20.0), ("42", None)], ids=["nobody", "us", "another"]
)
def test_the_watchdog_of_another_process_is_not_ours(pid: str, expected_s: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": pid}
    assert ServiceManager(environment, process=41).watchdog_s == expected_s


def test_a_promise_is_overdue_only_until_it_is_kept_or_given_again() -> None:
    now_s = [0.0]
    promises = Promises(lambda: now_s[0])
    promises.promise("tick", 10.0)
    with promises.working("receiver", 3.0):
        now_s[0] = 5.0
        assert promises.overdue() == ["receiver"]
    assert promises.overdue() == []
    now_s[0] = 11.0
    assert promises.overdue() == ["tick"]
    promises.promise("tick", 10.0)
    assert promises.overdue() == []


def test_work_that_fails_has_answered_too() -> None:
    now_s = [0.0]
    promises = Promises(lambda: now_s[0])
    with pytest.raises(ZeroDivisionError), promises.working("receiver", 1.0):
        raise ZeroDivisionError
    now_s[0] = 2.0
    assert promises.overdue() == []


async def test_the_watchdog_starves_while_a_task_hangs_and_is_fed_again_after(
    tmp_path: Path, notify: NotifySocket, caplog: pytest.LogCaptureFixture
) -> None:
    promises = Promises()
    feeding = asyncio.create_task(manager(tmp_path).feed_watchdog(promises))
    await asyncio.sleep(0.15)
    assert set(notify.heard()) == {"WATCHDOG=1"}
    promises.promise("receiver dongle", 0.0)
    await asyncio.sleep(0.1)
    notify.heard()
    await asyncio.sleep(0.15)
    assert notify.heard() == []
    promises.keep("receiver dongle")
    await asyncio.sleep(0.1)
    assert "WATCHDOG=1" in notify.heard()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    told = [record for record in caplog.records if "receiver dongle" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.ERROR]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_the_unit_that_is_shipped_exposes_little(tmp_path: Path) -> None:
    unit = tmp_path / "gsagent.service"
    text = (shipped_configs() / "gsagent.service").read_text(encoding="utf-8")
    # What is to be started must be there for the unit to be looked at.
    unit.write_text(text.replace("/opt/gsagent/.venv/bin/gsagent", sys.executable), encoding="utf-8")
    looked = subprocess.run(  # 20: an exposure of 2.0 of 10
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.returncode == 0, looked.stdout[-400:] + looked.stderr
    assert "Overall exposure level" in looked.stdout


async def test_an_agent_says_ready_feeds_the_watchdog_and_says_that_it_stops(
    tmp_path: Path, notify: NotifySocket
) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    async with EmbeddedBroker() as broker:
        agent = Agent(
            load_station_config(station(tmp_path, broker.port)), service=manager(tmp_path, watchdog_s=0.3)
        )
        running = asyncio.create_task(run_agent(agent))
        async with asyncio.timeout(15):
            await agent.first_reading.wait()
        await asyncio.sleep(0.4)
        agent.stop.set()
        await running
    heard = notify.heard()
    assert heard[0] == "READY=1"
    assert heard.count("READY=1") == heard.count("STOPPING=1") == 1
    assert "WATCHDOG=1" in heard[1 : heard.index("STOPPING=1")]


async def test_the_agents_own_tasks_promise_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    signals.write_wav(tmp_path / "pass.wav", signals.audio(FRAMES) * 0.5)
    now_s = [0.0]
    async with EmbeddedBroker() as broker:
        agent = Agent(load_station_config(station(tmp_path, broker.port)))
        agent.promises = Promises(lambda: now_s[0])
        running = asyncio.create_task(run_agent(agent))
        async with asyncio.timeout(15):
            await agent.first_reading.wait()
        assert agent.promises.overdue() == []
        now_s[0] = 3600.0
        assert set(agent.promises.overdue()) >= {"health tick", "station status"}
        for _ in range(100):
            await asyncio.sleep(0.05)
            if "health tick" not in agent.promises.overdue():
                break
        assert "health tick" not in agent.promises.overdue()
        agent.stop.set()
        await running


async def test_a_receiver_whose_records_nobody_takes_is_overdue_and_a_silent_one_is_not() -> None:
    now_s = [0.0]
    promises = Promises(lambda: now_s[0])
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(_: Sequence[Record]) -> None:
        held.set()
        await release.wait()

    source = FaultySource([OctetBlock(kiss.encode(signals.frame(1, 7.5), kiss.Options()), 0)])
    feed = Feed(
        "faulty",
        lambda: source,
        Receiver("faulty", []),
        hold,
        changed=lambda _: None,
        octets=True,
        working=lambda: promises.working("receiver faulty", 10.0),
    )
    now_s[0] = 100.0
    assert promises.overdue() == []
    working = asyncio.gather(feed.read(), feed.receive())
    await held.wait()
    assert promises.overdue() == []
    now_s[0] = 111.0
    assert promises.overdue() == ["receiver faulty"]
    release.set()
    await working
    assert promises.overdue() == []
