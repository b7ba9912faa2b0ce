"""The signals a modem is measured with, how they are received, and where the figures go.

Each case says how it is sent and heard, at which Eb/N0, and what the peer and the theory need. With
``GSAGENT_WRITE_DOCS`` set, the tables and curves of ``docs/`` are written anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agent import dsp
from agent.records import AudioBlock, IqBlock
from firmware_protocols.interface import make_deframer
from tests.benchmarks import waveforms as air
from tests.benchmarks.curves import Curve

FRAMES = 100
DOCS = Path(__file__).parents[2] / "docs"
G3RUH = ("ax25", {"scrambler": "g3ruh"})
AX25 = ("ax25", {"scrambler": "none"})
CONCATENATED = (
    "ccsds_tm_sync",
    {"frame_octets": 223, "reed_solomon": "dual", "convolutional": "ccsds", "precoding": "differential"},
)
AFSK = {"af_carrier_hz": 1700.0, "deviation_hz": 500.0}


@dataclass(frozen=True)
class Case:
    """A signal, how it is heard, at which Eb/N0, and what the peer and the theory need (dB at 50 and 90 %)."""

    name: str
    send: Callable[[int, np.random.Generator], air.Transmission]
    hear: Callable[[air.Transmission, float, np.random.Generator], Any]
    modulation: str
    baudrate_bd: float
    framing: tuple[str, dict[str, Any]]
    ebn0_db: tuple[float, ...]
    peer_db: tuple[float, float] | None
    target_db: tuple[float, float] | None
    theory: Callable[[float], float] | None
    options: dict[str, Any]


def offset_iq(sent: air.Transmission, ebn0_db: float, rng: np.random.Generator) -> Any:
    length_s = len(sent.samples) / air.RATE_HZ
    start_hz = 4800.0 - 150.0 * length_s if length_s < 60 else 0.0
    return air.shifted(air.noisy_iq(sent, ebn0_db, rng), start_hz, 150.0)


def steps(first: float, last: float, step: float = 0.5) -> tuple[float, ...]:
    return tuple(np.arange(first, last + 1e-9, step).tolist())


def keyed(make: Callable[[air.Bits], air.Samples], bit_rate_hz: float) -> Callable[..., air.Transmission]:
    return partial(air.keyed_bursts, make=make, bit_rate_hz=bit_rate_hz)


SUBCARRIER_HZ, INDEX_RAD = 9600.0, 1.0
INDEX_LOSS_DB = 4.12
"""-10 log10(2 J1(1)^2): what of the power is in the subcarrier's first sidebands, at an index of 1 rad."""


def behind_a_carrier(ebn0_db: float) -> float:
    return air.coherent_frame_rate(ebn0_db - INDEX_LOSS_DB)


def fast_clock(count: int, rng: np.random.Generator) -> air.Transmission:
    return air.gfsk_bursts(count, rng, ppm=500.0)


COHERENT, NONCOHERENT = air.coherent_frame_rate, air.noncoherent_frame_rate
CASES = (
    Case("GFSK 9600 G3RUH AX.25, IQ", air.gfsk_bursts, air.noisy_iq, "fsk", 9600.0, G3RUH, steps(6, 11),
         (13.0, 15.2), (8.5, 10.0), COHERENT, {}),
    Case("the same, drifting 150 Hz/s to half a baud off", air.gfsk_bursts, offset_iq, "fsk", 9600.0, G3RUH,
         steps(6, 11), None, (9.0, 10.5), COHERENT, {}),
    Case("the same, clock 500 ppm fast", fast_clock, air.noisy_iq, "fsk", 9600.0, G3RUH, steps(6, 11),
         None, (9.0, 10.5), COHERENT, {}),
    Case("the same as FM audio", air.gfsk_bursts, air.noisy_fm_audio, "fsk", 9600.0, G3RUH, steps(7, 14),
         (13.1, 15.3), (11.5, 13.0), None, {}),
    Case("BPSK 1200 G3RUH AX.25, bursts, IQ", air.bpsk_bursts, air.noisy_iq, "bpsk", 1200.0, G3RUH, steps(4.5, 9),
         (7.8, 9.4), (6.3, 7.8), COHERENT, {}),
    Case("AFSK 1200 AX.25, audio", air.afsk_bursts, air.noisy_audio, "afsk", 1200.0, AX25, steps(5.5, 12),
         (11.0, 12.6), (10.0, 11.3), NONCOHERENT, AFSK),
    Case("AFSK 1200 AX.25 through FM of 3 kHz", air.afsk_bursts, air.through_fm, "afsk", 1200.0, AX25,
         steps(12, 22), (19.2, 20.8), None, None, AFSK),
    Case("DBPSK 1200 G3RUH AX.25, bursts, IQ", keyed(lambda bits: air.bpsk(air.differential(bits), 1200.0), 1200.0),
         air.noisy_iq, "bpsk", 1200.0, G3RUH, steps(5, 11), None, None, air.differential_frame_rate,
         {"differential": True}),
    Case("BPSK 1200 Manchester G3RUH AX.25, bursts, IQ",
         keyed(lambda bits: air.bpsk(air.manchester(bits), 2400.0), 1200.0), air.noisy_iq, "bpsk", 1200.0, G3RUH,
         steps(4.5, 10), None, None, COHERENT, {"manchester": True}),
    Case("QPSK 4800 Bd G3RUH AX.25, bursts, IQ", keyed(lambda bits: air.quadrature(bits, 4800.0), 9600.0),
         air.noisy_iq, "qpsk", 4800.0, G3RUH, steps(5, 12), None, None, COHERENT, {}),
    Case("OQPSK 4800 Bd G3RUH AX.25, bursts, IQ",
         keyed(lambda bits: air.quadrature(bits, 4800.0, offset=True), 9600.0),
         air.noisy_iq, "oqpsk", 4800.0, G3RUH, steps(5, 12), None, None, COHERENT, {}),
    Case("PCM/PSK/PM 2400 Bd on 9600 Hz, index 1 rad, IQ",
         keyed(lambda bits: air.phase_modulated(bits, 2400.0, SUBCARRIER_HZ, INDEX_RAD), 2400.0),
         air.noisy_iq, "pm", 2400.0, G3RUH, steps(8, 15), None, None, behind_a_carrier,
         {"subcarrier_hz": SUBCARRIER_HZ}),
    Case("CCSDS concatenated 9600 Bd, continuous", air.ccsds_stream, air.noisy_iq, "bpsk", 9600.0, CONCATENATED,
         steps(1.4, 3.0, 0.2), (3.5, 5.2), (2.2, 2.7), None, {}),
    Case("CCSDS concatenated 9600 Bd, last four of bursts of five", air.ccsds_bursts, air.noisy_iq, "bpsk", 9600.0,
         CONCATENATED, steps(1.4, 3.4, 0.2), None, (2.2, 2.7), None, {}),
)  # fmt: skip


def receive(case: Case, samples: Any) -> tuple[set[bytes], float]:
    """Give the frames, and the CPU seconds they took."""
    iq = np.iscomplexobj(samples)
    samples = samples.astype(np.complex64 if iq else np.float32)
    demodulator = dsp.make_demodulator(
        case.modulation, case.baudrate_bd, case.options, "iq" if iq else "audio", air.RATE_HZ
    )
    deframers: dict[int, Any] = {}
    found: set[bytes] = set()

    def pieces() -> Iterator[Any]:
        for start in range(0, len(samples), air.RATE_HZ // 4):
            part = samples[start : start + air.RATE_HZ // 4]
            at = round(start * 1e9 / air.RATE_HZ)
            yield IqBlock(part, air.RATE_HZ, 437e6, at) if iq else AudioBlock(part, air.RATE_HZ, at)

    before_s = time.process_time()
    blocks = [one for piece in pieces() for one in demodulator.feed(piece)] + demodulator.flush()
    for one in blocks:
        if one.stream not in deframers:
            deframers[one.stream] = make_deframer(*case.framing)[1]
        found |= {frame.data for frame in deframers[one.stream].feed(one.soft)}
    for deframer in deframers.values():
        found |= {frame.data for frame in deframer.flush()}
    return found, time.process_time() - before_s


def measure(case: Case, frames: int = FRAMES) -> tuple[Curve, float]:
    sent = case.send(frames, np.random.default_rng(20))
    curve: Curve = []
    cpu_s = signal_s = 0.0
    for ebn0_db in case.ebn0_db:
        samples = case.hear(sent, ebn0_db, np.random.default_rng(round(100 * ebn0_db)))
        found, used_s = receive(case, samples)
        curve.append((ebn0_db, len(found & set(sent.frames)) / len(sent.frames)))
        cpu_s += used_s
        signal_s += len(samples) / air.RATE_HZ
        if curve[-1][1] >= 0.995:
            break
    return curve, cpu_s / signal_s


def both(values: tuple[float, float] | None) -> str:
    return "" if values is None else f"{values[0]:.1f} / {values[1]:.1f}"


def write_docs(name: str, text: str, file: str = "modems.md") -> None:
    """Replace the generated part ``name`` of a page of ``docs/`` when asked to."""
    if "GSAGENT_WRITE_DOCS" not in os.environ:
        return
    page = DOCS / file
    whole = page.read_text(encoding="utf-8")
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
    head, _, rest = whole.partition(begin)
    _, _, tail = rest.partition(end)
    page.write_text(head + begin + text + end + tail, encoding="utf-8")
