"""What a second of signal costs, beside the peer in the same run where it is installed.

CPU is that of the demodulator and its deframers, over the length of the signal; the peer's what its process uses
more on the longer of two files than on the shorter (``PEER_SIGNALS_S``), so that its start does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.dsp.channelizer import Channelizer
from agent.records import IqBlock
from tests.benchmarks import peer
from tests.benchmarks import waveforms as air
from tests.benchmarks.cases import CASES, G3RUH, Case, receive, write_docs

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

PEER_SIGNALS_S = (60.0, 300.0)
PEER_WORDS = {
    "FSK 9600 AX.25 G3RUH, FM audio": "FSK\n    baudrate: 9600\n    framing: AX.25 G3RUH",
    "BPSK 9600 AX.25 G3RUH, audio": "BPSK\n    baudrate: 9600\n    framing: AX.25 G3RUH",
    "BPSK 9600 CCSDS concatenated, IQ": "BPSK\n    baudrate: 9600\n    framing: CCSDS Concatenated\n"
    "    frame size: 223\n    precoding: differential\n    RS basis: dual",
    "AFSK 1200 AX.25, audio": "AFSK\n    baudrate: 1200\n    framing: AX.25\n"
    "    af_carrier: 1700\n    deviation: 500",
}
"""The same transmitters in the peer's words."""

PEER_CPU = {
    "FSK 9600 AX.25 G3RUH, FM audio": 0.015,
    "BPSK 9600 AX.25 G3RUH, audio": 0.027,
    "BPSK 9600 CCSDS concatenated, IQ": 0.037,
    "AFSK 1200 AX.25, audio": 0.034,
}
"""CPU seconds of gr-satellites for a second of signal, where it is not installed: measured on another machine."""


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


def peer_cpu(name: str, samples: Any, folder: Path) -> float:
    """Give the peer's CPU seconds a second of signal: what more of the signal costs more."""
    iq = np.iscomplexobj(samples)
    scaled = (samples / (4.0 * np.sqrt(np.mean(np.abs(samples) ** 2)))).astype(np.complex64 if iq else np.float32)
    (folder / "bench.yml").write_text(peer.satyaml(PEER_WORDS[name]), encoding="utf-8")
    lengths_s, used_s = [], []
    for signal_s in PEER_SIGNALS_S:
        repeated = np.tile(scaled, max(1, round(signal_s * air.RATE_HZ / len(samples))))
        peer.write_wav(folder / "signal.wav", repeated)
        runs = [
            peer.run(str(folder / "bench.yml"), folder / "signal.wav", folder, throttle=False, iq=iq)
            for _ in range(2)
        ]
        assert all(ran.frames for ran in runs), (
            f"the peer found nothing in: {name} (does it start? {peer.LAUNCHER} names another)"
        )
        lengths_s.append(len(repeated) / air.RATE_HZ)
        used_s.append(min(ran.cpu_s for ran in runs))
    return (used_s[1] - used_s[0]) / (lengths_s[1] - lengths_s[0])


def test_cpu_seconds_for_a_second_of_signal_beside_the_peer(tmp_path: Path) -> None:
    measured = peer.command() is not None
    rows = [f"| signal | CPU s per signal s | gr-satellites{'' if measured else ' (elsewhere)'} | ratio |"]
    rows.append("|---|---|---|---|")
    for name, case, samples in cpu_cases():
        receive(case, samples[: air.RATE_HZ])
        used_s = [receive(case, samples)[1] for _ in range(5)]
        beside = peer_cpu(name, samples, tmp_path) if measured else PEER_CPU[name]
        used_s += [receive(case, samples)[1] for _ in range(5)]  # a machine is not as fast at every moment
        used = min(used_s) / (len(samples) / air.RATE_HZ)
        rows.append(f"| {name} | {used:.4f} | {beside:.4f} | 1/{beside / used:.1f} |")
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
