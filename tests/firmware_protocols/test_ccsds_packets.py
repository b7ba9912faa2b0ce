"""Virtual channels and packets across frames: with loss, with lies, with fill, and whatever is cut where."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols import ccsds_aos, ccsds_tm, fixed_length, space_packet
from firmware_protocols.ccsds import header_error_control
from firmware_protocols.ccsds.counters import CounterTrack
from firmware_protocols.ccsds.packet_zone import NO_PACKET_STARTS, ONLY_IDLE
from firmware_protocols.interface import Packet

ZONE_OCTETS = 100
SCID = 195


def packets_of(apid: int, number: int, seed: int, *, first: int = 0, longest: int = 180) -> list[bytes]:
    chance = random.Random(seed)
    return [
        space_packet.build(apid, first + count, chance.randbytes(chance.randrange(1, longest)))
        for count in range(number)
    ]


def zones(packets: Sequence[bytes], octets: int = ZONE_OCTETS) -> list[tuple[int, bytes]]:
    """Lay packets across zones as a transmitter does: pointer and octets of each, the last one zero filled."""
    stream = b"".join(packets)
    starts, at = set(), 0
    for packet in packets:
        starts.add(at)
        at += len(packet)
    laid = []
    for begin in range(0, len(stream), octets):
        inside = [start - begin for start in sorted(starts) if begin <= start < begin + octets]
        laid.append(
            (inside[0] if inside else NO_PACKET_STARTS, stream[begin : begin + octets].ljust(octets, b"\0"))
        )
    return laid


def aos_frames(packets: Sequence[bytes], vcid: int = 5, first: int = 0) -> list[bytes]:
    return [
        ccsds_aos.build(SCID, vcid, first + count, pointer.to_bytes(2, "big") + zone)
        for count, (pointer, zone) in enumerate(zones(packets))
    ]


def tm_frames(packets: Sequence[bytes], vcid: int = 1, first: int = 0) -> list[bytes]:
    return [
        ccsds_tm.build(SCID, vcid, (first + count, first + count), pointer, zone)
        for count, (pointer, zone) in enumerate(zones(packets))
    ]


def aos(**options: object) -> ccsds_aos.PacketExtractor:
    return ccsds_aos.PacketExtractor(ccsds_aos.Options(**({"scid": SCID} | options)))  # type: ignore[arg-type]


def taken(extractor: ccsds_aos.PacketExtractor | ccsds_tm.PacketExtractor, frames: Sequence[bytes]) -> list[bytes]:
    found: list[Packet] = [packet for frame in frames for packet in extractor.feed(frame)]
    return [packet.data for packet in [*found, *extractor.flush()]]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_packets_laid_across_frames_come_out_whole_and_in_order(seed: int, number: int) -> None:
    packets = packets_of(30, number, seed)
    for extractor, frames in (
        (aos(), aos_frames(packets)),
        (ccsds_tm.PacketExtractor(ccsds_tm.Options(scid=SCID)), tm_frames(packets)),
    ):
        assert taken(extractor, frames) == packets
        assert not extractor.rejected
        assert not extractor.gaps


@given(st.integers(0, 2**32), st.data())
def test_a_lost_frame_costs_the_packets_in_it_and_is_named(seed: int, data: st.DataObject) -> None:
    packets = packets_of(30, 30, seed)
    frames = aos_frames(packets)
    lost = data.draw(st.integers(1, len(frames) - 2))
    extractor = aos()
    found = taken(extractor, frames[:lost] + frames[lost + 1 :])
    begin, end = lost * ZONE_OCTETS, (lost + 1) * ZONE_OCTETS
    at, untouched = 0, []
    for packet in packets:
        if at + len(packet) <= begin or at >= end:
            untouched.append(packet)
        at += len(packet)
    assert found == untouched
    (gap,) = extractor.gaps
    assert (gap.counter, gap.after, gap.before, gap.missing) == (
        {"scid": SCID, "vcid": 5},
        lost - 1,
        lost + 1,
        1,
    )


@given(st.integers(0, 2**32), st.integers(0, 0x7FF), st.data())
def test_a_pointer_that_lies_loses_nothing(seed: int, lie: int, data: st.DataObject) -> None:
    packets = packets_of(30, 30, seed)
    frames = aos_frames(packets)
    victim = data.draw(st.integers(3, len(frames) - 1))
    if lie == ONLY_IDLE:  # says that nothing is there: that is believed
        return
    frames[victim] = frames[victim][:6] + lie.to_bytes(2, "big") + frames[victim][8:]
    assert taken(aos(), frames) == packets


def test_every_pointer_may_lie_once_a_few_packets_are_known() -> None:
    packets = packets_of(30, 60, 4)
    frames = aos_frames(packets)
    lying = frames[:4] + [frame[:6] + b"\x06\xbf" + frame[8:] for frame in frames[4:]]
    extractor = aos()
    assert taken(extractor, lying) == packets
    assert extractor.rejected["bad_pointer"] > 10


def test_after_a_loss_and_behind_a_lying_pointer_known_packets_are_found_again() -> None:
    packets = packets_of(30, 60, 5, longest=40)
    frames = aos_frames(packets)
    frames[11] = frames[11][:6] + b"\x03\xff" + frames[11][8:]
    found = taken(aos(), frames[:10] + frames[11:])
    assert len(found) >= len(packets) - 8
    assert set(found) <= set(packets)


@pytest.mark.parametrize("lie", [0, 9, 60, 5000, 65_535])
def test_a_packet_length_that_lies_costs_few_packets(lie: int) -> None:
    packets = packets_of(30, 60, 6, longest=60)
    laid = zones(packets)
    stream = bytearray(b"".join(zone for _, zone in laid))
    at = sum(map(len, packets[:20]))
    stream[at + 4 : at + 6] = lie.to_bytes(2, "big")
    frames = [
        ccsds_aos.build(SCID, 5, count, pointer.to_bytes(2, "big") + stream[count * 100 : count * 100 + 100])
        for count, (pointer, _) in enumerate(laid)
    ]
    extractor = aos()
    found = taken(extractor, frames)
    missing = [index for index, packet in enumerate(packets) if packet not in found]
    assert len(missing) <= 3
    assert extractor.rejected.total() >= 1


def test_zero_fill_is_counted_and_never_a_packet() -> None:
    first, second = packets_of(30, 2, 7, longest=20)
    frame = ccsds_aos.build(SCID, 5, 0, bytes(2) + first + bytes(50) + second + bytes(40))
    whole = ccsds_aos.build(SCID, 5, 1, b"\x07\xff" + bytes(60))
    idle = ccsds_aos.build(SCID, 5, 2, b"\x07\xfe" + bytes(60))
    again = ccsds_aos.build(SCID, 5, 3, bytes(2) + space_packet.build(30, 2, b"x"))
    extractor = aos()
    assert taken(extractor, [frame, whole, idle, again]) == [first, second, space_packet.build(30, 2, b"x")]
    assert extractor.counted["fill_octets"] == 50 + 40 + 60 + 60
    assert not extractor.rejected


def test_fill_in_front_of_a_header_that_begins_with_zero_leaves_the_header_whole() -> None:
    first = space_packet.build(100, 0, b"first")
    second = space_packet.build(100, 1, b"second")
    assert second[0] == 0
    frame = ccsds_aos.build(SCID, 5, 0, bytes(2) + first + bytes(11) + second)
    assert taken(aos(), [frame]) == [first, second]


def test_idle_packets_and_idle_channels_are_counted_and_not_given() -> None:
    idle = space_packet.build(0x7FF, 0, b"\x55" * 20)
    (packet,) = packets_of(30, 1, 8)
    reader = space_packet.PacketExtractor(space_packet.Options())
    found = [inner for outer in taken(aos(), aos_frames([idle, packet, idle])) for inner in reader.feed(outer)]
    assert [each.data for each in found] == [packet]
    assert reader.counted["idle_packets"] == 2
    extractor = aos()
    assert taken(extractor, [ccsds_aos.build(SCID, 63, 0, bytes(102))]) == []
    assert extractor.counted["idle_frames"] == 1


def test_channels_are_kept_apart() -> None:
    one, two = packets_of(30, 20, 9), packets_of(31, 20, 10)
    a, b = aos_frames(one, vcid=5), aos_frames(two, vcid=6, first=1000)
    mixed = [frame for pair in zip(a, b, strict=False) for frame in pair]
    mixed += a[len(b) :] + b[len(a) :]
    extractor = aos()
    found = [packet for frame in mixed for packet in extractor.feed(frame)]
    assert [packet.data for packet in found if packet.header["vcid"] == 5] == one
    assert [packet.data for packet in found if packet.header["vcid"] == 6] == two
    assert not extractor.gaps


def test_a_frame_of_another_spacecraft_or_version_is_counted_and_opens_nothing() -> None:
    packets = packets_of(30, 30, 11)
    frames = aos_frames(packets)
    strange = bytearray(frames[7])
    strange[0] ^= 0x11
    wrong = bytearray(frames[8])
    wrong[0] ^= 0xC0
    for options in ({}, {"scid": None}):
        extractor = aos(**options)
        found = taken(extractor, [*frames[:7], bytes(strange), *frames[7:8], bytes(wrong), *frames[8:]])
        assert found == packets
        assert extractor.rejected == {"wrong_scid": 1, "wrong_version": 1}
        assert not extractor.gaps


def test_an_unnamed_spacecraft_is_believed_even_when_the_first_frame_was_damaged() -> None:
    packets = packets_of(30, 30, 12)
    frames = aos_frames(packets)
    strange = bytes([frames[0][0] ^ 0x11]) + frames[0][1:]
    extractor = aos(scid=None)
    found = taken(extractor, [strange, *frames])
    assert found == packets
    assert extractor.rejected == {"wrong_scid": 1}


def test_a_single_frame_of_an_unnamed_spacecraft_comes_out_at_the_end() -> None:
    packet = space_packet.build(30, 0, b"alone")
    extractor = aos(scid=None)
    (frame,) = aos_frames([packet])
    assert extractor.feed(frame) == []
    assert [each.data for each in extractor.flush()] == [packet]


def test_the_report_of_the_command_receiver_is_read() -> None:
    packet = space_packet.build(30, 0, b"x")
    frame = ccsds_tm.build(129, 0, (0, 0), 0, packet, ocf=bytes.fromhex("0104a842"))
    extractor = ccsds_tm.PacketExtractor(ccsds_tm.Options(scid=129))
    (found,) = extractor.feed(frame)
    assert found.header["clcw_vcid"] == 1
    assert found.header["clcw_no_rf_available"] is True
    assert found.header["clcw_lockout"] is True
    assert found.header["clcw_retransmit"] is True
    assert found.header["clcw_report_value"] == 0x42


def test_the_published_frame_of_by02_gives_its_published_header() -> None:
    example = ccsds_tm.EXAMPLES[0]
    (found,) = ccsds_tm.PacketExtractor(ccsds_tm.Options(scid=129, service="vca")).feed(example.stream)
    header = {"scid": 129, "vcid": 0, "mc_frame_count": 44, "vc_frame_count": 45}
    assert found.header == header


@given(st.integers(0, 2**24 - 1), st.data())
def test_header_error_control_mends_two_symbols(information: int, data: st.DataObject) -> None:
    word = information << 16 | header_error_control.parity(information)
    places = data.draw(st.lists(st.integers(0, 9), max_size=2, unique=True))
    damaged = word
    for place in places:
        damaged ^= data.draw(st.integers(1, 15)) << 4 * place
    assert header_error_control.correct(damaged) == (word, len(places))


# -- counters ----------------------------------------------------------------------------------------------


def track(counts: Sequence[int], bits: int, *, cadence: int | None = 1) -> CounterTrack:
    counter = CounterTrack({"apid": 1}, 1 << bits, cadence=cadence)
    for count in counts:
        counter.take(count)
    return counter


def test_a_counter_that_comes_round_is_no_gap() -> None:
    assert track([254, 255, 0, 1], 8).gaps == []
    assert track([16382, 16383, 0, 1], 14).gaps == []


def test_a_loss_across_the_turn_is_told_in_full() -> None:
    (gap,) = track([16380, 3], 14).gaps
    assert (gap.missing, gap.restart) == (6, False)


@pytest.mark.parametrize(("counts", "bits"), [([12_000, 0, 1], 14), ([12_900_000, 3, 4], 24), ([5, 0, 1], 24)])
def test_a_counter_that_begins_anew_is_a_restart_and_no_loss(counts: list[int], bits: int) -> None:
    (gap,) = track(counts, bits).gaps
    assert gap.restart
    assert gap.missing == 0


def test_a_jump_that_the_next_count_does_not_follow_was_damage() -> None:
    counter = track([100, 101, 9_000_000, 103, 104], 24)
    assert counter.damaged == 1
    assert [gap.missing for gap in counter.gaps] == [1]


def test_a_jump_that_the_next_count_follows_is_a_restart() -> None:
    counter = track([100, 101, 9_000_000, 9_000_001], 24)
    assert [(gap.after, gap.before, gap.restart) for gap in counter.gaps] == [(101, 9_000_000, True)]


def test_a_cadence_given_or_learnt_is_no_gap_but_a_loss_in_it_is() -> None:
    steady = [5380, 5390, 5400, 5410]
    assert track(steady, 14, cadence=10).gaps == []
    assert track(steady, 14, cadence=None).gaps == []
    assert sum(gap.missing for gap in track(steady, 14).gaps) == 27
    lossy = [0, 10, 20, 30, 50, 60]
    for cadence in (10, None):
        (gap,) = track(lossy, 14, cadence=cadence).gaps
        assert (gap.after, gap.before, gap.missing) == (30, 50, 1)


def test_losses_of_a_counter_that_steps_by_one_teach_no_cadence() -> None:
    counter = track([0, 1, 2, 12, 22, 32, 33], 14, cadence=None)
    assert counter.cadence == 1
    assert sum(gap.missing for gap in counter.gaps) == 27


# -- streams of packets ------------------------------------------------------------------------------------


def cut(stream: bytes, sizes: Sequence[int], **options: object) -> tuple[list[bytes], space_packet.Deframer]:
    deframer = space_packet.Deframer(space_packet.Options(**options))  # type: ignore[arg-type]
    frames = []
    at = 0
    for size in sizes:
        frames += deframer.feed(stream[at : at + size])
        at += size
    frames += deframer.feed(stream[at:]) + deframer.flush()
    return [frame.data for frame in frames], deframer


@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), max_size=8), st.integers(0, 8))
def test_a_file_of_packets_is_cut_at_its_lengths(seed: int, sizes: list[int], prefix: int) -> None:
    packets = packets_of(200, 20, seed) + packets_of(700, 5, seed + 1)
    stream = b"".join(b"\xa5" * prefix + packet for packet in packets)
    found, deframer = cut(stream, sizes, prefix_octets=prefix)
    assert found == packets
    assert not deframer.rejected


def test_a_length_that_lies_in_a_file_costs_its_packet_and_not_the_rest() -> None:
    packets = packets_of(200, 40, 13)
    for lie in (3, 70, 900, 65_000):
        damaged = [*packets]
        damaged[10] = packets[10][:4] + lie.to_bytes(2, "big") + packets[10][6:]
        found, deframer = cut(b"".join(damaged), [])
        missing = [packet for packet in packets if packet not in found]
        assert len(missing) <= 3, lie
        assert deframer.rejected.total() >= 1, lie


def test_a_file_that_ends_inside_a_packet_gives_those_before() -> None:
    packets = packets_of(200, 20, 14)
    found, deframer = cut(b"".join(packets)[:-1], [])
    assert found == packets[:-1]
    assert deframer.rejected == {"truncated": 1}


def test_a_packet_that_comes_as_expected_is_given_at_once() -> None:
    packets = [space_packet.build(9, count, bytes([count]) * 10) for count in range(4)]
    deframer = space_packet.Deframer(space_packet.Options())
    given_out = [[frame.data for frame in deframer.feed(packet)] for packet in packets]
    assert given_out[2:] == [[packets[2]], [packets[3]]]


def test_segments_are_joined_and_an_incomplete_group_is_counted() -> None:
    def segment(count: int, flags: int, text: bytes) -> bytes:
        return space_packet.build(9, count, text, sequence_flags=flags)

    extractor = space_packet.PacketExtractor(space_packet.Options(join_segments=True))
    sent = [segment(0, 1, b"one"), segment(1, 0, b"two"), segment(2, 2, b"three"), segment(3, 1, b"lost")]
    sent += [segment(5, 2, b"end"), segment(6, 3, b"whole")]
    found = [packet.data[6:] for each in sent for packet in extractor.feed(each)]
    assert found == [b"onetwothree", b"whole"]
    assert extractor.rejected["incomplete_group"] == 1


# -- frames of one length ----------------------------------------------------------------------------------


def test_frames_behind_a_marker_are_found_again_after_lost_octets() -> None:
    options = fixed_length.Options(frame_octets=50, asm="1acffc1d", prefix_octets=4)
    frames = [bytes([number]) * 50 for number in range(10)]
    stream = b"".join(fixed_length.encode(frame, options) for frame in frames)
    deframer = fixed_length.Deframer(options)
    found = [frame.data for frame in deframer.feed(stream[:70] + stream[75:])]
    assert found[0] == frames[0]
    assert found[-7:] == frames[3:]  # the frame that lacks octets took the next one's marker for its own end
    assert deframer.rejected["no_sync"] == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_length_that_lies_in_a_stream_costs_one_packet(seed: int) -> None:
    chance = random.Random(seed)
    # Data full of small numbers look like headers everywhere, and some of those lead into step by chance.
    packets = [space_packet.build(11, n, bytes(chance.randrange(24) for _ in range(65))) for n in range(120)]
    stream = bytearray(b"".join(packets))
    stream[71 * 50 + 4 : 71 * 50 + 6] = chance.randrange(2000, 16_000).to_bytes(2, "big")
    deframer = space_packet.Deframer(space_packet.Options())
    found = [frame.data for frame in deframer.feed(bytes(stream)) + deframer.flush()]
    assert [packet for packet in packets if packet in found] == packets[:50] + packets[51:]
    assert len(found) <= len(packets)
