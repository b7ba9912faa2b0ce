"""Configuration: what is wrong is named with file, line, place and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import config
from agent.errors import ConfigError

STATION = """\
satellites = ["testsat"]
satellite_directories = ["satellites"]

[station]
name = "daejeon"
latitude_deg = 36.372
longitude_deg = 127.363
"""

SATELLITE = """\
name = "TESTSAT"
norad = 99001
aliases = ["Test Satellite"]

[[downlink]]
name = "9k6"
frequency_hz = 437_000_000
modulation = "fsk"
baudrate_bd = 9600
framing = { protocol = "ax25", options = { scrambler = "g3ruh" } }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "satellites").mkdir()
    (tmp_path / "satellites" / "testsat.toml").write_text(SATELLITE, encoding="utf-8")
    (tmp_path / "station.toml").write_text(STATION, encoding="utf-8")
    return tmp_path


def test_a_valid_station_is_read_with_its_satellites(folder: Path) -> None:
    found = config.load_station_config(folder / "station.toml")
    assert found.file.station.name == "daejeon"
    assert found.satellites["testsat"].norad == 99001
    assert found.resolve("archive") == folder / "archive"


@pytest.mark.parametrize("name", ["testsat", "TESTSAT", "test satellite", "99001"])
def test_a_satellite_is_found_by_every_name_it_has(folder: Path, name: str) -> None:
    slug, satellite = config.load_satellite(name, [folder / "satellites"])
    assert (slug, satellite.norad) == ("testsat", 99001)


def test_an_unknown_satellite_is_answered_with_the_nearest_names(folder: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean testsat"):
        config.load_satellite("tstsat", [folder / "satellites"])


def test_an_unknown_satellite_in_a_station_names_the_line(folder: Path) -> None:
    file = folder / "station.toml"
    file.write_text(STATION.replace('["testsat"]', '["testsatt"]'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"station\.toml:1: satellites\[0\].*did you mean testsat"):
        config.load_station_config(file)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("latitude_deg = 36.372", "lattitude_deg = 36.372"),
            r":6: station\.lattitude_deg: unknown field.*latitude",
        ),
        (("latitude_deg = 36.372", 'latitude_deg = "north"'), r":6: station\.latitude_deg: Expected `float`"),
        (("latitude_deg = 36.372", "latitude_deg = 136.0"), r":6: station\.latitude_deg: Expected `float` <= 90"),
        (('name = "daejeon"', 'name = "Dae Jeon"'), r":5: station\.name: Expected `str` matching regex"),
        (('name = "daejeon"\n', ""), r":4: station: Object missing required field `name`"),
        (("[station]", "[station"), r"not valid TOML.*line 4"),
    ],
)
def test_a_mistake_is_named_with_line_place_and_expectation(
    folder: Path, change: tuple[str, str], expected: str
) -> None:
    file = folder / "station.toml"
    file.write_text(STATION.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        config.load_station_config(file)


def test_a_mistake_in_a_satellite_file_names_that_file_and_the_table(folder: Path) -> None:
    file = folder / "satellites" / "testsat.toml"
    file.write_text(SATELLITE.replace("baudrate_bd", "baudrate"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"testsat\.toml:9: downlink\[0\]\.baudrate: .*baudrate_bd"):
        config.load_station_config(folder / "station.toml")


def test_an_absent_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*gsagent init"):
        config.load_station_config(tmp_path / "nowhere.toml")


def test_absent_elements_are_named_before_anything_runs(folder: Path) -> None:
    file = folder / "station.toml"
    file.write_text(STATION + '\n[passes]\nelements = ["none.tle"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"station\.toml:10: passes\.elements\[0\]: no such element file"):
        config.load_station_config(file)


def test_two_brokers_of_one_name_are_refused(folder: Path) -> None:
    file = folder / "station.toml"
    file.write_text(STATION + "\n[[broker]]\n\n[[broker]]\nport = 1884\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="two brokers are called 'local'"):
        config.load_station_config(file)


def test_places_are_found_through_arrays_and_nested_tables() -> None:
    text = "[a]\nx = 1\n[[b]]\nk = 1\n[[b]]\n[b.c]\nz = 3\n[[b.d]]\n[[b.d]]\nq = 1\n[[b]]\n[[b.d]]\nq = 2\n"
    lines = {"a.x": 2, "b[0].k": 4, "b[1].c.z": 7, "b[1].d[1].q": 10, "b[2].d[0].q": 13, "b[1].missing": 5}
    assert {place: config.locate(text, place) for place in lines} == lines


SATYAML = """\
name: KR01
alternative_names:
  - LINK
norad: 42714
data:
  &tlm Telemetry:
    telemetry: kr01
transmitters:
  1k2 BPSK downlink:
    frequency: 436.030e+6
    modulation: BPSK
    baudrate: 1200
    framing: AX.25 G3RUH
    data:
    - *tlm
"""


def test_a_satyaml_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "KR01.yml"
    file.write_text(SATYAML, encoding="utf-8")
    slug, satellite = config.read_satyaml(file)
    (downlink,) = satellite.downlinks
    assert (slug, satellite.norad, satellite.aliases) == ("kr01", 42714, ("LINK",))
    assert (downlink.frequency_hz, downlink.modulation, downlink.baudrate_bd) == (436.03e6, "bpsk", 1200.0)
    assert (downlink.framing.protocol, downlink.framing.options) == ("ax25", {"scrambler": "g3ruh"})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("norad: 42714\n", ""), "lacks norad"),
        (("baudrate: 1200", "baudrate: fast"), r"transmitters\.1k2 BPSK downlink: baudrate = 'fast' is no number"),
        (("framing: AX.25 G3RUH", "framing: Morse"), r"framing 'Morse' is not known here"),
        (("name: KR01", "name: [KR01"), "not valid YAML"),
    ],
)
def test_a_wrong_satyaml_file_is_refused_with_its_place(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    file = tmp_path / "KR01.yml"
    file.write_text(SATYAML.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        config.read_satyaml(file)


def test_every_path_in_a_station_file_begins_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mysat.toml").write_text('name = "MYSAT"\nnorad = 99001\n', encoding="utf-8")
    file = tmp_path / "station.toml"
    file.write_text(
        """\
satellites = ["own/mysat.toml"]

[station]
name = "test"
latitude_deg = 0
longitude_deg = 0

[[broker]]
password_file = "secrets/password"

[broker.tls]
ca_file = "secrets/ca.pem"
key_file = "/etc/gsagent/key.pem"
""",
        encoding="utf-8",
    )
    station = config.load_station_config(file)
    assert list(station.satellites) == ["mysat"]
    (broker,) = station.file.brokers
    assert broker.password_file == str(tmp_path / "secrets" / "password")
    assert broker.tls is not None
    assert broker.tls.ca_file == str(tmp_path / "secrets" / "ca.pem")
    assert broker.tls.key_file == "/etc/gsagent/key.pem"
    assert broker.tls.certificate_file is None
