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
from agent.telemetry.decoder import Decoder
from agent.telemetry.onboard_time import parse_utc
from firmware_protocols.interface import Packet

DATA = os.environ.get("GSAGENT_TEST_DATA")
FOLDER = Path(DATA or ".")
pytestmark = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")

FRAME_OCTETS = 220
ONE_SECOND_NS = 10**9


def test_every_frame_of_danuri_is_told_by_its_identity_counters_and_time() -> None:
    stream = (FOLDER / "telemetry" / "kplo" / "kplo_aos_20220805_135349.u8").read_bytes()
    decoder = Decoder(find_satellite("danuri").satellite)
    reports = [
        decoder.decode("s-band", Packet(stream[at : at + FRAME_OCTETS]), 0)
        for at in range(0, len(stream), FRAME_OCTETS)
    ]
    values = [{one.name: one.value for one in report.values} for report in reports]
    assert len(values) == 120
    assert {one["frame_scid"] for one in values} == {187}
    assert Counter(one["frame_vcid"] for one in values) == {33: 30, 34: 30, 35: 30, 36: 30}
    assert all(one["packet_apid"] == one["frame_vcid"] + 640 for one in values)
    assert all(one["packet_length"] == 205 for one in values)
    for vcid in (33, 34, 35, 36):
        channel = [index for index, one in enumerate(values) if one["frame_vcid"] == vcid]
        for earlier, later in itertools.pairwise(channel):
            for count in ("frame_vc_frame_count", "packet_sequence_count"):
                assert values[later][count] == values[earlier][count] + 1
            assert reports[later].generated_utc_ns == (reports[earlier].generated_utc_ns or 0) + ONE_SECOND_NS


def test_danuris_clock_as_guessed_agrees_with_the_time_of_reception_within_a_minute() -> None:
    stream = (FOLDER / "telemetry" / "kplo" / "kplo_aos_20220805_135349.u8").read_bytes()
    report = Decoder(find_satellite("danuri").satellite).decode("s-band", Packet(stream[:FRAME_OCTETS]), 0)
    received_utc_ns = parse_utc("2022-08-05T13:53:49Z")
    assert abs((report.generated_utc_ns or 0) - received_utc_ns) < 60 * ONE_SECOND_NS


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
