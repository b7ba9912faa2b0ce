"""Noise floors: measured under real IQ whatever else is in the channel, and their steps, without flapping."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.dsp.noise_floor import NoiseMeter, sample_fault
from agent.health.fading import Fading
from agent.health.interference import StepDetector
from agent.health.link import LinkWatch, View
from agent.records import ChannelNoise, Frame, IqBlock, LinkStatus
from agent.simulator.jammers import Jammer, JammerKind
from firmware_protocols.interface import LinkFrame

S = 1_000_000_000
RATE_HZ, CHANNEL_HZ, OFFSET_HZ = 250_000.0, 24_000.0, 50_000.0
NOISE = 0.02
FLOOR_DBFS = 20 * np.log10(NOISE) + 10 * np.log10(CHANNEL_HZ / RATE_HZ)
A_TENTH = 25_000


def noise(seed: int, count: int = A_TENTH) -> NDArray[np.complex64]:
    draw = np.random.default_rng(seed).standard_normal(2 * count, dtype=np.float32).view(np.complex64)
    return np.asarray(draw * np.float32(NOISE * np.sqrt(0.5)), np.complex64)


def readings(
    make: Callable[[int, NDArray[np.float64]], NDArray[np.complex64]], seconds: float
) -> list[ChannelNoise]:
    """Read the channel of a scene made tenth by tenth."""
    meter, found = NoiseMeter(RATE_HZ, [(OFFSET_HZ, CHANNEL_HZ)]), []
    for tenth in range(round(seconds * 10)):
        times = (tenth * A_TENTH + np.arange(A_TENTH)) / RATE_HZ
        block = IqBlock(make(tenth, times), RATE_HZ, 0.0, tenth * S // 10)
        found += [reading.channels[0] for reading in meter.feed(block)]
    return found


def test_the_noise_in_a_channel_is_measured_within_a_decibel_however_the_stream_is_cut() -> None:
    whole = noise(1, 10 * A_TENTH)
    floors = []
    for cut in (A_TENTH, 9_999):
        meter = NoiseMeter(RATE_HZ, [(OFFSET_HZ, CHANNEL_HZ)])
        found = []
        for first in range(0, len(whole), cut):
            block = IqBlock(whole[first : first + cut], RATE_HZ, 0.0, round(first / RATE_HZ * S))
            found += [reading.channels[0] for reading in meter.feed(block)]
        floors.append([reading.floor_dbfs for reading in found])
        assert len(found) == 10
        assert found[-1].at_utc_ns == pytest.approx(S, abs=2)
        assert np.mean(floors[-1]) == pytest.approx(FLOOR_DBFS, abs=0.3)
        assert max(abs(reading.level_over_noise_db) for reading in found) < 0.7
    assert floors[0] == floors[1]


@pytest.mark.parametrize("kind", ["tone", "sweep", "pulse"])
def test_what_is_narrow_in_the_channel_raises_its_level_and_not_the_noise(kind: JammerKind) -> None:
    jammer = Jammer(kind, OFFSET_HZ + 300.0, 100.0 * NOISE**2)
    chance = np.random.default_rng(2)
    found = readings(lambda tenth, times: noise(tenth) + jammer.heard(times, 0.0, chance), 1.0)
    assert np.mean([one.floor_dbfs for one in found]) == pytest.approx(FLOOR_DBFS, abs=1.5)
    assert min(one.level_over_noise_db for one in found) > 10.0


def test_ones_own_signal_raises_its_level_and_not_the_noise() -> None:
    symbols = np.repeat(np.random.default_rng(3).choice([-1.0, 1.0], 9600 + 64), 26)

    def heard(tenth: int, times: NDArray[np.float64]) -> NDArray[np.complex64]:
        # 9600 Bd, a quarter of it to either side, 26 dB over the noise in its own bandwidth.
        part = symbols[tenth * A_TENTH % 200_000 :][:A_TENTH]
        phase = 2 * np.pi * (OFFSET_HZ * times + np.cumsum(part) * 2400.0 / RATE_HZ)
        amplitude = NOISE * np.sqrt(400.0 * 9600 / RATE_HZ)
        return np.asarray(noise(tenth) + amplitude * np.exp(1j * phase), np.complex64)

    found = readings(heard, 1.0)
    assert np.mean([one.floor_dbfs for one in found]) == pytest.approx(FLOOR_DBFS, abs=1.5)
    assert min(one.level_over_noise_db for one in found) > 10.0


def test_wideband_noise_raises_the_floor_by_what_it_is() -> None:
    found = readings(lambda tenth, _: np.asarray(noise(tenth) * np.float32(2.0), np.complex64), 1.0)
    assert np.mean([one.floor_dbfs for one in found]) == pytest.approx(FLOOR_DBFS + 6.0, abs=0.3)


def test_samples_that_come_from_no_antenna_are_told_by_name() -> None:
    good = noise(1)
    assert sample_fault(good) is None
    assert sample_fault(np.zeros_like(good)) == "samples all zero"
    assert sample_fault(np.full_like(good, 0.25 + 0.5j)) == "samples constant"
    assert sample_fault(np.where(np.arange(len(good)) == 77, np.nan, good).astype(np.complex64)) is not None
    loud = np.clip((good * 100).real, -1, 1) + 1j * np.clip((good * 100).imag, -1, 1)
    assert sample_fault(loud.astype(np.complex64)) == "samples clipped"


# -- steps ---------------------------------------------------------------------------------------------


def floor_series(seconds: int, seed: int) -> NDArray[np.float64]:
    """Ten readings a second: 0.3 dB of estimate, 0.4 dB that lasts half a minute, 2 dB of antenna in 25 minutes."""
    chance = np.random.default_rng(seed)
    count = 10 * seconds
    pole = np.exp(-0.1 / 30.0)
    drawn = chance.normal(0.0, 0.4 * np.sqrt(1 - pole**2), count)
    slow = np.empty(count)
    value = 0.0
    for index in range(count):
        value = pole * value + drawn[index]
        slow[index] = value
    times = np.arange(count) / 10.0
    return np.asarray(-60.0 + slow + chance.normal(0, 0.3, count) + 2.0 * np.sin(2 * np.pi * times / 1500.0))


def found_after_s(series: NDArray[np.float64], begins_s: float) -> float | None:
    detector = StepDetector()
    for index, value in enumerate(series.tolist()):
        detector.feed(index * S // 10, value)
        if detector.step_db is not None:
            return index / 10.0 - begins_s
    return None


@pytest.mark.parametrize(("step_db", "within_s"), [(6.0, 2.0), (10.0, 2.0), (3.0, 10.0)])
def test_a_step_of_the_noise_floor_is_found_in_time(step_db: float, within_s: float) -> None:
    for seed in range(10):
        series = floor_series(120, seed)
        series[900:] += step_db
        after_s = found_after_s(series, 90.0)
        assert after_s is not None
        assert 0.0 < after_s <= within_s


def test_an_hour_of_noise_with_bursts_and_a_slow_rise_is_no_step() -> None:
    series = floor_series(3600, 3)
    series[(np.arange(36_000) % 300) < 5] += 15.0  # half a second each half minute
    series += np.linspace(0.0, 6.0, 36_000)
    assert found_after_s(series, 0.0) is None


def test_a_step_ends_when_the_floor_is_back_and_is_accepted_after_half_an_hour() -> None:
    detector = StepDetector()
    states = []
    for index in range(10 * 2400):
        level = -50.0 if 200 <= index < 400 or index >= 600 else -60.0
        detector.feed(index * S // 10, level)
        states.append(detector.step_db is not None)
    changes = [index for index in range(1, len(states)) if states[index] != states[index - 1]]
    assert len(changes) == 4
    assert changes[1] - 400 == pytest.approx(30, abs=3)
    assert changes[3] - 600 == pytest.approx(18_000, abs=30)
    assert detector.baseline_db == pytest.approx(-50.0)


def test_a_floor_that_falls_away_is_told_as_such() -> None:
    detector = StepDetector()
    for index in range(200):
        detector.feed(index * S // 10, -60.0 if index < 100 else -75.0)
    assert detector.collapsed_db == pytest.approx(15.0)
    assert detector.step_db is None


# -- links ---------------------------------------------------------------------------------------------


class Scene:
    """A link that is fed and watched second by second."""

    def __init__(self, expected_per_s: float | None = 0.2) -> None:
        self.link = LinkWatch("sat", "d", "U", expected_per_s=expected_per_s)
        self.now_ns = 0
        self.view = View(True, 0, 40.0, 1000.0)

    def second(self, *, floor: float = -44.0, level: float = 0.0, snr_db: float | None = 12.0) -> LinkStatus:
        for tenth in range(10):
            self.link.observe_noise(ChannelNoise(self.now_ns + tenth * S // 10, floor, level))
        if snr_db is not None:
            self.link.observe(Frame("sat", "d", LinkFrame(b"x", 0, 100, "fcs", 1), self.now_ns, snr_db))
            self.link.observe_report(True)
        self.now_ns += S
        self.link.tick(self.now_ns, self.view)
        return self.link.status(self.now_ns)

    def states(self, seconds: int, **heard: float | None) -> list[str]:
        return [self.second(**heard).state for _ in range(seconds)]


def test_a_jammed_link_is_interference_within_two_seconds_and_nominal_after() -> None:
    scene = Scene()
    assert set(scene.states(30)) == {"nominal"}
    jammed = scene.states(10, floor=-24.0, snr_db=None)
    assert jammed[1:] == ["interference"] * 9
    after = scene.states(10)
    assert after[-1] == "nominal"
    assert after.index("nominal") <= 4
    assert len({*after[after.index("nominal") :]}) == 1


def test_a_gain_that_is_turned_up_is_no_interference() -> None:
    scene = Scene()
    scene.states(30)
    assert "interference" not in scene.states(20, floor=-32.0)
    assert "interference" not in scene.states(20)
    assert "interference" not in scene.states(3, floor=-32.0)
    assert "interference" not in scene.states(20)


def test_a_gain_that_is_turned_up_and_down_again_is_no_interference_either() -> None:
    scene = Scene()
    scene.states(30)
    up = [scene.second(floor=-38.0, snr_db=12.0 + 0.3 * (number % 3)).state for number in range(3)]
    down = [scene.second(floor=-43.9, snr_db=12.0 - 0.3 * (number % 3)).state for number in range(8)]
    assert "interference" not in up + down


def test_a_frame_into_which_a_step_of_the_gain_falls_does_not_make_it_interference() -> None:
    fading = Fading()
    for second in range(10):
        fading.observe(second * S, 20.0, None)
    fading.observe(11 * S, 9.0, None)
    assert not fading.only_louder(6.0, 10 * S)
    fading.observe(12 * S, 19.5, None)
    assert fading.only_louder(6.0, 10 * S)
    jammed = Fading()
    for second in range(13):
        jammed.observe(second * S, 20.0 if second <= 10 else 14.5, None)
    assert not jammed.only_louder(6.0, 10 * S)


def test_ones_own_signal_coming_up_is_no_interference_and_a_carrier_without_frames_is() -> None:
    scene = Scene()
    scene.states(30, snr_db=None)
    assert "interference" not in scene.states(60, level=15.0)
    foreign = scene.states(30, level=15.0, snr_db=None)
    assert "interference" in foreign
    assert foreign.index("interference") <= 13
    assert scene.second(level=15.0, snr_db=None).evidence[0].startswith("15 dB over the noise")


def test_a_carrier_below_the_horizon_says_nothing_of_the_satellite() -> None:
    scene = Scene()
    scene.states(30)
    scene.view = View(False)
    assert "interference" not in scene.states(120, level=15.0, snr_db=None)


def test_zero_samples_and_a_fallen_floor_are_the_receivers_fault_with_evidence() -> None:
    scene = Scene()
    scene.states(30)
    for _ in range(3):
        scene.link.note_fault("samples all zero", scene.now_ns)
        status = scene.second(snr_db=None)
    assert (status.state, status.evidence) == ("receiver_fault", ("samples all zero",))
    for _ in range(5):
        scene.link.note_fault(None, scene.now_ns)
        status = scene.second()
    assert status.state == "nominal"
    fallen = scene.states(5, floor=-70.0, snr_db=None)
    assert fallen[-1] == "receiver_fault"


def test_a_weaker_signal_fades_after_a_while_and_not_at_once() -> None:
    scene = Scene()
    scene.states(60)
    faded = scene.states(60, snr_db=3.0)
    assert set(faded[:20]) == {"nominal"}
    assert faded[-1] == "fading"
    assert len([1 for a, b in pairwise(faded) if a != b]) == 1


def test_a_signal_that_is_weaker_for_its_distance_does_not_fade() -> None:
    scene = Scene()
    scene.states(60)
    scene.view = View(True, 0, 8.0, 2000.0)
    assert "fading" not in scene.states(60, snr_db=6.0)


def test_silence_is_told_after_five_minutes_in_view_and_never_of_a_source_that_cannot_hear() -> None:
    scene = Scene()
    scene.states(2)
    assert scene.states(310, snr_db=None)[-1] == "silent"
    scene.view = scene.view._replace(hears=False)
    assert scene.states(5, snr_db=None)[-1] == "unknown"


def test_a_low_pass_is_no_silence_and_one_never_heard_without_an_expectation_no_alarm() -> None:
    scene = Scene(expected_per_s=None)
    scene.view = View(True, 0, 3.0, 2500.0)
    assert set(scene.states(400, snr_db=None)) == {"unknown"}
    scene.view = View(True, 0, 30.0, 1200.0)
    assert scene.states(310, snr_db=None)[-1] == "silent"
    assert not any(one.active for one in scene.link.conditions(scene.now_ns))
    scene.second()
    scene.states(310, snr_db=None)
    assert [one.state for one in scene.link.conditions(scene.now_ns) if one.active] == ["silent"]


def test_noise_below_the_horizon_is_told_and_is_no_alarm_of_the_link() -> None:
    scene = Scene()
    scene.states(30)
    scene.view = View(False)
    scene.states(60, snr_db=None)
    scene.states(10, snr_db=None, floor=-30.0)
    status = scene.second(snr_db=None, floor=-30.0)
    assert status.state == "out_of_view"
    assert status.evidence[1].startswith("noise floor up by 14.0 dB")


def test_a_link_counts_what_was_expected_only_while_it_is_high_enough() -> None:
    scene = Scene(expected_per_s=0.5)
    scene.states(20)
    scene.view = View(True, 0, 2.0, 2500.0)
    scene.states(20, snr_db=None)
    status = scene.second(snr_db=None)
    assert (status.expected, status.received) == (9, 20)
    assert (status.frames_per_min, status.corrected) == (20.0, 20)
    assert status.noise_floor_dbfs == -44.0


def test_a_pause_in_steady_frames_is_a_lost_sync() -> None:
    scene = Scene()
    scene.states(20)
    scene.states(10, snr_db=None)
    assert scene.second().sync_losses == 1


def test_where_frames_come_as_bursts_a_carrier_that_stays_is_found_within_seconds() -> None:
    scene = Scene()
    scene.states(30)
    jammed = scene.states(6, level=20.0, snr_db=None)
    assert jammed.index("interference") <= 2
    assert scene.states(8)[-1] == "nominal"
