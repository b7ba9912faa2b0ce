"""What a carrier beside its place, a wrong clock and a drift cost, in decibels at 50 and 90 % of the frames.

The bounds: carrier half the baud rate to either side, 150 Hz/s at 9600 Bd, a clock 500 ppm off (2 % for AFSK and
FSK up to 2400 Bd); half a decibel may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import waveforms as air
from tests.benchmarks.cases import CASES, G3RUH, Case, measure, steps, write_docs
from tests.benchmarks.curves import crossing_db

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

FRAMES = 100
ALLOWED_DB = 0.5
MEASURED_TO_DB = 0.3
"""How far two measurements of a hundred frames lie apart by chance."""

Impairment = Callable[[Case], Case]


def clock(error: float) -> Impairment:
    """Let everything run faster by a part, as a wrong sample clock does."""

    def faster(samples: air.Samples) -> air.Samples:
        fine = 8
        spectrum = np.fft.fft(samples)
        padded = np.zeros(fine * len(samples), dtype=np.complex128)
        half = len(samples) // 2
        padded[:half], padded[-half:] = spectrum[:half], spectrum[-half:]
        dense = np.fft.ifft(padded) * fine
        times = np.arange(int(len(samples) / (1.0 + error)) - 2) * (1.0 + error) * fine
        below = times.astype(np.intp)
        part = times - below
        read = dense[below] * (1.0 - part) + dense[below + 1] * part
        return np.asarray(read if np.iscomplexobj(samples) else read.real)

    def apply(case: Case) -> Case:
        def send(count: int, rng: np.random.Generator) -> air.Transmission:
            sent = case.send(count, rng)
            return replace(sent, samples=faster(sent.samples))

        return replace(case, send=send)

    return apply


def carrier(offset_hz: float, ramp_hz_s: float = 0.0) -> Impairment:
    """Put the carrier beside its place; with a ramp it passes ``offset_hz`` in the middle of each 20 s."""

    def apply(case: Case) -> Case:
        def hear(sent: air.Transmission, ebn0_db: float, rng: np.random.Generator) -> Any:
            samples = case.hear(sent, ebn0_db, rng)
            t = np.arange(len(samples)) / air.RATE_HZ
            swing_hz = ramp_hz_s * (np.abs((t + 10.0) % 40.0 - 20.0) - 10.0)  # up and down again
            return samples * np.exp(2j * np.pi * np.cumsum(offset_hz + swing_hz) / air.RATE_HZ)

        return replace(case, hear=hear)

    return apply


def slow_fsk(count: int, rng: np.random.Generator) -> air.Transmission:
    frames = air.random_frames(count, rng)
    bursts: list[air.Samples] = [air.gfsk(air.ax25_bits(one, 50, scrambled=True), 1200.0) for one in frames]
    return air.Transmission(air.with_gaps(bursts, 0.3), frames, 1.0, 1200.0)


BY_NAME = {case.name: case for case in CASES}
SLOW_FSK = Case(
    "GFSK 1200 G3RUH AX.25, IQ", slow_fsk, air.noisy_iq, "fsk", 1200.0, G3RUH, steps(6, 11), None, None, None, {}
)
SIGNALS: tuple[tuple[Case, dict[str, Impairment]], ...] = (
    (
        BY_NAME["GFSK 9600 G3RUH AX.25, IQ"],
        {
            "carrier -4800 Hz": carrier(-4800.0),
            "carrier +4800 Hz": carrier(4800.0),
            "150 Hz/s, within ±1500 Hz": carrier(0.0, 150.0),
            "clock -500 ppm": clock(-5e-4),
            "clock +500 ppm": clock(5e-4),
        },
    ),
    (
        BY_NAME["the same as FM audio"],
        {"clock -500 ppm": clock(-5e-4), "clock +500 ppm": clock(5e-4)},
    ),
    (
        SLOW_FSK,
        {
            "carrier -600 Hz": carrier(-600.0),
            "carrier +600 Hz": carrier(600.0),
            "clock -2 %": clock(-0.02),
            "clock +2 %": clock(0.02),
        },
    ),
    (
        BY_NAME["BPSK 1200 G3RUH AX.25, bursts, IQ"],
        {
            "carrier -600 Hz": carrier(-600.0),
            "carrier +600 Hz": carrier(600.0),
            "clock -500 ppm": clock(-5e-4),
            "clock +500 ppm": clock(5e-4),
        },
    ),
    (BY_NAME["AFSK 1200 AX.25, audio"], {"clock -2 %": clock(-0.02), "clock +2 %": clock(0.02)}),
    (
        BY_NAME["CCSDS concatenated 9600 Bd, continuous"],
        {
            "carrier -4800 Hz": carrier(-4800.0),
            "150 Hz/s, within ±1500 Hz": carrier(0.0, 150.0),
            "clock -500 ppm": clock(-5e-4),
            "clock +500 ppm": clock(5e-4),
        },
    ),
)


def test_what_offsets_clocks_and_drifts_cost() -> None:
    rows = ["| signal | | 50 / 90 % of the frames, dB | lost, dB |", "|---|---|---|---|"]
    too_much = []
    for case, impairments in SIGNALS:
        name = "FM audio of the same" if case.name.startswith("the same") else case.name
        plain = crossings(case)
        rows.append(f"| {name} | as it should be | {plain[0]:.1f} / {plain[1]:.1f} | |")
        print(rows[-1], flush=True)
        for words, impair in impairments.items():
            found = crossings(impair(case))
            lost = found[0] - plain[0], found[1] - plain[1]
            rows.append(f"| | {words} | {found[0]:.1f} / {found[1]:.1f} | {lost[0]:+.1f} / {lost[1]:+.1f} |")
            print(rows[-1], flush=True)
            if max(lost) > ALLOWED_DB + MEASURED_TO_DB:
                too_much.append(f"{name}, {words}")
    write_docs("tolerance", "\n".join(rows) + "\n")
    assert not too_much


def crossings(case: Case) -> tuple[float, float]:
    curve, _ = measure(case, FRAMES)
    return crossing_db(curve, 0.5), crossing_db(curve, 0.9)
