"""Every satellite file of ``configs/satellites`` enrols here by itself: a new one is tested by being there."""

from __future__ import annotations

import math

import pytest

from agent.config import CatalogEntry, load_catalog, names_of
from agent.definitions import SatelliteExample
from agent.downlink import FrameReader, Transmitter, check_downlink
from agent.health.limits import LimitSet
from agent.records import Frame, ParameterReport
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
NONE_SAID = "None"
"""How an example says that a value is absent: TOML has no null."""


def frames_of_example(entry: CatalogEntry, example: SatelliteExample) -> tuple[Transmitter, Frame]:
    satellite = entry.satellite
    names = [downlink.name for downlink in satellite.downlinks]
    downlink = satellite.downlinks[names.index(example.downlink) if example.downlink else 0]
    transmitter = Transmitter(entry.slug, satellite, downlink)
    link_frame = LinkFrame(bytes.fromhex(example.frame), 0, 1, "fcs")
    return transmitter, Frame(entry.slug, downlink.name, link_frame, received_utc_ns=0)


def report_of_example(entry: CatalogEntry, example: SatelliteExample) -> ParameterReport:
    transmitter, frame = frames_of_example(entry, example)
    reader = FrameReader(transmitter)
    reports = [record for record in reader.read(frame) if isinstance(record, ParameterReport)]
    assert len(reports) == 1, dict(reader.rejected)
    return reports[0]


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
def test_shortened_example_is_refused_with_a_reason(entry: CatalogEntry, example: SatelliteExample) -> None:
    transmitter, frame = frames_of_example(entry, example)
    for octets in (0, 1, len(frame.link_frame.data) // 2):
        reader = FrameReader(transmitter)
        short = Frame(
            frame.satellite,
            frame.downlink,
            LinkFrame(frame.link_frame.data[:octets], 0, 1, "fcs"),
            received_utc_ns=0,
        )
        records = reader.read(short)
        reports = [record for record in records if isinstance(record, ParameterReport)]
        assert reports or sum(reader.rejected.values()) == 1


def packet_of_example(entry: CatalogEntry, example: SatelliteExample) -> Packet:
    transmitter, frame = frames_of_example(entry, example)
    if not transmitter.downlink.extract:
        return Packet(frame.link_frame.data)
    records = FrameReader(transmitter).read(frame)
    packets = [record.packet for record in records if not isinstance(record, ParameterReport)]
    assert len(packets) == 1
    return packets[0]
