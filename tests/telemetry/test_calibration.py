"""Calibrators: forwards as XTCE says, backwards where there is a way back, and no value where there is none."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.definitions import Calibration
from agent.errors import ConfigError
from agent.telemetry.calibration import Calibrator, NoInverse, compile_calibration, invert
from agent.telemetry.expression import compile_expression


def definition(**table: Any) -> Calibration:
    return msgspec.convert(table, Calibration)


def compiled(**table: Any) -> Calibrator:
    return compile_calibration(definition(**table), ("a", "b"), "here")


def value(raw: Any, **table: Any) -> Any:
    return compiled(**table).forward(raw, {"a": 2.0, "b": "text"})


SPLINE = {"kind": "spline", "points": [{"raw": 0, "value": 10}, {"raw": 10, "value": 30}, {"raw": 20, "value": 20}]}


def test_polynomial_takes_its_coefficients_lowest_first() -> None:
    assert value(3, kind="polynomial", coefficients=[1.0, 2.0, 0.5]) == 1 + 6 + 4.5
    assert value(3, kind="polynomial", coefficients=[7.0]) == 7.0


@pytest.mark.parametrize(
    ("raw", "expected"), [(0, 10), (5, 20), (10, 30), (15, 25), (20, 20), (-1, None), (21, None)]
)
def test_linear_spline_ends_at_its_points(raw: int, expected: float | None) -> None:
    assert value(raw, **SPLINE) == expected


@pytest.mark.parametrize(("raw", "expected"), [(-5, 0), (25, 15), (5, 20)])
def test_linear_spline_extrapolates_when_told(raw: int, expected: float) -> None:
    assert value(raw, extrapolate=True, **SPLINE) == expected


@pytest.mark.parametrize(("raw", "expected"), [(0, 10), (9, 10), (10, 30), (19, 30), (20, 20), (-1, 10), (99, 20)])
def test_spline_of_order_zero_is_a_staircase(raw: int, expected: float) -> None:
    assert value(raw, order=0, extrapolate=True, **SPLINE) == expected


def test_a_point_may_have_an_order_of_its_own() -> None:
    points = [{"raw": 0, "value": 10, "order": 0}, {"raw": 10, "value": 30}, {"raw": 20, "value": 20}]
    assert value(5, kind="spline", points=points) == 10
    assert value(15, kind="spline", points=points) == 25


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("raw", [-3.0, 0.0, 0.25, 1.0, 3.7, 5.0, 6.1, 7.0, 9.5])
def test_a_higher_order_gives_back_the_polynomial_its_points_are_of(order: int, raw: float) -> None:
    points = [{"raw": at, "value": 2.0 + at + 0.5 * at**order} for at in (0.0, 1.0, 2.5, 5.0, 7.0)]
    table: dict[str, Any] = {"kind": "spline", "order": order, "extrapolate": True, "points": points}
    expected = 2.0 + raw + 0.5 * raw**order
    assert value(raw, **table) == pytest.approx(expected, abs=1e-9)
    if 0.0 <= raw <= 7.0:
        assert invert(definition(**table), compiled(**table), expected, None) == pytest.approx(raw, abs=1e-9)


def test_a_cubic_segment_is_laid_through_the_two_points_on_either_side() -> None:
    points = [{"raw": at, "value": v} for at, v in ((0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0), (4, 9.0))]
    assert value(1.5, kind="spline", order=3, points=points) == pytest.approx(0.5)
    assert value(0.5, kind="spline", order=3, points=points) == pytest.approx(1.0)


def test_enumeration_knows_single_values_ranges_and_the_rest() -> None:
    labels = {"0": "off", "0x10": "on", "-3..-1": "fault"}
    assert [value(raw, kind="enumeration", labels=labels) for raw in (0, 16, -2, 5)] == ["off", "on", "fault", None]
    assert value(5, kind="enumeration", labels=labels, otherwise="unknown") == "unknown"


def test_time_is_exact_to_the_nanosecond() -> None:
    table = {"kind": "time", "epoch": "2000-01-01T00:00:00Z"}
    assert value(0x0BEBC200, **table) == "2006-05-03T19:33:20Z"
    assert value(1, ticks_per_s=8, **table) == "2000-01-01T00:00:00.125Z"
    assert value(2**63, **table) is None
    # A float would have lost the last digits of this one.
    assert value(10**18 + 1, ticks_per_s=1e9, kind="time") == "2001-09-09T01:46:40.000000001Z"


def test_day_segmented_time_is_days_and_milliseconds_and_a_day_too_long_is_no_time() -> None:
    table = {"kind": "time", "code": "cds"}
    # 17,565 days after 1970 and 29,027,000 ms: the secondary header of a PicSat packet of 2018-02-03.
    assert value(0x449D_01BAEAB8, **table) == "2018-02-03T08:03:47Z"
    assert value(0x449D_01BAEAB8_03E7, microseconds=True, **table) == "2018-02-03T08:03:47.000999Z"
    assert value(0x449D_FFFFFFFF, **table) is None
    assert invert(definition(**table), compiled(**table), "2018-02-03T08:03:47Z", (0, 2**48 - 1)) == 0x449D_01BAEAB8


def test_expression_reads_raw_and_earlier_values_and_has_no_value_where_arithmetic_has_none() -> None:
    assert value(6, kind="expression", expression="raw / a + 1") == 4.0
    assert value(6, kind="expression", expression="raw if b == 'text' else 0") == 6
    assert value(6, kind="expression", expression="raw / (a - 2)") is None
    assert value(6, kind="expression", expression="raw * b") is None
    assert value(0, kind="expression", expression="log(raw)") is None
    assert value(1e308, kind="expression", expression="raw * 10") is None


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "raw.real",
        "[raw]",
        "lambda: raw",
        "(raw := 3)",
        "raw if",
        "unknown + 1",
        "sqrt()",
        "f'{raw}'",
        "abs(x=1)",
        "'a' * 3",
        "(" * 50 + "raw" + ")" * 50 + " ** ** 2",
        "+".join(["(raw" * 40]) + ")" * 40 + "-",
        "-" * 60 + "raw",
    ],
)
def test_an_expression_that_is_more_than_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        compile_expression(text, {"raw"})


def test_a_huge_power_or_shift_is_no_value_instead_of_no_memory() -> None:
    for text in ("9 ** 9 ** 9", "1 << 10000000", "(-8) ** 0.5"):
        assert compile_expression(text, ())({}) is None


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"kind": "spline", "points": [{"raw": 1, "value": 0}, {"raw": 1, "value": 2}]}, "must rise"),
        (
            {"kind": "spline", "order": 3, "points": [{"raw": at, "value": 0} for at in range(3)]},
            "3 points do not make a curve of order 3",
        ),
        ({"kind": "enumeration", "labels": {"1..4": "a", "4": "b"}}, "share raw value 4"),
        ({"kind": "enumeration", "labels": {"one": "a"}}, "not a raw value"),
        ({"kind": "enumeration", "labels": {"4..1": "a"}}, "backwards"),
        ({"kind": "time", "epoch": "yesterday"}, "not a UTC time"),
        ({"kind": "expression", "expression": "c + 1"}, "unknown name 'c'"),
    ],
)
def test_a_calibration_that_contradicts_itself_is_refused(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        compiled(**table)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "polynomial", "coefficients": [3.0, 0.05]},
        {"kind": "polynomial", "coefficients": [0.0, 0.5, 0.001]},
        {"kind": "polynomial", "coefficients": [-1.0, -0.25]},
        {"kind": "expression", "expression": "raw / 127 - 1.0"},
        {
            "kind": "spline",
            "points": [{"raw": 0, "value": 5.0}, {"raw": 100, "value": 3.0}, {"raw": 255, "value": -9.0}],
        },
    ],
)
@given(raw=st.integers(0, 255))
def test_engineering_values_of_an_octet_lead_back_to_it(table: dict[str, Any], raw: int) -> None:
    calibrator = compiled(**table)
    engineering = calibrator.forward(raw, {})
    back = invert(definition(**table), calibrator, engineering, (0, 255))
    assert calibrator.forward(back, {}) == engineering


def test_a_value_between_two_raw_values_takes_the_nearer() -> None:
    table: dict[str, Any] = {"kind": "polynomial", "coefficients": [0.0, 0.05]}
    assert invert(definition(**table), compiled(**table), 0.12, (0, 255)) == 2


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ({"kind": "polynomial", "coefficients": [0.0, 0.05]}, 99.0),
        ({"kind": "polynomial", "coefficients": [0.0, 0.05]}, math.nan),
        ({"kind": "enumeration", "labels": {"1": "on"}}, "off"),
        ({"kind": "time"}, 3),
    ],
)
def test_what_no_raw_value_says_has_no_inverse(table: dict[str, Any], wanted: Any) -> None:
    with pytest.raises(NoInverse):
        invert(definition(**table), compiled(**table), wanted, (0, 255))


def test_labels_times_and_real_numbers_have_inverses() -> None:
    table: dict[str, Any] = {"kind": "enumeration", "labels": {"0": "off", "1": "on"}, "otherwise": "odd"}
    assert invert(definition(**table), compiled(**table), "on", (0, 255)) == 1
    assert invert(definition(**table), compiled(**table), "odd", (0, 255)) == 2
    table = {"kind": "time", "epoch": "2020-01-01T00:00:00Z"}
    assert invert(definition(**table), compiled(**table), "2020-01-02T00:00:00Z", (0, 2**32 - 1)) == 86400
    table = {"kind": "polynomial", "coefficients": [1.0, 2.0]}
    assert invert(definition(**table), compiled(**table), 4.0, None) == 1.5
