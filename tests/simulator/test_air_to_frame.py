"""From a frame through modulator, air and the agent's own demodulator back to the frame: every modulation."""

import numpy as np
import pytest

from agent.dsp import make_demodulator
from agent.records import IqBlock
from agent.simulator.air import Air, Burst, View
from agent.simulator.modulators import modulate, transmit_options
from agent.simulator.satellite_model import channel_bits
from firmware_protocols import ax25, interface

RATE = 48_000.0
NOISE_PER_HZ = 1e-7
FRAME = ax25.build_ui_frame("CQ", "SIMSAT", bytes(range(64)))
STRONG_DB = 18.0


@pytest.mark.parametrize(
    ("modulation", "baudrate_bd", "options", "scrambler"),
    [
        ("fsk", 9600.0, {}, "g3ruh"),
        ("fsk", 1200.0, {"deviation_hz": 600.0}, "none"),
        ("bpsk", 1200.0, {}, "g3ruh"),
        ("bpsk", 1200.0, {"differential": True}, "g3ruh"),
        ("bpsk", 1200.0, {"manchester": True}, "g3ruh"),
        ("afsk", 1200.0, {}, "none"),
        ("qpsk", 2400.0, {}, "g3ruh"),
        ("pm", 1200.0, {"subcarrier_hz": 9600.0}, "g3ruh"),
    ],
)
def test_a_strong_burst_gives_its_frame(
    modulation: str, baudrate_bd: float, options: dict[str, object], scrambler: str
) -> None:
    bits = np.concatenate([channel_bits("ax25", {"scrambler": scrambler}, FRAME) for _ in range(4)])
    waveform = modulate(modulation, bits, baudrate_bd, transmit_options(modulation, options, {}))
    air = Air(NOISE_PER_HZ)
    air.transmit(Burst(waveform, 0.2, 437e6 + 100.0, STRONG_DB, phase_rad=1.0))
    count = int((waveform.duration_s + 0.6) * RATE)
    iq = air.render(View(RATE, 437e6), 0, count, np.random.Generator(np.random.SFC64(4)))
    demodulator = make_demodulator(modulation, baudrate_bd, options, "iq", RATE)
    blocks = demodulator.feed(IqBlock(iq, RATE, 437e6, 0)) + demodulator.flush()
    found = set()
    for stream in {block.stream for block in blocks}:
        _, deframer = interface.make_deframer("ax25", {"scrambler": scrambler})
        for block in blocks:
            if block.stream == stream:
                found |= {frame.data for frame in deframer.feed(block.soft)}
    assert found == {FRAME}
