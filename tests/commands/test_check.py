"""``gsagent check``: a broken file of each kind is refused with its line, its place and a mend."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.commands import check
from agent.config import shipped_configs

Write = Callable[..., Path]

GOOD = """\
name = "TEST"
norad = 4242
sources = ["made for this test"]

[[downlink]]
name = "beacon"
frequency_hz = 437_000_000
modulation = "fsk"
baudrate_bd = 9600
framing = { protocol = "ax25", options = { scrambler = "g3ruh" } }

[[packet]]
name = "p"

[[packet.parameter]]
name = "v"
type = "u8"
unit = "V"
calibration = { kind = "polynomial", coefficients = [0.0, 0.1] }
limits = { warning = { min = 7.0 }, critical = { min = 6.0 } }

[[packet.parameter]]
name = "n"
type = "u16"

[[example]]
packet = "p"
source = "made for this test"
frame = "520001"

[example.values]
v = 8.2
n = 1
"""


def run(capsys: pytest.CaptureFixture[str], *files: Path) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    code = check.run(parser.parse_args([str(file) for file in files]))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str, name: str = "test.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


def test_a_good_satellite_is_told_in_one_line(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    code, out, err = run(capsys, write(GOOD))
    assert (code, err) == (0, "")
    assert "good: satellite TEST (4242), 1 downlinks, 1 packets, 2 parameters, 1 examples" in out


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("norad = 4242", "norad = ", 2, "not valid TOML"),
        ("norad = 4242", 'norad = "4242"', 2, "norad: Expected `int`, got `str`"),
        ("frequency_hz", "frequenzy_hz", 7, "downlink[0].frequenzy_hz: unknown field (did you mean frequency_hz?)"),
        ('modulation = "fsk"', 'modulation = "fks"', 8, "downlink[0].modulation: no modulation is called 'fks'"),
        ('"g3ruh"', '"g3rhu"', 10, "downlink[0].framing: Invalid enum value 'g3rhu'"),
        ("baudrate_bd = 9600", "baudrate_bd = 0.5", 9, "downlink[0].baudrate_bd: 0.5 is not between"),
        ("baudrate_bd = 9600", "baudrate_bd = -1", 9, "downlink[0].baudrate_bd: Expected `float` > 0"),
        ('protocol = "ax25"', 'protocol = "ax26"', 10, "downlink[0].framing: no protocol is called 'ax26'"),
        ('protocol = "ax25"', 'protocol = "csp"', 10, "downlink[0].framing: csp takes frames apart"),
        ('type = "u16"', 'type = "u17"', 24, "packet[0].parameter[1].type: u17 is no whole number of octets"),
        ('type = "u16"', 'type = "u16"\nat = 0', 22, "packet[0].parameter[1]: n overlaps v"),
        ('unit = "V"', 'unit = "Volt"', 18, "packet[0].parameter[0].unit: unknown unit 'Volt' (did you mean"),
        ("min = 6.0", "min = 7.5", 20, "packet[0].parameter[0].limits.critical: critical would be reached before"),
        ("v = 8.2", "v = 8.3", 32, "example[0].values.v: 8.3 stated, 8.2"),
        ("n = 1", "m = 1", 33, "example[0].values.m: the packet has no such parameter"),
        ('"520001"', '"5200"', 29, "example[0].frame: does not decode: too_short"),
        ('"520001"', '"52000"', 29, "example[0].frame: not hex"),
        ('packet = "p"', 'packet = "q"', 27, "example[0].packet: decodes as packet 'p'"),
    ],
)
def test_a_broken_satellite_is_refused_at_its_line_and_place(
    capsys: pytest.CaptureFixture[str],
    write: Write,
    old: str,
    new: str,
    line: int,
    complaint: str,
) -> None:
    assert old in GOOD
    path = write(GOOD.replace(old, new))
    code, out, err = run(capsys, path)
    assert (code, out) == (2, "")
    assert complaint in err
    assert f"{path}:{line}: " in err or f"line {line}" in err
    assert len(err.splitlines()) == 1


def test_every_packet_that_is_wrong_is_named(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    broken = (
        GOOD.replace('type = "u16"', 'type = "u17"')
        + '[[packet]]\nname = "q"\n[[packet.parameter]]\nname = "x"\ntype = "y"\n'
    )
    code, _, err = run(capsys, write(broken))
    assert code == 2
    assert len(err.splitlines()) == 2


def test_a_station_that_names_no_known_satellite_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
    write: Write,
) -> None:
    station = 'satellites = ["lnik"]\n[station]\nname = "here"\nlatitude_deg = 36.0\nlongitude_deg = 127.0\n'
    code, _, err = run(capsys, write(station))
    assert code == 2
    assert "did you mean" in err
    assert "link" in err
    code, out, _ = run(capsys, write(station.replace("lnik", "link")))
    assert code == 0
    assert "good: station here, 1 satellites" in out


def test_shipped_scenarios_are_good_and_a_broken_one_is_refused(
    capsys: pytest.CaptureFixture[str],
    write: Write,
) -> None:
    scenarios = sorted((shipped_configs() / "scenarios").glob("*.toml"))
    code, _, err = run(capsys, *scenarios)
    assert (code, err) == (0, "")
    text = scenarios[0].read_text().replace("satellite =", "satelite =")
    code, _, err = run(capsys, write(text))
    assert code == 2
    assert "satelite" in err


def test_what_is_no_file_of_ours_says_so(capsys: pytest.CaptureFixture[str], write: Write, tmp_path: Path) -> None:
    code, _, err = run(capsys, write("colour = 3\n"), tmp_path / "absent.toml", write(GOOD, "Bad Name.toml"))
    assert code == 2
    assert "neither a station, nor a satellite, nor a scenario" in err
    assert "no such file" in err
    assert "topic level" in err


def test_every_shipped_satellite_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *sorted((shipped_configs() / "satellites").glob("*.toml")))
    assert (code, err) == (0, "")
    assert out.count(": good: ") == len(list((shipped_configs() / "satellites").glob("*.toml")))
