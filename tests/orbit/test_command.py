"""``gsagent passes`` as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.__main__ import main
from agent.orbit.elements import read_elements
from agent.orbit.look import states_teme_km
from agent.orbit.oem import read_oem, write_kvn
from tests.orbit.sets import AUGUST_23_UTC_NS, KOREAN
from tests.orbit.test_ephemeris import lunar_orbiter

STATION = "36.372,127.363,80"


@pytest.fixture
def elements(tmp_path: Path) -> str:
    path = tmp_path / "kr.tle"
    path.write_text(KOREAN)
    return str(path)


def run(*arguments: str) -> int:
    return main(["passes", *arguments])


def test_json_lists_passes_in_order_and_geostationary_satellites_once(
    elements: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--elements", elements, "--station", STATION, "--start", "2026-08-23", "--format", "json") == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert {row["satellite"] for row in rows} == {"KOMPSAT-3A", "KORSAT-1", "KOREASAT 116"}
    always = [row for row in rows if row["kind"] == "always_up"]
    assert [(row["norad"], row["aos"], row["los"]) for row in always] == [(45920, None, None)]
    rises = [row["aos"] for row in rows if row["aos"]]
    assert rises == sorted(rises)
    assert all(row["aos"].endswith("Z") and len(row["aos"]) == 27 for row in rows if row["aos"])
    assert "KOREASAT 116 (45920): always up; azimuth 198." in err


def test_a_satellite_without_a_pass_has_one_line_with_the_reason(
    elements: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--elements", elements, "--station", "-0.18,-78.47,2850", "--start", "2026-08-23", "45920") == 0
    out, err = capsys.readouterr()
    assert out == "no passes\n"
    assert err.count("\n") == 1
    assert "KOREASAT 116 (45920): never rises above 0°" in err


def test_names_parts_of_names_and_numbers_choose_satellites(
    elements: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--elements", elements, "--station", STATION, "--start", "2026-08-23", "--format", "json")
    assert run("korsat", *common) == 0
    assert {row["norad"] for row in json.loads(capsys.readouterr().out)} == {59452}
    assert run("40536", "KORSAT-1", *common) == 0
    assert {row["norad"] for row in json.loads(capsys.readouterr().out)} == {40536, 59452}
    # A satellite file's name without elements is no error, but it is said.
    assert run("link", *common) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "42714" in err


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--station", STATION, "--elements", "{absent}"), 1, "cannot be read"),
        (("--station", STATION, "--elements", "{empty}"), 1, "empty"),
        (("--station", STATION, "--elements", "{broken}"), 1, "checksum"),
        (("--station", STATION, "--elements", "{good}", "korsatt-1"), 2, "did you mean korsat-1"),
        (("--station", "91,0,0", "--elements", "{good}"), 2, "no place on Earth"),
        (("--station", "atlantis", "--elements", "{good}"), 2, "atlantis"),
        (("--station", STATION, "--elements", "{good}", "--days", "-1"), 2, "--days -1"),
        (("--station", STATION, "--elements", "{good}", "--days", "nan"), 2, "--days nan"),
        (("--station", STATION, "--elements", "{good}", "--start", "tomorrow"), 2, "ISO 8601"),
        (("--station", STATION, "--elements", "{good}", "--min-elevation", "100"), 2, "100"),
        (("--station", STATION), 2, "--elements FILE"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_the_mend(
    arguments: tuple[str, ...], code: int, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "good").write_text(KOREAN)
    (tmp_path / "broken").write_text("\n".join(line[:-1] + "x" for line in KOREAN.splitlines()))
    files = {name: str(tmp_path / name) for name in ("absent", "empty", "good", "broken")}
    assert run(*(word.format(**files) if word.startswith("{") else word for word in arguments)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert what in err
    assert "Traceback" not in err


def test_old_elements_and_manoeuvres_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kr.tle"
    path.write_text(KOREAN)
    assert run("--elements", str(path), "--station", STATION, "--start", "2027-03-10", "59452") == 0
    assert "days old there: times may be off" in capsys.readouterr().err


def test_tables_calendars_and_plots_come_out(elements: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--elements", elements, "--station", STATION, "--start", "2026-08-23")
    for arguments, what in (
        (("--format", "table"), "KOMPSAT-3A"),
        (("--format", "ics"), "BEGIN:VEVENT"),
        (("--plot", "sky"), "rings at 0°"),
        (("--plot", "timeline"), "08-23 00:00:00"),
        (("--plot", "sky-svg"), "<svg"),
        (("--plot", "timeline-svg"), "<svg"),
    ):
        assert run(*common, *arguments) == 0
        assert what in capsys.readouterr().out


def test_a_station_file_brings_its_elements_and_its_horizon(
    elements: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[station]\nname = "hill"\nlatitude_deg = 36.372\nlongitude_deg = 127.363\naltitude_m = 80.0\n'
    text += '[passes]\nelements = ["kr.tle"]\n'
    (tmp_path / "open.toml").write_text(text)
    (tmp_path / "hill.toml").write_text(text + "horizon_mask = [[0.0, 25.0], [180.0, 25.0]]\n")
    lists = []
    for name in ("open.toml", "hill.toml"):
        common = ("--start", "2026-08-23", "--days", "3", "--format", "json")
        assert run("--station", str(tmp_path / name), "kompsat-3a", *common) == 0
        lists.append(json.loads(capsys.readouterr().out))
    assert 0 < len(lists[1]) < len(lists[0])
    assert all(row["max_elevation_deg"] > 25.0 for row in lists[1])


def test_an_ephemeris_around_the_moon_gives_passes_and_says_when_the_moon_hides_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orbiter.oem"
    path.write_text(write_kvn([lunar_orbiter()], created_utc_ns=AUGUST_23_UTC_NS, originator="TEST"))
    arguments = ("--elements", str(path), "--station", STATION, "--start", "2026-08-23T00:10:00", "--days", "1.9")
    assert run("orbiter", *arguments, "--format", "json") == 0
    out, err = capsys.readouterr()
    assert 1 <= len(json.loads(out)) <= 3
    assert "behind the Moon from 2026-08-" in err


def test_the_korean_fleet_over_daejeon_is_what_an_independent_search_finds(
    test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from agent.orbit.earth_orientation import bundled
    from agent.orbit.elements import read_elements
    from tests.orbit.sets import DAEJEON
    from tests.reference.orbit import elevation_of, true_passes

    path = test_data / "orbits" / "korea" / "kr_satellites_2026-08-22.tle"
    assert (
        run(
            "--elements",
            str(path),
            "--station",
            STATION,
            "--start",
            "2026-08-23",
            "--days",
            "7",
            "--format",
            "json",
        )
        == 0
    )
    rows = json.loads(capsys.readouterr().out)
    always = {row["satellite"] for row in rows if row["kind"] == "always_up"}
    assert {"KOREASAT 116", "GEO-KOMPSAT-2A"} <= always
    middle = AUGUST_23_UTC_NS + 302_400 * 10**9
    dut1, pole = float(bundled().ut1_minus_utc_s(np.array([middle]))[0]), bundled().polar_motion_rad(middle)
    for elements in read_elements(path.read_text(), source="kr").sets[::8]:
        elevation = elevation_of(elements, DAEJEON, AUGUST_23_UTC_NS / 1e9, dut1_s=dut1, pole_rad=pole)
        truth = true_passes(elevation, 7 * 86_400.0, 0.0, 60.0)
        found = [row for row in rows if row["norad"] == elements.norad]
        assert len(found) == len(truth), elements.name


@pytest.mark.parametrize("ending", ["csv", "json", "xml", "kvn"])
def test_exported_elements_read_back_as_they_were(elements: str, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    assert run("--elements", elements, "--start", "2026-08-23", "--export", str(out)) == 0
    original, again = (read_elements(Path(path).read_text(), source="") for path in (elements, out))
    assert again == original


def test_an_exported_trajectory_is_followed_to_a_millimetre(elements: str, tmp_path: Path) -> None:
    out = tmp_path / "out.oem"
    assert run("kompsat-3a", "--elements", elements, "--start", "2026-08-23", "--export", str(out)) == 0
    (segment,) = read_oem(out.read_text(), source="out")
    assert (segment.object_name, segment.object_id, segment.frame) == ("KOMPSAT-3A", "2015-014A", "TEME")
    times = AUGUST_23_UTC_NS + np.arange(0, 86_400, 37, dtype=np.int64) * 10**9
    (truth,) = (s for s in read_elements(KOREAN, source="").sets if s.norad == 40536)
    off_km = np.abs(segment.at(times)[:3] - states_teme_km(truth, times)[:3]).max()
    assert off_km < 1e-6


def test_an_export_of_an_unknown_ending_or_without_a_station_for_passes_is_named(
    elements: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--elements", elements, "--export", str(tmp_path / "out.tle")) == 2
    assert ".csv .json .xml .kvn .oem" in capsys.readouterr().err
    assert run("--elements", elements) == 2
    assert "no station is named" in capsys.readouterr().err
