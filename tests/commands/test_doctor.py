"""``gsagent doctor STATION``: everything that a station names is tried, and what is wrong has its place."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.commands import check, station_doctor
from agent.commands.doctor import Finding
from agent.orbit.omm import write_csv
from agent.sinks.embedded_broker import EmbeddedBroker
from tests.orbit.sets import DAY_NS, circular

STATION = """\
satellites = ["link"]

[station]
name = "here"
latitude_deg = 36.372
longitude_deg = 127.363
altitude_m = 80
"""
LINK = 42714


def station(folder: Path, more: str) -> Path:
    path = folder / "station.toml"
    path.write_text(STATION + more, encoding="utf-8")
    return path


def findings(path: Path) -> list[Finding]:
    return list(station_doctor.findings(str(path)))


def told(path: Path, word: str) -> Finding:
    found = [finding for finding in findings(path) if word in finding.what.replace(str(path.parent), "")]
    assert len(found) == 1, found
    return found[0]


def elements(folder: Path, age_d: float) -> str:
    made = replace(circular(), norad=LINK, name="LINK", epoch_utc_ns=time.time_ns() - round(age_d * DAY_NS))
    (folder / "link.csv").write_text(write_csv([made]), encoding="utf-8")
    return '[passes]\nelements = ["link.csv"]\n'


def test_a_broken_station_file_is_all_that_is_said(tmp_path: Path) -> None:
    path = station(tmp_path, "[[source]]\nid = 'a'\nkind = 'serial'\n")
    (finding,) = findings(path)
    assert finding.verdict == "wrong"
    assert "station.toml" in finding.what


@pytest.mark.parametrize(
    ("age_d", "verdict", "what"), [(1.0, "good", "oldest 1.0 d"), (9.0, "wrong", "link 9.0 d")]
)
def test_the_age_of_elements_is_judged(tmp_path: Path, age_d: float, verdict: str, what: str) -> None:
    finding = told(station(tmp_path, elements(tmp_path, age_d)), "elements")
    assert (finding.verdict, what in finding.what) == (verdict, True)


def test_a_satellite_without_elements_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(write_csv([circular()]), encoding="utf-8")
    finding = told(station(tmp_path, '[passes]\nelements = ["other.csv"]\n'), "no elements of")
    assert finding.verdict == "note"
    assert "link" in finding.what


async def test_a_broker_that_takes_the_connection_is_good_and_hears_nothing(tmp_path: Path) -> None:
    async with EmbeddedBroker() as broker:
        path = station(tmp_path, f'[[broker]]\nname = "local"\nport = {broker.port}\n')
        assert (await asyncio.to_thread(told, path, "broker local")).verdict == "good"


def test_a_broker_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        path = station(tmp_path, f'[[broker]]\nname = "local"\nport = {held.getsockname()[1]}\n')
        finding = told(path, "broker local")
    assert finding.verdict == "wrong"
    assert "nothing listens there" in finding.what


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ('username = "u"\npassword_file = "absent"\n', "broker[0].password_file"),
        ('[broker.tls]\nca_file = "absent.pem"\n', "broker[0].tls"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_with_its_place_by_check_and_doctor(
    tmp_path: Path, more: str, place: str
) -> None:
    path = station(tmp_path, f'[[broker]]\nname = "local"\n{more}')
    complaints, _ = check.check_file(path)
    assert len(complaints) == 1
    assert place in complaints[0]
    assert told(path, place).verdict == "wrong"


def test_a_source_that_opens_is_good_and_one_that_does_not_is_wrong(tmp_path: Path) -> None:
    line, far = os.openpty()
    try:
        path = station(
            tmp_path,
            f'[[source]]\nid = "tnc"\nkind = "serial_port"\nport = "{os.ttyname(far)}"\n'
            '[[source]]\nid = "absent"\nkind = "recording"\npath = "absent.wav"\n',
        )
        assert told(path, "source tnc").verdict == "good"
        absent = told(path, "source absent")
    finally:
        os.close(line)
        os.close(far)
    assert absent.verdict == "wrong"
    assert "source[1]" in absent.what
    assert "absent.wav is not there" in absent.what


def test_a_server_that_says_nothing_does_not_hold_the_doctor_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_doctor, "OPEN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, never looks at them
        source = (
            f'[[source]]\nid = "sdr"\nkind = "rtl_tcp"\nfrequency_hz = 437.5e6\nport = {mute.getsockname()[1]}\n'
        )
        finding = told(station(tmp_path, source), "source sdr")
    assert finding.verdict == "wrong"
    assert "does not open within" in finding.what


def test_the_sources_of_an_agent_at_work_are_left_alone(tmp_path: Path) -> None:
    path = station(
        tmp_path, '[archive]\ndirectory = "kept"\n[[source]]\nid = "rec"\nkind = "recording"\npath = "x.wav"\n'
    )
    (tmp_path / "kept").mkdir()
    with (tmp_path / "kept" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "an agent is at work with it" in told(path, "archive").what
        assert told(path, "not opened").verdict == "note"
    assert told(path, "source rec").verdict == "wrong"


def test_an_archive_that_cannot_grow_as_far_as_it_may_is_worth_knowing(tmp_path: Path) -> None:
    finding = told(station(tmp_path, "[archive]\nmax_mb = 1000000000\n"), "archive")
    assert finding.verdict == "note"
    assert "archive.max_mb" in finding.mend


def test_an_archive_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    finding = told(station(tmp_path, '[archive]\ndirectory = "file/archive"\n'), "archive")
    assert finding.verdict == "wrong"
