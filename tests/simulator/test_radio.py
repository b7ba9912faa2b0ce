"""A receiver's audio: what each mode makes of the air, received by the agent; and over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from agent.config import load_satellite
from agent.definitions import Downlink as Downlink_
from agent.definitions import ProtocolChoice
from agent.downlink import Downlink
from agent.errors import ConfigError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import AudioBlock, Frame
from agent.simulator.air import Air, Burst
from agent.simulator.modulators import modulate
from agent.simulator.play import Playing
from agent.simulator.radio import Demodulated, Radio
from agent.simulator.recorder import record
from agent.simulator.satellite_model import channel_bits
from agent.simulator.scenario import load_scenario
from agent.sources import make_source
from agent.sources.recordings import open_recording
from firmware_protocols import ax25

FRAME = ax25.build_ui_frame("CQ", "SIMSAT", bytes(range(48)))
G3RUH = {"scrambler": "g3ruh"}
RATE_HZ = 48_000


@pytest.mark.parametrize(
    ("mode", "modulation", "baudrate_bd", "options"),
    [
        ("fm", "fsk", 9600.0, {}),
        ("fm", "afsk", 1200.0, {}),
        ("usb", "bpsk", 1200.0, {}),
        ("usb", "qpsk", 1200.0, {}),
        ("pm", "pm", 2400.0, {"subcarrier_hz": 9600.0}),
    ],
)
def test_every_mode_gives_audio_that_the_agent_understands(
    mode: str, modulation: str, baudrate_bd: float, options: dict[str, object]
) -> None:
    table = Radio(id="r", frequency_hz=437e6, mode=mode)  # type: ignore[arg-type]  # each mode in turn
    bits = np.concatenate([channel_bits("ax25", G3RUH, FRAME)] * 4)
    air = Air(1e-7)
    waveform = modulate(modulation, bits, baudrate_bd, options)
    air.transmit(Burst(waveform, 0.2, 437e6 + 60.0 * (mode == "usb"), 22.0))
    radio = Demodulated(table, 1)
    count = int((waveform.duration_s + 0.5) * RATE_HZ) // 960
    audio = np.concatenate([radio.render(air, 960 * n, 960) for n in range(count)])
    assert np.abs(audio).max() <= 1.0
    described = Downlink_(
        name="test",
        frequency_hz=437e6,
        modulation=modulation,
        baudrate_bd=baudrate_bd,
        modulation_options=options,
        framing=ProtocolChoice(protocol="ax25", options=G3RUH),
    )
    chain = Downlink(Transmitter(None, None, described), signal="audio", sample_rate_hz=RATE_HZ)
    records = chain.feed(AudioBlock(audio, RATE_HZ, 0)) + chain.flush()
    assert {one.link_frame.data for one in records if isinstance(one, Frame)} == {FRAME}


async def test_a_played_radio_is_received_over_udp(tmp_path: Path) -> None:
    (tmp_path / "audio.toml").write_text(
        '[[radio]]\nid = "gqrx"\nfrequency_hz = 437_500_000\n[[transmitter]]\nsatellite = "demosat"\n'
        'downlink = "9k6-fsk"\npacket = "housekeeping"\nevery_s = 0.4\nfirst_s = 0.6\nebn0_db = 25\n'
    )
    _, satellite = load_satellite("demosat")
    receiver = Receiver("gqrx", [Transmitter("demosat", satellite, satellite.downlinks[0])])
    found: list[Frame] = []
    async with Playing(load_scenario(str(tmp_path / "audio.toml"))) as playing:
        _, source = make_source({"id": "gqrx", "kind": "udp", **playing.ready()["radio"]["gqrx"]}, "source[0]")
        played = asyncio.create_task(playing.play())
        async with source, asyncio.timeout(20):
            while len(found) < 2:
                records = await asyncio.to_thread(receiver.feed, await source.read())
                found += [one for one in records if isinstance(one, Frame)]
        played.cancel()
        await asyncio.gather(played, return_exceptions=True)
    assert {frame.satellite for frame in found} == {"demosat"}


def test_a_recording_of_a_radio_is_a_wav_of_its_audio(tmp_path: Path) -> None:
    (tmp_path / "audio.toml").write_text(
        '[[radio]]\nid = "gqrx"\nfrequency_hz = 437_500_000\n[[transmitter]]\nsatellite = "demosat"\n'
        'downlink = "9k6-fsk"\npacket = "housekeeping"\nevery_s = 0.5\nfirst_s = 0.2\nebn0_db = 25\n'
    )
    scenario = load_scenario(str(tmp_path / "audio.toml"))
    record(scenario, tmp_path / "pass.wav", 1.2, 1_790_000_000 * 10**9)
    _, satellite = load_satellite("demosat")
    receiver = Receiver("file", [Transmitter("demosat", satellite, satellite.downlinks[0])])
    with open_recording(tmp_path / "pass.wav") as recording:
        records = [one for block in recording.blocks() for one in receiver.feed(block)] + receiver.flush()
    assert sum(isinstance(one, Frame) for one in records) == 2
    with pytest.raises(ConfigError, match="audio is recorded as"):
        record(scenario, tmp_path / "pass.cu8", 1.0, 1_790_000_000 * 10**9)
