"""docs/adding-a-satellite.md followed literally adds a satellite."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.commands import check
from agent.config import read_satellite
from agent.health.limits import LimitSet
from agent.telemetry.decoder import Decoder

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "adding-a-satellite.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def outputs() -> dict[str, str]:
    """Every command the page shows, with the output it shows."""
    shown: dict[str, str] = {}
    for block in blocks("text"):
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            shown[command] = output.strip()
    return shown


def run_check(capsys: pytest.CaptureFixture[str], *names: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    code = check.run(parser.parse_args(names))
    out, err = capsys.readouterr()
    return code, out.strip(), err.strip()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = "\n".join(blocks("toml"))
    (tmp_path / "kestrel-1.toml").write_text(text, encoding="utf-8")
    (tmp_path / "broken.toml").write_text(text.replace('unit = "V"', 'unit = "Volt"'), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_the_page_builds_is_good_and_says_so_as_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_check(capsys, "kestrel-1.toml")
    assert (code, err) == (0, "")
    assert out == outputs()["gsagent check kestrel-1.toml"]


def test_the_mistake_the_page_shows_is_named_as_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_check(capsys, "broken.toml")
    assert (code, out) == (2, "")
    assert err.startswith(outputs()["gsagent check broken.toml"].removesuffix("…)"))


def test_its_first_part_alone_is_a_satellite_already(folder: Path) -> None:
    (folder / "first.toml").write_text(blocks("toml")[0], encoding="utf-8")
    assert len(read_satellite(folder / "first.toml").satellite.downlinks) == 1


def test_it_transmits_what_it_receives(folder: Path) -> None:
    satellite = read_satellite(folder / "kestrel-1.toml").satellite
    LimitSet(satellite)
    (example,) = satellite.examples
    data = bytes.fromhex(example.frame)[16:]
    decoder = Decoder(satellite)
    values = {name: value for name, value in example.values.items() if not name.startswith("panel_power")}
    built = decoder.encode("beacon", values | {"panel_current_1": 150})
    kept = decoder.packets["beacon"].layout.read(data)
    assert decoder.packets["beacon"].layout.read(built) == kept


def test_what_the_page_simulates_is_decoded_with_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scenario,) = blocks("toml title=pass.toml")
    (folder / "pass.toml").write_text(scenario, encoding="utf-8")
    (folder / "broken.toml").unlink()
    for line in blocks("text")[2].strip().splitlines():
        program, *words = line.removeprefix("$ ").split()
        assert program == "gsagent"
        assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("battery_voltage") == 5
    assert "warning (low)" in out
    assert "critical (low)" in out


def test_a_station_takes_it_from_a_folder_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.toml").unlink()
    (folder / "station.toml").write_text(
        'satellites = ["kestrel-1"]\nsatellite_directories = ["."]\n[station]\nname = "field"\n'
        "latitude_deg = 36.4\nlongitude_deg = 127.4\n",
        encoding="utf-8",
    )
    assert run_check(capsys, "station.toml")[0] == 0
    assert main(["satellites", "kestrel-1", "--directory", "."]) == 0
    assert "panel_power" in capsys.readouterr().out
