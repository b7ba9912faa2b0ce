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
from agent.telemetry.columns import Column, ColumnReader
from agent.telemetry.decoder import PacketDecoder
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


@settings(max_examples=120, deadline=None)
@given(
    tables(),
    st.lists(st.sampled_from(CALIBRATIONS), min_size=1),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_columns_are_the_decoders_values_bit_for_bit(
    table: list[dict[str, Any]], calibrations: list[dict[str, Any] | None], count: int, random: Any
) -> None:
    for index, parameter in enumerate(table):
        calibration = calibrations[index % len(calibrations)]
        kind = parameter["type"].split(".")[0]
        if (
            calibration is not None
            and kind not in ("bytes", "text")
            and not (kind.startswith("f") and kind != "flag" and calibration["kind"] == "enumeration")
        ):
            parameter["calibration"] = calibration
    packet, columns = reader(table)
    octets = packet.layout.min_octets
    data = [random.randbytes(octets) for _ in range(count)]
    rows = np.frombuffer(b"".join(data), np.uint8).reshape(count, octets)
    read: dict[str, Column] = columns.read(rows)
    for row, one in enumerate(data):
        values, _ = packet.values(one)
        for expected in values:
            column = read[expected.name]
            assert bits_of(value_at(column.raw, row)) == bits_of(expected.raw), expected.name
            got = value_at(column.value, row)
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
