"""How often the Doppler test is right, how soon interference is found, how often an object is named: measured.

Passes of a satellite 500 km up over a station at 47° N, at 437 MHz; windows anywhere in a pass above 5°, one sample
a second, an error of the elements of 0.5 s, oscillators that drift by 0.3 ppb/s (one standard deviation each), an
unknown constant offset. Draws the curves of detection against false alarms into the documents.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.health.interference import StepDetector
from agent.health.transmitter.authenticity import AuthenticityWatch
from agent.health.transmitter.doppler_test import COMPONENTS, DRIFT_PPB_S, fisher_tail, judge_many, threshold
from agent.health.transmitter.replay_memory import ReplayMemory
from agent.orbit.passes import predict_passes
from agent.orbit.track import Track
from tests.benchmarks.roc import drawing
from tests.health.passes import CARRIER_HZ, ELEMENTS, EPOCH_NS, STATION, S
from tests.health.test_interference import floor_series
from tests.health.test_transmitter import frame, satellite
from tests.reference.doppler import judge_window

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

DRAWING = Path(__file__).resolve().parents[2] / "docs" / "health-doppler-roc.svg"
TIME_ERROR_S = 0.5
WINDOWS = 20_000
LENGTHS_S, NOISES_HZ = (10, 30, 60), (5.0, 20.0, 100.0)
Floats = NDArray[np.float64]


@lru_cache
def curves() -> tuple[Floats, ...]:
    """Doppler in Hz, second by second, of every pass above 5° in twenty days."""
    found = predict_passes([ELEMENTS], STATION, EPOCH_NS, EPOCH_NS + 20 * 86_400 * S).passes
    high = [one for one in found if one.aos_utc_ns and one.los_utc_ns and one.max_elevation_deg > 5.0]
    track = Track(ELEMENTS, STATION)
    return tuple(
        track.doppler(np.arange(one.aos_utc_ns, one.los_utc_ns, S, dtype=np.int64))[0] * CARRIER_HZ for one in high
    )


@dataclass
class Windows:
    """Many windows, one after the other."""

    ends: NDArray[np.int64]
    times: Floats
    residual: Floats
    slope: Floats
    predicted: Floats

    def judged(self) -> Floats:
        """Judge them all."""
        return judge_many(
            self.ends, self.times, self.residual, self.slope, self.predicted, CARRIER_HZ, time_error_s=TIME_ERROR_S
        )


def windows(kind: str, seconds: int, noise_hz: float, count: int = WINDOWS, seed: int = 1) -> Windows:
    """Make windows of the satellite's ``own`` signal, of a ``fixed`` carrier, or a ``replay`` of another pass."""
    chance = np.random.default_rng(seed)
    long_enough = [curve for curve in curves() if len(curve) > seconds + 8]
    within = np.arange(seconds, dtype=np.float64)
    residual, slope, predicted = (np.empty((count, seconds)) for _ in range(3))
    for row in range(count):
        which = int(chance.integers(len(long_enough)))
        curve = long_enough[which]
        first = int(chance.integers(2, len(curve) - seconds - 2))
        predicted[row] = curve[first : first + seconds]
        slope[row] = (curve[first + 1 : first + seconds + 1] - curve[first - 1 : first + seconds - 1]) / 2.0
        if kind == "own":
            late = first + within + chance.normal(0.0, TIME_ERROR_S)
            heard = np.interp(late, np.arange(len(curve)), curve)
            heard += chance.normal(0.0, DRIFT_PPB_S * 1e-9 * CARRIER_HZ) * within
        elif kind == "fixed":
            heard = np.zeros(seconds)
        else:
            other = long_enough[(which + 1 + int(chance.integers(len(long_enough) - 1))) % len(long_enough)]
            at = int(chance.integers(2, len(other) - seconds - 2))
            heard = other[at : at + seconds].copy()
        heard += chance.normal(0.0, 1000.0) + chance.normal(0.0, noise_hz, seconds)
        residual[row] = heard - predicted[row]
    ends = seconds * np.arange(1, count + 1, dtype=np.int64)
    return Windows(ends, np.tile(within, count), residual.ravel(), slope.ravel(), predicted.ravel())


def test_impostors_are_found_and_the_satellite_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    roc: dict[str, list[tuple[float, float]]] = {}
    rows = []
    for noise_hz in NOISES_HZ:
        for seconds in LENGTHS_S:
            own, fixed, replay = (windows(kind, seconds, noise_hz).judged() for kind in ("own", "fixed", "replay"))
            limit = threshold(float(own[0, 2]))
            false, found, replays = (float((one[:, 0] > limit).mean()) for one in (own, fixed, replay))
            rows.append((noise_hz, seconds, false, found, replays))
            if noise_hz == 20.0:
                for name, one in (("fixed carrier", fixed), ("another pass", replay)):
                    levels = np.geomspace(1e-4, 0.5, 30)
                    limits = np.quantile(own[:, 0], 1.0 - levels)
                    shares = [float((one[:, 0] > at).mean()) for at in limits]
                    roc[f"{name}, {seconds} s"] = list(zip(levels.tolist(), shares, strict=True))
    DRAWING.write_text(drawing("Impostors found against false alarms a window, σ = 20 Hz", roc), encoding="utf-8")
    with capsys.disabled():
        print(f"\nDoppler verdict, {WINDOWS} windows each, threshold for 1e-3:")
        print("  sigma_hz  seconds  false alarms  fixed carrier  another pass")
        for noise_hz, seconds, false, found, replays in rows:
            print(f"  {noise_hz:>8.0f}  {seconds:>7}  {false:>12.5f}  {found:>13.4f}  {replays:>12.4f}")
    assert all(false <= 1.5e-3 for _, _, false, _, _ in rows)
    _, _, _, found, replays = next(row for row in rows if row[:2] == (20.0, 60))
    assert found >= 0.99
    assert replays >= 0.98


def test_the_kernel_against_its_slow_twin(capsys: pytest.CaptureFixture[str]) -> None:
    made = windows("own", 60, 20.0, 4000)
    made.judged()
    began_s = time.process_time()
    fast = made.judged()
    kernel_s = (time.process_time() - began_s) / 4000
    began_s = time.process_time()
    for row in range(200):
        part = slice(60 * row, 60 * row + 60)
        slow = judge_window(
            made.times[part], made.residual[part], made.slope[part], made.predicted[part], CARRIER_HZ, TIME_ERROR_S
        )
        assert slow[0] == pytest.approx(fast[row, 0], rel=1e-6)
    slow_s = (time.process_time() - began_s) / 200
    assert fisher_tail(threshold(30.0) / COMPONENTS, COMPONENTS, 30.0) == pytest.approx(1e-3, rel=1e-6)
    with capsys.disabled():
        print(f"\nwindows of 60 samples: {1 / kernel_s:,.0f} a second, {slow_s / kernel_s:.0f} x NumPy")
    assert slow_s / kernel_s > 20.0


def test_steps_of_noise_are_found_and_days_of_noise_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for step_db, within_s in ((2.0, None), (3.0, 10.0), (4.0, None), (6.0, 2.0), (10.0, 2.0)):
        found = []
        for seed in range(60):
            series = floor_series(130, seed)
            series[900:] += step_db
            detector = StepDetector()
            for index, value in enumerate(series.tolist()):
                detector.feed(index * S // 10, value)
                if detector.step_db is not None:
                    found.append((index - 899) / 10.0)
                    break
        lines.append(
            f"  step of {step_db:4.1f} dB: {len(found)} of 60, median {np.median(found):.1f} s, {max(found):.1f} s"
        )
        if within_s is not None:
            assert len(found) == 60
            assert max(found) <= within_s
    false, days = 0, 4
    for day in range(days):
        series = floor_series(86_400, 1000 + day)
        series[(np.arange(864_000) % 300) < 4] += 10.0
        detector, was = StepDetector(), False
        for index, value in enumerate(series.tolist()):
            detector.feed(index * S // 10, value)
            false += detector.step_db is not None and not was
            was = detector.step_db is not None
    with capsys.disabled():
        print("\ninterference:", *lines, f"  {false} false alarms in {days} simulated days", sep="\n")
    assert false <= days


def test_whole_passes_of_the_satellite_itself_raise_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = predict_passes([ELEMENTS], STATION, EPOCH_NS, EPOCH_NS + 20 * 86_400 * S).passes
    high = [one for one in found if one.aos_utc_ns and one.los_utc_ns and one.max_elevation_deg > 5.0][:30]
    chance, track = np.random.default_rng(9), Track(ELEMENTS, STATION)
    suspect, consistent, after_s = 0, 0, []
    for one in high:
        times = np.arange(one.aos_utc_ns, one.los_utc_ns, S, dtype=np.int64)
        late_ns = round(chance.normal(0.0, TIME_ERROR_S) * S)
        carrier = track.doppler(times + late_ns)[0] * CARRIER_HZ + chance.normal(0.0, 1000.0)
        carrier += chance.normal(0.0, DRIFT_PPB_S * 1e-9 * CARRIER_HZ) * (times - times[0]) / S
        carrier += chance.normal(0.0, 20.0, len(times))
        watch, states = AuthenticityWatch("sat", satellite(), ReplayMemory(1024)), []
        for at_ns, hz in zip(times.tolist(), carrier.tolist(), strict=True):
            watch.observe_frame(frame(at_ns, hz), track)
            states.append(watch.judge(at_ns).authenticity)
        suspect += "suspect" in states
        if "physically_consistent" in states:
            consistent += 1
            after_s.append(states.index("physically_consistent"))
    with capsys.disabled():
        print(f"\n{len(high)} passes of the satellite itself: {suspect} suspected, {consistent} found consistent,")
        print(f"  after {np.median(after_s):.0f} s (median)")
    assert suspect <= len(high) // 30
    assert consistent >= 0.8 * len(high)
