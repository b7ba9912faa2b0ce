"""Neighbours in the band: a strong one beside a satellite's channel costs it no frame; a nonsense one is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame, IqBlock
from agent.simulator.neighbours import Neighbour, neighbours_burst
from agent.simulator.recorder import record
from agent.simulator.scenario import load_scenario
from agent.sources.recordings import open_recording

BEGIN_UTC_NS = 1_790_000_000 * 10**9
SCENARIO = """
[[sdr]]
id = "dongle"
frequency_hz = 437_450_000
noise_level = 0.02
[[transmitter]]
satellite = "demosat"
downlink = "9k6-fsk"
packet = "housekeeping"
every_s = 0.5
first_s = 0.2
ebn0_db = 16
[[neighbour]]
frequency_hz = 437_550_000
modulation = "{modulation}"
baudrate_bd = 19200
ebn0_db = 24
every_s = 0.3
burst_s = 0.25
"""


def test_a_strong_neighbour_fifty_kilohertz_away_costs_no_frame(tmp_path: Path) -> None:
    (tmp_path / "band.toml").write_text(SCENARIO.format(modulation="fsk"))
    scenario = load_scenario(str(tmp_path / "band.toml"))
    record(scenario, tmp_path / "band.sigmf-data", 2.0, BEGIN_UTC_NS)
    (transmission,) = scenario.transmissions
    receiver = Receiver("file", [Transmitter("demosat", transmission.satellite, transmission.downlink)])
    spectra = []
    frames = []
    with open_recording(tmp_path / "band.sigmf-data") as recording:
        for block in recording.blocks():
            assert isinstance(block, IqBlock)
            frames += [one for one in receiver.feed(block) if isinstance(one, Frame)]
            spectra.append(np.abs(np.fft.fft(block.samples, 4096)) ** 2)
    frames += [one for one in receiver.flush() if isinstance(one, Frame)]
    assert len(frames) == 4
    band = np.mean(spectra, axis=0)
    frequency_hz = np.fft.fftfreq(4096, 1 / 250_000)
    beside = band[np.abs(frequency_hz - 100_000) < 8000].mean()
    assert beside > 10 * band[np.abs(frequency_hz + 80_000) < 8000].mean()


def test_what_cannot_be_modulated_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "band.toml").write_text(SCENARIO.format(modulation="chirp"))
    with pytest.raises(ConfigError, match=r"neighbour\[0\]: no modulator is called 'chirp'"):
        load_scenario(str(tmp_path / "band.toml"))


def test_a_burst_has_its_length_and_level() -> None:
    table = Neighbour(frequency_hz=437e6, baudrate_bd=1200.0, burst_s=0.5, ebn0_db=40.0)
    burst = neighbours_burst(table, 3.0, np.random.Generator(np.random.SFC64(1)))
    assert burst.end_s - burst.begin_s == pytest.approx(0.5, rel=0.01)
    assert burst.ebn0_db == 40.0
