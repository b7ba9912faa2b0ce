"""AX.25 addresses as satellites really send them: by the standard, unshifted, or never ended."""

from __future__ import annotations

import pytest

from firmware_protocols import ax25
from firmware_protocols.interface import Packet


def extract(frame: bytes) -> Packet:
    (packet,) = ax25.PacketExtractor(ax25.Options()).feed(frame)
    return packet


def test_addresses_by_the_standard_end_at_the_set_bit() -> None:
    packet = extract(ax25.build_ui_frame("CQ", "D90XYZ-3", b"hello", digipeaters=("RELAY-1", "WIDE")))
    assert (packet.header["source"], packet.header["destination"]) == ("D90XYZ-3", "CQ")
    assert packet.header["digipeaters"] == ("RELAY-1", "WIDE")
    assert (packet.header["type"], packet.header["address_format"], packet.data) == ("UI", "shifted", b"hello")


def test_addresses_that_are_never_ended_stop_where_no_callsign_follows() -> None:
    # The header LINK (QB50 KR01) sends, from its recorded beacon: E is clear in both addresses.
    packet = extract(
        bytes.fromhex("9e9c606296a46088706098ae406003f0") + b"\x08\xd9\xda\x00\x08\x0a\xc0\xd9\x00\x13"
    )
    assert (packet.header["source"], packet.header["destination"]) == ("D80LW", "ON01KR")
    assert (packet.header["type"], packet.header["pid"]) == ("UI", 0xF0)
    assert packet.header["address_format"] == "unterminated"
    assert packet.data == b"\x08\xd9\xda\x00\x08\x0a\xc0\xd9\x00\x13"


def test_unshifted_addresses_are_read_as_they_stand() -> None:
    packet = extract(b"ON00EX\x60ON05SE\x61\x03\xf0data")
    assert (packet.header["source"], packet.header["destination"]) == ("ON05SE", "ON00EX")
    assert packet.header["address_format"] == "unshifted"
    assert packet.data == b"data"


@pytest.mark.parametrize(("octets", "reason"), [(b"", "bad_addresses"), (bytes(9), "bad_addresses")])
def test_a_frame_too_short_for_addresses_is_counted(octets: bytes, reason: str) -> None:
    extractor = ax25.PacketExtractor(ax25.Options())
    assert extractor.feed(octets) == []
    assert extractor.rejected == {reason: 1}


def test_no_more_than_eight_digipeaters_are_read() -> None:
    header = ax25.build_ui_frame("CQ", "D90XYZ", b"", digipeaters=tuple(f"R{n}" for n in range(8)))[:-2]
    unended = header[:-1] + bytes((header[-1] & 0xFE,))
    packet = extract(unended + ax25.build_ui_frame("A", "B", b"")[:7] + b"\x03\xf0")
    assert len(packet.header["digipeaters"]) == 8
