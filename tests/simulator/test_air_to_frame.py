"""From a frame through modulator, air and the agent's own chain back to the frame: every modulation and framing.

Both lists are found in the folders, so that a new one enrols itself. The default run sends one framing through
every modulation and every framing through one; the whole product is marked slow.
"""

from __future__ import annotations

import numpy as np
import pytest

from agent import dsp
from agent.definitions import Downlink as Downlink_
from agent.definitions import ProtocolChoice
from agent.downlink import Downlink
from agent.frame_reader import Transmitter
from agent.records import AudioBlock, Frame, IqBlock
from agent.simulator.air import Air, Burst, View
from agent.simulator.modulators import OPTIONS, modulate, modulate_audio, transmit_options
from agent.simulator.satellite_model import channel_bits
from firmware_protocols import interface
from firmware_protocols.interface import Example

RATE_HZ = 48_000.0
NOISE_PER_HZ = 1e-7
STRONG_DB = 18.0
LEAD_BITS = 512
TAIL_BITS = 96
TIMES = 3

BAUDRATES_BD = {"afsk": 1200.0, "pm": 2400.0}
USUAL_BD = 4800.0
MODULATION_OPTIONS: dict[str, dict[str, object]] = {"pm": {"subcarrier_hz": 9600.0}}
VARIANTS: list[tuple[str, float, dict[str, object]]] = [
    ("fsk", 1200.0, {"deviation_hz": 600.0}),
    ("fsk", 9600.0, {}),
    ("bpsk", 1200.0, {"differential": True}),
    ("bpsk", 1200.0, {"manchester": True}),
    ("pm", 1200.0, {}),
]
USUAL_FRAMING, USUAL_MODULATION = "ax25", "fsk"

MODULATIONS = dsp.modulation_names()
FRAMINGS: dict[str, Example] = {
    name: next(example for example in module.EXAMPLES if example.frames and not example.packets)
    for name in interface.protocol_names()
    if (module := interface.load(name)) and hasattr(module, "Deframer") and module.INPUT == "symbols"
}
SCRAMBLED = {"scrambler": "g3ruh"}


def downlink(modulation: str, baudrate_bd: float, options: dict[str, object], framing: str) -> Downlink_:
    chosen = dict(FRAMINGS[framing].options) if framing != USUAL_FRAMING else SCRAMBLED
    return Downlink_(
        name="test",
        frequency_hz=437e6,
        modulation=modulation,
        baudrate_bd=baudrate_bd,
        modulation_options=options,
        framing=ProtocolChoice(protocol=framing, options=chosen),
    )


def sent_bits(described: Downlink_, frame: bytes) -> np.ndarray:
    """Return the frame some times, each behind bits that a receiver can find its step in."""
    chance = np.random.default_rng(7)
    framed = channel_bits(described.framing.protocol, described.framing.options, frame)
    parts = [
        part
        for _ in range(TIMES)
        for part in (chance.integers(0, 2, LEAD_BITS, np.uint8), framed, chance.integers(0, 2, TAIL_BITS, np.uint8))
    ]
    return np.concatenate(parts)


def frames_heard(described: Downlink_, signal: str, bits: np.ndarray) -> set[bytes]:
    """Send channel bits over the air, or as a receiver's audio, and return what the agent's chain finds."""
    options = transmit_options(described.modulation, described.modulation_options, {})
    noise = np.random.Generator(np.random.SFC64(4))
    chain = Downlink(
        Transmitter(None, None, described), signal="iq" if signal == "iq" else "audio", sample_rate_hz=RATE_HZ
    )
    if signal == "iq":
        waveform = modulate(described.modulation, bits, described.baudrate_bd, options)
        air = Air(NOISE_PER_HZ)
        air.transmit(Burst(waveform, 0.2, 437e6 + 100.0, STRONG_DB, phase_rad=1.0))
        count = int((waveform.duration_s + 0.6) * RATE_HZ)
        block: IqBlock | AudioBlock = IqBlock(air.render(View(RATE_HZ, 437e6), 0, count, noise), RATE_HZ, 437e6, 0)
    else:
        audio = modulate_audio(described.modulation, bits, described.baudrate_bd, options, sample_rate_hz=RATE_HZ)
        silence = np.zeros(int(0.2 * RATE_HZ), np.float32)
        heard = np.concatenate([silence, audio, silence])
        heard += 0.03 * noise.standard_normal(len(heard), dtype=np.float32)
        block = AudioBlock(heard, RATE_HZ, 0)
    records = chain.feed(block) + chain.flush()
    return {record.link_frame.data for record in records if isinstance(record, Frame)}


def usual(modulation: str, framing: str) -> Downlink_:
    baudrate_bd = BAUDRATES_BD.get(modulation, USUAL_BD)
    return downlink(modulation, baudrate_bd, MODULATION_OPTIONS.get(modulation, {}), framing)


def check(described: Downlink_, signal: str) -> None:
    frame = FRAMINGS[described.framing.protocol].frames[0]
    assert frame in frames_heard(described, signal, sent_bits(described, frame))


def test_every_modulation_that_is_received_is_transmitted() -> None:
    assert set(OPTIONS) == set(MODULATIONS)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_comes_back_from_the_air(framing: str) -> None:
    check(usual(USUAL_MODULATION, framing), "iq")


@pytest.mark.parametrize("signal", ["iq", "audio"])
@pytest.mark.parametrize("modulation", MODULATIONS)
def test_every_modulation_comes_back_from_the_air_and_as_audio(modulation: str, signal: str) -> None:
    check(usual(modulation, USUAL_FRAMING), signal)


@pytest.mark.parametrize(("modulation", "baudrate_bd", "options"), VARIANTS)
def test_the_variants_of_a_modulation_come_back(
    modulation: str, baudrate_bd: float, options: dict[str, object]
) -> None:
    check(downlink(modulation, baudrate_bd, options, USUAL_FRAMING), "iq")


@pytest.mark.slow
@pytest.mark.parametrize("signal", ["iq", "audio"])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("modulation", [name for name in MODULATIONS if name != USUAL_MODULATION])
def test_every_framing_comes_back_through_every_modulation(modulation: str, framing: str, signal: str) -> None:
    check(usual(modulation, framing), signal)
