"""AOS frames of one packet each, whose pointers are none: known by themselves, without a satellite file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_protocols import ccsds_aos, space_packet
from firmware_protocols.interface import Packet

DATA = os.environ.get("GSAGENT_TEST_DATA")
DANURI_OCTETS = 220
SCID, VCID = 187, 33


def frames(packets: Sequence[bytes], pointers: Sequence[int], first: int = 0) -> list[bytes]:
    return [
        ccsds_aos.build(SCID, VCID, first + count, pointer.to_bytes(2, "big") + packet)
        for count, (packet, pointer) in enumerate(zip(packets, pointers, strict=True))
    ]


def solitary(count: int, begin: int = 0) -> list[bytes]:
    return [space_packet.build(673, n, bytes([n % 251]) * 40) for n in range(begin, begin + count)]


def taken(extractor: ccsds_aos.PacketExtractor, stream: Sequence[bytes]) -> list[Packet]:
    return [packet for frame in stream for packet in extractor.feed(frame)] + extractor.flush()


def m_pdu() -> ccsds_aos.PacketExtractor:
    return ccsds_aos.PacketExtractor(ccsds_aos.Options())


def test_pointers_that_are_none_are_left_unread_and_counted_and_no_packet_is_lost() -> None:
    packets = solitary(20)
    extractor = m_pdu()
    got = taken(extractor, frames(packets, [(977 * n + 5) % 2040 + 1 for n in range(20)]))
    assert [packet.data for packet in got] == packets
    assert [packet.header["vc_frame_count"] for packet in got] == list(range(20))
    assert extractor.counted["pointers_unread"] == 20
    assert not extractor.rejected


def test_they_are_known_also_behind_a_loss_and_a_damaged_one_is_counted() -> None:
    packets = solitary(12)
    stream = frames(packets, [2000] * 12)
    stream[9] = stream[9][:8] + b"\x40" + stream[9][9:]  # a packet of version 2
    extractor = m_pdu()
    got = taken(extractor, [stream[0], *stream[3:]])
    assert [packet.data for packet in got] == packets[3:9] + packets[10:]
    assert extractor.rejected["bad_packet_header"] == 1
    assert extractor.rejected["bad_pointer"] == 1  # the first frame, alone before the loss
    assert [gap.missing for gap in extractor.gaps] == [2]


def test_a_frame_that_looks_so_alone_is_read_by_its_pointer_at_the_end_of_the_stream() -> None:
    inner = space_packet.build(5, 1, bytes(range(13, 33)))
    outer = space_packet.build(6, 9, bytes(10) + inner)
    (frame,) = frames([outer], [16])
    assert [packet.data for packet in taken(m_pdu(), [frame])] == [inner]


def test_an_m_pdu_whose_packets_fill_its_frames_stays_one() -> None:
    packets = solitary(10)
    extractor = m_pdu()
    got = taken(extractor, frames(packets, [0] * 10))
    assert [packet.data for packet in got] == packets
    assert not extractor.counted


@pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")
def test_danuri_is_read_whole_without_its_satellite_file_and_every_gap_is_named() -> None:
    stream = (Path(DATA or ".") / "telemetry" / "kplo" / "kplo_aos_20220805_135349.u8").read_bytes()
    real = [stream[at : at + DANURI_OCTETS] for at in range(0, len(stream), DANURI_OCTETS)]
    extractor = m_pdu()
    counters = space_packet.PacketExtractor(space_packet.Options())
    got = [inner for packet in taken(extractor, real) for inner in counters.feed(packet.data)]
    assert len(got) == 120
    assert Counter(packet.header["apid"] for packet in got) == dict.fromkeys((673, 674, 675, 676), 30)
    assert not extractor.gaps
    assert not counters.gaps
    assert not extractor.rejected
    assert extractor.counted["pointers_unread"] == 120

    extractor = m_pdu()
    counters = space_packet.PacketExtractor(space_packet.Options())
    got = [inner for packet in taken(extractor, real[:40] + real[52:]) for inner in counters.feed(packet.data)]
    assert len(got) == 108
    assert sum(gap.missing for gap in extractor.gaps) == 12
    assert sum(gap.missing for gap in counters.gaps) == 12
