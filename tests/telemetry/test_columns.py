"""Bulk decoding gives what Construct and the decoder give, to the last bit."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.definitions import Packet
from agent.errors import ConfigError, DecodeError
from agent.telemetry.columns import NOT_A_TIME, Column, ColumnReader
from agent.telemetry.decoder import PacketDecoder
from agent.telemetry.onboard_time import format_utc, parse_utc
from tests.telemetry.test_layout import tables

CALIBRATIONS: list[dict[str, Any] | None] = [
    None,
    {"kind": "polynomial", "coefficients": [-1.5, 0.1]},
    {"kind": "polynomial", "coefficients": [1.0, 0.3, -0.001]},
    {"kind": "expression", "expression": "raw / 127 - 1.0"},
    {"kind": "spline", "points": [{"raw": 0, "value": 1.5}, {"raw": 200, "value": -3.0}]},
    {"kind": "enumeration", "labels": {"0": "off", "1": "on", "5..90": "many"}},
    {"kind": "time", "epoch": "2000-01-01T00:00:00Z"},
]


def reader(parameters: list[dict[str, Any]], **keys: Any) -> tuple[PacketDecoder, ColumnReader]:
    packet = PacketDecoder(msgspec.convert({"name": "p", "parameter": parameters, **keys}, Packet), "")
    return packet, ColumnReader(packet)


def bits_of(value: Any) -> Any:
    """Make floats comparable to the bit, whatever type of number carries them."""
    if isinstance(value, float | np.floating):
        return "nan" if np.isnan(value) else struct.pack(">d", float(value))
    return value


def value_at(array: Any, row: int) -> Any:
    one = array[row]
    return bytes(one) if isinstance(one, np.ndarray) else one.item() if isinstance(one, np.generic) else one


CLOCK = ["year:12", "day_of_year:9", "hour:5", "minute:6", "second:6", "microsecond:20"]
DIGITS = ["years:2", "month:2", "day:2", "hour:2"]


@st.composite
def layouts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Random fields with calibrations, among them repeated ones, groups of groups, digits and packed times."""
    table = draw(tables())
    calibrations = draw(st.lists(st.sampled_from(CALIBRATIONS), min_size=1))
    for index, parameter in enumerate(table):
        calibration = calibrations[index % len(calibrations)]
        kind = parameter["type"].split(".")[0]
        real = kind.startswith("f") and kind != "flag"
        if calibration and kind not in ("bytes", "text") and not (real and calibration["kind"] == "enumeration"):
            parameter["calibration"] = calibration
    in_bits = any(parameter["type"].split(".")[0] in ("bits", "sbits", "flag") for parameter in table)
    for parameter in () if in_bits else table[:3]:
        repeat = draw(st.sampled_from([{}, {}, {"count": 2}, {"elements": ["x", "y", "z"]}]))
        parameter.update(repeat)
    if len(table) <= 8 and draw(st.booleans()):
        inner = {"name": "inner", "type": "group", "count": draw(st.integers(1, 2)), "parameter": table}
        table = [{"name": "outer", "type": "group", "elements": ["a", "b"], "parameter": [inner]}]
    for _ in range(draw(st.integers(0, 2))):
        name = f"extra{len(table)}"
        before = draw(st.integers(0, 6))
        clock = [
            {"name": f"{name}_before", "type": "bits", "width": before},
            {
                "name": f"{name}_clock",
                "type": "bits",
                "width": 58,
                "calibration": {"kind": "time", "code": "packed", "parts": CLOCK},
            },
            {"name": f"{name}_after", "type": "bits", "width": 6 - before},
        ]
        micro = draw(st.booleans())
        day_segmented = {
            "name": name,
            "type": "u64" if micro else "u48",
            "calibration": {"kind": "time", "code": "cds", "microseconds": micro, "epoch": "1958-01-01T00:00:00Z"},
        }
        digits = {"name": name, "type": "bcd", "octets": draw(st.integers(1, 8))}
        if digits["octets"] == 4 and draw(st.booleans()):
            digits["calibration"] = {"kind": "time", "code": "digits", "parts": DIGITS}
        table += draw(st.sampled_from([[field for field in clock if field["width"]], [digits], [day_segmented]]))
    return table


def not_in_64_bits(text: str | None) -> bool:
    return text is None or not -(1 << 63) < parse_utc(text) < 1 << 63


def packet_octets(packet: PacketDecoder, random: Any) -> bytes:
    """Make octets of a packet: anything, but decimal digits where the layout wants them."""
    data = bytearray(random.randbytes(packet.layout.min_octets))
    for _, field in packet.layout.fields:
        if field.type.kind == "bcd":
            for octet in field.octets:
                data[octet] = 16 * random.randrange(10) + random.randrange(10)
    return bytes(data)


@settings(max_examples=80, deadline=None)
@given(layouts(), st.integers(0, 6), st.randoms(use_true_random=False))
def test_columns_are_constructs_and_the_decoders_values_bit_for_bit(
    table: list[dict[str, Any]], count: int, random: Any
) -> None:
    packet, columns = reader(table)
    octets = packet.layout.min_octets
    data = [packet_octets(packet, random) for _ in range(count)]
    rows = np.frombuffer(b"".join(data), np.uint8).reshape(count, octets)
    read: dict[str, Column] = columns.read(rows)
    for column in read.values():
        if column.utc_ns is not None:
            for moment, text in zip(column.utc_ns.tolist(), column.value.tolist(), strict=True):
                assert format_utc(moment) == text if moment != NOT_A_TIME else not_in_64_bits(text)
    for row, one in enumerate(data):
        for name, _, raw in packet.layout.read(one):
            assert bits_of(value_at(read[name].raw, row)) == bits_of(raw), name
        values, _ = packet.values(one)
        assert len(values) == len(read)
        for expected in values:
            got = value_at(read[expected.name].value, row)
            assert bits_of(got) == bits_of(expected.value), expected.name


def test_decimal_digits_are_read_in_bulk_and_a_bad_one_is_refused() -> None:
    _, columns = reader([{"name": "d", "type": "bcd", "octets": 2}])
    rows = np.array([[0x12, 0x34], [0x99, 0x99]], np.uint8)
    assert columns.read(rows)["d"].raw.tolist() == [1234, 9999]
    with pytest.raises(DecodeError, match="above nine"):
        columns.read(np.array([[0x1A, 0x00]], np.uint8))


def test_a_field_that_lies_in_nine_octets_is_read() -> None:
    for order in ("", ".le"):
        _, columns = reader(
            [
                {"name": "a", "type": f"bits{order}", "width": 3},
                {"name": "b", "type": f"sbits{order}", "width": 64},
                {"name": "c", "type": f"bits{order}", "width": 5},
            ]
        )
        rows = np.frombuffer(bytes(range(200, 218)), np.uint8).reshape(2, 9)
        got = columns.read(rows)["b"].raw.tolist()
        whole = [int.from_bytes(row.tobytes(), "little" if order else "big") for row in rows]
        bits = [(word >> (3 if order else 5)) & (2**64 - 1) for word in whole]
        assert got == [word - 2**64 if word >> 63 else word for word in bits]


@pytest.mark.parametrize(
    "keys",
    [
        {"parameters": [{"name": "n", "type": "u8"}, {"name": "x", "type": "u8", "count": "n"}]},
        {"parameters": [{"name": "n", "type": "u8"}], "derived": [{"name": "d", "expression": "n + 1"}]},
        {"parameters": [{"name": "n", "type": "integer"}], "text": {"delimiter": ","}},
    ],
)
def test_a_layout_that_is_not_fixed_has_no_columns(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="fixed places"):
        reader(**keys)


def test_packets_of_another_length_are_refused() -> None:
    _, columns = reader([{"name": "n", "type": "u16"}])
    with pytest.raises(DecodeError, match="too_short"):
        columns.read(np.zeros((3, 1), np.uint8))
