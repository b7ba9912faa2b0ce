"""Limits: the edge cases by name, the kernel against its slow twin, and what a file may not say."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.definitions import Limits, Satellite
from agent.errors import ConfigError
from agent.health import kernels
from agent.health.limits import LimitSet, PacketMemory, RuleTable, verdicts
from agent.records import ParameterReport, ParameterValue
from tests.reference import alarms as twin


def satellite(limits: dict[str, Any], **parameter: Any) -> Satellite:
    table = {"name": "x", "type": "f64", "limits": limits, **parameter}
    mode = {
        "name": "mode",
        "type": "u8",
        "calibration": {"kind": "enumeration", "labels": {"0": "safe", "1": "on"}},
    }
    return msgspec.convert(
        {"name": "S", "norad": 1, "packet": [{"name": "p", "parameter": [mode, table]}]}, Satellite
    )


def verdict(value: Any, mode: str = "on", **limits: Any) -> tuple[str | None, str, str | None]:
    values = (ParameterValue("mode", 1, mode), ParameterValue("x", 0, value))
    (health,) = LimitSet(satellite(limits)).evaluate(ParameterReport("s", "p", 0, values))
    assert health.parameter == "x"
    return health.monitoring_result, health.level, health.range_condition


BATTERY = {"warning": {"min": 7.0, "max": 8.4}, "critical": {"min": 6.4, "max": 8.6}}

# -- the edge cases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7.5, ("in_limits", "normal", None)),
        (6.9, ("warning", "warning", "low")),
        (6.0, ("critical", "critical", "low")),
        (8.5, ("warning", "warning", "high")),
        (9.0, ("critical", "critical", "high")),
    ],
)
def test_the_most_severe_level_that_tests_true_wins(value: float, expected: tuple[str, str, str | None]) -> None:
    assert verdict(value, **BATTERY) == expected


def test_a_value_equal_to_an_inclusive_limit_is_good() -> None:
    assert verdict(7.0, **BATTERY)[0] == "in_limits"
    assert verdict(8.4, **BATTERY)[0] == "in_limits"


def test_a_value_equal_to_an_exclusive_limit_is_bad() -> None:
    limits = {"warning": {"min": 7.0, "max": 8.4, "min_exclusive": True, "max_exclusive": True}}
    assert verdict(7.0, **limits) == ("warning", "warning", "low")
    assert verdict(8.4, **limits) == ("warning", "warning", "high")


def test_not_a_number_is_never_in_limits() -> None:
    assert verdict(math.nan, **BATTERY) == ("not_a_number", "normal", None)


def test_a_missing_value_is_never_in_limits() -> None:
    assert verdict(None, **BATTERY) == ("missing", "normal", None)
    (health,) = LimitSet(satellite(BATTERY)).evaluate(ParameterReport("s", "p", 0, ()))
    assert health.monitoring_result == "missing"


def test_infinity_is_out_of_limits() -> None:
    assert verdict(math.inf, **BATTERY) == ("critical", "critical", "high")
    assert verdict(-math.inf, **BATTERY) == ("critical", "critical", "low")


def test_a_limit_of_zero_is_a_limit() -> None:
    assert verdict(-0.1, warning={"min": 0.0}) == ("warning", "warning", "low")


def test_inside_form_makes_the_range_the_bad_one() -> None:
    limits = {"form": "inside", "warning": {"min": 10, "max": 40}, "critical": {"min": 20, "max": 30}}
    assert [verdict(value, **limits)[0] for value in (5, 10, 15, 25, 41)] == [
        "in_limits",
        "warning",
        "warning",
        "critical",
        "in_limits",
    ]


def test_a_value_in_no_range_of_many_is_not_normal() -> None:
    ranges = [
        {"min": 0, "max": 10, "level": "normal", "form": "inside"},
        {"min": 5, "max": 7, "level": "critical", "form": "inside"},
        {"min": 20, "max": 30, "level": "watch", "form": "inside"},
    ]
    assert [verdict(value, ranges=ranges)[0] for value in (1, 6, 25, 15)] == [
        "in_limits",
        "critical",
        "watch",
        "warning",
    ]


def test_labels_have_levels_and_a_default_inverts_the_logic() -> None:
    limits = {"labels": {"safe": "critical"}}
    table = {"name": "x", "type": "u8", "calibration": {"kind": "enumeration", "labels": {"0": "safe", "1": "on"}}}
    checked = LimitSet(satellite(limits, **table))
    results = [
        checked.evaluate(ParameterReport("s", "p", 0, (ParameterValue("x", 0, label),)))[0].monitoring_result
        for label in ("safe", "on")
    ]
    assert results == ["critical", "in_limits"]
    inverted = LimitSet(satellite({"labels": {"on": "normal"}, "default_level": "warning"}, **table))
    assert inverted.evaluate(ParameterReport("s", "p", 0, (ParameterValue("x", 0, "safe"),)))[0].level == "warning"


def test_text_patterns_are_tried_in_order_against_the_whole_text() -> None:
    limits = {"patterns": [{"pattern": "OK.*", "level": "normal"}, {"pattern": ".*FAIL.*", "level": "severe"}]}
    assert [verdict(text, **limits)[0] for text in ("OK FAIL", "MOT FAIL", "ELSE")] == [
        "in_limits",
        "severe",
        "in_limits",
    ]


def test_the_first_context_that_holds_replaces_the_default_and_an_empty_one_means_no_alarm() -> None:
    limits: dict[str, Any] = {
        **BATTERY,
        "context": [
            {"when": {"mode": "safe"}, "warning": {"min": 6.0}},
            {"when": {"mode": ["safe", "off"]}},
        ],
    }
    assert verdict(6.5, "on", **limits)[0] == "warning"
    assert verdict(6.5, "safe", **limits)[0] == "in_limits"
    assert verdict(5.5, "safe", **limits)[0] == "warning"
    assert verdict(0.0, "off", **limits)[0] is None


def test_disabled_means_no_alarm_and_says_so() -> None:
    assert verdict(0.0, disabled=True, **BATTERY) == ("disabled", "normal", None)


# -- change ------------------------------------------------------------------------------------------------


def changes(rule: dict[str, Any], *samples: tuple[float, float]) -> list[str | None]:
    """Feed (second, value) pairs and give the results one after the other."""
    checked = LimitSet(satellite({"change": rule}))
    packet = checked.packets["p"]
    memory = PacketMemory(1)
    results = []
    for second, value in samples:
        packet.load(ParameterReport("s", "p", 0, (ParameterValue("x", 0, value),)))
        checked.step(packet, memory, round(second * 1e9))
        results.append(verdicts(packet)[0].monitoring_result)
    return results


def test_a_change_per_second_is_judged_from_the_second_sample_on() -> None:
    rule = {"warning": {"min": -2, "max": 2}}
    assert changes(rule, (0, 10), (1, 12), (2, 15), (4, 18)) == ["in_limits", "in_limits", "warning", "in_limits"]


def test_a_change_per_sample_does_not_know_the_time() -> None:
    rule = {"per": "sample", "critical": {"max": 5}}
    assert changes(rule, (0, 0), (0.1, 5), (99, 11)) == ["in_limits", "in_limits", "critical"]


def test_a_change_in_percent_is_of_the_older_value_and_undefined_from_zero() -> None:
    rule = {"per": "sample", "basis": "percentage", "warning": {"min": -10, "max": 10}}
    assert changes(rule, (0, 100), (1, 110), (2, 95)) == ["in_limits", "in_limits", "warning"]
    assert changes(rule, (0, -100), (1, -120)) == ["in_limits", "warning"]
    assert changes(rule, (0, 0), (1, 1000)) == ["in_limits", "in_limits"]


def test_a_change_waits_for_both_spans_and_its_verdict_holds_until_the_next() -> None:
    rule = {"span_samples": 2, "span_s": 3, "warning": {"max": 1}}
    series = [(0, 0), (1, 100), (2, 100), (3, 100), (4, 0), (6, 0)]
    expected = ["in_limits", "in_limits", "in_limits", "warning", "warning", "in_limits"]
    assert changes(rule, *series) == expected


def test_a_gap_of_nan_and_a_clock_that_runs_backwards_begin_the_change_anew() -> None:
    rule = {"warning": {"max": 1}}
    assert changes(rule, (0, 0), (1, math.nan), (2, 100)) == ["in_limits", "not_a_number", "in_limits"]
    assert changes(rule, (100, 0), (5, 100), (6, 100)) == ["in_limits", "in_limits", "in_limits"]


# -- what a file may not say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "place", "complaint"),
    [
        ({"warning": {"min": 3, "max": 2}}, "limits.warning", "above max"),
        ({"warning": {"min": 3}, "critical": {"min": 4}}, "limits.critical", "before warning"),
        ({"warning": {"min": 3, "max": 9}, "severe": {"max": 8}}, "limits.severe", "before warning"),
        ({}, "limits", "limit nothing"),
        ({"warning": {"min": 1, "max": 1, "min_exclusive": True}}, "limits.warning", "exclusive"),
        ({"warning": {"min": math.inf}}, "limits.warning.min", "finite"),
        ({"patterns": [{"pattern": "(", "level": "watch"}]}, "limits.patterns[0]", "regular expression"),
        ({"warning": {"min": 1}, "context": [{"when": {"zz": 1}}]}, "limits.context[0].when", "no parameter"),
        ({"change": {"warning": {"min": 2, "max": 1}}}, "limits.change.warning", "above max"),
    ],
)
def test_limits_that_contradict_themselves_are_refused_at_their_exact_place(
    limits: dict[str, Any], place: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        LimitSet(satellite(limits))
    assert caught.value.where == f"packet[0].parameter[1].{place}"


def test_a_label_that_does_not_exist_is_refused_with_the_nearest() -> None:
    table = {"name": "x", "type": "u8", "calibration": {"kind": "enumeration", "labels": {"0": "safe", "1": "on"}}}
    with pytest.raises(ConfigError, match="did you mean safe"):
        LimitSet(satellite({"labels": {"safee": "watch"}}, **table))


def test_a_limit_on_something_of_unknown_count_is_refused() -> None:
    with pytest.raises(ConfigError, match="count is fixed"):
        LimitSet(satellite(BATTERY, count="rest"))


# -- the kernel and its slow twin --------------------------------------------------------------------------

numbers = st.integers(-6, 6).map(float)
levels = ("watch", "warning", "distress", "critical", "severe")


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted((draw(numbers), draw(numbers)))
    one: dict[str, Any] = {}
    if draw(st.integers(0, 4)):
        one["min"] = low
    if draw(st.integers(0, 4)):
        one["max"] = high
    if low < high:
        one |= {"min_exclusive": draw(st.booleans()), "max_exclusive": draw(st.booleans())}
    return one


@st.composite
def rules(draw: st.DrawFn) -> Limits:
    table: dict[str, Any] = {"form": draw(st.sampled_from(["outside", "inside"]))}
    for level in draw(st.sets(st.sampled_from(levels), max_size=2)):
        table[level] = draw(ranges())
    if draw(st.booleans()):
        one = st.builds(
            lambda bounds, level, form: {**bounds, "level": level, "form": form},
            ranges(),
            st.sampled_from(["normal", *levels]),
            st.sampled_from(["outside", "inside"]),
        )
        table["ranges"] = draw(st.lists(one, min_size=1, max_size=3))
        table["no_range"] = draw(st.sampled_from(["normal", "warning", "severe"]))
    if draw(st.booleans()):
        table["change"] = {
            "per": draw(st.sampled_from(["second", "sample"])),
            "basis": draw(st.sampled_from(["absolute", "percentage"])),
            "span_samples": draw(st.integers(1, 3)),
            "span_s": draw(st.sampled_from([0.0, 1.0, 2.5])),
            draw(st.sampled_from(levels)): draw(ranges()),
        }
    table["min_violations"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        table["min_conformance"] = draw(st.integers(1, 3))
    table["hysteresis"] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    table["disabled"] = draw(st.integers(0, 9)) == 0
    return msgspec.convert(table, Limits)


EVENTS = {0: "", 1: "pending", 2: "triggered", 3: "more severe", 4: "returned", 5: "dropped"}
RESULTS: dict[int, object] = {**{level: level for level in range(6)}, 6: "nan", 7: "missing", 8: "disabled"}
samples = st.one_of(numbers, numbers, numbers, st.just(math.nan), st.none())


@settings(max_examples=300, deadline=None)
@given(st.lists(rules(), min_size=1, max_size=4), st.data())
def test_kernel_and_slow_twin_agree_on_every_verdict_and_event(chosen: list[Limits], data: st.DataObject) -> None:
    table = RuleTable()
    rows = np.array([table.add(rule) for rule in chosen], np.int64)
    rules_, reals, bounds, flags = table.arrays()
    count = len(chosen)
    counts, past = np.zeros((count, 4), np.int32), np.full((count, 2), np.nan)
    since = np.zeros((count, 2), np.int64)
    results, sides, events = np.zeros(count, np.uint8), np.zeros(count, np.int8), np.zeros(count, np.uint8)
    twins = [twin.Alarm(rule) for rule in chosen]
    now_ns = 10**18
    for _ in range(data.draw(st.integers(1, 14))):
        now_ns += data.draw(st.sampled_from([0, 500_000_000, 1_000_000_000, 3_000_000_000, -2_000_000_000]))
        sample = [data.draw(samples) for _ in chosen]
        values = np.array([0.0 if value is None else value for value in sample])
        given_ = np.array([-2 if value is None else -1 for value in sample], np.int8)
        kernels.step(
            values, given_, rows, now_ns, rules_, reals, bounds, flags, counts, since, past, results, sides, events
        )
        expected = [one.feed(now_ns, value) for one, value in zip(twins, sample, strict=True)]
        got = [(RESULTS[int(results[i])], EVENTS[int(events[i])]) for i in range(count)]
        assert got == expected
