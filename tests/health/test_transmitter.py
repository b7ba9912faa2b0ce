"""Who transmits: the Doppler test on simulated passes, replays, clocks and counts that run back, two signals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from agent.definitions import Satellite
from agent.health.monitor import Monitor
from agent.health.transmitter.authenticity import AuthenticityWatch
from agent.health.transmitter.doppler_test import fisher_tail, judge_many, threshold
from agent.health.transmitter.onboard_order import ClockOrder, CountOrder
from agent.health.transmitter.replay_memory import REMEMBERED_S, ReplayMemory
from agent.health.transmitter.two_signals import two_carriers
from agent.orbit.track import Track
from agent.records import Alarm, Frame, HealthStatus, PacketRecord, ParameterReport, PassEvent, Record
from firmware_protocols.interface import LinkFrame, Packet
from tests.health.passes import CARRIER_HZ, ELEMENTS, STATION, Sky, sky
from tests.reference.doppler import judge_window

S = 1_000_000_000
DAY = 86_400


def satellite(**keys: Any) -> Satellite:
    downlink = {
        "name": "d", "frequency_hz": CARRIER_HZ, "modulation": "fsk", "baudrate_bd": 9600,
        "framing": {"protocol": "ax25"},
    }  # fmt: skip
    time = {
        "name": "t",
        "type": "u32",
        "generated": True,
        "calibration": {"kind": "time", "epoch": "2020-01-01T00:00:00Z"},
    }
    packet = {"name": "beacon", "expected_every_s": 5, "parameter": [time]}
    table = {"name": "S", "norad": 1, "downlink": [downlink], "packet": [packet], **keys}
    return msgspec.convert(table, Satellite)


def watch(memory: ReplayMemory | None = None, **keys: Any) -> AuthenticityWatch:
    return AuthenticityWatch("sat", satellite(**keys), memory or ReplayMemory(4096))


def frame(
    at_ns: int, carrier_hz: float | None = None, data: bytes = b"", *, corrected_hz: float | None = 0.0
) -> Frame:
    link_frame = LinkFrame(data or at_ns.to_bytes(8, "big"), 0, 480, "fcs")
    offset_hz = None if carrier_hz is None else carrier_hz - (corrected_hz or 0.0)
    return Frame("sat", "d", link_frame, at_ns, 12.0, offset_hz, "rtl", 1, doppler_corrected_hz=corrected_hz)


def report(at_ns: int, generated_ns: int, packet: str = "beacon") -> ParameterReport:
    return ParameterReport("sat", packet, at_ns, (), generated_ns, "d")


def heard(scene: Sky, count: int, seed: int = 1, *, at: float = 0.35) -> Iterator[tuple[int, float]]:
    """The satellite's own carrier, one frame a second from a part of the pass on, 20 Hz of noise, 400 Hz off."""
    noise = np.random.default_rng(seed)
    times = scene.start_ns + np.int64(at * scene.seconds) * S + np.arange(count, dtype=np.int64) * S
    shift, _ = scene.track.doppler(times)
    carrier = shift * CARRIER_HZ + 400.0 + noise.normal(0.0, 20.0, count)
    yield from zip(times.tolist(), carrier.tolist(), strict=True)


def test_the_tail_of_fishers_distribution_is_the_published_one() -> None:
    # Upper 0.1 % points of F(3, n), Pearson and Hartley, Biometrika Tables for Statisticians I, table 18.
    for below, point in ((10, 12.55), (20, 8.10), (60, 6.17), (120, 5.78)):
        assert fisher_tail(point, 3, below) == pytest.approx(1e-3, rel=0.01)
    assert threshold(1e6) == pytest.approx(16.27, abs=0.01)  # chi-squared of three degrees of freedom


def test_the_kernel_agrees_with_its_slow_twin() -> None:
    chance = np.random.default_rng(5)
    for count in (6, 13, 60):
        times = np.sort(chance.uniform(0, 90, count))
        residual, slope, predicted = (chance.normal(0, size, count) for size in (30.0, 8.0, 500.0))
        (fast,) = judge_many([count], times, residual, slope, predicted, CARRIER_HZ, time_error_s=0.7)
        slow = judge_window(times, residual, slope, predicted, CARRIER_HZ, 0.7)
        assert fast[[0, 1, 3, 4, 5]] == pytest.approx(slow, rel=1e-6)


def test_too_few_samples_or_all_at_one_time_are_no_verdict() -> None:
    few = np.arange(5.0)
    assert np.isnan(judge_many([5], few, few, few, few, CARRIER_HZ)).all()
    same = np.zeros(10)
    assert np.isnan(judge_many([10], same, np.arange(10.0), same, same, CARRIER_HZ)[0, 0])


def test_the_satellite_itself_is_physically_consistent() -> None:
    scene, judge = sky(), watch()
    for at_ns, hz in heard(scene, 70):
        judge.observe_frame(frame(at_ns, hz), scene.track)
    verdict = judge.judge(at_ns)
    assert verdict.authenticity == "physically_consistent"
    assert "follows the orbit" in verdict.evidence[0]


def test_a_receiver_that_takes_the_doppler_out_changes_nothing() -> None:
    scene, judge = sky(), watch()
    for at_ns, hz in heard(scene, 70):
        shift, _ = scene.track.doppler(np.array([at_ns]))
        judge.observe_frame(frame(at_ns, hz, corrected_hz=float(shift[0]) * CARRIER_HZ), scene.track)
    assert judge.judge(at_ns).authenticity == "physically_consistent"


def test_two_receivers_with_two_crystals_hear_one_satellite() -> None:
    scene, judge = sky(), watch()
    for at_ns, hz in heard(scene, 140):
        judge.observe_frame(frame(at_ns, hz), scene.track)
        judge.observe_frame(replace(frame(at_ns + S // 3, hz + 900.0), source="other"), scene.track)
    assert judge.judge(at_ns).authenticity == "physically_consistent"


def test_a_fixed_carrier_is_suspect_within_a_minute() -> None:
    scene, judge = sky(), watch()
    chance = np.random.default_rng(2)
    for at_ns, _ in heard(scene, 62):
        judge.observe_frame(frame(at_ns, float(chance.normal(1500.0, 20.0))), scene.track)
    verdict = judge.judge(at_ns)
    assert (verdict.authenticity, verdict.level) == ("suspect", "warning")
    assert "Doppler bends otherwise" in verdict.evidence[0]


def test_a_recording_of_another_pass_is_suspect_within_a_minute() -> None:
    scene, judge = sky(), watch()
    other = list(heard(sky(number=3), 62, at=0.6))
    for (at_ns, _), (_, hz) in zip(heard(scene, 62), other, strict=True):
        judge.observe_frame(frame(at_ns, hz), scene.track)
    assert judge.judge(at_ns).authenticity == "suspect"


def test_without_frequency_without_elements_and_without_doppler_it_is_unknown_and_says_why() -> None:
    scene = sky()
    silent, nowhere = watch(), watch()
    for at_ns, hz in heard(scene, 70):
        silent.observe_frame(frame(at_ns, None), scene.track)
        nowhere.observe_frame(frame(at_ns, hz), None)
    assert silent.judge(at_ns).evidence == ("no frequency is measured",)
    assert nowhere.judge(at_ns).evidence == ("no elements to judge by",)

    class Geostationary:
        def uncertainty_s(self, at_utc_ns: int) -> float:
            return 0.5 + 0.0 * at_utc_ns

        def elevation_deg(self, times: np.ndarray) -> np.ndarray:
            return np.full(len(times), 45.0)

        def doppler(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.full(len(times), 1e-9), np.zeros(len(times))

    geo, chance = watch(orbit="geo"), np.random.default_rng(3)
    for second in range(200):
        geo.observe_frame(frame(scene.start_ns + second * S, float(chance.normal(300, 20))), Geostationary())
    assert geo.judge(scene.start_ns + 200 * S).authenticity == "unknown"
    assert "too even" in geo.judge(scene.start_ns + 200 * S).evidence[0]


def test_a_frame_from_below_the_horizon_is_suspect_and_one_at_the_horizon_is_not() -> None:
    scene, judge = sky(), watch()
    judge.observe_frame(frame(scene.start_ns - 3 * S, None), scene.track)  # 0.2° below: refraction
    assert judge.judge(scene.start_ns).authenticity == "unknown"
    judge.observe_frame(frame(scene.start_ns - 600 * S, None), scene.track)
    verdict = judge.judge(scene.start_ns - 599 * S)
    assert verdict.authenticity == "suspect"
    assert "below the horizon" in verdict.evidence[0]


def test_suspicion_ends_two_minutes_after_its_last_evidence() -> None:
    scene, judge = sky(), watch()
    judge.observe_frame(frame(scene.start_ns - 600 * S, None), scene.track)
    assert judge.judge(scene.start_ns - 481 * S).authenticity == "suspect"
    assert judge.judge(scene.start_ns - 479 * S).authenticity == "unknown"


def test_the_same_octets_with_an_on_board_time_in_them_are_a_replay() -> None:
    judge, began = watch(), 1_790_000_000 * S
    for at_s in (0, 5, 10):
        judge.observe_frame(frame(began + at_s * S, data=b"frame %d" % at_s), None)
        judge.observe_report(report(began + at_s * S, began + at_s * S))
    assert judge.judge(began + 10 * S).authenticity == "unknown"
    again = began + 3600 * S
    judge.observe_frame(frame(again, data=b"frame 5"), None)
    judge.observe_report(report(again, began + 5 * S))
    verdict = judge.judge(again)
    assert (verdict.authenticity, verdict.level) == ("suspect", "critical")
    assert any("heard before, first 60 min ago" in text for text in verdict.evidence)


def test_a_beacon_heard_through_two_receivers_or_sent_twice_is_no_replay() -> None:
    judge, began = watch(), 1_790_000_000 * S
    for later_s in (0, 0, 2, 30):
        judge.observe_frame(frame(began + later_s * S, data=b"frame"), None)
        judge.observe_report(report(began + later_s * S, began))
    assert judge.judge(began + 30 * S).authenticity == "unknown"


def test_octets_that_say_nothing_of_their_time_may_come_again() -> None:
    judge, began = watch(), 1_790_000_000 * S
    for at_s in range(0, 7200, 600):
        judge.observe_frame(frame(began + at_s * S, data=b"CQ DE SAT"), None)
    assert judge.judge(began + 7200 * S).authenticity == "unknown"


def test_a_packet_in_another_frame_is_a_replay_all_the_same() -> None:
    judge, began = watch(packet=[]), 1_790_000_000 * S

    def packet(at_s: int, made_s: int) -> PacketRecord:
        inner = Packet(b"housekeeping %d" % made_s, {"apid": 7}, made_s % 16384)
        return PacketRecord("sat", "d", "space_packet", inner, began + at_s * S, began + made_s * S)

    for at_s in range(0, 100, 10):
        judge.observe_frame(frame(began + at_s * S), None)
        judge.observe_packet(packet(at_s, at_s))
    for at_s in range(2000, 2040, 10):
        judge.observe_frame(frame(began + at_s * S, data=b"reframed %d" % at_s), None)
        judge.observe_packet(packet(at_s, at_s - 1970))
    verdict = judge.judge(began + 2040 * S)
    assert verdict.authenticity == "suspect"
    assert any("heard before" in text for text in verdict.evidence)


def test_failed_authentication_behind_a_good_check_is_critical_and_checked_frames_are_cryptographic() -> None:
    judge, now = watch(), 1_790_000_000 * S
    judge.observe_packet(PacketRecord("sat", "d", "csp", Packet(b"x", {"authenticated": True}), now))
    assert judge.judge(now).authenticity == "cryptographic"
    judge.count_rejected({"bad_authentication": 2, "bad_fcs": 9}, now)
    verdict = judge.judge(now)
    assert (verdict.authenticity, verdict.level) == ("suspect", "critical")


def test_a_clock_may_stand_jump_ahead_be_set_right_and_begin_anew_but_not_go_back() -> None:
    epoch, now = 1_577_836_800 * S, 1_790_000_000 * S
    clock = ClockOrder(epoch)
    for at_s, shown_s in ((0, 0), (5, 5), (10, 5), (20, 500), (25, 497)):
        assert clock.follow(now + shown_s * S, now + at_s * S) is None
    assert clock.follow(now + 100 * S, now + 30 * S) == 397 * S
    assert clock.follow(epoch + 3 * S, now + 40 * S) is None  # a reset
    assert clock.follow(epoch + 13 * S, now + 50 * S) is None


def test_a_count_wraps_skips_and_begins_anew_but_does_not_go_back() -> None:
    count, now = CountOrder(1 << 14), 1_790_000_000 * S
    for at_s, value in ((0, 16_000), (10, 16_010), (20, 16_020), (60, 16_060), (500, 110)):
        assert count.follow(value, now + at_s * S) is None
    for step in range(40):
        assert count.follow(110 + 10 * step, now + (510 + 10 * step) * S) is None
    assert count.follow(200, now + 905 * S) == 300
    assert count.follow(490, now + 906 * S) is None  # heard by a second receiver, later
    assert count.follow(505, now + 910 * S) is None
    assert count.follow(2, now + 920 * S) is None  # a reset


def test_two_carriers_that_take_turns_are_found_within_twenty_frames_and_one_never() -> None:
    chance = np.random.default_rng(4)
    times = np.arange(20.0)
    own = chance.normal(400.0, 20.0, 20)
    assert two_carriers(times, own) is None
    assert two_carriers(times, own + 300.0 * (times > 9)) is None  # one that jumps
    other = np.where(np.arange(20) % 2 == 1, 2000.0 - 60.0 * times + chance.normal(0, 20, 20), own)
    apart = two_carriers(times, other)
    assert apart is not None
    assert 500.0 < apart < 2000.0


def test_a_memory_forgets_after_a_week_keeps_its_bound_and_survives_a_restart() -> None:
    memory, now = ReplayMemory(1024), 1_790_000_000 * S
    assert memory.meet("sat", b"one", now) is None
    assert memory.meet("sat", b"one", now + 10 * S) == now
    assert memory.meet("other", b"one", now + 10 * S) is None
    assert memory.meet("sat", b"one", now + (REMEMBERED_S + 20) * S) is None
    for number in range(20_000):
        memory.meet("sat", b"%d" % number, now + number * S)
    assert len(memory) <= 1024
    again = ReplayMemory(1024)
    assert again.load(memory.dump())
    assert again.meet("sat", b"19999", now + 20_010 * S) == now + 19_999 * S
    damaged = bytearray(memory.dump())
    damaged[100] ^= 1
    assert not ReplayMemory(1024).load(bytes(damaged))
    assert not ReplayMemory(1024).load(b"")


def test_the_monitor_raises_one_alarm_and_says_so_in_the_satellites_health() -> None:
    scene, monitor = sky(), Monitor({"sat": satellite()})
    monitor.set_track("sat", scene.track)
    chance = np.random.default_rng(2)
    told: list[Record] = []
    for at_ns, _ in heard(scene, 62):
        told += monitor.observe_frame(frame(at_ns, float(chance.normal(1500.0, 20.0))))
        told += monitor.tick(at_ns + S // 2)
    told += monitor.tick(at_ns + 300 * S)
    alarms = [(one.parameter, one.state) for one in told if isinstance(one, Alarm)]
    assert alarms == [("authenticity", "triggered"), ("authenticity", "returned_to_normal")]
    words = [one.authenticity for one in told if isinstance(one, HealthStatus)]
    assert "suspect" in words
    assert words[-1] == "unknown"


def test_a_source_whose_times_are_not_those_of_reception_is_not_judged() -> None:
    scene, monitor = sky(), Monitor({"sat": satellite()})
    monitor.set_track("sat", scene.track)
    monitor.untimed_sources = {"rtl"}
    monitor.observe_frame(replace(frame(scene.start_ns - 600 * S), source="rtl"))
    assert not [one for one in monitor.tick(scene.start_ns - 599 * S) if isinstance(one, Alarm)]


def test_a_satellite_that_may_be_several_objects_is_identified_while_it_passes() -> None:
    scene, monitor = sky(), Monitor({"sat": satellite(candidates=[1, 2, 3])})
    late = {
        number: Track(replace(ELEMENTS, norad=number, mean_anomaly_deg=degrees), STATION)
        for number, degrees in ((1, 0.0), (2, 1.0), (3, -1.5))
    }
    monitor.set_track("sat", late[2])
    monitor.set_candidates("sat", late)
    told: list[Record] = []
    for at_ns, hz in heard(scene, 90):
        told += monitor.observe_frame(frame(at_ns, hz))
        told += monitor.tick(at_ns + S // 2)
    (*_, status) = (one for one in told if isinstance(one, HealthStatus))
    assert status.identity == "object 1 with probability 1.00"
    assert status.authenticity == "physically_consistent"
    assert not [one for one in told if isinstance(one, Alarm)]


def test_three_passes_without_a_frame_make_a_satellite_overdue_until_it_is_heard() -> None:
    monitor, now = Monitor({"sat": satellite()}), 1_790_000_000 * S

    def one_pass(highest_deg: float, frames: int = 0) -> list[Alarm]:
        nonlocal now
        told: list[Record] = []
        events: tuple[tuple[Literal["aos", "tca", "los"], float], ...] = (
            ("aos", 0.0), ("tca", highest_deg), ("los", 0.0),
        )  # fmt: skip
        for what, elevation_deg in events:
            now += 300 * S
            monitor.observe_pass_event(PassEvent("sat", 1, what, now, elevation_deg, 180.0, frames))
            told += monitor.tick(now + S)
        return [one for one in told if isinstance(one, Alarm)]

    monitor.set_hears("sat", True, now)
    assert one_pass(50.0) == one_pass(4.0) == one_pass(60.0) == []
    monitor.set_hears("sat", False, now)
    assert one_pass(70.0) == []
    monitor.set_hears("sat", True, now)
    monitor.tick(now)
    (alarm,) = one_pass(30.0)
    assert (alarm.parameter, alarm.state, alarm.limit) == ("overdue", "triggered", "no AOS in 3 predicted passes")
    monitor.observe_frame(frame(now))
    (over,) = (one for one in monitor.tick(now + S) if isinstance(one, Alarm))
    assert (over.parameter, over.state) == ("overdue", "returned_to_normal")
