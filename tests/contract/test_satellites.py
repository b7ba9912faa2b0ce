"""Every satellite file of ``configs/satellites`` enrols here by itself: a new one is tested by being there."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from agent.config import CatalogEntry, load_catalog, names_of
from agent.definitions import Downlink, SatelliteExample
from agent.downlink import check_downlink
from agent.errors import DecodeError
from agent.frame_reader import FrameReader, Transmitter, make_frame
from agent.health.limits import LimitSet
from agent.records import Frame, PacketRecord, ParameterReport
from agent.simulator.satellite_model import CHECK_UTC_NS, SatelliteModel
from agent.telemetry.decoder import Decoder
from firmware_protocols.interface import LinkFrame, Packet

CATALOG = load_catalog()
SLUGS = [entry.slug for entry in CATALOG]
EXAMPLES = [
    pytest.param(entry, example, id=f"{entry.slug}-{index}-{example.packet}")
    for entry in CATALOG
    for index, example in enumerate(entry.satellite.examples)
]
every_satellite = pytest.mark.parametrize("entry", CATALOG, ids=SLUGS)
every_example = pytest.mark.parametrize(("entry", "example"), EXAMPLES)

LAST_DIGIT = 1e-12
"""Engineering values agree with what their source prints to the last digit that printing keeps."""
STREAMS = ("kiss_stream",)
"""Extractors whose packets run on from frame to frame: half a frame is no error, its rest may follow."""
NONE_SAID = "None"
"""How an example says that a value is absent: TOML has no null."""


def downlink_of(entry: CatalogEntry, example: SatelliteExample) -> Downlink | None:
    downlinks = entry.satellite.downlinks
    names = [downlink.name for downlink in downlinks]
    if example.downlink is not None:
        return downlinks[names.index(example.downlink)]
    return downlinks[0] if downlinks else None


def read_frame(entry: CatalogEntry, example: SatelliteExample, data: bytes) -> tuple[list[Any], Counter[str]]:
    """Read a frame by the example's downlink; a satellite without any gives frames that are packets."""
    downlink = downlink_of(entry, example)
    if downlink is None:
        try:
            return [Decoder(entry.satellite).decode("", Packet(data), 0)], Counter()
        except DecodeError as exc:
            return [], Counter([exc.reason])
    reader = FrameReader(Transmitter(entry.slug, entry.satellite, downlink))
    frame = Frame(entry.slug, downlink.name, LinkFrame(data, 0, 1, "fcs"), received_utc_ns=0)
    return reader.read(frame), reader.rejected


def report_of_example(entry: CatalogEntry, example: SatelliteExample) -> ParameterReport:
    """Decode an example's frame; where it holds several packets the example states the first."""
    records, rejected = read_frame(entry, example, bytes.fromhex(example.frame))
    reports = [record for record in records if isinstance(record, ParameterReport)]
    assert reports, dict(rejected)
    return reports[0]


def packet_of_example(entry: CatalogEntry, example: SatelliteExample) -> Packet:
    data = bytes.fromhex(example.frame)
    downlink = downlink_of(entry, example)
    if downlink is None or not downlink.extract:
        return Packet(data)
    records, _ = read_frame(entry, example, data)
    return next(record.packet for record in records if isinstance(record, PacketRecord))


def test_there_are_satellites() -> None:
    assert len(CATALOG) >= 3


def test_no_two_satellites_answer_to_one_name() -> None:
    seen: dict[str, str] = {}
    for entry in CATALOG:
        for name in set(names_of(entry)):
            assert name not in seen, f"{entry.slug} and {seen[name]} are both called {name}"
            seen[name] = entry.slug


@every_satellite
def test_satellite_file_cites_its_sources(entry: CatalogEntry) -> None:
    assert entry.satellite.sources
    assert all(source.strip() for source in entry.satellite.sources)


@every_satellite
def test_downlinks_name_modems_and_protocols_that_exist_and_take_their_options(entry: CatalogEntry) -> None:
    names = [downlink.name for downlink in entry.satellite.downlinks]
    assert len(set(names)) == len(names)
    for downlink in entry.satellite.downlinks:
        check_downlink(downlink)


@every_satellite
def test_packets_compile_and_limits_do_not_contradict_themselves(entry: CatalogEntry) -> None:
    Decoder(entry.satellite, entry.slug)
    LimitSet(entry.satellite, entry.slug)


@every_satellite
def test_every_packet_has_an_example(entry: CatalogEntry) -> None:
    shown = {example.packet for example in entry.satellite.examples}
    assert {packet.name for packet in entry.satellite.packets} == shown


@every_satellite
def test_values_of_a_packet_have_names_of_their_own(entry: CatalogEntry) -> None:
    for packet in Decoder(entry.satellite).packets.values():
        names = [name for name, _ in packet.layout.fields]
        assert len(set(names)) == len(names)


@every_example
def test_example_decodes_to_its_values(entry: CatalogEntry, example: SatelliteExample) -> None:
    report = report_of_example(entry, example)
    assert report.packet == example.packet
    values = {value.name: value.value for value in report.values}
    assert example.values
    for name, expected in example.values.items():
        assert name in values
        value = values[name]
        if expected == NONE_SAID:
            assert value is None
        elif isinstance(expected, float) and math.isnan(expected):
            assert isinstance(value, float)
            assert math.isnan(value)
        elif isinstance(expected, float):
            assert value == pytest.approx(expected, rel=LAST_DIGIT, abs=LAST_DIGIT), name
        elif isinstance(value, bytes):
            assert value.hex() == expected, name
        else:
            assert value == expected, name


@every_example
def test_example_is_rebuilt_octet_for_octet(entry: CatalogEntry, example: SatelliteExample) -> None:
    decoder = Decoder(entry.satellite)
    layout = decoder.packets[example.packet].layout
    data = packet_of_example(entry, example).data
    if layout.construct is None:
        pytest.skip("a packet of text is not built")
    assert layout.construct.build(layout.parse(data)) == data


@every_example
def test_example_is_encoded_from_its_own_raw_values(entry: CatalogEntry, example: SatelliteExample) -> None:
    decoder = Decoder(entry.satellite)
    packet = decoder.packets[example.packet]
    data = packet_of_example(entry, example).data
    if packet.layout.construct is None:
        pytest.skip("a packet of text is not built")
    raws = {name: raw for name, _, raw in packet.layout.read(data)}
    again = packet.layout.build(raws)
    if not any(isinstance(raw, float) and math.isnan(raw) for raw in raws.values()):
        assert {name: raw for name, _, raw in packet.layout.read(again)} == raws


@every_example
def test_example_is_encoded_from_its_engineering_values(entry: CatalogEntry, example: SatelliteExample) -> None:
    decoder = Decoder(entry.satellite)
    derived = {one.name for packet in entry.satellite.packets for one in packet.derived}
    report = report_of_example(entry, example)
    values = {one.name: one.value for one in report.values if one.name not in derived and one.value is not None}
    again, _ = decoder.packets[example.packet].values(decoder.encode(example.packet, values))
    assert {one.name: one.value for one in again if one.name in values} == pytest.approx(values, nan_ok=True)


@every_example
def test_shortened_example_is_refused_with_a_reason(entry: CatalogEntry, example: SatelliteExample) -> None:
    whole = bytes.fromhex(example.frame)
    downlink = downlink_of(entry, example)
    waits = downlink is not None and any(choice.protocol in STREAMS for choice in downlink.extract)
    for octets in (0, 1, len(whole) // 2):
        records, rejected = read_frame(entry, example, whole[:octets])
        reports = [record for record in records if isinstance(record, ParameterReport)]
        assert reports or waits or sum(rejected.values()) == 1


def _transmitted() -> list[object]:
    return [
        pytest.param(entry, downlink, packet.name, id=f"{entry.slug} {downlink.name} {packet.name}")
        for entry in CATALOG
        for downlink in entry.satellite.downlinks
        for packet in entry.satellite.packets
    ]


@pytest.mark.parametrize(("entry", "downlink", "packet"), _transmitted())
def test_what_a_satellite_would_transmit_is_received_as_it_was_meant(
    entry: CatalogEntry, downlink: Downlink, packet: str
) -> None:
    model = SatelliteModel(entry.satellite, downlink, packet, ())
    frames = [model.frame(float(number), CHECK_UTC_NS + number * 10**9) for number in range(3)]
    reader = FrameReader(Transmitter(entry.slug, entry.satellite, downlink))
    records = [
        record
        for frame in frames
        for record in reader.read(make_frame(reader.transmitter, LinkFrame(frame, 0, 1, "none"), 0))
    ]
    reports = [record for record in records if isinstance(record, ParameterReport) and record.packet == packet]
    assert len(reports) >= len(frames)
    assert reader.gaps == []
    assert not reader.rejected
