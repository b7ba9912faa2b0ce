"""Scenarios recorded into files, read back by the agent, its receiver included."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame, IqBlock
from agent.simulator.recorder import SUFFIXES, due_times, record
from agent.simulator.scenario import Scenario, load_scenario
from agent.sources.recordings import open_recording
from firmware_protocols import kiss

BEGIN_UTC_NS = 1_790_000_000 * 10**9

SCENARIO = """
[[sdr]]
id = "dongle"
frequency_hz = 437_450_000
[[tnc]]
id = "tnc"
[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
every_s = 0.5
first_s = 0.1
ebn0_db = 25
linewidth_hz = 2.0
fading_db = 6
[[transmitter.curve]]
kind = "count"
parameter = "sequence_count"
[[transmitter]]
satellite = "link"
downlink = "1k2-bpsk"
packet = "beacon"
tnc = "tnc"
every_s = 0.4
[[fault]]
kind = "jam_tone"
target = "dongle"
at_s = 0.5
for_s = 0.5
level_db = 10
offset_hz = -60_000
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "mine.toml").write_text(SCENARIO)
    return load_scenario(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("suffix", [one for one in SUFFIXES if one != ".kss"])
def test_every_format_holds_the_same_signal(scenario: Scenario, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pass{suffix}"
    ledger = record(scenario, path, 1.0, BEGIN_UTC_NS)
    assert ledger["transmitted"] == {"demosat/9k6-fsk": 2}
    rate = 250_000 if suffix in (".cu8", ".cs16", ".cf32") else None
    with open_recording(path, sample_rate_hz=rate) as recording:
        samples = np.concatenate([block.samples for block in recording.blocks() if isinstance(block, IqBlock)])
        assert recording.notes == []
    assert samples.size == 250_000
    spectrum = np.abs(np.fft.fft(samples[130_000:240_000]))
    jammer_hz = np.fft.fftfreq(110_000, 1 / 250_000)[np.argmax(spectrum)]
    assert jammer_hz == pytest.approx(-60_000, abs=5)
    noise = np.mean(np.abs(samples[:20_000]) ** 2)
    assert noise == pytest.approx(0.1**2, rel=0.05)


def test_sigmf_tells_where_and_when(scenario: Scenario, tmp_path: Path) -> None:
    record(scenario, tmp_path / "pass.sigmf-data", 0.2, BEGIN_UTC_NS)
    about = json.loads((tmp_path / "pass.sigmf-meta").read_text())
    # date -u -d @1790000000
    assert about["captures"][0]["core:datetime"] == "2026-09-21T14:13:20Z"
    with open_recording(tmp_path / "pass.sigmf-data") as recording:
        assert recording.start_utc_ns == BEGIN_UTC_NS
        assert recording.center_frequency_hz == 437_450_000


def test_the_recorded_beacons_are_received_with_their_times(scenario: Scenario, tmp_path: Path) -> None:
    record(scenario, tmp_path / "pass.sigmf-data", 3.0, BEGIN_UTC_NS)
    transmission = scenario.transmissions[0]
    transmitter = Transmitter("demosat", transmission.model.satellite, transmission.downlink)
    receiver = Receiver("file", [transmitter])
    with open_recording(tmp_path / "pass.sigmf-data") as recording:
        records = [item for block in recording.blocks() for item in receiver.feed(block)]
    frames = [item for item in records + receiver.flush() if isinstance(item, Frame)]
    assert len(frames) == 6
    for number, frame in enumerate(frames):
        # The data begin 25 flags, 200 bits, after the burst.
        begun_s = (frame.received_utc_ns - BEGIN_UTC_NS) / 1e9
        assert begun_s == pytest.approx(0.1 + 0.5 * number + 200 / 9600, abs=0.005)


def test_a_tnc_recording_holds_its_frames_with_times(scenario: Scenario, tmp_path: Path) -> None:
    record(scenario, tmp_path / "pass.kss", 2.0, BEGIN_UTC_NS)
    frames = kiss.Deframer(kiss.Options()).feed((tmp_path / "pass.kss").read_bytes())
    assert len(frames) == 4
    assert frames[0].reported_utc_ms == BEGIN_UTC_NS // 10**6 + 500


def test_due_times_begin_with_the_first_and_end_before_the_last(scenario: Scenario) -> None:
    assert list(due_times(scenario.transmissions[0], 1.1)) == pytest.approx([0.1, 0.6])


@pytest.mark.parametrize(
    ("name", "seconds", "says"),
    [("a.mp3", 1.0, "ends in one of"), ("a.wav", 0.0, "more than 0"), ("a.wav", 1e9, "at most")],
)
def test_what_cannot_be_recorded_is_said(
    scenario: Scenario, tmp_path: Path, name: str, seconds: float, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        record(scenario, tmp_path / name, seconds, BEGIN_UTC_NS)
    assert not Counter(tmp_path.glob("a.*"))
