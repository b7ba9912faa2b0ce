"""The decoder: which packet, which values, and why not."""

from __future__ import annotations

import math
from typing import Any

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
