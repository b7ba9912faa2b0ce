"""The table of faults: complete, documented, and each kind reachable by a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import shipped_configs
from agent.errors import ConfigError
from agent.simulator.faults import FAMILIES, KINDS
from agent.simulator.scenario import load_scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
SHIPPED = sorted((shipped_configs() / "scenarios").glob("*.toml"))

AGENT_ONLY = """\
seconds = 10
[[tnc]]
id = "tnc"
[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
tnc = "tnc"
every_s = 1
[[fault]]
kind = "clock_step"
at_s = 1
"""


def test_no_two_families_have_a_kind_of_the_same_name() -> None:
    assert sum(len(family) for family in FAMILIES.values()) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented_in_its_own_words(kind: str) -> None:
    assert f"| `{kind}` | {KINDS[kind].about} |" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_happens_in_a_shipped_scenario(kind: str) -> None:
    played = {fault.kind for path in SHIPPED for fault in load_scenario(str(path)).file.faults}
    assert kind in played


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ('kind = "clock_step"', 'kind = "clock_stop"', "fault[0].kind", "try clock_step"),
        ("at_s = 1", 'at_s = 1\ntarget = "tnc"', "fault[0].target", "leave the target out"),
        ('kind = "clock_step"', 'kind = "tnc_unplug"', "fault[0]", "there are: tnc"),
        ('kind = "clock_step"', 'kind = "replay"\ntarget = "tnc"', "fault[0].target", "there are: demosat"),
        ("at_s = 1", "at_s = 10", "fault[0].at_s", "the scenario ends at 10 s"),
        ("at_s = 1", 'at_s = 1\nalarms = ["clock_step"]', "fault[0].alarms", ""),
        ("at_s = 1", 'at_s = 1\nalarms = ["demosta/authenticity"]', "fault[0].alarms", "<satellite>/<name>"),
    ],
)
def test_a_fault_that_cannot_be_played_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, says: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(AGENT_ONLY.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        load_scenario(str(path))
    assert place in str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
