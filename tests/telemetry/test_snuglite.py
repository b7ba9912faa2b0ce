"""SNUGLITE's chain, AX.25 ► Reed–Solomon(255,223) ► CSP with CRC-32C, from a constructed frame to its beacon."""

from __future__ import annotations

import pytest

from agent.config import find_satellite
from agent.frame_reader import FrameReader, Transmitter
from agent.records import Frame, ParameterReport
from firmware_protocols import ax25, csp, reed_solomon_block
from firmware_protocols.coding.reed_solomon import CCSDS_RS_223_DUAL
from firmware_protocols.interface import LinkFrame

CSP_HEADER_OCTETS = 4
BEACON = bytes((7 * n + 3) % 256 for n in range(45))
PACKET = csp.build(BEACON, source=1, destination=10, ports=(20, 9), crc=True)
CODEWORD = reed_solomon_block.encode(PACKET, reed_solomon_block.Options())


def read(slug: str, information: bytes) -> tuple[list[ParameterReport], dict[str, int]]:
    entry = find_satellite(slug)
    reader = FrameReader(Transmitter(slug, entry.satellite, entry.satellite.downlinks[0]))
    frame = ax25.build_ui_frame("CQ", "DEMO", information)
    name = entry.satellite.downlinks[0].name
    records = reader.read(Frame(slug, name, LinkFrame(frame, 0, len(frame), "none"), 0))
    return [record for record in records if isinstance(record, ParameterReport)], dict(reader.rejected)


def beacon_of(slug: str, information: bytes) -> object:
    ((report,), rejected) = read(slug, information)
    assert not rejected
    return {value.name: value.value for value in report.values}["data"]


@pytest.mark.parametrize("tail", [b"", b"\x12", b"\x12\x34"])
def test_sixteen_wrong_octets_are_repaired_whatever_a_receiver_added_behind(tail: bytes) -> None:
    damaged = bytearray(CODEWORD)
    for place in range(0, 80, 5):
        damaged[place] ^= 0xA5
    assert beacon_of("snuglite", bytes(damaged) + tail) == BEACON


def test_either_basis_of_the_code_is_understood() -> None:
    assert beacon_of("snuglite", PACKET + CCSDS_RS_223_DUAL.encode(PACKET)) == BEACON


def test_what_is_beyond_repair_is_counted() -> None:
    damaged = bytes(octet ^ 0xFF if place < 40 else octet for place, octet in enumerate(CODEWORD))
    assert read("snuglite", damaged) == ([], {"rs": 1})


def test_a_good_codeword_around_a_bad_packet_is_refused_by_its_crc_32c() -> None:
    wrong = bytearray(PACKET)
    wrong[CSP_HEADER_OCTETS] ^= 1
    codeword = reed_solomon_block.encode(bytes(wrong), reed_solomon_block.Options())
    assert read("snuglite", codeword) == ([], {"bad_crc": 1})


@pytest.mark.parametrize("octets", [106, 69])
@pytest.mark.parametrize("coded", [True, False])
def test_its_sisters_beacons_are_read_coded_or_not(octets: int, coded: bool) -> None:
    data = bytes((5 * n + 1) % 256 for n in range(octets))
    packet = csp.build(data, source=1, destination=10, crc=True)
    information = reed_solomon_block.encode(packet, reed_solomon_block.Options()) if coded else packet
    assert beacon_of("snuglite-iii", information) == data
