"""CYGNSS FM07's real packets: split as published, and every value of the mission's own tables.

Needs the reference data (folder in ``GSAGENT_TEST_DATA``). The tables are read here a second time, by a
few lines that know no satellite file.
"""

from __future__ import annotations

import csv
import os
import re
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import find_satellite
from agent.telemetry.decoder import Decoder
from firmware_protocols import space_packet
from firmware_protocols.interface import Packet

DATA = os.environ.get("GSAGENT_TEST_DATA")
FOLDER = Path(DATA or ".") / "telemetry" / "cygnss"
pytestmark = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")

TABLES = {386: "HI", 392: "ADCS", 393: "ADCSIO", 394: "PVT"}
PACKETS = {384: 4, 386: 4, 391: 1, 392: 4, 393: 40, 394: 39, 1313: 9}
LEFT_OUT = re.compile(r"spare|padding|_fill$|_hdr_(ver|type|shdr|apid|grp|len)$")
RENAMED = {"hdr_seq": "sequence_count", "hdr_scid": "spacecraft_id", "hdr_flash_block": "flash_block"}


def packets() -> Iterator[Packet]:
    deframer = space_packet.Deframer(space_packet.Options())
    extractor = space_packet.PacketExtractor(space_packet.Options())
    stream = (FOLDER / "CYGNSS_F7_L0_2022_086_first101pkts.tlm").read_bytes()
    for frame in deframer.feed(stream) + deframer.flush():
        yield from extractor.feed(frame.data)
    assert not deframer.rejected
    assert not extractor.rejected
    assert extractor.cadences == {384: 10, 386: 10, 392: 10}
    assert not extractor.gaps


def test_the_level_zero_file_is_split_as_published_octet_for_octet() -> None:
    split: dict[int, bytes] = {}
    counts: Counter[int] = Counter()
    for packet in packets():
        apid = int(str(packet.header["apid"]))
        counts[apid] += 1
        split[apid] = split.get(apid, b"") + packet.data
    assert counts == PACKETS
    assert {f"apid{apid:05d}.tlm" for apid in split} == {path.name for path in FOLDER.glob("apid*.tlm")}
    for apid, octets in split.items():
        assert octets == (FOLDER / f"apid{apid:05d}.tlm").read_bytes()


def table_values(table: str, data: bytes) -> Iterator[tuple[str, str, int | float]]:
    """Read a packet by the mission's table: mnemonic, conversion and raw value."""
    bits = int.from_bytes(data, "big")
    with (FOLDER / f"def_ENG_{table}.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            cells = {str(key).strip(): (value or "").strip() for key, value in row.items() if key}
            start, size = 8 * int(cells["Start Byte"]) + int(cells["Start Bit"]), int(cells["Data Size"])
            raw: int | float = bits >> (8 * len(data) - start - size) & ((1 << size) - 1)
            if cells["Type"].startswith("I") and int(raw) >> (size - 1):
                raw = int(raw) - (1 << size)
            if cells["Type"].startswith("F"):
                raw = struct.unpack(">f" if size == 32 else ">d", int(raw).to_bytes(size // 8, "big"))[0]
            yield cells["Mnemonic"].lower(), cells["Conversion Formula"], raw


def test_every_value_of_the_missions_tables_is_ours() -> None:
    entry = find_satellite("cygnss-fm07")
    decoder = Decoder(entry.satellite)
    compared = 0
    for packet in packets():
        apid = int(str(packet.header["apid"]))
        report = decoder.decode("", packet, 0)
        assert (report.generated_utc_ns is None) == (apid == 391)  # fill has no time
        if apid not in TABLES:
            continue
        ours = {value.name: value for value in report.values}
        moments: dict[str, list[int]] = {}
        for mnemonic, formula, raw in table_values(TABLES[apid], packet.data):
            if LEFT_OUT.search(mnemonic):
                continue
            clock = re.fullmatch(r"(.*_(?:hdr|time))_(year|day|hour|min|sec|usec)", mnemonic)
            if clock:
                moments.setdefault(clock[1], []).append(int(raw))
                continue
            own = re.sub(r"^eng_[a-z]+_(?=hdr|cksum)", "", mnemonic)
            name = RENAMED.get(own, "checksum" if own == "cksum" else own)
            numbered = re.sub(r"([a-z0-9]*?[a-z_])_?(\d+|[xyz])(_act)?$", r"\1\3_\2", name)
            value = ours[name] if name in ours else ours[numbered]
            assert value.raw == raw, mnemonic
            if formula:
                factor = float(re.split(r"[ *]", formula)[-1])
                assert value.value == pytest.approx(factor * raw, rel=1e-12, abs=0.0), mnemonic
            compared += 1
        for clock_name, (year, day, *clock_parts) in moments.items():
            value = ours["time" if clock_name.endswith("_hdr") else clock_name]
            packed = year << 9 | day
            for part, size in zip(clock_parts, (5, 6, 6, 20), strict=True):
                packed = packed << size | part
            assert value.raw == packed
            compared += 6
    assert compared == 6188
