"""One dongle, eight satellites: the whole chain from 2.4 MS/s to checked frames, in CPU seconds a second.

Eight transmitters of four modulations, each at its place in the band and on its own Doppler curve, sending all
the time; everything between the samples and the frames is counted, and nearly every frame must come out.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from agent.definitions import Downlink, ProtocolChoice
from agent.frame_reader import Transmitter
from agent.orbit.doppler import DEGREE, DopplerCurve
from agent.orbit.look import LIGHT_KM_S
from agent.receiver import Receiver
from agent.records import Frame, IqBlock
from agent.simulator import modulators
from firmware_protocols import ax25
from tests.benchmarks import waveforms as air
from tests.benchmarks.cases import write_docs

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

RATE_HZ, CENTRE_HZ = 2_400_000.0, 437_000_000.0
SIGNAL_S, BLOCK_S = 3.0, 0.05
EBN0_DB = 16.0
TRANSMITTERS = (
    ("fsk", 9600.0, "g3ruh", {}),
    ("fsk", 9600.0, "g3ruh", {"deviation_hz": 4800.0}),
    ("fsk", 4800.0, "g3ruh", {}),
    ("fsk", 19200.0, "g3ruh", {}),
    ("bpsk", 9600.0, "g3ruh", {}),
    ("bpsk", 1200.0, "g3ruh", {}),
    ("qpsk", 4800.0, "g3ruh", {}),
    ("afsk", 1200.0, "none", {}),
)
"""Modulation, baud rate, scrambler, and what the transmitter does that the receiver is not told."""


def curve_of(number: int) -> DopplerCurve:
    """Make a pass of its own for each: ±10 kHz about 437 MHz, falling by up to 150 Hz/s."""
    rate_km_s = np.linspace(-6.9, 6.9, 8)[number]
    acceleration_km_s2 = 0.1 * (1.0 - abs(rate_km_s) / 8.0)
    span_s = 60.0
    coefficients = np.zeros((1, DEGREE + 1))  # range over x = 2 t / span - 1
    coefficients[0, 1] = 0.5 * span_s * (rate_km_s + 0.5 * acceleration_km_s2 * span_s)
    coefficients[0, 2] = 0.5 * acceleration_km_s2 * (0.5 * span_s) ** 2
    return DopplerCurve(0, round(span_s * 1e9), span_s, coefficients)


def transmission(number: int, rng: np.random.Generator) -> tuple[Transmitter, np.ndarray, set[bytes]]:
    """Give a transmitter, its signal in the band and the frames in it."""
    modulation, baudrate_bd, scrambler, sent_with = TRANSMITTERS[number]
    options = ax25.Options(scrambler="g3ruh" if scrambler == "g3ruh" else "none")
    frames, bits = set(), [ax25.encode(b"", options, flags_before=round(0.1 * baudrate_bd / 8))]
    per_symbol = 2 if modulation == "qpsk" else 1
    while sum(map(len, bits)) < (SIGNAL_S - 1.0) * baudrate_bd * per_symbol:
        frame = air.random_frames(1, rng)[0]
        frames.add(frame)
        bits.append(ax25.encode(frame, options, flags_before=12))
    bits.append(ax25.encode(b"", options, flags_before=8))
    wave = modulators.modulate(modulation, np.concatenate(bits), baudrate_bd, sent_with)
    offset_hz = -1_050_000.0 + 300_000.0 * number
    curve = curve_of(number)
    times_s = np.arange(int(SIGNAL_S * RATE_HZ)) / RATE_HZ
    kilometres = curve_range_km(curve, times_s)
    carrier = offset_hz * times_s - (CENTRE_HZ + offset_hz) / LIGHT_KM_S * (kilometres - kilometres[0])
    noise_gain = np.sqrt(10 ** (EBN0_DB / 10) * wave.baudrate_bd / RATE_HZ)
    signal = noise_gain * wave.at(times_s - 0.3) * np.exp(2j * np.pi * carrier)
    downlink = Downlink(
        name=f"d{number}",
        frequency_hz=CENTRE_HZ + offset_hz,
        modulation=modulation,
        baudrate_bd=baudrate_bd,
        framing=ProtocolChoice(protocol="ax25", options={"scrambler": scrambler}),
    )
    return Transmitter(f"s{number}", None, downlink), signal.astype(np.complex64), frames


def curve_range_km(curve: DopplerCurve, times_s: np.ndarray) -> np.ndarray:
    return np.polynomial.polynomial.polyval(2.0 * times_s / curve.segment_s - 1.0, curve.coefficients[0])


def test_eight_downlinks_of_one_dongle_within_one_core() -> None:
    rng = np.random.default_rng(8)
    count = int(SIGNAL_S * RATE_HZ)
    samples = (rng.standard_normal((count, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))).view(np.complex64)[
        :, 0
    ]
    noise = samples.copy()
    transmitters, expected = [], set()
    for number in range(len(TRANSMITTERS)):
        transmitter, signal, frames = transmission(number, rng)
        samples += signal
        transmitters.append(transmitter)
        expected |= {(transmitter.slug, frame) for frame in frames}
    rows = ["| 2.4 MS/s, eight downlinks from samples to frames, each on its Doppler curve | CPU s per signal s |"]
    rows.append("|---|---|")
    for name, wideband in (("all sending", samples), ("noise alone", noise)):
        receiver = Receiver("dongle", transmitters)
        for number, transmitter in enumerate(transmitters):
            receiver.set_doppler(transmitter.slug or "", curve_of(number))
        found, used_s = run(receiver, 0.05 * wideband)
        rows.append(f"| {name} | {used_s / SIGNAL_S:.3f} |")
        print(rows[-1], f"{len(found & expected)} of {len(expected)} frames", flush=True)
        lost = sorted(slug or "" for slug, _ in expected - found) if wideband is samples else []
        assert used_s < SIGNAL_S
        assert len(lost) <= 0.02 * len(expected), lost
        assert not found - expected
    write_docs("wideband", "\n".join(rows) + "\n")


def run(receiver: Receiver, samples: np.ndarray) -> tuple[set[tuple[str | None, bytes]], float]:
    """Give the frames found, and the CPU seconds it took."""
    step = int(BLOCK_S * RATE_HZ)
    receiver.feed(IqBlock(samples[:step], RATE_HZ, CENTRE_HZ, 0))  # kernels are loaded now
    records, before_s = [], time.process_time()
    for start in range(step, len(samples), step):
        block = IqBlock(samples[start : start + step], RATE_HZ, CENTRE_HZ, round(start * 1e9 / RATE_HZ))
        records += receiver.feed(block)
    records += receiver.flush()
    used_s = time.process_time() - before_s
    return {(one.satellite, one.link_frame.data) for one in records if isinstance(one, Frame)}, used_s
