"""CSP, PUS, encapsulation, USLP, CFDP and time codes: what they read, and what they refuse in words."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols import cfdp, csp, encapsulation_packet, pus, space_packet, uslp
from firmware_protocols.ccsds.time_codes import TimeCode
from firmware_protocols.coding.crc import CRC32C, append_crc
from tests.firmware_protocols.test_ccsds_packets import packets_of, zones

NS_PER_S = 10**9
NOON_UTC_NS = 1_659_700_800 * NS_PER_S  # 2022-08-05T12:00:00Z


# -- CSP ---------------------------------------------------------------------------------------------------


def test_gomx_3s_header_is_read_as_published() -> None:
    (packet,) = csp.PacketExtractor(csp.Options()).feed(csp.EXAMPLES[0].stream)
    header = packet.header
    assert (header["priority"], header["source"], header["destination"]) == (2, 5, 10)
    assert (header["destination_port"], header["crc"]) == (35, True)


@given(st.sampled_from([1, 2]), st.integers(0, 31), st.integers(0, 31), st.integers(0, 63), st.binary(max_size=300))
def test_what_is_built_is_read(version: int, source: int, destination: int, port: int, data: bytes) -> None:
    options = csp.Options(version=version)  # type: ignore[arg-type]
    whole = csp.build(data, options, source=source, destination=destination, ports=(port, 7), crc=True)
    (packet,) = csp.PacketExtractor(options).feed(whole)
    assert packet.data == data
    assert packet.header["source"] == source
    assert packet.header["destination"] == destination
    assert packet.header["destination_port"] == port


def test_a_crc_that_fails_is_counted() -> None:
    whole = bytearray(csp.EXAMPLES[0].stream)
    whole[-1] ^= 1
    extractor = csp.PacketExtractor(csp.Options())
    assert extractor.feed(bytes(whole)) == []
    assert extractor.rejected == Counter(bad_crc=1)
    (packet,) = csp.PacketExtractor(csp.Options(crc="present")).feed(bytes(whole))
    assert packet.header["crc"] is False


def test_an_hmac_is_shown_and_taken_off() -> None:
    fields = dict.fromkeys(("priority", "source", "destination", "destination_port", "source_port", "reserved"), 1)
    flags = {"fragmented": False, "hmac": True, "xtea": False, "rdp": False, "crc": True}
    head = csp.HEADER_1.build(fields | flags)
    (packet,) = csp.PacketExtractor(csp.Options()).feed(head + append_crc(b"data" + b"HMAC", CRC32C, "big"))
    assert packet.data == b"data"
    assert packet.header["hmac_tag"] == b"HMAC"


# -- PUS ---------------------------------------------------------------------------------------------------


def report(report_type: tuple[int, int], data: bytes, **options: object) -> tuple[dict[str, object], bytes]:
    chosen = pus.Options(**options)  # type: ignore[arg-type]
    whole = pus.build(100, 5, report_type, data, chosen, utc_ns=NOON_UTC_NS, message_counter=9)
    (packet,) = pus.PacketExtractor(chosen).feed(whole)
    assert packet.sequence_count == 5
    return dict(packet.header), packet.data


@pytest.mark.parametrize(
    ("report_type", "data", "expected"),
    [
        ((1, 1), "1864c005", {"report": "accepted", "request_apid": 100, "request_count": 5}),
        ((1, 6), "1864c005" + "02" + "0003", {"report": "step failed", "step": 2, "failure_code": 3}),
        ((3, 25), "2a0102", {"report": "housekeeping report", "structure_id": 0x2A}),
        ((5, 4), "0102ff", {"report": "event", "severity": "high", "event_id": 0x102}),
        ((17, 2), "", {"report": "alive"}),
    ],
)
def test_reports_of_the_services_are_read(
    report_type: tuple[int, int], data: str, expected: dict[str, object]
) -> None:
    header, source_data = report(report_type, bytes.fromhex(data))
    assert source_data.hex() == data
    assert header | expected == header
    assert (header["service"], header["subtype"], header["message_counter"]) == (*report_type, 9)


@pytest.mark.parametrize("code", [TimeCode(), TimeCode(code="cds"), TimeCode(code="cds", submillisecond_octets=2)])
def test_the_time_of_a_report_is_that_of_its_code(code: TimeCode) -> None:
    header, _ = report((3, 25), b"\x01\x02", time=code)
    assert header["generated_utc_ns"] == NOON_UTC_NS


def test_a_report_with_a_damaged_octet_is_counted() -> None:
    whole = bytearray(pus.build(100, 5, (17, 2), b""))
    whole[9] ^= 4
    extractor = pus.PacketExtractor(pus.Options())
    assert extractor.feed(bytes(whole)) == []
    assert extractor.rejected == Counter(bad_packet_error_control=1)


def test_a_report_cut_before_its_identifier_is_counted() -> None:
    extractor = pus.PacketExtractor(pus.Options())
    assert extractor.feed(pus.build(100, 5, (5, 1), b"\x01")) == []
    assert extractor.rejected == Counter(too_short=1)


# -- time codes --------------------------------------------------------------------------------------------


def test_noaa_20s_day_segmented_time_is_the_day_of_its_file() -> None:
    options = space_packet.Options(time=TimeCode(code="cds", submillisecond_octets=2))
    (packet,) = space_packet.PacketExtractor(options).feed(space_packet.EXAMPLES[0].frames[0])
    midnight_utc_ns = 1_617_926_400 * NS_PER_S  # 2021-04-09T00:00:00Z
    assert packet.header["generated_utc_ns"] == midnight_utc_ns + 7_137_000


@given(st.integers(0, 4_000_000_000 * NS_PER_S), st.integers(4, 7), st.integers(0, 3))
def test_unsegmented_times_return_within_their_resolution(utc_ns: int, coarse: int, fine: int) -> None:
    code = TimeCode(coarse_octets=coarse, fine_octets=fine, epoch="1970-01-01T00:00:00Z")
    told = code.read(code.build(utc_ns))
    assert told is not None
    assert 0 <= utc_ns - told <= NS_PER_S / 256**fine + 1


@pytest.mark.parametrize(
    ("p_field", "octets"),
    [("1e", "00000001" + "8000"), ("2e", "00000001" + "8000"), ("41", "0000" + "000005dc" + "0000")],
)
def test_a_code_that_describes_itself_is_read(p_field: str, octets: str) -> None:
    code = TimeCode(p_field=True, epoch="1958-01-01T00:00:00Z")
    told = code.take(bytes.fromhex(p_field + octets))
    assert told is not None
    assert told[0] - (code.read(bytes.fromhex("1c00000000")) or 0) == 3 * NS_PER_S // 2
    assert told[1] == 1 + len(octets) // 2


def test_a_day_of_too_many_milliseconds_is_no_time() -> None:
    assert TimeCode(code="cds").read(bytes.fromhex("0001" + "05265c00" + "")) is not None
    assert TimeCode(code="cds").read(bytes.fromhex("0001" + "05300000")) is None


# -- encapsulation -----------------------------------------------------------------------------------------


@given(st.integers(1, 7), st.binary(min_size=1, max_size=70_000))
def test_encapsulated_data_return(protocol: int, data: bytes) -> None:
    (packet,) = encapsulation_packet.PacketExtractor(encapsulation_packet.Options()).feed(
        encapsulation_packet.build(protocol, data)
    )
    assert packet.data == data
    assert packet.header["protocol_id"] == protocol


def test_an_idle_encapsulation_packet_is_counted() -> None:
    extractor = encapsulation_packet.PacketExtractor(encapsulation_packet.Options())
    assert extractor.feed(b"\xe0") == []
    assert extractor.counted == Counter(idle_packets=1)


# -- USLP --------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_packets_across_uslp_frames_come_out_whole(seed: int) -> None:
    packets = packets_of(30, 20, seed)
    extractor = uslp.PacketExtractor(uslp.Options(scid=299))
    found = []
    for count, (pointer, zone) in enumerate(zones(packets)):
        wide = 0xFFFF if pointer == 0x7FF else pointer
        found += extractor.feed(uslp.build(299, 4, count, zone, pointer=wide))
    assert [packet.data for packet in found] == packets
    assert not extractor.rejected
    assert not extractor.gaps


def test_segments_of_an_sdu_are_joined_and_a_lost_one_is_counted() -> None:
    def frame(count: int, rules: int, data: bytes) -> bytes:
        return uslp.build(299, 4, count, data, rules=rules, protocol=5, pointer=None)

    extractor = uslp.PacketExtractor(uslp.Options(scid=299))
    sent = [frame(0, uslp.FIRST, b"one"), frame(1, uslp.MIDDLE, b"two"), frame(2, uslp.LAST, b"three")]
    sent += [frame(3, uslp.FIRST, b"lost"), frame(5, uslp.LAST, b"end")]
    found = [packet.data for each in sent for packet in extractor.feed(each)]
    assert found == [b"onetwothree"]
    assert [gap.missing for gap in extractor.gaps] == [1]
    assert extractor.rejected["incomplete_packet"] == 2


# -- CFDP --------------------------------------------------------------------------------------------------


def file_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@given(st.integers(1, 3000), st.integers(0, 2**32), st.booleans())
def test_a_file_comes_out_whole_whatever_the_order_of_its_pieces(size: int, seed: int, with_crc: bool) -> None:
    content = file_of(size, seed)
    pdus = cfdp.build_file(content, source=3, transaction=9, name="image.raw", with_crc=with_crc)
    pdus += pdus[1:3]
    random.Random(seed).shuffle(pdus)
    extractor = cfdp.PacketExtractor(cfdp.Options())
    (packet,) = [packet for pdu in pdus for packet in extractor.feed(pdu)]
    assert packet.data == content
    assert packet.header["destination_name"] == "image.raw"
    assert packet.header["complete"] is True
    assert extractor.flush() == []
    assert not extractor.rejected


def test_a_file_that_lacks_a_piece_is_listed_with_the_place() -> None:
    pdus = cfdp.build_file(file_of(1000), source=3, transaction=9, name="image.raw")
    extractor = cfdp.PacketExtractor(cfdp.Options())
    assert [packet for pdu in pdus[:2] + pdus[3:] for packet in extractor.feed(pdu)] == []
    (packet,) = extractor.flush()
    assert packet.data == b""
    assert (packet.header["complete"], packet.header["missing"]) == (False, ("256-511",))
    assert packet.header["source_name"] == "image.raw"
    assert extractor.rejected == Counter(incomplete_file=1)


def test_a_file_whose_checksum_disagrees_is_not_given() -> None:
    pdus = cfdp.build_file(file_of(300), source=3, transaction=9, name="image.raw")
    pdus[1] = pdus[1][:-1] + bytes([pdus[1][-1] ^ 1])
    extractor = cfdp.PacketExtractor(cfdp.Options())
    (packet,) = [packet for pdu in pdus for packet in extractor.feed(pdu)]
    assert (packet.data, packet.header["complete"]) == (b"", False)
    assert extractor.rejected["bad_checksum"] == 1


def test_open_files_are_bounded() -> None:
    extractor = cfdp.PacketExtractor(cfdp.Options(max_open=4))
    given_up = [
        packet
        for number in range(10)
        for packet in extractor.feed(cfdp.build_file(b"x" * 9, source=3, transaction=number, name="f")[0])
    ]
    assert len(given_up) == 6
    assert len(extractor.flush()) == 4


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=40))
def test_pieces_of_a_file_in_any_order_are_joined_as_a_set_of_octets_is(pieces: list[tuple[int, int]]) -> None:
    file, octets = cfdp._File(), set[int]()
    for offset, length in pieces:
        file.put(offset, bytes(length))
        octets |= set(range(offset, offset + length))
    assert [octet for begin, end in file.there for octet in range(begin, end)] == sorted(octets)
    assert all(before[1] < after[0] for before, after in pairwise(file.there))


def test_a_file_of_endless_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cfdp, "MAX_RANGES", 100)
    extractor = cfdp.PacketExtractor(cfdp.Options())
    whole = cfdp.build_file(bytes(220), source=1, transaction=1, name="x", piece_octets=1)
    for pdu in whole[1:-1:2]:
        extractor.feed(pdu)
    assert extractor.rejected["too_many_pieces"] == 10
