"""The same series through our limits and through the stated semantics of Yamcs and COSMOS.

Every disagreement there is stands below with its reason; any other fails.
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.health.limits import LimitSet
from agent.health.monitor import Monitor
from agent.records import Alarm, ParameterReport, ParameterValue
from tests.health.test_limits import satellite
from tests.reference.other_limits import (
    YAMCS_ORDER,
    CosmosLimits,
    CosmosLimitsSets,
    CosmosPersistence,
    CosmosStateItem,
    YamcsAlarm,
    YamcsPersistence,
    YamcsRange,
    cosmos,
    cosmos_with_green,
    yamcs,
)

values = st.one_of(st.integers(-2, 14).map(float), st.sampled_from([math.nan, math.inf, -math.inf, 4.5]))
YAMCS = [YamcsRange("warning", 4.0, 8.0), YamcsRange("critical", 2.0, 10.0, low_exclusive=True)]
YAMCS_AS_OURS: dict[str, Any] = {
    "warning": {"min": 4.0, "max": 8.0},
    "critical": {"min": 2.0, "max": 10.0, "min_exclusive": True},
}
COSMOS = CosmosLimits(2.0, 4.0, 8.0, 10.0)
BOTH = {"min_exclusive": True, "max_exclusive": True}
COSMOS_AS_OURS: dict[str, Any] = {
    "warning": {"min": 4.0, "max": 8.0, **BOTH},
    "critical": {"min": 2.0, "max": 10.0, **BOTH},
}
COLOURS = {"GREEN": "in_limits", "YELLOW": "warning", "RED": "critical"}


def ours(value: float, limits: dict[str, Any]) -> str | None:
    report = ParameterReport("s", "p", 0, (ParameterValue("x", 0, value),))
    return LimitSet(satellite(limits)).evaluate(report)[0].monitoring_result


@settings(max_examples=60, deadline=None)
@given(values)
def test_verdicts_differ_from_yamcs_only_for_nan_which_it_calls_in_limits(value: float) -> None:
    expected = "not_a_number" if math.isnan(value) else yamcs(value, YAMCS)
    assert ours(value, YAMCS_AS_OURS) == expected


def test_yamcs_calls_nan_in_limits() -> None:
    assert yamcs(math.nan, YAMCS) == "in_limits"


@settings(max_examples=60, deadline=None)
@given(values)
def test_verdicts_differ_from_cosmos_only_for_nan_which_it_calls_red_low(value: float) -> None:
    expected = "not_a_number" if math.isnan(value) else COLOURS[cosmos(value, COSMOS).split("_")[0]]
    assert ours(value, COSMOS_AS_OURS) == expected


def alarm_states(limits: dict[str, Any], series: list[float]) -> list[bool]:
    """Feed a series and say after each sample whether there is a triggered alarm."""
    monitor = Monitor({"s": satellite({**limits, "auto_acknowledge": True})})
    states = []
    active = False
    for index, value in enumerate(series):
        report = ParameterReport("s", "p", index * 10**9, (ParameterValue("x", 0, value),))
        for record in monitor.observe(report):
            if isinstance(record, Alarm) and record.state in ("triggered", "cleared"):
                active = record.state == "triggered"
        states.append(active)
    return states


levels_of_yamcs = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.booleans(), st.booleans()), min_size=5, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(levels_of_yamcs, st.sets(st.sampled_from(YAMCS_ORDER), min_size=1), st.floats(-20.0, 20.0), st.data())
def test_verdicts_agree_with_yamcs_on_all_five_levels(
    steps: list[tuple[float, float, bool, bool]], used: set[str], value: float, data: st.DataObject
) -> None:
    """Each level's range lies about that of the level below; values on the bounds are tried too."""
    theirs: list[YamcsRange] = []
    ours_: dict[str, Any] = {}
    low, high = 0.0, 1.0
    for level, (down, up, low_open, high_open) in zip(reversed(YAMCS_ORDER), steps, strict=True):
        low, high = low - down, high + up
        if level in used:
            theirs.append(YamcsRange(level, low, high, low_open, high_open))
            ours_[level] = {"min": low, "max": high, "min_exclusive": low_open, "max_exclusive": high_open}
    bounds = [bound for one in theirs for bound in (one.low, one.high) if bound is not None]
    for tried in (value, data.draw(st.sampled_from(bounds))):
        assert ours(tried, ours_) == yamcs(tried, theirs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 3.0), min_size=3, max_size=3), st.floats(-12.0, 12.0), st.data())
def test_verdicts_agree_with_cosmos_whatever_the_limits(
    steps: list[float], value: float, data: st.DataObject
) -> None:
    yellow_low, yellow_high = -1.0, -1.0 + steps[0] + 0.5
    limits = CosmosLimits(yellow_low - steps[1], yellow_low, yellow_high, yellow_high + steps[2])
    as_ours = {
        "warning": {"min": limits.yellow_low, "max": limits.yellow_high, **BOTH},
        "critical": {"min": limits.red_low, "max": limits.red_high, **BOTH},
    }
    edges = [limits.red_low, limits.yellow_low, limits.yellow_high, limits.red_high]
    for tried in (value, data.draw(st.sampled_from(edges))):
        assert ours(tried, as_ours) == COLOURS[cosmos(tried, limits).split("_")[0]]


def test_cosmos_tells_green_from_blue_where_we_say_in_limits() -> None:
    states = [cosmos_with_green(value, COSMOS, 5.0, 7.0) for value in (4.5, 6.0, 7.5)]
    assert states == ["GREEN_LOW", "BLUE", "GREEN_HIGH"]
    assert [ours(value, COSMOS_AS_OURS) for value in (4.5, 6.0, 7.5)] == ["in_limits"] * 3


def test_a_limits_set_of_cosmos_is_one_for_the_system_and_a_context_of_ours_one_for_the_parameter() -> None:
    sets = CosmosLimitsSets({"DEFAULT": COSMOS, "TVAC": CosmosLimits(0.0, 1.0, 11.0, 12.0)})
    assert sets.state(3.0) == "YELLOW_LOW"
    sets.active = "TVAC"
    assert sets.state(3.0) == "GREEN"
    sets.active = "ORBIT"  # an item without it uses DEFAULT
    assert sets.state(3.0) == "YELLOW_LOW"
    with_context = {**COSMOS_AS_OURS, "context": [{"when": {"mode": "safe"}, "warning": {"min": 1.0, "max": 11.0}}]}
    values_ = (ParameterValue("mode", 0, "safe"), ParameterValue("x", 0, 3.0))
    report = ParameterReport("s", "p", 0, values_)
    assert LimitSet(satellite(with_context)).evaluate(report)[0].monitoring_result == "in_limits"


def test_states_of_cosmos_have_no_persistence_and_labels_of_ours_have() -> None:
    item = CosmosStateItem({"on": "GREEN", "off": "RED"})
    assert [item.feed(label) for label in ("on", "off", "on")] == ["GREEN", "RED", "GREEN"]
    limits = {"labels": {"off": "critical"}, "min_violations": 2, "auto_acknowledge": True}
    told = []
    monitor = Monitor({"s": satellite(limits)})
    for second, label in enumerate(("on", "off", "off")):
        report = ParameterReport("s", "p", second * 10**9, (ParameterValue("x", 0, label),))
        told += [one.state for one in monitor.observe(report) if isinstance(one, Alarm)]
    assert told == ["pending", "triggered"]


NAMES = {
    "TRIGGERED_PENDING": "pending",
    "TRIGGERED": "triggered",
    "RTN": "returned_to_normal",
    "ACKNOWLEDGED": "acknowledged",
    "CLEARED": "cleared",
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["good", "bad", "worse", "ack"]), max_size=30), st.integers(1, 3))
def test_the_life_of_an_alarm_agrees_with_yamcs(happenings: list[str], count: int) -> None:
    """Severity that increases is told by us in the state the alarm has; but for one case nothing else differs."""
    levels, numbers = {"good": 0, "bad": 1, "worse": 2}, {"good": 6.0, "bad": 3.0, "worse": 1.0}
    peer = YamcsAlarm(count)
    monitor = Monitor({"s": satellite({**YAMCS_AS_OURS, "min_violations": count, "min_conformance": 1})})
    for second, what in enumerate(happenings):
        if count > 1 and peer.active and peer.process_ok and what in ("bad", "worse"):
            return  # the one disagreement, below
        was_acknowledged = peer.acknowledged
        if what == "ack":
            expected = peer.acknowledge()
            active = [one for one in monitor.active_alarms() if one.state != "pending"]
            told = [
                one.state
                for alarm in active
                for one in monitor.acknowledge("s", "x", alarm.alarm_id, "kim", second * 10**9)
                if isinstance(one, Alarm)
            ]
        else:
            expected = peer.feed(levels[what])
            report = ParameterReport("s", "p", second * 10**9, (ParameterValue("x", 0, numbers[what]),))
            told = [one.state for one in monitor.observe(report) if isinstance(one, Alarm)]
        increased = "acknowledged" if was_acknowledged else "triggered"
        assert told == [increased if one == "SEVERITY_INCREASED" else NAMES[one] for one in expected]


def test_an_alarm_that_returned_needs_persistence_anew_where_yamcs_goes_on_counting() -> None:
    series = [3.0, 3.0, 6.0, 3.0, 3.0]
    peer = YamcsAlarm(2)
    assert [peer.feed(0 if value > 4 else 1) for value in series] == [
        ["TRIGGERED_PENDING"], ["TRIGGERED"], ["RTN"], ["TRIGGERED"], [],
    ]  # fmt: skip
    monitor = Monitor({"s": satellite({**YAMCS_AS_OURS, "min_violations": 2, "min_conformance": 1})})
    told = [
        [
            one.state
            for one in monitor.observe(ParameterReport("s", "p", second * 10**9, (ParameterValue("x", 0, value),)))
            if isinstance(one, Alarm)
        ]
        for second, value in enumerate(series)
    ]
    assert told == [["pending"], ["triggered"], ["returned_to_normal"], [], ["triggered"]]


series_of_numbers = st.lists(st.sampled_from([6.0, 3.0, 1.0]), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(series_of_numbers, st.integers(1, 4))
def test_alarms_agree_with_yamcs_when_one_good_sample_is_enough(series: list[float], count: int) -> None:
    peer = YamcsPersistence(count)
    expected = [peer.feed(yamcs(value, YAMCS) == "in_limits") for value in series]
    assert alarm_states({**YAMCS_AS_OURS, "min_violations": count, "min_conformance": 1}, series) == expected


def test_yamcs_ends_an_alarm_with_one_good_sample_where_symmetric_conformance_waits() -> None:
    series = [1.0, 1.0, 6.0, 6.0]
    peer = YamcsPersistence(2)
    assert [peer.feed(value > 4) for value in series] == [False, True, False, False]
    assert alarm_states({**YAMCS_AS_OURS, "min_violations": 2}, series) == [False, True, True, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([6.0, 1.0]), min_size=1, max_size=25), st.integers(1, 4))
def test_alarms_agree_with_cosmos_while_only_one_colour_is_left(series: list[float], count: int) -> None:
    peer = CosmosPersistence(count)
    expected = [peer.feed(cosmos(value, COSMOS)) != "GREEN" for value in series]
    assert alarm_states({**COSMOS_AS_OURS, "min_violations": count}, series) == expected


def test_cosmos_counts_samples_of_any_other_colour_and_then_takes_the_last() -> None:
    peer = CosmosPersistence(3)
    assert [peer.feed(cosmos(value, COSMOS)) for value in (3.0, 3.0, 1.0)][-1] == "RED_LOW"
    assert alarm_states({**COSMOS_AS_OURS, "min_violations": 3}, [3.0, 3.0, 1.0]) == [False, False, True]
