"""``gsagent satellites``: list, search, show."""

from __future__ import annotations

import argparse
import json

import pytest

from agent.commands import satellites
from agent.errors import ConfigError


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    parser = argparse.ArgumentParser()
    satellites.add_arguments(parser)
    assert satellites.run(parser.parse_args(words)) == 0
    return capsys.readouterr().out


def test_all_satellites_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys)
    assert "LINK" in out
    assert "436.030 MHz bpsk 1200" in out
    listed = json.loads(run(capsys, "--format", "json"))
    assert {"satellite", "name", "norad", "downlinks"} <= listed[0].keys()
    assert f"{len(listed)} satellites" in out


def test_words_narrow_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "kaist", "bpsk", "--format", "json"))
    assert {one["satellite"] for one in found} >= {"link"}
    assert all(one["operator"] == "KAIST" for one in found)


@pytest.mark.parametrize("name", ["link", "LINK", "42714", "KR01", "qb50 kr01"])
def test_one_satellite_is_shown_by_any_of_its_names(capsys: pytest.CaptureFixture[str], name: str) -> None:
    out = run(capsys, *name.split())
    assert "packet beacon" in out
    assert "warning 7 … 8.5, critical 6.4 … 8.7" in out
    assert json.loads(run(capsys, *name.split(), "--format", "json"))["norad"] == 42714


def test_an_unknown_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        run(capsys, "gomx1")
    with pytest.raises(ConfigError, match="no folder"):
        run(capsys, "--directory", "/nowhere")
