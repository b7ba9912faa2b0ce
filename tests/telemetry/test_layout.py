"""Layouts: what a table becomes, what it may not say, and that Construct and the fast reader never disagree."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.definitions import Packet
from agent.errors import ConfigError, DecodeError
from agent.telemetry.layout import Layout, compile_packet


def packet(*parameters: dict[str, Any], **keys: Any) -> Packet:
    return msgspec.convert({"name": "p", "parameter": list(parameters), **keys}, Packet)


def layout(*parameters: dict[str, Any], **keys: Any) -> Layout:
    return compile_packet(packet(*parameters, **keys))


def values(compiled: Layout, data: bytes) -> dict[str, Any]:
    return {name: raw for name, _, raw in compiled.read(data)}


# -- what a table may say ----------------------------------------------------------------------------------


def test_integers_of_every_width_and_order_are_read() -> None:
    compiled = layout(
        {"name": "a", "type": "u8"},
        {"name": "b", "type": "i16"},
        {"name": "c", "type": "u24"},
        {"name": "d", "type": "i24.le"},
        {"name": "e", "type": "u32.le"},
        {"name": "f", "type": "u48"},
        {"name": "g", "type": "i64"},
    )
    data = bytes.fromhex("ff fffe 010203 feffff 01000000 000000000102 fffffffffffffffd")
    assert values(compiled, data) == {"a": 255, "b": -2, "c": 0x010203, "d": -2, "e": 1, "f": 258, "g": -3}


def test_in_a_group_of_fixed_count_conditions_and_lengths_speak_of_what_stands_beside_them() -> None:
    compiled = layout(
        {"name": "n", "type": "u8"},
        {"name": "item", "type": "group", "count": 2, "parameter": [
            {"name": "kind", "type": "u8"},
            {"name": "value", "type": "u16", "when": {"kind": {"min": 1}}},
            {"name": "nothing", "type": "bytes", "octets": 2, "when": {"kind": 0, "n": 7}},
            {"name": "length", "type": "u8"},
            {"name": "text", "type": "bytes", "octets": "length"},
        ]},
    )  # fmt: skip
    data = bytes.fromhex("07 00 ffff 01 aa 03 0102 00")
    read = values(compiled, data)
    assert read == {
        "n": 7,
        "item_0_kind": 0, "item_0_nothing": b"\xff\xff", "item_0_length": 1, "item_0_text": b"\xaa",
        "item_1_kind": 3, "item_1_value": 0x0102, "item_1_length": 0, "item_1_text": b"",
    }  # fmt: skip
    assert compiled.build(read) == data


def test_bits_count_from_the_most_significant_and_little_endian_ones_from_the_least() -> None:
    compiled = layout(
        {"name": "a", "type": "bits", "width": 3},
        {"name": "b", "type": "flag"},
        {"name": "c", "type": "bits", "width": 12},
        {"name": "d", "type": "bits.le", "width": 3},
        {"name": "e", "type": "sbits.le", "width": 10},
        {"name": "f", "type": "flag.le"},
        {"name": "g", "type": "bits.le", "width": 2},
    )
    # 101 1 0000 0000 0001; then little endian 0b10_1_1111111110_011
    data = bytes.fromhex("b001") + (0b10_1_1111111110_011).to_bytes(2, "little")
    assert values(compiled, data) == {"a": 5, "b": True, "c": 1, "d": 3, "e": -2, "f": True, "g": 2}


def test_absolute_places_leave_gaps_that_survive_rebuilding() -> None:
    compiled = layout(
        {"name": "late", "type": "u8", "at": 6},
        {"name": "early", "type": "u16", "at": 1},
        {"name": "bit", "type": "flag", "at": 4, "bit": 7},
        octets=9,
    )
    data = bytes.fromhex("a1a2a3a4a5a6a7a8a9")
    assert values(compiled, data) == {"late": 0xA7, "early": 0xA2A3, "bit": True}
    assert compiled.construct.build(compiled.parse(data)) == data


def test_arrays_and_groups_of_fixed_count_are_unrolled_with_their_names() -> None:
    compiled = layout(
        {"name": "x", "type": "u8", "count": 2},
        {"name": "m", "type": "i8", "elements": ["north", "south"]},
        {
            "name": "panel",
            "type": "group",
            "count": 2,
            "parameter": [{"name": "v", "type": "u8"}, {"name": "i", "type": "u8", "skip": 1}],
        },
    )
    assert compiled.fixed is not None
    assert values(compiled, bytes(range(1, 11))) == {
        "x_0": 1,
        "x_1": 2,
        "m_north": 3,
        "m_south": 4,
        "panel_0_v": 5,
        "panel_0_i": 7,
        "panel_1_v": 8,
        "panel_1_i": 10,
    }


def test_a_count_in_the_packet_repeats_a_group_and_a_length_bounds_octets() -> None:
    compiled = layout(
        {"name": "n", "type": "u8"},
        {
            "name": "s",
            "type": "group",
            "count": "n",
            "parameter": [
                {"name": "length", "type": "u8"},
                {"name": "data", "type": "bytes", "octets": "length"},
            ],
        },
        {"name": "after", "type": "u16"},
        {"name": "tail", "type": "bytes", "octets": "rest"},
    )
    data = bytes.fromhex("02 01 aa 02 bbcc 1234 dddd")
    assert values(compiled, data) == {
        "n": 2,
        "s_0_length": 1,
        "s_0_data": b"\xaa",
        "s_1_length": 2,
        "s_1_data": b"\xbb\xcc",
        "after": 0x1234,
        "tail": b"\xdd\xdd",
    }
    assert compiled.construct.build(compiled.parse(data)) == data
    assert (
        compiled.build({"s_0_data": b"\xaa", "s_1_data": b"\xbb\xcc", "after": 0x1234, "tail": b"\xdd\xdd"}) == data
    )


def test_parameters_for_the_rest_of_the_packet_take_all_of_it() -> None:
    compiled = layout({"name": "t", "type": "i16", "count": "rest"})
    assert values(compiled, bytes.fromhex("0001fffe")) == {"t_0": 1, "t_1": -2}
    with pytest.raises(DecodeError, match="too_long"):
        compiled.read(bytes.fromhex("0001ff"))


def test_a_discriminator_chooses_what_follows() -> None:
    compiled = layout(
        {"name": "kind", "type": "u8"},
        {"name": "eps", "type": "group", "when": {"kind": 0}, "parameter": [{"name": "v", "type": "u16"}]},
        {"name": "note", "type": "text", "octets": 3, "when": {"kind": [1, 2]}},
        {"name": "big", "type": "u32", "count": 2, "when": {"kind": {"min": 3, "max": 9}}},
    )
    assert values(compiled, bytes.fromhex("00 1234")) == {"kind": 0, "eps_v": 0x1234}
    assert values(compiled, b"\x02abc") == {"kind": 2, "note": b"abc"}
    assert values(compiled, bytes.fromhex("05 00000001 00000002")) == {"kind": 5, "big_0": 1, "big_1": 2}
    for data in (bytes.fromhex("001234"), b"\x02abc", bytes.fromhex("050000000100000002")):
        assert compiled.construct.build(compiled.parse(data)) == data
        assert compiled.build(values(compiled, data)) == data


def test_decimal_digits_are_a_number_and_a_digit_above_nine_is_refused() -> None:
    compiled = layout({"name": "date", "type": "bcd", "octets": 3})
    assert values(compiled, bytes.fromhex("261122")) == {"date": 261122}
    assert compiled.build({"date": 261122}) == bytes.fromhex("261122")
    with pytest.raises(DecodeError, match="bad_value"):
        compiled.read(bytes.fromhex("26112a"))
    assert compiled.fixed is not None
    with pytest.raises(DecodeError, match="bad_value"):
        compiled.fixed.read(bytes.fromhex("26112a"))


# -- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "reason"), [(b"\1", "too_short"), (b"\1\2\3", "too_long"), (b"", "too_short")])
def test_a_packet_of_another_length_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        layout({"name": "a", "type": "u16"}).read(data)
    assert caught.value.reason == reason


def test_a_length_field_that_lies_is_refused_with_its_own_reason() -> None:
    compiled = layout({"name": "n", "type": "u8"}, {"name": "d", "type": "bytes", "octets": "n"})
    with pytest.raises(DecodeError) as caught:
        compiled.read(b"\x09abc")
    assert caught.value.reason == "bad_length"
    compiled = layout({"name": "n", "type": "u16"}, {"name": "d", "type": "u8", "count": "n"})
    with pytest.raises(DecodeError) as caught:
        compiled.read(b"\xff\xffabc")
    assert caught.value.reason == "bad_length"


@pytest.mark.parametrize(
    ("parameters", "place", "complaint"),
    [
        ([{"name": "a", "type": "u16"}, {"name": "b", "type": "u8", "at": 1}], "parameter[1]", "overlaps a"),
        ([{"name": "a", "type": "u8"}, {"name": "a", "type": "u8"}], "parameter[1].name", "two parameters"),
        ([{"name": "a", "type": "u12"}], "parameter[0].type", "no whole number of octets"),
        ([{"name": "a", "type": "word"}], "parameter[0].type", "unknown type"),
        ([{"name": "a", "type": "u8.be"}], "parameter[0].type", "unknown octet order"),
        ([{"name": "a", "type": "bits"}], "parameter[0]", "needs `width`"),
        ([{"name": "a", "type": "u8", "width": 3}], "parameter[0].width", "takes no `width`"),
        ([{"name": "a", "type": "bytes"}], "parameter[0]", "needs `octets`"),
        ([{"name": "a", "type": "u8", "bit": 3}], "parameter[0].bit", "needs `at`"),
        ([{"name": "a", "type": "u8", "count": "n"}], "parameter[0].count", "no earlier parameter"),
        ([{"name": "a", "type": "u8", "when": {"n": 1}}], "parameter[0].when", "no earlier parameter"),
        ([{"name": "a", "type": "flag"}, {"name": "b", "type": "u8"}], "parameter[1]", "bit 1 of an octet"),
        ([{"name": "g", "type": "group"}], "parameter[0]", "a group needs"),
        (
            [{"name": "g", "type": "group", "parameter": [{"name": "x", "type": "u7"}]}],
            "parameter[0].parameter[0].type",
            "no whole number",
        ),
        (
            [
                {"name": "n", "type": "u8"},
                {
                    "name": "g",
                    "type": "group",
                    "count": "rest",
                    "parameter": [{"name": "x", "type": "u8", "when": {"n": 1}}],
                },
            ],
            "parameter[1].count",
            "at least one octet",
        ),
        (
            [
                {"name": "a", "type": "bits", "width": 4},
                {"name": "b", "type": "bits.le", "width": 2, "at": 0, "bit": 6},
            ],
            "parameter[1]",
            "different ends",
        ),
        (
            [
                {"name": "n", "type": "u8"},
                {"name": "d", "type": "bytes", "octets": "n"},
                {"name": "z", "type": "u8", "at": 9},
            ],
            "parameter[2].at",
            "variable length",
        ),
    ],
)
def test_a_wrong_table_is_refused_at_its_exact_place(
    parameters: list[dict[str, Any]], place: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        layout(*parameters)
    assert caught.value.where == place


def test_a_packet_shorter_than_its_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="need 2 octets"):
        layout({"name": "a", "type": "u16"}, octets=1)


@pytest.mark.parametrize(("type_", "raw"), [("u8", 256), ("u8", -1), ("i8", 128), ("u16", 1.5), ("f32", 1e39)])
def test_a_value_that_does_not_fit_its_field_is_not_built(type_: str, raw: float) -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        layout({"name": "a", "type": type_}).build({"a": raw})


def test_an_unknown_name_is_not_built() -> None:
    with pytest.raises(ConfigError, match="no parameter is called 'b'"):
        layout({"name": "a", "type": "u8"}).build({"b": 1})


# -- properties --------------------------------------------------------------------------------------------

whole_octets = st.one_of(
    st.builds(
        lambda sign, octets, order: {"type": f"{sign}{8 * octets}{order}"},
        st.sampled_from("ui"),
        st.integers(1, 8),
        st.sampled_from(["", ".le"]),
    ),
    st.builds(
        lambda width, order: {"type": f"f{width}{order}"},
        st.sampled_from([16, 32, 64]),
        st.sampled_from(["", ".le"]),
    ),
    st.builds(
        lambda kind, octets: {"type": kind, "octets": octets}, st.sampled_from(["bytes", "text"]), st.integers(1, 5)
    ),
)


@st.composite
def bit_run(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Bit fields of one order that together fill whole octets."""
    order = draw(st.sampled_from(["", ".le"]))
    left = 8 * draw(st.integers(1, 5))
    fields: list[dict[str, Any]] = []
    while left:
        width = draw(st.integers(1, left))
        kind = draw(st.sampled_from(["bits", "sbits"] + ["flag"] * (width == 1)))
        fields.append({"type": f"{kind}{order}", **({} if kind == "flag" else {"width": width})})
        left -= width
    return fields


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    runs = draw(st.lists(st.one_of(whole_octets.map(lambda one: [one]), bit_run()), min_size=1, max_size=8))
    fields = [field for run in runs for field in run]
    for run in runs:
        if draw(st.booleans()) and run[0]["type"].split(".")[0] not in ("bits", "sbits", "flag"):
            run[0]["skip"] = draw(st.integers(0, 3))
    return [{"name": f"p{index}", **field} for index, field in enumerate(fields)]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=150, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_fast_reader_and_construct_read_the_same_and_rebuilding_loses_nothing(
    table: list[dict[str, Any]], random: Any
) -> None:
    compiled = layout(*table)
    data = random.randbytes(compiled.min_octets)
    slow = values(compiled, data)
    assert compiled.fixed is not None
    fast = compiled.fixed.read(data)
    assert len(fast) == len(slow)
    assert all(same(a, b) for a, b in zip(fast, slow.values(), strict=True))
    if not any(isinstance(value, float) and math.isnan(value) for value in fast):
        assert compiled.construct.build(compiled.parse(data)) == data
        again = compiled.build(slow)
        assert all(same(a, b) for a, b in zip(compiled.fixed.read(again), fast, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_no_octets_whatever_raise_anything_but_a_counted_reason(data: bytes) -> None:
    compiled = layout(
        {"name": "n", "type": "u8"},
        {"name": "flags", "type": "flag", "count": 8},
        {
            "name": "g",
            "type": "group",
            "count": "n",
            "parameter": [{"name": "l", "type": "u8"}, {"name": "d", "type": "bytes", "octets": "l"}],
        },
        {"name": "opt", "type": "bcd", "octets": 2, "when": {"flags_0": True}},
        {"name": "rest", "type": "u8"} | {"name": "left", "count": "rest"},
    )
    reason = ""
    try:
        read = compiled.read(data)
    except DecodeError as exc:
        reason = exc.reason
    assert reason in ("", "too_short", "too_long", "bad_length", "bad_value")
    if not reason:
        assert compiled.build({name: raw for name, _, raw in read}) == data
