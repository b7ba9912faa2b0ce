"""How little signal the receiver needs and what it costs, beside the theory and the peer.

Each sensitivity is the Eb/N0 at which half and nine tenths of a hundred frames come out, by the definitions of
``waveforms.py``; the peer's figures (gr-satellites 4.4.0 with GNU Radio 3.10.5) were measured by the same ones. CPU
is that of the demodulator and its deframers, over the length of the signal.

With ``GSAGENT_WRITE_DOCS`` set, the tables and curves of ``docs/modems.md`` are written anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import dsp
from agent.downlink import Transmitter
from agent.dsp.channelizer import Channelizer
from agent.errors import ConfigError
from agent.receiver import Receiver
from agent.records import AudioBlock, Frame, IqBlock
from agent.sources.recording import open_recording
from agent.telemetry.importers import satyaml
from firmware_protocols.interface import make_deframer
from tests.benchmarks import waveforms as air
from tests.benchmarks.curves import Curve, crossing_db, drawing

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

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


def write_docs(name: str, text: str) -> None:
    """Replace the generated part ``name`` of ``docs/modems.md`` when asked to."""
    if "GSAGENT_WRITE_DOCS" not in os.environ:
        return
    page = DOCS / "modems.md"
    whole = page.read_text(encoding="utf-8")
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
    head, _, rest = whole.partition(begin)
    _, _, tail = rest.partition(end)
    page.write_text(head + begin + text + end + tail, encoding="utf-8")


def test_sensitivity_beside_theory_and_the_peer() -> None:
    rows = ["| signal | here 50 / 90 % | target | gr-satellites | theory, hard decisions |"]
    rows.append("|---|---|---|---|---|")
    curves: dict[str, Curve] = {}
    missed = []
    for case in CASES:
        curve, _ = measure(case)
        reached = (crossing_db(curve, 0.5), crossing_db(curve, 0.9))
        grid = np.arange(0.0, 16.0, 0.1)
        bound = None
        if case.theory is not None:
            ideal: Curve = [(float(x), case.theory(float(x))) for x in grid]
            bound = (crossing_db(ideal, 0.5), crossing_db(ideal, 0.9))
        rows.append(
            f"| {case.name} | {both(reached)} | {both(case.target_db)} | {both(case.peer_db)} | {both(bound)} |"
        )
        print(rows[-1], flush=True)
        curves[case.name] = curve
        if case.target_db and (reached[0] > case.target_db[0] or reached[1] > case.target_db[1]):
            missed.append(case.name)
    shown = [(x / 10, COHERENT(x / 10)) for x in range(45, 110, 2)]
    write_docs("sensitivity", "\n".join(rows) + "\n")
    if "GSAGENT_WRITE_DOCS" in os.environ:
        named = {name: curve for name, curve in curves.items() if "CCSDS" not in name and "the same, " not in name}
        (DOCS / "modems-sensitivity.svg").write_text(
            drawing("Share of frames received", {**named, "theory: coherent, hard decisions": shown}),
            encoding="utf-8",
        )
    assert not missed


PEER_CPU = {
    "FSK 9600 AX.25 G3RUH, FM audio": 0.015,
    "BPSK 9600 AX.25 G3RUH, audio": 0.027,
    "BPSK 9600 CCSDS concatenated, IQ": 0.037,
    "AFSK 1200 AX.25, audio": 0.034,
}
"""CPU seconds of gr-satellites for a second of signal, measured on a signal of 600 s."""


def cpu_cases() -> Iterator[tuple[str, Case, Any]]:
    rng = np.random.default_rng(21)
    by_name = {case.name: case for case in CASES}
    gfsk = by_name["the same as FM audio"]
    sent = gfsk.send(60, rng)
    yield "FSK 9600 AX.25 G3RUH, FM audio", gfsk, gfsk.hear(sent, 15.0, rng)
    ccsds = by_name["CCSDS concatenated 9600 Bd, continuous"]
    yield "BPSK 9600 CCSDS concatenated, IQ", ccsds, ccsds.hear(ccsds.send(20, rng), 6.0, rng)
    afsk = by_name["AFSK 1200 AX.25, audio"]
    yield "AFSK 1200 AX.25, audio", afsk, afsk.hear(afsk.send(10, rng), 15.0, rng)
    bits = air.ax25_bits(rng.bytes(2000), 400, scrambled=True)
    audio = air.shifted(np.tile(air.bpsk(bits, 9600.0), 6), 12_000.0).real
    bpsk = Case("", air.bpsk_bursts, air.noisy_iq, "bpsk", 9600.0, G3RUH, (), None, None, None, {})
    yield "BPSK 9600 AX.25 G3RUH, audio", bpsk, audio + 0.1 * rng.standard_normal(len(audio))


def test_cpu_seconds_for_a_second_of_signal_beside_the_peer() -> None:
    rows = ["| signal | CPU s per signal s | gr-satellites | ratio |", "|---|---|---|---|"]
    for name, case, samples in cpu_cases():
        receive(case, samples[: air.RATE_HZ])
        used = min(receive(case, samples)[1] for _ in range(5)) / (len(samples) / air.RATE_HZ)
        rows.append(f"| {name} | {used:.4f} | {PEER_CPU[name]:.3f} | 1/{PEER_CPU[name] / used:.1f} |")
        print(rows[-1], flush=True)
    channelizer = Channelizer(2.4e6)
    for k in range(8):
        channelizer.set_doppler(channelizer.add(-1e6 + 2.5e5 * k, 25e3), lambda utc_ns: 1000.0 - 1e-8 * utc_ns)
    noise = np.random.default_rng(1).standard_normal((120_000, 2)).astype(np.float32).view(np.complex64).ravel()
    channelizer.feed(IqBlock(noise, 2.4e6, 437e6, 0))
    before_s = time.process_time()
    for k in range(40):
        channelizer.feed(IqBlock(noise, 2.4e6, 437e6, k * 50_000_000))
    share = (time.process_time() - before_s) / 2.0
    rows.append(f"| channelizer alone: 8 downlinks of 2.4 MS/s, Doppler removed | {share:.3f} | | |")
    print(rows[-1])
    write_docs("cpu", "\n".join(rows) + "\n")
    assert share < 1.0


def test_recordings_frames_and_cpu_beside_the_peer(test_data: Path) -> None:
    folder = test_data / "recordings" / "dev"
    rows = ["| recording | signal | frames here | gr-satellites, default / best | CPU s | gr-satellites |"]
    rows.append("|---|---|---|---|---|---|")
    lost = []
    for entry in json.loads((folder / "truth.json").read_text(encoding="utf-8")):
        try:
            downlink = satyaml.transmitter(
                "recorded", entry["modulation"], entry["baudrate"], entry["framing"], entry["params"]
            )
            dsp.load(downlink.modulation)
        except (ConfigError, LookupError):
            continue
        receiver = Receiver("recording", [Transmitter(None, None, downlink)])
        records = []
        before_s = time.process_time()
        with open_recording(folder / entry["recording"]) as recording:
            for block in recording.blocks(0.5):
                records += receiver.feed(block)
        records += receiver.flush()
        used_s = time.process_time() - before_s
        got = {record.link_frame.data.hex() for record in records if isinstance(record, Frame)}
        wanted = set(entry["frames_hex"] + entry["frames_hex_other_decoders"])
        if wanted - got:
            lost.append(entry["recording"])
        further = f" (+{len(got - wanted)})" if got - wanted else ""
        rows.append(
            f"| {entry['recording']} | {entry['modulation']} {entry['baudrate']} {entry['framing']} |"
            f" {len(wanted & got)} of {len(wanted)}{further} |"
            f" {entry['peer_frames_default_options']} / {len(entry['frames_hex'])} |"
            f" {used_s:.2f} | {entry['peer_cpu_s']:.2f} |"
        )
        print(rows[-1], flush=True)
    print("not all frames of:", ", ".join(lost) or "none")
    write_docs("recordings", "\n".join(rows) + "\n")
