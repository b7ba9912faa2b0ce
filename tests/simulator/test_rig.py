"""Rig descriptions: what is named and absent is said with its place, and what cannot be meant is refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.errors import ConfigError
from agent.simulator.rig import load_rig


def _greet(server: socket.socket, words: bytes) -> None:
    connection, _ = server.accept()
    connection.sendall(words)
    connection.close()


WHOLE = """\
rig = "bench"

[serial_tnc]
port = "{port}"
satellite = "us01"

[rtl_sdr]
port = {rtl}
frequency_hz = 437_450_000

[bench_transmitter]
command = ["{program}", "{{recording}}"]
attenuation_db = 80
satellite = "demosat"
downlink = "9k6-fsk"
"""


def written(tmp_path: Path, *, port: str = "/dev/null", rtl: int = 1, program: str = "sh") -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(WHOLE.format(port=port, rtl=rtl, program=program))
    return path


@pytest.fixture
def rtl_port() -> Iterator[int]:
    """Something that greets as rtl_tcp does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_greet, args=(server, b"RTL0\0\0\0\5\0\0\0\x1d"), daemon=True)
        answering.start()
        yield server.getsockname()[1]
        answering.join(5)


def test_everything_there_is_usable(tmp_path: Path, rtl_port: int) -> None:
    rig = load_rig(written(tmp_path, rtl=rtl_port))
    assert rig.absent == {}
    assert rig.has("serial_tnc")
    assert rig.has("rtl_sdr")
    assert rig.has("bench_transmitter")


def test_absent_hardware_is_named_in_one_line_each_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, port="/dev/ttyTHERE_IS_NONE", program="no-such-program")
    assert main(["check", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "rig.toml:4" in lines[0]
    assert "/dev/ttyTHERE_IS_NONE is not there" in lines[0]
    assert "no rtl_tcp at 127.0.0.1:1" in lines[1]
    assert "rig.toml:12" in lines[2]
    assert "no program 'no-such-program'" in lines[2]


def test_what_answers_and_is_no_rtl_tcp_is_said_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_greet, args=(server, b"SSH-2.0"), daemon=True)
        answering.start()
        rig = load_rig(written(tmp_path, rtl=server.getsockname()[1]))
        answering.join(5)
    assert "is no rtl_tcp" in rig.why_not("rtl_sdr")


def test_what_is_not_described_is_skipped_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text('rig = "empty"\n')
    assert load_rig(path).why_not("rtl_sdr") == "rig empty describes no rtl_sdr"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("attenuation_db = 80", "attenuation_db = 10", "bench_transmitter.attenuation_db", "at least 40 dB"),
        ('"demosat"', '"demosta"', "bench_transmitter.satellite", "demosat"),
        ('"9k6-fsk"', '"9k6"', "bench_transmitter.downlink", "there are: 9k6-fsk"),
        ("[rtl_sdr]", "[rtl_srd]", "rtl_srd", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as refused:
        load_rig(path)
    assert place in str(refused.value)
    assert says in str(refused.value)
