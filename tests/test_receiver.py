"""One source's chain: the same records however the input is cut, wideband or narrow, from samples or octets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import definitions
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import AudioBlock, Frame, IqBlock, OctetBlock, PacketRecord, ParameterReport, Record
from firmware_protocols import ccsds_aos, interface, kiss, lilacsat1, space_packet
from tests import signals
from tests.benchmarks import waveforms

NS_PER_S = 1_000_000_000
BEGIN_UTC_NS = 1_795_000_000 * NS_PER_S
FRAMES = [signals.frame(1), signals.frame(2, 6.5), signals.frame(3)]


def run(receiver: Receiver, blocks: list[AudioBlock] | list[IqBlock] | list[OctetBlock]) -> list[Record]:
    records = [record for block in blocks for record in receiver.feed(block)]
    return records + receiver.flush()


def data_of(records: list[Record]) -> list[bytes]:
    return [record.link_frame.data for record in records if isinstance(record, Frame)]


def cut_audio(samples: np.ndarray, cuts: list[int]) -> list[AudioBlock]:
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    rate_hz = signals.AUDIO_RATE_HZ
    return [
        AudioBlock(samples[begin:end], rate_hz, BEGIN_UTC_NS + round(begin / rate_hz * NS_PER_S))
        for begin, end in pairwise(edges)
    ]


def test_audio_gives_frames_packets_and_reports_in_order() -> None:
    receiver = Receiver("test", [signals.TRANSMITTER])
    records = run(receiver, cut_audio(signals.audio(FRAMES), []))
    assert data_of(records) == FRAMES
    assert [type(record) for record in records] == [Frame, PacketRecord, ParameterReport] * 3
    reports = [record for record in records if isinstance(record, ParameterReport)]
    assert [report.values[1].value for report in reports] == [1, 2, 3]
    assert [report.values[2].value for report in reports] == pytest.approx([7.5, 6.5, 7.5])
    assert receiver.frames == 3


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=8))
def test_any_cutting_of_the_input_gives_the_same_records(cuts: list[int]) -> None:
    samples = signals.audio(FRAMES)
    whole = run(Receiver("test", [signals.TRANSMITTER]), cut_audio(samples, []))
    assert run(Receiver("test", [signals.TRANSMITTER]), cut_audio(samples, cuts)) == whole


def test_a_frame_is_stamped_with_the_time_of_its_first_symbol() -> None:
    records = run(Receiver("test", [signals.TRANSMITTER]), cut_audio(signals.audio([FRAMES[0]], gap_s=0.5), []))
    (frame,) = [record for record in records if isinstance(record, Frame)]
    preamble_s = len(signals.bits(FRAMES[0])) / 9600
    assert 0.5 <= (frame.received_utc_ns - BEGIN_UTC_NS) / NS_PER_S <= 0.5 + preamble_s


@pytest.mark.parametrize("ebn0_db", [9.0, 14.0, 20.0])
@pytest.mark.parametrize(
    ("modulation", "baudrate_bd", "send"),
    [("fsk", 9600.0, waveforms.gfsk_bursts), ("bpsk", 1200.0, waveforms.bpsk_bursts)],
)
def test_a_frame_tells_its_own_es_over_n0_and_not_that_of_the_silence_about_it(
    modulation: str, baudrate_bd: float, send: Callable[..., waveforms.Transmission], ebn0_db: float
) -> None:
    rng = np.random.default_rng(8)
    sent = send(3, rng)
    samples = waveforms.noisy_iq(sent, ebn0_db, rng).astype(np.complex64)
    downlink = definitions.Downlink(
        name="burst",
        frequency_hz=437e6,
        modulation=modulation,
        baudrate_bd=baudrate_bd,
        framing=definitions.ProtocolChoice(protocol="ax25", options={"scrambler": "g3ruh"}),
    )
    rate_hz, size = float(waveforms.RATE_HZ), 12_000
    receiver = Receiver("test", [Transmitter(None, None, downlink)])
    blocks = [
        IqBlock(samples[i : i + size], rate_hz, 437e6, BEGIN_UTC_NS + round(i / rate_hz * NS_PER_S))
        for i in range(0, len(samples), size)
    ]
    told = [record.snr_db for record in run(receiver, blocks) if isinstance(record, Frame)]
    assert len(told) == len(sent.frames)
    assert told == pytest.approx([ebn0_db] * len(told), abs=1.0)


def test_equal_frames_sent_twice_are_two_frames() -> None:
    records = run(Receiver("test", [signals.TRANSMITTER]), cut_audio(signals.audio([FRAMES[0]] * 2), []))
    assert data_of(records) == [FRAMES[0]] * 2


def test_a_frame_without_a_check_that_two_hypotheses_read_differently_is_one_frame() -> None:
    rng = np.random.default_rng(5)
    options = lilacsat1.Options()
    bits = np.concatenate([lilacsat1.encode(bytes([number] * 81), options) for number in range(3)])
    burst = waveforms.bpsk(bits, 9600.0)
    torn = burst[: int(len(burst) * 0.88)]  # the last frame runs out into noise
    sent = waveforms.Transmission(waveforms.with_gaps([torn], 0.3), (), 1.0, 9600.0)
    samples = waveforms.noisy_iq(sent, 14.0, rng).astype(np.complex64)
    downlink = definitions.Downlink(
        name="voice",
        frequency_hz=437e6,
        modulation="bpsk",
        baudrate_bd=9600.0,
        framing=definitions.ProtocolChoice(protocol="lilacsat1"),
    )
    receiver = Receiver("test", [Transmitter(None, None, downlink)])
    frames = [
        record
        for record in run(receiver, [IqBlock(samples, float(waveforms.RATE_HZ), 437e6, BEGIN_UTC_NS)])
        if isinstance(record, Frame)
    ]
    begins = [frame.link_frame.data[:40] for frame in frames]
    assert begins == [bytes([number] * 40) for number in range(3)]


def test_a_downlink_is_cut_out_of_wideband_iq() -> None:
    rate_hz, center_hz = 250_000.0, 437_450_000.0
    samples = signals.iq(FRAMES, rate_hz, 50_000.0)
    size = 12_500
    blocks = [
        IqBlock(samples[i : i + size], rate_hz, center_hz, BEGIN_UTC_NS + round(i / rate_hz * NS_PER_S))
        for i in range(0, len(samples), size)
    ]
    assert data_of(run(Receiver("test", [signals.TRANSMITTER]), blocks)) == FRAMES


def test_a_downlink_outside_the_band_is_named() -> None:
    receiver = Receiver("test", [signals.TRANSMITTER])
    receiver.feed(IqBlock(np.zeros(1000, np.complex64), 250_000.0, 145_900_000.0, BEGIN_UTC_NS))
    assert receiver.outside_band == ("testsat/9k6",)
    assert receiver.flush() == []


def test_octets_of_a_tnc_are_framed_and_decoded() -> None:
    octets = b"".join(kiss.encode(data, kiss.Options()) for data in FRAMES)
    blocks = [OctetBlock(octets[i : i + 1], BEGIN_UTC_NS + i) for i in range(len(octets))]
    records = run(Receiver("tnc", [signals.TRANSMITTER]), blocks)
    assert data_of(records) == FRAMES
    assert {record.satellite for record in records if isinstance(record, ParameterReport)} == {"testsat"}


def test_a_time_stamp_of_the_tnc_is_the_time_of_the_frame() -> None:
    stamp_ms = 1_600_000_000_123
    octets = (
        b"\xc0\x09" + kiss_escaped(stamp_ms.to_bytes(8, "big")) + b"\xc0" + kiss.encode(FRAMES[0], kiss.Options())
    )
    records = run(Receiver("tnc", [signals.TRANSMITTER]), [OctetBlock(octets, BEGIN_UTC_NS)])
    assert records[0].received_utc_ns == stamp_ms * 1_000_000


def kiss_escaped(octets: bytes) -> bytes:
    return octets.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")


def test_a_frame_of_one_of_several_satellites_goes_to_the_one_it_fits() -> None:
    other = Transmitter("other", None, signals.SATELLITE.downlinks[0])
    octets = kiss.encode(FRAMES[0], kiss.Options())
    records = run(Receiver("tnc", [other, signals.TRANSMITTER]), [OctetBlock(octets, BEGIN_UTC_NS)])
    assert [record.satellite for record in records if isinstance(record, Frame)] == ["testsat"]
    stranger = kiss.encode(b"what is this, in forty octets or a few more", kiss.Options())
    records = run(Receiver("tnc", [other, signals.TRANSMITTER]), [OctetBlock(stranger, BEGIN_UTC_NS)])
    assert [record.satellite for record in records if isinstance(record, Frame)] == [None]


def test_a_frame_among_those_of_a_fleet_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = signals.SATELLITE.downlinks[0]
    strangers = [Transmitter(f"other-{number}", None, first) for number in range(129)]
    receiver = Receiver("tnc", [*strangers, signals.TRANSMITTER])
    made = 0

    def counted(*asked: Any) -> Any:
        nonlocal made
        made += 1
        return make_extractor(*asked)

    make_extractor = interface.make_extractor
    octets = [OctetBlock(kiss.encode(data, kiss.Options()), BEGIN_UTC_NS) for data in FRAMES]
    run(receiver, octets[:1])  # the streams' own extractors
    monkeypatch.setattr(interface, "make_extractor", counted)
    records = run(receiver, octets[1:])
    assert {record.satellite for record in records if isinstance(record, Frame)} == {"testsat"}
    assert made == len(octets[1:]) * len(first.extract)


def test_what_does_not_decode_is_counted_by_reason() -> None:
    receiver = Receiver("tnc", [signals.TRANSMITTER])
    short = signals.frame(1)[:-5]
    records = run(receiver, [OctetBlock(kiss.encode(short, kiss.Options()), BEGIN_UTC_NS)])
    assert [type(record) for record in records] == [Frame, PacketRecord]
    assert receiver.rejected == {"too_short": 1}
    assert receiver.rejected_by_downlink() == {("testsat", "9k6"): {"too_short": 1}}


def test_a_loss_inside_a_frame_spoils_that_frame_only() -> None:
    samples = signals.audio(FRAMES)
    third = len(samples) // 2
    blocks = cut_audio(samples, [third, third + 600])
    lost = AudioBlock(blocks[2].samples, blocks[2].sample_rate_hz, blocks[2].start_utc_ns, lost_before=600)
    assert data_of(run(Receiver("test", [signals.TRANSMITTER]), [blocks[0], lost])) == [FRAMES[0], FRAMES[2]]


def test_what_is_missing_is_counted_by_virtual_channel_and_by_application_process() -> None:
    downlink = definitions.Downlink(
        name="frames",
        frequency_hz=2.2e9,
        modulation="bpsk",
        baudrate_bd=1e6,
        framing=definitions.ProtocolChoice(protocol="ccsds_tm_sync"),
        extract=(
            definitions.ProtocolChoice(protocol="ccsds_aos", options={"scid": 44}),
            definitions.ProtocolChoice(protocol="space_packet", options={"learn_cadence": False}),
        ),
    )
    frames = [
        ccsds_aos.build(44, 33, count, b"\0\0" + space_packet.build(673, 2 * count, bytes(9)))
        for count in (7, 8, 11, 12)  # 9 and 10 were lost
    ]
    receiver = Receiver(
        "tnc",
        [Transmitter("orbiter", None, downlink)],
        octet_framing="fixed_length",
        octet_options={"frame_octets": len(frames[0])},
    )
    run(receiver, [OctetBlock(b"".join(frames), BEGIN_UTC_NS)])
    assert receiver.gaps_by_downlink() == {("orbiter", "frames"): {"vc 33": 2, "apid 673": 1 + 5 + 1}}


def test_octets_of_the_only_satellite_are_its_own_whatever_its_downlinks_describe() -> None:
    downlinks = [
        definitions.Downlink(
            name=name,
            frequency_hz=437e6,
            modulation="fsk",
            baudrate_bd=9600.0,
            framing=definitions.ProtocolChoice(protocol="ax25"),
        )
        for name in ("uhf", "s-band")
    ]
    octets = kiss.encode(b"frames of a satellite without packets", kiss.Options())
    alone = Receiver("tnc", [Transmitter("only", None, downlink) for downlink in downlinks])
    (frame,) = run(alone, [OctetBlock(octets, BEGIN_UTC_NS)])
    assert isinstance(frame, Frame)
    assert (frame.satellite, frame.downlink) == ("only", "uhf")
