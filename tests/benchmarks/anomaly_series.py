"""Series to find faults in: real telemetry, the same as a small satellite sends it, a power system over orbits.

Each series is one parameter at a fixed interval. A fault is put in at a known place; how large it is, is a share of
the parameter's own range (its 1st to 99th percentile), so that it means the same for volts and metres.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

FAULTS = ("stuck", "spike", "step", "noise", "drift")
SHARE_OF_RANGE = {"spike": 0.2, "step": 0.2, "noise": 0.05, "drift": 0.2}
STUCK_SAMPLES, NOISE_SAMPLES = 120, 300
PERIOD_S = 5700.0


@dataclass(frozen=True)
class Data:
    """Series of one kind: name, seconds between samples, the orbit's period if it is known, values by parameter."""

    name: str
    interval_s: float
    period_s: float | None
    series: dict[str, Series]


def noaa_20(folder: Path) -> Data:
    """Read two hours of NOAA-20's ephemeris and attitude, one sample a second (real)."""
    octets = (folder / "telemetry/jpss/J01_G011_LZ_2021-04-09.DAT1").read_bytes()
    packets = np.frombuffer(octets, np.uint8).reshape(-1, 71)
    names = [f"{kind}_{axis}" for kind in ("position", "velocity") for axis in "xyz"]
    names += [f"attitude_q_{axis}" for axis in "1234"]
    first = [23 + 4 * i for i in range(6)] + [55 + 4 * i for i in range(4)]
    return Data(
        "NOAA-20 ephemeris and attitude",
        1.0,
        None,
        {
            n: packets[:, at : at + 4].copy().view(">f4")[:, 0].astype(float)
            for n, at in zip(names, first, strict=True)
        },
    )


def yamcs(folder: Path) -> Data:
    """Read Yamcs's sample: position, angles, magnetometer, temperatures (simulated, smooth)."""
    octets = (folder / "telemetry/yamcs/testdata.ccsds").read_bytes()
    rows = np.array([struct.unpack(">28f", octets[at + 6 : at + 118]) for at in range(0, len(octets), 123)])
    kept = {
        4: "height",
        **{i: f"p{i}" for i in (5, 6, 7, 8, 9, 10)},
        17: "mag_x",
        18: "mag_y",
        19: "mag_z",
        20: "sun",
    }
    kept |= {21: "gyro_x", 22: "gyro_y", 23: "gyro_z"}
    return Data("Yamcs sample", 1.0, None, {name: rows[:, index].copy() for index, name in kept.items()})


def as_small_satellite(data: Data, seed: int = 5) -> Data:
    """Make of each series what eight bits and one count of noise leave of it."""
    random = np.random.default_rng(seed)
    made = {}
    for name, values in data.series.items():
        count = (values.max() - values.min()) / 200 or 1.0
        made[name] = np.round(values / count + random.normal(0.0, 1.0, len(values))) * count
    return Data(f"{data.name}, 8 bits and noise", data.interval_s, data.period_s, made)


def power_system(orbits: int = 10, interval_s: float = 10.0, seed: int = 1, *, passes_only: bool = False) -> Data:
    """Simulate a battery, a panel and a temperature over orbits with eclipses, measured with 10 and 12 bits."""
    random = np.random.default_rng(seed)
    t = np.arange(0.0, orbits * PERIOD_S, interval_s)
    phase = (t % PERIOD_S) / PERIOD_S
    sun = (phase < 0.63).astype(float)
    charge = np.where(phase < 0.63, phase / 0.63, (1 - phase) / 0.37)
    voltage = 7.2 + 0.9 * charge + random.normal(0, 0.006, len(t))
    current = np.where(sun > 0, 0.9 - 0.4 * charge, -0.7) + random.normal(0, 0.01, len(t))
    panel = 15 + 40 * np.sin(2 * np.pi * (phase - 0.15)) * np.exp(-0.2 * phase) + random.normal(0, 0.3, len(t))
    battery = 18 + 4 * np.sin(2 * np.pi * (phase - 0.3)) + random.normal(0, 0.1, len(t))
    series = {
        "battery_voltage": np.round(voltage / 0.01) * 0.01,
        "battery_current": np.round(current / 0.005) * 0.005,
        "temperature_panel": np.round(panel * 2) / 2,
        "temperature_battery": np.round(battery * 4) / 4,
    }
    if passes_only:
        # A station hears ten minutes of each orbit, never the same ones.
        middle = random.uniform(0.06, 0.94, orbits)
        heard = np.abs(phase - middle[(t // PERIOD_S).astype(int)]) < 0.05
        series = {name: np.where(heard, values, np.nan) for name, values in series.items()}
    return Data(
        f"power system, {orbits} orbits" + (", in passes" if passes_only else ""), interval_s, PERIOD_S, series
    )


def with_fault(values: Series, kind: str, at: int, random: np.random.Generator) -> tuple[Series, int]:
    """Put a fault in; returns the series and where the fault ends (or has all its strength)."""
    low, high = np.nanpercentile(values, [1, 99])
    broken = values.copy()
    size = SHARE_OF_RANGE.get(kind, 0.0) * (high - low) * random.choice([-1.0, 1.0])
    match kind:
        case "stuck":
            broken[at : at + STUCK_SAMPLES] = broken[at]
            return broken, at + STUCK_SAMPLES
        case "spike":
            broken[at] += size
            return broken, at + 3
        case "step":
            broken[at:] += size
            return broken, at + 60
        case "noise":
            end = at + NOISE_SAMPLES
            broken[at:end] += random.normal(0.0, abs(size), len(broken[at:end]))
            return broken, end
        case "drift":
            broken[at:] += size * np.minimum(np.arange(len(broken) - at) / max(1, (len(broken) - at) // 2), 1.0)
            return broken, len(broken)
    raise ValueError(kind)
