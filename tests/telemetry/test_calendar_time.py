"""Times in parts: what a clock chip or a flight computer packs into bits or digits, forwards and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.definitions import Packet, Time
from agent.errors import ConfigError
from agent.telemetry.calibration import NoInverse, compile_calibration, invert
from agent.telemetry.decoder import PacketDecoder
from agent.telemetry.onboard_time import NS_PER_S, format_utc, parse_utc

DAY_OF_YEAR = ["year:12", "day_of_year:9", "hour:5", "minute:6", "second:6", "microsecond:20"]
DOS = ["years:7", "month:4", "day:5", "hour:5", "minute:6", "two_seconds:5"]
DIGITS = ["years:2", "month:2", "day:2", "hour:2", "minute:2", "second:2"]


def time(**table: Any) -> Time:
    return msgspec.convert({"kind": "time", **table}, Time)


def shown(raw: int, **table: Any) -> object:
    return compile_calibration(time(**table)).forward(raw, {})


def test_a_packed_time_of_a_flight_computer_is_read_from_its_bits() -> None:
    # CYGNSS FM07, the last 58 bits of the header of its first packet of APID 386 in CYGNSS_F7_L0_2022_086.
    packed = int.from_bytes(bytes.fromhex("39f98a95ae70660e"), "big") & ((1 << 58) - 1)
    assert shown(packed, code="packed", parts=DAY_OF_YEAR) == "2022-03-25T21:43:39.026126Z"


def test_a_time_as_file_systems_pack_it_counts_its_years_from_the_epoch_and_every_other_second() -> None:
    packed = (2026 - 1980) << 25 | 11 << 21 | 22 << 16 | 23 << 11 | 59 << 5 | 29
    table = {"code": "packed", "parts": DOS, "epoch": "1980-01-01T00:00:00Z"}
    assert shown(packed, **table) == "2026-11-22T23:59:58Z"
    assert invert(time(**table), compile_calibration(time(**table)), "2026-11-22T23:59:58Z", None) == packed


def test_packed_decimal_digits_are_a_time() -> None:
    table = {
        "name": "clock",
        "type": "bcd",
        "octets": 6,
        "generated": True,
        "calibration": {"kind": "time", "code": "digits", "parts": DIGITS, "epoch": "2000-01-01T00:00:00Z"},
    }
    packet = PacketDecoder(msgspec.convert({"name": "p", "parameter": [table]}, Packet), "")
    values, generated_utc_ns = packet.values(bytes.fromhex("261122235958"))
    assert values[0].value == "2026-11-22T23:59:58Z"
    assert generated_utc_ns == parse_utc("2026-11-22T23:59:58Z")
    assert packet.encode({"clock": "2026-11-22T23:59:58Z"}).hex() == "261122235958"


@pytest.mark.parametrize(
    "raw",
    [
        261322235958,  # a thirteenth month
        260230235958,  # the thirtieth of February
        261122245958,  # hour 24
        261122236058,  # minute 60
        261122235961,  # second 61
        1_26_11_22_23_59_58,  # more digits than there are parts
    ],
)
def test_what_no_calendar_has_is_no_time(raw: int) -> None:
    assert shown(raw, code="digits", parts=DIGITS, epoch="2000-01-01T00:00:00Z") is None


def test_day_366_is_one_only_in_a_leap_year() -> None:
    table = {"code": "digits", "parts": ["year:4", "day_of_year:3"]}
    assert shown(2024366, **table) == "2024-12-31T00:00:00Z"
    assert shown(2023366, **table) is None
    assert shown(2023000, **table) is None


@given(st.integers(0, 200 * 366 * 86400))
def test_every_second_of_two_centuries_goes_there_and_back(seconds: int) -> None:
    text = format_utc(seconds * NS_PER_S)
    for table in (
        {"code": "packed", "parts": DAY_OF_YEAR},
        {"code": "digits", "parts": ["year:4", *DIGITS[1:]]},
    ):
        definition = time(**table)
        calibrator = compile_calibration(definition)
        raw = invert(definition, calibrator, text, None)
        assert isinstance(raw, int)
        assert calibrator.forward(raw, {}) == text


def test_a_year_that_two_digits_cannot_say_has_no_raw_value() -> None:
    definition = time(code="digits", parts=DIGITS, epoch="2000-01-01T00:00:00Z")
    with pytest.raises(NoInverse):
        invert(definition, compile_calibration(definition), "1999-12-31T00:00:00Z", None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"code": "packed", "parts": ["year:12", "hour:5"]}, "needs its year and its day"),
        ({"code": "packed", "parts": ["day_of_year:9"]}, "needs its year and its day"),
        ({"code": "packed", "parts": []}, "needs its year and its day"),
        ({"code": "packed", "parts": ["year:12", "year:12", "day_of_year:9"]}, "stands twice"),
        ({"code": "packed", "parts": [*DAY_OF_YEAR, "millisecond:10"]}, "say the same"),
        ({"code": "digits", "parts": ["year:4", "day_of_year:3", "microsecond:15"]}, "more than 19 digits"),
        ({"code": "ticks", "parts": ["year:4"]}, "has no parts"),
    ],
)
def test_parts_that_make_no_moment_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        compile_calibration(time(**table), (), "here")
    assert "here.parts" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "code", "message"),
    [
        ({"type": "u32"}, "packed", "58 bits"),
        ({"type": "bcd", "octets": 6}, "packed", "58 bits"),
        ({"type": "f64"}, "digits", "a whole number"),
    ],
)
def test_a_field_that_cannot_hold_its_time_is_refused(field: dict[str, Any], code: str, message: str) -> None:
    parts = DAY_OF_YEAR if code == "packed" else DIGITS
    table = {"name": "t", **field, "calibration": {"kind": "time", "code": code, "parts": parts}}
    with pytest.raises(ConfigError, match=message) as caught:
        PacketDecoder(msgspec.convert({"name": "p", "parameter": [table]}, Packet), "file")
    assert "parameter[0].type" in str(caught.value)
