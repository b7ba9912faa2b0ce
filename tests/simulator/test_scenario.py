"""Scenario files: every shipped one is sound, and a wrong one is refused with its place."""

from pathlib import Path

import pytest

from agent.config import shipped_configs
from agent.errors import ConfigError
from agent.simulator.faults import KINDS
from agent.simulator.scenario import load_scenario, scenario_path

SOUND = """
[[sdr]]
id = "dongle"
frequency_hz = 437_450_000

[[tnc]]
id = "tnc"

[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
every_s = 2.5

[[transmitter]]
satellite = "link"
downlink = "1k2-bpsk"
packet = "beacon"
tnc = "tnc"
every_s = 2

[[fault]]
kind = "tnc_unplug"
target = "tnc"
at_s = 10
"""

SHIPPED = sorted((shipped_configs() / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_can_be_played(path: Path) -> None:
    scenario = load_scenario(path.stem)
    assert scenario.file.description
    assert scenario.transmissions


def test_the_demo_has_two_kinds_of_source() -> None:
    scenario = load_scenario("demo")
    assert scenario.file.sdrs
    assert {item.table.tnc for item in scenario.transmissions} == {None, "tnc"}


def test_a_sound_scenario_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SOUND)
    scenario = load_scenario(str(tmp_path / "mine.toml"))
    assert scenario.name == "mine"
    assert [item.label for item in scenario.transmissions] == ["demosat/9k6-fsk", "link/1k2-bpsk"]
    assert scenario.file.faults[0].kind in KINDS


@pytest.mark.parametrize(
    ("old", "new", "place", "mend"),
    [
        ("every_s = 2.5", "evry_s = 2.5", "transmitter[0].evry_s", ""),
        ("every_s = 2.5", 'every_s = "often"', "transmitter[0].every_s", ""),
        ('satellite = "demosat"', 'satellite = "demosta"', "transmitter[0].satellite", "demosat"),
        ('"9k6-fsk"', '"9k6"', "transmitter[0].downlink", "there are: 9k6-fsk"),
        ('"housekeeping"', '"beacon"', "transmitter[0]", "housekeeping"),
        ('tnc = "tnc"', 'tnc = "tcn"', "transmitter[1].tnc", "there are: tnc"),
        ('id = "tnc"', 'id = "dongle"', "tnc", "two pieces of hardware"),
        ('kind = "tnc_unplug"', 'kind = "tnc_unplugged"', "fault[0].kind", "tnc_unplug"),
        ('target = "tnc"', 'target = "tcn"', "fault[0].target", "there are: dongle, tnc"),
        ('kind = "tnc_unplug"', 'kind = "sdr_stall"', "fault[0].target", "happens to an sdr"),
        (
            "at_s = 10",
            'at_s = 10\n[[fault]]\nkind = "tnc_stall"\ntarget = "tnc"\nat_s = 5',
            "fault[1].at_s",
            "in the order of their times",
        ),
        ("every_s = 2.5", "every_s = 2.5\nmodulation_options = { bt = -1.0 }", "transmitter[0]", "bt"),
        ("[[sdr]]", "[[sdr", "mine.toml", "not valid TOML"),
    ],
)
def test_a_wrong_scenario_is_refused_with_file_and_place(
    tmp_path: Path, old: str, new: str, place: str, mend: str
) -> None:
    assert old in SOUND
    (tmp_path / "mine.toml").write_text(SOUND.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        load_scenario(str(tmp_path / "mine.toml"))
    text = str(refused.value)
    assert "mine.toml" in text
    assert place in text
    assert mend in text


def test_a_transmitter_that_nobody_hears_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SOUND[SOUND.index("[[tnc]]") :])
    with pytest.raises(ConfigError, match="nobody hears it"):
        load_scenario(str(tmp_path / "mine.toml"))


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"there are: .*demo"):
        scenario_path("dmeo")
