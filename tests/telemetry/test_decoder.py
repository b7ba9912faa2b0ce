"""The decoder: which packet, which values, and why not."""

from __future__ import annotations

import math
from typing import Any

import construct
import msgspec
import pytest

from agent.definitions import Satellite
from agent.errors import ConfigError, DecodeError
from agent.telemetry.decoder import Decoder
from firmware_protocols.interface import Packet


def decoder(*packets: dict[str, Any], **keys: Any) -> Decoder:
    return Decoder(
        msgspec.convert({"name": "SAT", "norad": 1, "packet": list(packets), **keys}, Satellite), slug="sat"
    )


def decode(one: Decoder, text: str, header: dict[str, Any] | None = None, downlink: str = "d") -> dict[str, Any]:
    report = one.decode(downlink, Packet(bytes.fromhex(text), header or {}), 5)
    return {value.name: value.value for value in report.values}


U8 = {"name": "a", "type": "u8"}


def test_the_first_packet_that_fits_is_taken() -> None:
    one = decoder(
        {"name": "short", "parameter": [U8]},
        {"name": "marked", "starts": {"0": "80/c0", "1": "1234"}, "octets": 3, "parameter": [U8]},
        {"name": "plain", "octets": 3, "parameter": [U8]},
        {"name": "headed", "header": {"port": 7}, "octets": 4, "parameter": [U8]},
    )
    names = [
        one.decode("d", Packet(bytes.fromhex(text), header), 0).packet
        for text, header in (("01", {}), ("bf1234", {}), ("ff1234", {}), ("00000000", {"port": 7}))
    ]
    assert names == ["short", "marked", "plain", "headed"]


@pytest.mark.parametrize(
    ("text", "header", "reason"),
    [
        ("00", {}, "unknown_packet"),
        ("aa", {}, "too_short"),
        ("aa0000", {}, "too_long"),
        ("aa00", {"port": 1}, "unknown_packet"),
    ],
)
def test_a_packet_that_fits_none_says_why(text: str, header: dict[str, Any], reason: str) -> None:
    packet = {"name": "p", "starts": {"0": "aa"}, "parameter": [{"name": "a", "type": "u16"}]}
    one = decoder({**packet, **({"header": {"port": 2}} if header else {})})
    with pytest.raises(DecodeError) as caught:
        decode(one, text, header)
    assert caught.value.reason == reason


def test_packets_may_belong_to_some_downlinks_only() -> None:
    downlink = {"frequency_hz": 1e8, "modulation": "fsk", "baudrate_bd": 1, "framing": {"protocol": "ax25"}}
    one = decoder(
        {"name": "p", "downlinks": ["b"], "parameter": [U8]},
        downlink=[{"name": "a", **downlink}, {"name": "b", **downlink}],
    )
    assert decode(one, "01", downlink="b") == {"a": 1}
    with pytest.raises(DecodeError, match="unknown_packet"):
        decode(one, "01", downlink="a")


def test_values_may_depend_on_earlier_ones() -> None:
    one = decoder(
        {
            "name": "p",
            "parameter": [
                {"name": "range", "type": "u8"},
                {
                    "name": "current",
                    "type": "u8",
                    "unit": "A",
                    "calibration": {"kind": "polynomial", "coefficients": [0, 0.1]},
                    "context": [
                        {"when": {"range": 1}, "calibration": {"kind": "polynomial", "coefficients": [0, 0.001]}},
                        {"when": {"range": {"min": 2, "max": 9}}},
                    ],
                },
                {
                    "name": "scaled",
                    "type": "u8",
                    "calibration": {"kind": "expression", "expression": "raw * current"},
                },
            ],
            "derived": [{"name": "power", "expression": "current * 5", "unit": "W"}],
        }
    )
    assert decode(one, "00 0a 02") == {"range": 0, "current": 1.0, "scaled": 2.0, "power": 5.0}
    assert decode(one, "01 0a 02") == {"range": 1, "current": 0.01, "scaled": 0.02, "power": 0.05}
    assert decode(one, "02 0a 02") == {"range": 2, "current": 10, "scaled": 20, "power": 50}
    for wanted in ({"range": 0, "current": 1.0, "scaled": 2.0}, {"range": 1, "current": 0.01, "scaled": 0.02}):
        again = decode(one, one.encode("p", wanted).hex())
        assert {name: again[name] for name in wanted} == wanted


def test_a_calibration_may_be_of_pieces_of_its_own_raw_value_and_back() -> None:
    low = {"kind": "polynomial", "coefficients": [-40.0, 0.5]}
    high = {"kind": "polynomial", "coefficients": [10.0, 0.25, 0.001]}
    one = decoder(
        {
            "name": "p",
            "parameter": [
                {
                    "name": "thermistor",
                    "type": "u8",
                    "unit": "°C",
                    "context": [
                        {"when": {"raw": {"max": 99}}, "calibration": low},
                        {"when": {"raw": {"min": 100, "max": 250}}, "calibration": high},
                    ],
                    "calibration": {"kind": "enumeration", "labels": {"255": "open"}},
                }
            ],
        }
    )
    assert decode(one, "63") == {"thermistor": 9.5}
    assert decode(one, "64") == {"thermistor": 10.0 + 25.0 + 10.0}
    assert decode(one, "fb") == {"thermistor": None}
    assert decode(one, "ff") == {"thermistor": "open"}
    for raw in (0, 50, 99, 100, 180, 250, 255):
        value = decode(one, f"{raw:02x}")["thermistor"]
        assert one.encode("p", {"thermistor": value}) == bytes([raw])


def test_the_packet_may_say_when_it_was_made_unless_its_protocol_does() -> None:
    time = {"name": "t", "type": "u32", "calibration": {"kind": "time", "epoch": "2020-01-01"}, "generated": True}
    one = decoder({"name": "p", "parameter": [time]})
    packet = Packet(bytes.fromhex("0000000a"))
    assert one.decode("d", packet, 5).generated_utc_ns == (1577836800 + 10) * 10**9
    assert one.decode("d", packet, 5, generated_utc_ns=77).generated_utc_ns == 77


def test_text_ends_before_its_padding_and_a_nan_stays_one() -> None:
    one = decoder(
        {"name": "p", "parameter": [{"name": "t", "type": "text", "octets": 6}, {"name": "f", "type": "f32"}]}
    )
    values = decode(one, "4f4b20202000 7fc00000")
    assert values["t"] == "OK"
    assert math.isnan(values["f"])


def test_a_value_outside_its_enumeration_has_none_and_is_counted_by_parameter() -> None:
    mode = {"name": "m", "type": "u8", "calibration": {"kind": "enumeration", "labels": {"0": "off"}}}
    one = decoder({"name": "p", "parameter": [mode]})
    assert [decode(one, text)["m"] for text in ("00", "07", "08")] == ["off", None, None]
    assert one.undefined == {"m": 2}


def test_what_is_encoded_is_decoded_again_and_carries_its_marks() -> None:
    one = decoder(
        {
            "name": "p",
            "starts": {"0": "c0de"},
            "parameter": [
                {"name": "sync", "type": "u16"},
                {"name": "v", "type": "u8", "calibration": {"kind": "polynomial", "coefficients": [3, 0.05]}},
                {
                    "name": "m",
                    "type": "bits",
                    "width": 4,
                    "calibration": {"kind": "enumeration", "labels": {"3": "on"}},
                },
                {"name": "n", "type": "bits", "width": 4},
                {"name": "t", "type": "text", "octets": 4},
                {"name": "x", "type": "i16", "count": "n"},
            ],
        }
    )
    data = one.encode("p", {"v": 8.25, "m": "on", "t": "hi", "x_0": -1, "x_1": 2})
    assert data.hex() == "c0de693268690000ffff0002"
    assert decode(one, data.hex()) == {"sync": 0xC0DE, "v": 8.25, "m": "on", "n": 2, "t": "hi", "x_0": -1, "x_1": 2}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [({"zz": 1}, "no parameter is called 'zz'"), ({"a": 999}, "does not fit"), ({"a": "x"}, "does not fit")],
)
def test_what_cannot_be_encoded_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        decoder({"name": "p", "parameter": [U8]}).encode("p", values)


@pytest.mark.parametrize(
    ("packet", "place", "complaint"),
    [
        ({"parameter": [{**U8, "unit": "volt"}]}, "packet[0].parameter[0].unit", "unknown unit"),
        ({"starts": {"x": "00"}, "parameter": [U8]}, "packet[0].starts.x", "no octet offset"),
        ({"starts": {"0": "zz"}, "parameter": [U8]}, "packet[0].starts.0", "not hex"),
        ({"starts": {"0": "ff/0f"}, "parameter": [U8]}, "packet[0].starts.0", "outside the mask"),
        ({"downlinks": ["x"], "parameter": [U8]}, "packet[0].downlinks", "no downlink"),
        ({"parameter": [{**U8, "generated": True}]}, "packet[0].parameter[0].generated", "needs a `time`"),
        (
            {"parameter": [U8], "derived": [{"name": "d", "expression": "b"}]},
            "packet[0].derived[0].expression",
            "unknown name",
        ),
    ],
)
def test_a_wrong_packet_is_refused_at_its_exact_place(packet: dict[str, Any], place: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        decoder({"name": "p", **packet})
    assert caught.value.where == place


# -- text --------------------------------------------------------------------------------------------------

LINE = {
    "name": "line",
    "text": {"delimiter": ",", "prefix": "SAT1 "},
    "parameter": [
        {"name": "count", "type": "integer"},
        {
            "name": "v",
            "type": "decimal",
            "unit": "V",
            "calibration": {"kind": "polynomial", "coefficients": [0.0, 2.0]},
        },
        {"name": "flags", "type": "hex"},
        {"name": "mode", "type": "text"},
    ],
}
SENTENCE = {
    "name": "sentence",
    "text": {"pattern": r"BEACON U=(?P<v>[\d.]+)V(?: T=(?P<t>-?\d+))?"},
    "parameter": [{"name": "v", "type": "decimal"}, {"name": "t", "type": "integer"}],
}


def test_a_delimited_text_is_read_and_built() -> None:
    one = decoder(LINE)
    text = b"SAT1 -12,3.7,ff,SAFE\r\n"
    assert decode(one, text.hex()) == {"count": -12, "v": 7.4, "flags": 255, "mode": "SAFE"}
    assert one.encode("line", {"count": -12, "flags": 255, "mode": "SAFE"}) == b"SAT1 -12,0.0,ff,SAFE"


def test_a_text_is_read_by_a_pattern_and_an_absent_group_gives_no_value() -> None:
    one = decoder(SENTENCE)
    assert decode(one, b"BEACON U=8.1V T=-4".hex()) == {"v": 8.1, "t": -4}
    assert decode(one, b"BEACON U=8.1V".hex()) == {"v": 8.1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"SAT2 1,2,3,x", "unknown_packet"),
        (b"SAT1 1,2,3", "too_short"),
        (b"SAT1 1,2,3,x,y", "too_long"),
        (b"SAT1 1,two,3,x", "bad_value"),
        (b"SAT1 1,inf,3,x", "bad_value"),
        (b"SAT1 1,2,3,\xff", "bad_value"),
        (b"SAT1 " + b"9" * 5000, "too_long"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_with_its_reason(text: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(decoder(LINE), text.hex())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"text": {"delimiter": ",", "pattern": "x"}}, "packet[0].text"),
        ({"text": {}}, "packet[0].text"),
        ({"text": {"pattern": "("}}, "packet[0].text.pattern"),
        ({"text": {"pattern": "(?P<a>x)"}}, "packet[0].parameter[0].name"),
        ({"parameter": [{"name": "a", "type": "u8"}]}, "packet[0].parameter[0].type"),
        ({"parameter": [{"name": "a", "type": "hex", "count": 2}]}, "packet[0].parameter[0].count"),
    ],
)
def test_a_wrong_text_definition_is_refused_at_its_exact_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decoder({**LINE, **change})
    assert caught.value.where == place


# -- a Construct of somebody's own -------------------------------------------------------------------------

OWN = construct.Struct(
    "n" / construct.Byte,
    "eps"
    / construct.Struct("v" / construct.Array(2, construct.Int16ub), "mode" / construct.Enum(construct.Byte, on=1)),
)


def own(**change: Any) -> dict[str, Any]:
    volts = {"kind": "polynomial", "coefficients": [0.0, 0.001]}
    parameters = [
        {"name": "eps_v_1", "type": "construct", "unit": "V", "calibration": volts},
        {"name": "eps_mode", "type": "construct"},
    ]
    return {"name": "p", "construct": f"{__name__}:OWN", "parameter": parameters, **change}


def test_a_construct_of_ones_own_gives_the_values_that_the_file_picks() -> None:
    assert decode(decoder(own()), "05 0001 1f40 01") == {"eps_v_1": 8.0, "eps_mode": "on"}
    with pytest.raises(DecodeError, match="too_short"):
        decode(decoder(own()), "05 0001")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"construct": "no.such.module:X"}, "packet[0].construct"),
        ({"construct": f"{__name__}:NOWHERE"}, "packet[0].construct"),
        ({"construct": f"{__name__}:U8"}, "packet[0].construct"),
        ({"parameter": [{"name": "n", "type": "u8"}]}, "packet[0].parameter[0].type"),
        ({"text": {"delimiter": ","}}, "packet[0].construct"),
    ],
)
def test_a_construct_that_is_none_is_refused_at_its_exact_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decoder(own(**change))
    assert caught.value.where == place
