"""The command line as its users meet it: help, exit codes, one clear line with the mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.__main__ import join_negative_values, main
from agent.commands import COMMANDS
from tests import signals

SATELLITE_TOML = """\
name = "TESTSAT"
norad = 99001

[[downlink]]
name = "9k6"
frequency_hz = 437_500_000
modulation = "fsk"
baudrate_bd = 9600
framing = { protocol = "ax25", options = { scrambler = "g3ruh" } }
extract = [{ protocol = "ax25" }]

[[packet]]
name = "beacon"

[[packet.parameter]]
name = "sync"
type = "u16"

[[packet.parameter]]
name = "count"
type = "u16"

[[packet.parameter]]
name = "battery_voltage"
type = "u8"
unit = "V"
calibration = { kind = "polynomial", coefficients = [3.0, 0.05] }
limits = { warning = { min = 7.0, max = 8.4 } }

[[packet.parameter]]
name = "payload"
type = "bytes"
octets = 20
"""

GIVEN = ["--modulation", "fsk", "--baudrate-bd", "9600", "--framing", "AX.25 G3RUH"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    signals.write_wav(tmp_path / "pass.wav", signals.audio([signals.frame(1), signals.frame(2, 6.5)]) * 0.5)
    (tmp_path / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    return tmp_path


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            run(command, "--help")
        assert ended.value.code == 0
        assert len(capsys.readouterr().out) > 300, f"{command} --help says too little"


def test_no_command_at_all_shows_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "gsagent demo" in capsys.readouterr().out


def test_an_unknown_option_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        run("decode", "x.wav", "--sattelite", "link")
    assert ended.value.code == 2


def test_negative_values_may_stand_as_separate_arguments() -> None:
    given = ["passes", "--station", "-0.18,-78.47,2850", "--days", "2"]
    assert join_negative_values(given) == ["passes", "--station=-0.18,-78.47,2850", "--days", "2"]


def test_completion_is_made_for_each_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", "bash") == 0
    assert "--satellite" in capsys.readouterr().out


def test_decode_prints_json_lines_that_scripts_rely_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("decode", folder / "pass.wav", "--satellite", folder / "testsat.toml", "--format", "jsonl") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["record"] for line in lines] == ["frame", "packet", "report"] * 2 + ["summary"]
    frame, packet, report, summary = lines[0], lines[1], lines[5], lines[-1]
    assert frame["data"] == signals.frame(1).hex()
    assert (frame["satellite"], frame["norad"], frame["downlink"]) == ("testsat", 99001, "9k6")
    assert (frame["check"], frame["corrected"]) == ("fcs", 0)
    assert 0.05 < frame["offset_s"] < 0.2
    assert {"snr_db", "frequency_offset_hz"} <= frame.keys()
    assert (packet["source"], packet["type"], packet["apid"]) == ("TSTSAT", "UI", None)
    assert report["values"]["battery_voltage"] == {
        "raw": 70,
        "value": pytest.approx(6.5),
        "unit": "V",
        "result": "warning",
    }
    assert report["values"]["count"] == {"raw": 2, "value": 2, "unit": "", "result": None}
    assert (summary["frames"], summary["packets"], summary["rejected"], summary["gaps"]) == (2, 2, {}, [])
    assert summary["signal_s"] > 0.3
    assert summary["cpu_s"] > 0


def test_decode_as_text_shows_values_units_and_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("decode", folder / "pass.wav", "--satellite", folder / "testsat.toml") == 0
    shown = capsys.readouterr()
    assert "6.5 V" in shown.out
    assert "warning (low)" in shown.out
    assert "2 frames" in shown.err


def test_decode_as_kiss_can_be_decoded_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    satellite = ["--satellite", str(folder / "testsat.toml")]
    assert run("decode", folder / "pass.wav", *satellite, "--format", "kiss", "--output", folder / "x.kss") == 0
    assert run("decode", folder / "x.kss", *satellite, "--format", "jsonl") == 0
    frames = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["data"] for line in frames if line["record"] == "frame"] == [
        signals.frame(1).hex(),
        signals.frame(2, 6.5).hex(),
    ]


def test_decode_as_csv_has_a_row_for_each_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("decode", folder / "pass.wav", "--satellite", folder / "testsat.toml", "--format", "csv") == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "offset_s,satellite,packet,parameter,raw,value,unit,result"
    assert len(rows) == 1 + 2 * 4
    assert rows[7].split(",")[1:] == ["testsat", "beacon", "battery_voltage", "70", "6.5", "V", "warning"]


def test_decode_needs_no_satellite_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("decode", folder / "pass.wav", *GIVEN, "--format", "jsonl") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["record"] for line in lines] == ["frame", "frame", "summary"]
    assert lines[0]["satellite"] is None


def test_hex_frames_are_decoded_as_if_a_tnc_had_sent_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "frames.txt").write_text(f"# a comment\n{signals.frame(7).hex(' ')}\nnot hex\n", encoding="utf-8")
    options = ["--as", "hex", "--satellite", str(folder / "testsat.toml"), "--format", "jsonl"]
    assert run("decode", folder / "frames.txt", *options) == 0
    shown = capsys.readouterr()
    assert '"count":{"raw":7' in shown.out
    assert "line 3 is not hex" in shown.err


def test_a_truncated_recording_decodes_what_is_there_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (folder / "pass.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) * 6 // 10])
    assert run("decode", folder / "cut.wav", *GIVEN, "--format", "jsonl") == 0
    shown = capsys.readouterr()
    assert signals.frame(1).hex() in shown.out
    assert "cut short" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.wav", *GIVEN], 1, "nowhere.wav"),
        (["README.md", *GIVEN], 1, "README.md"),
        (["pass.wav"], 2, "say who transmits"),
        (["pass.wav", "--satellite", "lnik"], 2, "did you mean link"),
        (["pass.wav", "--satellite", "testsat.toml", "--downlink", "1k2"], 2, "there are: 9k6"),
        (["pass.wav", "--satellite", "absent.toml"], 2, "no such file"),
        (["pass.wav", *GIVEN[:-1], "Morse"], 2, "framing 'Morse' is not known here"),
        (["pass.wav", *GIVEN, "--option", "deviation"], 2, "not KEY=VALUE"),
        (["pass.wav", *GIVEN[:3], "0", *GIVEN[4:]], 2, "baudrate_bd: 0 is not between"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_exit_code(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "README.md").write_text("no recording", encoding="utf-8")
    assert run("decode", *arguments) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) <= 3
    assert "Traceback" not in shown


def test_init_writes_a_station_file_that_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--name", "daejeon", "--place", "36.372,127.363,80", "--satellite", "42714"]
    assert run("init", "station.toml", *options) == 0
    assert run("check", "station.toml") == 0
    assert 'satellites = ["link"]' in Path("station.toml").read_text(encoding="utf-8")
    assert run("init", "station.toml", *options) == 2
    assert "--force replaces it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "Dae Jeon", "--place", "0,0"], "--name dae-jeon"),
        (["--name", "x", "--place", "north"], "is no place"),
        (["--name", "x", "--place", "-91,0,0"], "is no place"),
        (["--name", "x", "--place", "0,0,0", "--satellite", "lnik"], "did you mean link"),
    ],
)
def test_init_refuses_what_makes_no_station(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run("init", tmp_path / "station.toml", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "station.toml").exists()


def test_run_with_a_typo_names_the_line_and_exits_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "station.toml"
    file.write_text('[station]\nname = "x"\nlatitude_deg = 1\nlongitud_deg = 2\n', encoding="utf-8")
    assert run("run", file) == 2
    assert (
        "station.toml:4: station.longitud_deg: unknown field (did you mean longitude_deg" in capsys.readouterr().err
    )


def test_doctor_says_what_it_sees(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") in (0, 1)
    shown = capsys.readouterr().out
    for word in ("Python", "clock", "serial", "broker", "disk"):
        assert word in shown
