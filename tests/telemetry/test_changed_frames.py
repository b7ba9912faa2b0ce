"""Frames that nobody sent: every octet of the real ones changed, decoded here and by gr-satellites' own parsers.

A frame or two do not tell a scale from another that happens to agree there: an octet that was zero, an offset, an
octet taken for signed. So each octet is set to other values, and what gr-satellites prints then is compared.
Needs the reference data (``GSAGENT_TEST_DATA``) and a system Python with gr-satellites; ``pytest -m slow``.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.telemetry import test_peer_values as peer

PYTHON = "/usr/bin/python3"
PARSER = """
import importlib, json, sys
parsers = importlib.import_module("satellites.telemetry")
name, frames = json.load(sys.stdin)
printed = []
for frame in frames:
    try:
        printed.append(str(getattr(parsers, name).parse(bytes.fromhex(frame))))
    except Exception:
        printed.append(None)
json.dump(printed, sys.stdout)
"""
FRAMES = 3
"""Of each recording so many frames are changed, of different lengths and first octets where there are such."""

pytestmark = pytest.mark.slow

SIGNED = "a temperature below zero, which the peer takes for a large positive number"
AFTER_2038 = "the peer's clock ends in 2038"
UNLIKE: dict[str, dict[str, str]] = {
    "3cat-1": {r"data_\d+_value": "the peer numbers only the readings that were taken", "sc_time": AFTER_2038},
    "ao-73": {
        r"eps_(boostconvertertemp_\d|batterytemp)": SIGNED,
        r"whole_orbit_.*": "in a frame of another type other octets are the whole orbit's",
    },
    "au03": {"timestamp": AFTER_2038},
    "floripasat-1": {
        r"eps_battery_temperature_\d": SIGNED,
        r"id|payload|(battery|solar)_.*|energy_level": "the peer knows kinds of beacon that were never recorded",
    },
    "fossasat-2": {r"power_cfg_.*": "a flag is a bit here, any octet but zero there"},
    "gomx-1": {"eps_battmode": "the peer names modes that were never recorded"},
    "link": {r"(spacecraft_)?mode": "the operator's names of modes, not the peer's"},
    "s-net-a": {r"csp_extension_.*": "no frame with an extension was ever recorded"},
    "smog-p": {
        r".*timestamp|system_time": AFTER_2038,
        r".*_status_\d|oscillator|.*_valid": "a number that stands for nothing known",
    },
    "suomi-100": {r"eps_temp_\d": SIGNED},
}
"""What may differ in frames that were never sent, and why."""
ADDRESSES = {"mysat-1": range(17), "picsat": range(17)}
"""Octets of AX.25 addresses: one changed may make them longer, and everything stand elsewhere."""


@pytest.fixture(scope="module", autouse=True)
def peer_is_installed() -> None:
    """Skip where the system's Python has no gr-satellites."""
    if Path(PYTHON).exists():
        probe = subprocess.run([PYTHON, "-c", "import satellites.telemetry"], capture_output=True, check=False)
        if probe.returncode == 0:
            return
    pytest.skip("the system's Python has no gr-satellites")


def recordings() -> list[Any]:
    return [one for one in peer.recordings() if one.values[1]["telemetry"] not in (None, "ax25", "csp")]


@pytest.mark.skipif(peer.DATA is None, reason="GSAGENT_TEST_DATA does not name the recordings' folder")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("entry", "truth"), recordings())
def test_octets_changed_change_the_values_that_the_peer_prints(entry: Any, truth: dict[str, Any]) -> None:
    name = truth["recording"].removesuffix(".wav")
    frames = changed(entry.slug, truth["frames_hex"] + truth["frames_hex_other_decoders"])
    asked = json.dumps([truth["telemetry"], frames])
    answer = subprocess.run([PYTHON, "-c", PARSER], input=asked, capture_output=True, text=True, check=True)
    unlike = peer.DIFFERENT.get(entry.slug, {}) | UNLIKE.get(entry.slug, {})
    renamed = peer.RENAMED.get(name, {})
    compared = 0
    wrong: dict[str, str] = {}
    for frame, printed in zip(frames, json.loads(answer.stdout.splitlines()[-1]), strict=True):
        reports = list(peer.decoded_values(entry, truth, frame)) if printed else []
        for tree in trees(name, printed) if reports else ():
            values = peer.best_match(tree, reports, renamed)
            for path, text in tree:
                ours = peer.name_of(path, renamed)
                if ours is None or text in ("None", "b''") or any(re.fullmatch(one, ours) for one in unlike):
                    continue
                compared += 1
                if ours not in values or not peer.equal(values[ours], peer.value_of(text)):
                    wrong[ours] = f"{values.get(ours)!r}, the peer prints {text}, in {frame}"
    assert not wrong
    assert compared > 500


def trees(name: str, printed: str) -> list[list[tuple[str, str]]]:
    """Cut what the peer prints into leaves; an unnumbered list, which nothing was recorded of, is left out."""
    try:
        found = [tree for tree in peer.printed_trees(printed) if tree]
    except IndexError:
        return []
    if name in peer.FLAT:
        found = [[(p if "addresses" in p else p.rsplit("/", 1)[-1], v) for p, v in tree] for tree in found]
    return found


def changed(slug: str, frames: list[str]) -> list[str]:
    """Change every octet of some frames to four other values."""
    kinds = {(len(frame), frame[:2]): frame for frame in reversed(frames)}
    chosen = [*kinds.values()][:FRAMES]
    rng = random.Random(5)
    found = []
    for frame in chosen:
        octets = bytes.fromhex(frame)
        for place, octet in enumerate(octets):
            if place in ADDRESSES.get(slug, ()):
                continue
            for value in {octet ^ 1, octet ^ 0x80, 0, 0xFF, rng.randrange(256)} - {octet}:
                other = bytearray(octets)
                other[place] = value
                found.append(other.hex())
    return found
