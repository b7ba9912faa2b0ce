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
    CosmosLimits,
    CosmosPersistence,
    YamcsPersistence,
    YamcsRange,
    cosmos,
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
