"""The edge cases of alarm semantics on which systems differ or go wrong, one test each, named.

XTCE: OMG SpaceSystem 1.2 and 1.3. Yamcs and COSMOS: their documentation; see also ``test_other_systems``.
"""

from __future__ import annotations

import math

import msgspec
import pytest

from agent.definitions import Satellite
from agent.health.limits import LimitSet
from agent.health.monitor import Monitor
from agent.records import Alarm, ParameterReport, ParameterValue
from agent.telemetry.decoder import Decoder
from firmware_protocols.interface import Packet
from tests.health.test_alarms import BAD, GOOD, S, Station
from tests.health.test_limits import verdict

# -- XTCE ------------------------------------------------------------------------------------------------------


def test_limits_are_compared_with_engineering_values_and_not_with_raw_ones() -> None:
    table = {
        "name": "x",
        "type": "u8",
        "calibration": {"kind": "polynomial", "coefficients": [0.0, 0.1]},
        "limits": {"warning": {"max": 10.0}},
    }
    satellite = msgspec.convert(
        {"name": "S", "norad": 1, "packet": [{"name": "p", "parameter": [table]}]}, Satellite
    )
    report = Decoder(satellite).decode("d", Packet(bytes([90])), 0)
    assert LimitSet(satellite).evaluate(report)[0].monitoring_result == "in_limits"


def test_all_five_levels_are_told_apart() -> None:
    levels = ("watch", "warning", "distress", "critical", "severe")
    limits = {level: {"max": 10.0 * (index + 1)} for index, level in enumerate(levels)}
    assert [verdict(float(value), **limits)[0] for value in (5, 15, 25, 35, 45, 55)] == ["in_limits", *levels]


def test_the_most_severe_of_overlapping_ranges_wins_whatever_their_order() -> None:
    ranges = [
        {"min": 0.0, "max": 9.0, "level": "critical", "form": "inside"},
        {"min": 0.0, "max": 10.0, "level": "watch", "form": "inside"},
    ]
    assert verdict(5.0, ranges=ranges)[0] == verdict(5.0, ranges=ranges[::-1])[0] == "critical"
    assert verdict(9.5, ranges=ranges)[0] == "watch"


def test_a_disabled_context_ends_the_search_and_leaves_the_default_out() -> None:
    limits = {
        "warning": {"min": 7.0},
        "context": [
            {"when": {"mode": "safe"}, "disabled": True},
            {"when": {"mode": "safe"}, "critical": {"min": 7.0}},
        ],
    }
    assert verdict(1.0, mode="safe", **limits)[:2] == ("disabled", "normal")
    assert verdict(1.0, mode="on", **limits)[0] == "warning"


def test_a_parameter_without_an_alarm_has_no_monitoring_result() -> None:
    limits = {"warning": {"min": 7.0}, "context": [{"when": {"mode": "safe"}}]}
    assert verdict(1.0, mode="safe", **limits) == (None, "normal", None)


def test_an_open_bound_bounds_nothing() -> None:
    assert verdict(-1e300, warning={"max": 1.0})[0] == "in_limits"
    assert verdict(-math.inf, warning={"max": 1.0})[0] == "in_limits"


def test_persistence_counts_violations_of_any_level() -> None:
    station = Station(min_violations=3)
    assert station.feed(6.8, 6.0, 6.8) == ["pending:warning", "triggered:critical"]


def test_persistence_counts_samples_in_a_row_only() -> None:
    station = Station(min_violations=3)
    assert "triggered:warning" not in station.feed(BAD, BAD, GOOD, BAD, BAD, GOOD)


# -- Yamcs -----------------------------------------------------------------------------------------------------


def test_a_violation_ends_a_run_of_good_samples_towards_the_end() -> None:
    station = Station(min_conformance=2, auto_acknowledge=True)
    assert station.feed(BAD, GOOD, BAD, GOOD) == ["triggered:warning"]
    assert station.feed(GOOD) == ["cleared:warning"]


def test_an_alarm_that_comes_again_after_it_returned_must_be_acknowledged_again() -> None:
    station = Station(latching=True)
    station.feed(BAD)
    station.acknowledge()
    assert station.feed(GOOD, BAD) == ["triggered:warning"]
    assert station.told[-1].acknowledged_by is None


def test_a_reset_of_a_latched_alarm_ends_it_and_a_new_violation_is_a_new_alarm() -> None:
    station = Station(latching=True)
    station.feed(BAD, GOOD)
    first = station.id
    station.hear(station.monitor.reset("sat", "v", first, "kim", station.now))
    assert station.monitor.active_alarms() == ()
    assert station.feed(BAD) == ["triggered:warning"]
    assert station.id != first


def test_a_pending_alarm_cannot_be_acknowledged() -> None:
    station = Station(min_violations=2)
    station.feed(BAD)
    with pytest.raises(Exception, match="has not triggered yet"):
        station.acknowledge()


def test_shelving_for_ever_ends_by_hand_only() -> None:
    station = Station()
    station.feed(BAD)
    station.hear(station.monitor.shelve("sat", "v", station.id, "kim", station.now, duration_s=None))
    assert station.hear(station.monitor.tick(station.now + 10**9 * S)) == []
    assert station.hear(station.monitor.unshelve("sat", "v", station.id, station.now)) == ["triggered"]


def test_what_happened_while_an_alarm_was_shelved_is_told_at_its_end() -> None:
    station = Station()
    station.feed(BAD)
    station.hear(station.monitor.shelve("sat", "v", station.id, "kim", station.now, duration_s=10))
    assert station.feed(GOOD) == []
    assert station.hear(station.monitor.tick(station.now + 10 * S)) == ["returned_to_normal"]


def test_shelving_and_who_acknowledged_outlast_a_restart() -> None:
    before = Station()
    before.feed(BAD)
    before.acknowledge()
    before.hear(before.monitor.shelve("sat", "v", before.id, "kim", before.now, duration_s=100))
    after = Station()
    after.now = before.now
    (restored,) = after.monitor.restore(before.told)
    assert restored.state == "shelved"
    assert after.feed(6.0) == []  # more severe, and silent
    assert after.hear(after.monitor.tick(before.now + 99 * S)) == []
    assert after.hear(after.monitor.tick(before.now + 100 * S)) == ["acknowledged"]
    assert after.told[-1].level == "critical"
    assert after.feed(GOOD) == ["cleared:critical"]


def test_acknowledging_a_shelved_alarm_is_kept() -> None:
    before = Station()
    before.feed(BAD)
    before.hear(before.monitor.shelve("sat", "v", before.id, "lee", before.now, duration_s=100))
    assert before.acknowledge() == ["shelved"]
    assert before.told[-1].acknowledged_by == "kim"
    after = Station()
    after.now = before.now
    after.monitor.restore(before.told)
    assert after.feed(GOOD) == ["cleared:warning"]


# -- COSMOS, AIT, F Prime --------------------------------------------------------------------------------------


def test_a_bound_of_zero_is_a_bound_on_either_side() -> None:
    assert verdict(-0.5, warning={"min": 0.0, "max": 10.0})[0] == "warning"
    assert verdict(0.5, warning={"min": -10.0, "max": 0.0})[0] == "warning"
    assert verdict(0.0, warning={"min": 0.0, "min_exclusive": True})[0] == "warning"


def test_limits_sets_are_contexts() -> None:
    limits = {
        "warning": {"min": 7.0},
        "context": [{"when": {"mode": "safe"}, "warning": {"min": 5.0}}],
    }
    assert verdict(6.0, mode="on", **limits)[0] == "warning"
    assert verdict(6.0, mode="safe", **limits)[0] == "in_limits"


def test_staleness_belongs_to_the_packet_and_not_to_its_reader() -> None:
    packet = {
        "name": "p",
        "parameter": [{"name": "v", "type": "f64", "limits": {"warning": {"min": 7.0}}}],
        "expected_every_s": 100,
    }
    satellite = msgspec.convert({"name": "S", "norad": 1, "orbit": "geo", "packet": [packet]}, Satellite)
    monitor = Monitor({"sat": satellite})
    monitor.observe(ParameterReport("sat", "p", 0, (ParameterValue("v", 0, 8.0),)))
    assert not [one for one in monitor.tick(100 * S) if isinstance(one, Alarm)]
    assert [one.parameter for one in monitor.tick(191 * S) if isinstance(one, Alarm)] == ["p_stale"]
