"""A scenario played into a file, as fast as the machine can: what an SDR, or a TNC, would have recorded.

The suffix says what is written: ``.cu8 .cs16 .cf32`` bare IQ, ``.wav`` IQ of 16 bits, ``.sigmf-data`` with its
metadata beside, ``.kss`` the octets of a TNC; a scenario without an SDR gives its radio's audio as ``.wav``. Faults
of the hardware need the hardware; those on the air are here.
"""

from __future__ import annotations

import json
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError, ConfigError
from agent.records import UtcNs
from agent.simulator.air import Air, View
from agent.simulator.bursts import make_burst
from agent.simulator.continuous import ContinuousSignal
from agent.simulator.faults.radio import jammer_of
from agent.simulator.neighbours import neighbours_burst
from agent.simulator.radio import Demodulated, Radio
from agent.simulator.scenario import Scenario, Sdr, Transmission
from agent.simulator.sky import make_sky, motion_of
from agent.telemetry.onboard_time import format_utc
from firmware_protocols import kiss

CHUNK_S = 0.25
MAX_SECONDS = 7 * 86_400.0
SUFFIXES = (".cu8", ".cs16", ".cf32", ".wav", ".sigmf-data", ".kss")

Samples = NDArray[np.complex64] | NDArray[np.float32]
Write = Callable[[Samples], Any]


def record(scenario: Scenario, path: Path, seconds: float, begin_utc_ns: UtcNs) -> dict[str, Any]:
    """Write a recording; returns the ledger. Raises ``ConfigError`` and ``AgentError``."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a recording ends in one of {', '.join(SUFFIXES)}")
    if not 0 < seconds <= MAX_SECONDS:
        raise ConfigError(f"a recording lasts more than 0 and at most {MAX_SECONDS:.0f} seconds")
    try:
        if path.suffix == ".kss":
            transmitted = _record_octets(scenario, path, seconds, begin_utc_ns)
        else:
            transmitted = _record_samples(scenario, path, seconds, begin_utc_ns)
    except OSError as exc:
        raise AgentError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    return {
        "record": "summary",
        "scenario": scenario.name,
        "file": str(path),
        "recorded_s": seconds,
        "transmitted": dict(transmitted),
    }


def due_times(transmission: Transmission, seconds: float) -> Iterator[float]:
    """Give the times at which a transmitter begins to send."""
    if transmission.table.continuous:
        return
    number = 0
    while (due_s := transmission.table.first_s + number * transmission.table.every_s) < seconds:
        yield due_s
        number += 1


def _record_octets(scenario: Scenario, path: Path, seconds: float, begin_utc_ns: UtcNs) -> Counter[str]:
    sent = sorted(
        (due_s, index)
        for index, transmission in enumerate(scenario.transmissions)
        if transmission.through != "air"
        for due_s in due_times(transmission, seconds)
    )
    transmitted: Counter[str] = Counter()
    with path.open("wb") as file:
        for due_s, index in sent:
            transmission = scenario.transmissions[index]
            utc_ns = begin_utc_ns + round(due_s * 1e9)
            frame = transmission.model.frame(due_s, utc_ns)
            file.write(kiss.encode(frame, kiss.Options(), reported_utc_ms=utc_ns // 1_000_000))
            transmitted[transmission.label] += 1
    return transmitted


def _record_samples(scenario: Scenario, path: Path, seconds: float, begin_utc_ns: UtcNs) -> Counter[str]:
    if not scenario.file.sdrs and not scenario.file.radios:
        raise ConfigError(
            f"scenario {scenario.name} has no SDR or radio to record", mend="a .kss file takes a TNC's octets"
        )
    sdr: Sdr | Radio = next(iter(scenario.file.sdrs), None) or scenario.file.radios[0]
    if isinstance(sdr, Radio) and path.suffix != ".wav":
        raise ConfigError(f"{path}: a radio's audio is recorded as .wav")
    air = Air(sdr.noise_level**2 / sdr.sample_rate_hz)
    for fault in scenario.file.faults:
        jammer = jammer_of(fault, sdr.frequency_hz, sdr.noise_level**2)
        if jammer is not None and fault.target == sdr.id:
            air.jam(jammer)
    chance = np.random.Generator(np.random.SFC64(scenario.file.seed))
    on_the_air = [item for item in scenario.transmissions if item.through == "air"]
    due = [due_times(item, seconds) for item in on_the_air]
    following = [next(times, None) for times in due]
    signals = [
        (item, ContinuousSignal(item, item.table.first_s, chance)) for item in on_the_air if item.table.continuous
    ]
    neighbours_due_s = [neighbour.first_s for neighbour in scenario.file.neighbours]
    transmitted: Counter[str] = Counter()
    place = scenario.file.station
    sky = make_sky(scenario, place, begin_utc_ns) if place is not None else None
    audio = Demodulated(sdr, scenario.file.seed) if isinstance(sdr, Radio) else None
    view = View(float(sdr.sample_rate_hz), sdr.frequency_hz)
    count = round(sdr.sample_rate_hz * CHUNK_S)
    total = round(seconds * sdr.sample_rate_hz)
    with _writer(path, sdr, begin_utc_ns) as write:
        for first in range(0, total, count):
            end_s = (first + count) / sdr.sample_rate_hz
            for index, transmission in enumerate(on_the_air):
                while (due_s := following[index]) is not None and due_s < end_s:
                    following[index] = next(due[index], None)
                    utc_ns = begin_utc_ns + round(due_s * 1e9)
                    motion = motion_of(transmission, sky, utc_ns)
                    if motion is None:
                        continue
                    frame = transmission.model.frame(due_s, utc_ns)
                    air.transmit(make_burst(transmission, frame, due_s, motion, chance))
                    transmitted[transmission.label] += 1
            for index, neighbour in enumerate(scenario.file.neighbours):
                while neighbours_due_s[index] < end_s:
                    air.transmit(neighbours_burst(neighbour, neighbours_due_s[index], chance))
                    neighbours_due_s[index] += max(neighbour.every_s, neighbour.burst_s)
            for transmission, signal in signals:
                while signal.next_s < end_s:
                    utc_ns = begin_utc_ns + round(signal.next_s * 1e9)
                    motion = motion_of(transmission, sky, utc_ns)
                    if motion is None:
                        signal.silence(signal.next_s + 1.0)
                        continue
                    frame = transmission.model.frame(signal.next_s, utc_ns)
                    piece = signal.send(frame, motion)
                    if piece is not None:
                        air.transmit(piece)
                        transmitted[transmission.label] += 1
            part = min(count, total - first)
            write(air.render(view, first, part, chance) if audio is None else audio.render(air, first, part))
            air.forget_before(first / sdr.sample_rate_hz)
    return transmitted


@contextmanager
def _writer(path: Path, sdr: Sdr | Radio, begin_utc_ns: UtcNs) -> Iterator[Write]:
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1 if isinstance(sdr, Radio) else 2)
            file.setsampwidth(2)
            file.setframerate(sdr.sample_rate_hz)
            yield lambda samples: file.writeframesraw(_octets(samples, ".cs16"))
        return
    if path.suffix == ".sigmf-data":
        path.with_suffix(".sigmf-meta").write_text(_metadata(sdr, begin_utc_ns), encoding="utf-8")
    with path.open("wb") as plain:
        yield lambda samples: _write(plain, samples, path.suffix)


def _write(file: BinaryIO, samples: Samples, suffix: str) -> None:
    file.write(_octets(samples, ".cs16" if suffix == ".sigmf-data" else suffix))


def _octets(samples: Samples, suffix: str) -> bytes:
    numbers = np.ascontiguousarray(samples).view(np.float32)
    whole: NDArray[Any] = numbers.astype("<f4")
    if suffix == ".cs16":
        whole = np.clip(np.round(numbers * 32_767), -32_768, 32_767).astype("<i2")
    elif suffix == ".cu8":
        whole = np.clip(numbers * 127.5 + 128.0, 0.0, 255.0).astype(np.uint8)
    octets: bytes = whole.tobytes()
    return octets


def _metadata(sdr: Sdr | Radio, begin_utc_ns: UtcNs) -> str:
    about = {
        "global": {
            "core:datatype": "ci16_le",
            "core:sample_rate": sdr.sample_rate_hz,
            "core:version": "1.2.0",
            "core:recorder": "gsagent simulate",
        },
        "captures": [
            {
                "core:sample_start": 0,
                "core:frequency": sdr.frequency_hz,
                "core:datetime": format_utc(begin_utc_ns),
            }
        ],
        "annotations": [],
    }
    return json.dumps(about, indent=1) + "\n"
