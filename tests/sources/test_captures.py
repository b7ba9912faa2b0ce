"""Captures of UDP: every container and link layer, and what holds no datagram counted by its reason."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AgentError
from agent.sources.recordings.capture import Capture
from agent.sources.recordings.datagrams import Datagram, DatagramReader
from tests.sources import captures as made

FRAME = bytes(range(40))


def read(octets: bytes, port: int | None = None) -> tuple[list[Datagram], Counter[str], list[str]]:
    capture = Capture("x.pcap", io.BytesIO(octets))
    reader = DatagramReader(port)
    return list(reader.read(capture.packets())), reader.rejected, capture.notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_byte_order_and_resolution(order: str, nanoseconds: bool) -> None:
    found, rejected, notes = read(
        made.pcap([made.ethernet(made.ipv4(made.udp(FRAME)))], order=order, nanoseconds=nanoseconds)
    )
    (datagram,) = found
    assert datagram.payload == FRAME
    assert (datagram.source_port, datagram.destination_port) == (40000, 10015)
    assert datagram.captured_utc_ns == 1_700_000_000_000_000_000 + 500 * (1 if nanoseconds else 1000)
    assert (rejected, notes) == (Counter(), [])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [3, 6, 9])
def test_pcapng_of_either_byte_order_and_any_resolution(order: str, resolution: int) -> None:
    octets = made.pcapng([made.ethernet(made.ipv4(made.udp(FRAME)))] * 3, order=order, resolution=resolution)
    found, rejected, notes = read(octets)
    assert [datagram.captured_utc_ns for datagram in found] == [(1_700_000_000 + k) * 10**9 for k in range(3)]
    assert {datagram.payload for datagram in found} == {FRAME}
    assert (rejected, notes) == (Counter(), [])


@pytest.mark.parametrize(
    ("link", "packet"),
    [
        (1, made.ethernet(made.ipv4(made.udp(FRAME)), tags=2)),
        (1, made.ethernet(made.ipv6(made.udp(FRAME)))),
        (101, made.ipv4(made.udp(FRAME))),
        (101, made.ipv6(made.udp(FRAME))),
        (228, made.ipv4(made.udp(FRAME))),
        (229, made.ipv6(made.udp(FRAME))),
        (113, made.cooked(made.ipv4(made.udp(FRAME)))),
        (276, made.cooked_2(made.ipv6(made.udp(FRAME)))),
        (0, b"\x02\0\0\0" + made.ipv4(made.udp(FRAME))),
        (
            101,
            made.ipv6(made.udp(FRAME), first=0, extensions=bytes([60, 0]) + bytes(6) + bytes([17, 0]) + bytes(6)),
        ),
        (101, made.ipv6(made.udp(FRAME), first=44, extensions=bytes([17, 0, 0, 0, 0, 0, 0, 1]))),
    ],
)
def test_every_link_layer_is_opened(link: int, packet: bytes) -> None:
    found, rejected, _ = read(made.pcap([packet], link))
    assert [datagram.payload for datagram in found] == [FRAME]
    assert not rejected


@pytest.mark.parametrize(
    ("link", "packet", "reason"),
    [
        (1, made.ethernet(made.ipv4(made.udp(FRAME), fragment=0x2000)), "ip_fragment"),
        (1, made.ethernet(made.ipv4(made.udp(FRAME), fragment=0x0010)), "ip_fragment"),
        (101, made.ipv6(made.udp(FRAME), first=44, extensions=bytes([17, 0, 0, 1, 0, 0, 0, 1])), "ip_fragment"),
        (1, made.ethernet(made.ipv4(made.udp(FRAME), protocol=6)), "not_udp"),
        (1, bytes(12) + b"\x08\x06" + bytes(46), "not_ip"),
        (105, made.ipv4(made.udp(FRAME)), "unknown_link_type"),
        (101, made.ipv4(made.udp(b"")), "empty_datagram"),
        (101, made.ipv4(b"\1\2\3"), "truncated_datagram"),
        (101, made.ipv4(b"\1\2\3\4\0\3\0\0" + FRAME), "bad_udp_length"),
        (101, made.ipv4(made.udp(FRAME)[:-5]), "bad_udp_length"),
        (101, made.ipv4(made.udp(FRAME, port=7)), "other_port"),
    ],
)
def test_what_holds_no_datagram_has_its_reason(link: int, packet: bytes, reason: str) -> None:
    found, rejected, _ = read(made.pcap([packet], link), port=10015)
    assert (found, rejected) == ([], {reason: 1})


def test_a_packet_cut_by_the_capture_is_counted_as_such() -> None:
    found, rejected, _ = read(made.pcap([made.ethernet(made.ipv4(made.udp(FRAME)))], snap=50))
    assert (found, rejected) == ([], {"truncated_datagram": 1})


@pytest.mark.parametrize("make", [made.pcap, made.pcapng])
def test_a_file_cut_anywhere_gives_what_is_whole(make: object) -> None:
    whole = make([made.ethernet(made.ipv4(made.udp(FRAME)))] * 2)  # type: ignore[operator]
    counts = set()
    for cut in range(40, len(whole)):
        found, _, _ = read(whole[:cut])
        counts.add(len(found))
    assert counts == {0, 1}
    assert len(read(whole)[0]) == 2


def test_what_is_no_capture_is_refused_in_words() -> None:
    with pytest.raises(AgentError, match="no capture"):
        Capture("x", io.BytesIO(b"RIFF....")).packets()


def test_a_length_that_lies_ends_the_reading() -> None:
    octets = bytearray(made.pcap([made.ethernet(made.ipv4(made.udp(FRAME)))] * 2))
    octets[24 + 8 : 24 + 12] = (1 << 30).to_bytes(4, "little")
    found, _, notes = read(bytes(octets))
    assert found == []
    assert "damaged" in notes[0]


@given(st.binary(max_size=200), st.sampled_from([0, 1, 101, 113, 276]))
def test_no_packet_whatever_crashes_it(packet: bytes, link: int) -> None:
    found, rejected, _ = read(made.pcap([packet], link))
    assert len(found) + rejected.total() == 1
