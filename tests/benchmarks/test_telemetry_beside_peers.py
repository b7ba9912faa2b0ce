"""Bulk decoding of a real file, beside the libraries that people use for it, in one run.

The file is NOAA-20's attitude and ephemeris packets (7,200 of 71 octets), its fields as ccsdspy's own table has
them: seven of the primary header, twenty behind it. Everybody reads the file from disk into columns or
dictionaries. The peers are asked for only here.
"""

from __future__ import annotations

import csv
import importlib
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.definitions import Packet
from agent.telemetry.columns import ColumnReader
from agent.telemetry.decoder import Decoder, PacketDecoder
from firmware_protocols.interface import Packet as LinkPacket
from tests.benchmarks.cases import write_docs
from tests.benchmarks.test_telemetry_speed import LIVE_ASKED_PER_S, processor_s, sixty_parameters

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

PACKET_OCTETS, PACKETS = 71, 7200
HEADER = (("version", 3), ("type", 1), ("secondary_header", 1), ("apid", 11), ("sequence_flags", 2), ("count", 14))
TYPES = {"uint": "u", "float": "f"}
OVER_CCSDSPY, OVER_CONSTRUCT = 3.0, 200.0
FEW = 500
"""Who is slow is measured on fewer packets."""


class Files:
    """The packets and their definitions."""

    def __init__(self, folder: Path) -> None:
        self.packets = folder / "J01_G011_LZ_2021-04-09.DAT1"
        self.xtce = folder / "jpss1_geolocation_xtce_v1.xml"
        with (folder / "ccsdspy_jpss1_geolocation.csv").open(encoding="utf-8") as table:
            self.fields = list(csv.DictReader(table))

    def rows(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.fromfile(self.packets, np.uint8).reshape(-1, PACKET_OCTETS)

    def decoder(self) -> PacketDecoder:
        parameters: list[dict[str, Any]] = [
            {"name": name, "type": "bits", "width": width} for name, width in HEADER
        ]
        parameters.append({"name": "length", "type": "u16"})
        for field in self.fields:
            kind = TYPES[field["data_type"]] + field["bit_length"]
            parameters.append({"name": field["name"].lower(), "type": kind})
        table = {"name": "ephemeris", "octets": PACKET_OCTETS, "parameter": parameters}
        return PacketDecoder(msgspec.convert(table, Packet), "")


def with_ccsdspy(files: Files) -> Callable[[], Any] | None:
    try:
        ccsdspy: Any = importlib.import_module("ccsdspy")
    except ImportError:
        return None
    logging.getLogger("ccsdspy").setLevel(logging.ERROR)
    fields = [
        ccsdspy.PacketField(name=field["name"], data_type=field["data_type"], bit_length=int(field["bit_length"]))
        for field in files.fields
    ]
    packet = ccsdspy.FixedLength(fields)
    return lambda: packet.load(str(files.packets), include_primary_header=True)


def with_space_packet_parser(files: Files) -> Callable[[], Any] | None:
    try:
        parser: Any = importlib.import_module("space_packet_parser")
    except ImportError:
        return None
    definition = parser.load_xtce(str(files.xtce))

    def parse() -> list[Any]:
        with files.packets.open("rb") as file:
            few = itertools.islice(parser.ccsds_generator(file), FEW)
            return [definition.parse_bytes(packet) for packet in few]

    return parse


def test_bulk_decoding_beside_the_peers(test_data: Path) -> None:
    files = Files(test_data / "telemetry" / "jpss")
    decoder = files.decoder()
    reader = ColumnReader(decoder)
    columns = reader.read(files.rows())
    assert len(columns["adgpsposx"].raw) == PACKETS
    peer = with_ccsdspy(files)
    ours_s = theirs_s = float("inf")
    for _ in range(8):  # in turn, so that a busy machine is busy for both
        ours_s = min(ours_s, processor_s(lambda: reader.read(files.rows()), 5))
        theirs_s = min(theirs_s, processor_s(peer, 2)) if peer is not None else theirs_s
    if peer is not None:
        assert np.array_equal(peer()["ADGPSPOSX"], columns["adgpsposx"].value)
        assert np.array_equal(peer()["CCSDS_SEQUENCE_COUNT"], columns["count"].value)

    few = [row.tobytes() for row in files.rows()[:FEW]]
    construct = decoder.layout.construct
    compiled = construct.compile()
    others = {
        "Construct, compiled": processor_s(lambda: [compiled.parse(one) for one in few], 3) / FEW,
        "Construct": processor_s(lambda: [construct.parse(one) for one in few], 3) / FEW,
    }
    xtce = with_space_packet_parser(files)
    if xtce is not None:
        others["space_packet_parser"] = processor_s(xtce, 2) / FEW
    each_s = ours_s / PACKETS
    if peer is not None:
        others = {"ccsdspy": theirs_s / PACKETS, **others}

    rows = ["| decoder | packets/s on one core | here is faster by |", "|---|---|---|"]
    rows.append(f"| columns, from the satellite file | {1 / each_s:,.0f} | |")
    rows += [f"| {name} | {1 / used_s:,.0f} | {used_s / each_s:,.1f} × |" for name, used_s in others.items()]
    print("\n" + "\n".join(rows))
    write_docs("bulk", "\n".join(rows) + "\n", "telemetry.md")
    assert others["Construct"] / each_s >= OVER_CONSTRUCT
    if peer is not None:
        assert theirs_s / ours_s >= OVER_CCSDSPY


def test_live_decoding_of_one_packet_after_another() -> None:
    decoder = Decoder(sixty_parameters())
    (packet,) = decoder.packets.values()
    data = LinkPacket(bytes(range(packet.layout.min_octets)))
    construct = packet.layout.construct
    live_s = processor_s(lambda: [decoder.decode("d", data, 0) for _ in range(1000)]) / 1000
    parse_s = processor_s(lambda: [construct.parse(data.data) for _ in range(200)]) / 200
    rows = ["| live path, a packet of 60 parameters | packets/s on one core |", "|---|---|"]
    rows.append(f"| frame to report: raw and engineering values | {1 / live_s:,.0f} |")
    rows.append(f"| Construct alone, raw values only | {1 / parse_s:,.0f} |")
    print("\n" + "\n".join(rows))
    write_docs("live", "\n".join(rows) + "\n", "telemetry.md")
    assert 1 / live_s >= LIVE_ASKED_PER_S
