"""Downlinks without a pause: every frame comes back, and the signal has no seam where its pieces meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame
from agent.simulator.air import Air, View
from agent.simulator.carrier import Carrier
from agent.simulator.continuous import ContinuousSignal
from agent.simulator.recorder import record
from agent.simulator.scenario import Scenario, load_scenario
from agent.sources.recordings import open_recording

BEGIN_UTC_NS = 1_790_000_000 * 10**9
RATE_HZ = 250_000.0

SATELLITE = """
name = "STREAMSAT"
norad = 99004
[[downlink]]
name = "tm"
frequency_hz = 437_000_000
modulation = "{modulation}"
baudrate_bd = 9600
modulation_options = {options}
extract = [{{ protocol = "ccsds_tm", options = {{ scid = 5, fecf = true }} }}, {{ protocol = "space_packet" }}]
[downlink.framing]
protocol = "ccsds_tm_sync"
options = {{ frame_octets = 64, reed_solomon = "conventional", randomizer = true }}
[[packet]]
name = "status"
header = {{ scid = 5 }}
parameter = [{{ name = "number", type = "u64" }}]
"""
SCENARIO = """
satellite_directories = ["."]
[[sdr]]
id = "dongle"
frequency_hz = 436_950_000
[[transmitter]]
satellite = "streamsat"
downlink = "tm"
packet = "status"
continuous = true
first_s = 0.1
ebn0_db = 15
frequency_offset_hz = 1500
oscillator_drift_hz_s = 20
clock_ppm = 10
linewidth_hz = 0.2
"""
VARIANTS = [
    pytest.param("fsk", "{}", id="FSK"),
    pytest.param("bpsk", "{}", id="BPSK"),
    pytest.param("bpsk", "{ manchester = true }", id="BPSK, Manchester", marks=pytest.mark.slow),
    pytest.param("bpsk", "{ differential = true }", id="DBPSK", marks=pytest.mark.slow),
    pytest.param("qpsk", "{}", id="QPSK"),
    pytest.param("oqpsk", "{}", id="OQPSK", marks=pytest.mark.slow),
]


def scenario_of(folder: Path, modulation: str, options: str) -> Scenario:
    (folder / "streamsat.toml").write_text(SATELLITE.format(modulation=modulation, options=options))
    (folder / "stream.toml").write_text(SCENARIO)
    return load_scenario(str(folder / "stream.toml"))


@pytest.mark.parametrize(("modulation", "options"), VARIANTS)
def test_every_frame_of_a_stream_comes_back(modulation: str, options: str, tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, modulation, options)
    file = tmp_path / "stream.sigmf-data"
    ledger = record(scenario, file, 1.2, BEGIN_UTC_NS)
    (transmission,) = scenario.transmissions
    receiver = Receiver("file", [Transmitter("streamsat", transmission.satellite, transmission.downlink)])
    with open_recording(file) as recording:
        records = [one for block in recording.blocks() for one in receiver.feed(block)]
    records += receiver.flush()
    frames = [one for one in records if isinstance(one, Frame)]
    sent = ledger["transmitted"]["streamsat/tm"]
    # The receiver comes into a running stream, and the recording ends inside a frame.
    assert sent > 8
    assert len(frames) >= sent - 3
    assert receiver.gaps == []


@pytest.mark.parametrize(("modulation", "options"), VARIANTS)
def test_pieces_meet_without_a_seam(modulation: str, options: str, tmp_path: Path) -> None:
    (transmission,) = scenario_of(tmp_path, modulation, options).transmissions
    chance = np.random.Generator(np.random.SFC64(3))
    signal = ContinuousSignal(transmission, 0.1, chance)
    air = Air(1e-14)
    bursts = [signal.send(transmission.model.frame(n * 0.1, BEGIN_UTC_NS), Carrier(0.0, 0.0)) for n in range(6)]
    pieces = [burst for burst in bursts if burst is not None]
    for piece in pieces:
        air.transmit(piece)
    samples = air.render(View(RATE_HZ, 436_995_000.0), 0, int(pieces[-1].begin_s * RATE_HZ), chance)
    power = np.mean(np.abs(samples[40_000:]) ** 2)
    jumps = np.abs(np.diff(samples)) / np.sqrt(power)
    inside = np.median(np.sort(jumps[40_000:])[-200:])
    for piece in pieces[1:-1]:
        seam = round(piece.begin_s * RATE_HZ)
        assert jumps[seam - 3 : seam + 3].max() <= 1.2 * inside


def test_audio_tones_and_lines_are_not_continuous(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="continuous: audio tones are sent in bursts"):
        scenario_of(tmp_path, "afsk", "{}")
