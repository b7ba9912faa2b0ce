"""Danuri's real frames through its satellite file, and the fleet's numbers against the public catalogue.

Needs the reference data (folder in ``GSAGENT_TEST_DATA``).
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import pytest

from agent.config import find_satellite, load_catalog
from agent.frame_reader import FrameReader, Transmitter
from agent.records import Frame, PacketRecord, ParameterReport
from agent.telemetry.onboard_time import parse_utc
from firmware_protocols.interface import LinkFrame

DATA = os.environ.get("GSAGENT_TEST_DATA")
FOLDER = Path(DATA or ".")
pytestmark = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")

FRAME_OCTETS = 220
ONE_SECOND_NS = 10**9


def danuri_records(stream: bytes) -> tuple[list[PacketRecord], list[ParameterReport], FrameReader]:
    entry = find_satellite("danuri")
    reader = FrameReader(Transmitter(entry.slug, entry.satellite, entry.satellite.downlinks[0]))
    records = []
    for at in range(0, len(stream), FRAME_OCTETS):
        data = stream[at : at + FRAME_OCTETS]
        records += reader.read(Frame(entry.slug, "s-band", LinkFrame(data, at, FRAME_OCTETS, "rs"), 0))
    records += reader.flush()
    packets = [record for record in records if isinstance(record, PacketRecord)]
    return packets, [record for record in records if isinstance(record, ParameterReport)], reader


def danuri_stream() -> bytes:
    return (FOLDER / "telemetry" / "kplo" / "kplo_aos_20220805_135349.u8").read_bytes()


def test_every_frame_of_danuri_is_told_by_its_identity_counters_and_time() -> None:
    packets, reports, reader = danuri_records(danuri_stream())
    assert len(packets) == len(reports) == 120
    assert {one.packet.header["scid"] for one in packets} == {187}
    assert Counter(one.packet.header["vcid"] for one in packets) == {33: 30, 34: 30, 35: 30, 36: 30}
    assert all(one.packet.header["apid"] == int(str(one.packet.header["vcid"])) + 640 for one in packets)
    assert all(len(one.packet.data) == 212 for one in packets)
    assert not reader.gaps
    assert not reader.rejected
    for vcid in (33, 34, 35, 36):
        channel = [one for one in packets if one.packet.header["vcid"] == vcid]
        for earlier, later in itertools.pairwise(channel):
            assert later.packet.sequence_count == (earlier.packet.sequence_count or 0) + 1
            assert later.generated_utc_ns == (earlier.generated_utc_ns or 0) + ONE_SECOND_NS


def test_what_danuri_lost_is_named_and_a_miscorrected_frame_is_nobody_elses() -> None:
    stream = danuri_stream()
    frames = [stream[at : at + FRAME_OCTETS] for at in range(0, len(stream), FRAME_OCTETS)]
    frames[41] = bytes([frames[41][0] ^ 0x15]) + frames[41][1:]  # another spacecraft
    frames[57] = bytes([frames[57][0] ^ 0x80]) + frames[57][1:]  # another version
    del frames[20:30]
    packets, _, reader = danuri_records(b"".join(frames))
    assert len(packets) == 120 - 12
    assert reader.rejected == {"wrong_scid": 1, "wrong_version": 1}
    assert sum(gap.missing for gap in reader.gaps if "vcid" in gap.counter) == 12
    assert sum(gap.missing for gap in reader.gaps if "apid" in gap.counter) == 12


def test_danuris_clock_as_guessed_agrees_with_the_time_of_reception_within_a_minute() -> None:
    _, reports, _ = danuri_records(danuri_stream()[:FRAME_OCTETS])
    received_utc_ns = parse_utc("2022-08-05T13:53:49Z")
    assert abs((reports[0].generated_utc_ns or 0) - received_utc_ns) < 60 * ONE_SECOND_NS


def designators() -> dict[int, str]:
    """Number → international designator, from the public element sets."""
    lines = (FOLDER / "orbits" / "korea" / "kr_satellites_2026-08-22.tle").read_text().splitlines()
    found = {}
    for line in lines:
        if line.startswith("1 "):
            year, rest = int(line[9:11]), line[11:17].strip()
            found[int(line[2:7])] = f"{2000 + year if year < 57 else 1900 + year}-{rest}"
    return found


def test_number_and_designator_of_every_satellite_agree_with_the_catalogue() -> None:
    known = designators()
    compared = 0
    for entry in load_catalog():
        if entry.satellite.cospar and entry.satellite.norad in known:
            assert known[entry.satellite.norad] == entry.satellite.cospar, entry.slug
            compared += 1
    assert compared >= 40


def test_anasis_ii_is_not_the_number_that_circulates_in_public_code() -> None:
    entry = find_satellite("anasis-ii")
    assert entry.satellite.norad == 45920
    assert entry.satellite.cospar == "2020-048A"
    assert not any(entry.satellite.norad == 45918 for entry in load_catalog())
