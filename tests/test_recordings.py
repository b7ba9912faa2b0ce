"""Real recordings of real satellites, each with the frames that must come out of it.

The recordings are not part of the project; these tests skip where they are not. Every recording whose framing and
modulation the agent knows is enrolled by itself. ``truth.json`` names frames that stand behind a strong check and
must all be found, without any option for the single file, and false ones that must not be.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent import dsp
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame
from agent.sources.recording import open_recording
from agent.telemetry.importers import satyaml
from tests.conftest import DATA_VARIABLE

FOLDER = Path(os.environ.get(DATA_VARIABLE, "")) / "recordings" / "dev"
OCTETS = {"AO-40 FEC short": 128}
"""Framings of one length: other frames in their recordings came from other transmitters of the satellite."""

WEAK = ("LilacSat-1", "SMOG-P RA", "IDEASSat")
"""Framings whose check is weak or absent: the decoders themselves do not agree on their frames."""


def entries() -> list[Any]:
    if DATA_VARIABLE not in os.environ or not (FOLDER / "truth.json").is_file():
        return []
    found = []
    for entry in json.loads((FOLDER / "truth.json").read_text(encoding="utf-8")):
        octets = OCTETS.get(entry["framing"])
        for key in ("frames_hex", "frames_hex_other_decoders"):
            entry[key] = [frame for frame in entry[key] if octets in (None, len(frame) // 2)]
        frames = entry["frames_hex"] + entry["frames_hex_other_decoders"]
        if not frames or entry["framing"] in WEAK:
            continue
        try:
            downlink = satyaml.transmitter(
                "recorded", entry["modulation"], entry["baudrate"], entry["framing"], entry["params"]
            )
            dsp.load(downlink.modulation)
        except (ConfigError, LookupError):
            continue
        found.append(pytest.param(entry, downlink, id=entry["recording"]))
    return found


@pytest.mark.parametrize(("entry", "downlink"), entries() or [pytest.param(None, None, id="no-recordings")])
def test_every_frame_of_a_real_recording_is_found_and_no_false_one(
    test_data: Path, entry: dict[str, Any], downlink: Any
) -> None:
    receiver = Receiver("recording", [Transmitter(None, None, downlink)])
    records = []
    with open_recording(test_data / "recordings" / "dev" / entry["recording"]) as recording:
        for block in recording.blocks(0.5):
            records += receiver.feed(block)
    records += receiver.flush()
    got = {record.link_frame.data.hex() for record in records if isinstance(record, Frame)}
    missing = set(entry["frames_hex"] + entry["frames_hex_other_decoders"]) - got
    assert not missing, f"{len(missing)} frames were not found"
    assert not got & set(entry["false_frames_hex"])
