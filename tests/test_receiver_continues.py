"""A receiver that takes another's place in the middle of a stream: nothing in it is lost, nothing comes twice."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import AudioBlock, Frame, IqBlock, OctetBlock, Record
from firmware_protocols import kiss
from tests import signals
from tests.test_receiver import BEGIN_UTC_NS, FRAMES, NS_PER_S, cut_audio, data_of

OTHER = Transmitter(
    "othersat", replace(signals.SATELLITE, name="OTHER", norad=90002, packets=()), signals.TRANSMITTER.downlink
)


def octets(frames: list[bytes]) -> bytes:
    return b"".join(kiss.encode(frame, kiss.Options()) for frame in frames)


@pytest.mark.parametrize("cut", [0, 1, 7, 30, 45, 60])
def test_octets_cut_within_a_frame_are_put_together_by_the_next_receiver(cut: int) -> None:
    stream = octets(FRAMES)
    old = Receiver("tnc", [signals.TRANSMITTER])
    records = old.feed(OctetBlock(stream[:cut], BEGIN_UTC_NS))
    new = Receiver("tnc", [OTHER, signals.TRANSMITTER])
    records += new.continue_from(old)
    records += new.feed(OctetBlock(stream[cut:], BEGIN_UTC_NS)) + new.flush()
    assert data_of(records) == FRAMES
    assert new.frames == len(FRAMES)


def test_another_framing_begins_anew_and_the_counts_go_on() -> None:
    old = Receiver("tnc", [signals.TRANSMITTER])
    old.feed(OctetBlock(octets(FRAMES) + b"\xc0\x00\xdb\x00\xc0", BEGIN_UTC_NS))
    refused = old.rejected
    assert refused
    new = Receiver("tnc", [signals.TRANSMITTER], octet_framing="slip")
    new.continue_from(old)
    assert new.rejected == refused
    assert new.frames == len(FRAMES)


def test_audio_cut_within_a_frame_goes_on_in_the_chain_that_is_the_same() -> None:
    samples = signals.audio(FRAMES)
    middle = len(samples) // 2
    one, two = cut_audio(samples, [middle])
    old = Receiver("test", [signals.TRANSMITTER])
    records = old.feed(one)
    new = Receiver("test", [signals.TRANSMITTER, OTHER])
    records += new.continue_from(old)
    records += new.feed(two) + new.flush()
    told = [record for record in records if isinstance(record, Frame) and record.satellite == "testsat"]
    assert [frame.link_frame.data for frame in told] == FRAMES


def test_a_chain_that_ends_gives_what_it_held() -> None:
    samples = signals.audio(FRAMES)
    old = Receiver("test", [signals.TRANSMITTER])
    records: list[Record] = []
    for block in cut_audio(samples, []):
        assert isinstance(block, AudioBlock)
        records += old.feed(block)
    new = Receiver("test", [OTHER])
    records += new.continue_from(old)
    assert data_of(records) == FRAMES


def test_a_channel_that_is_the_same_goes_on_and_a_new_one_is_cut_out_beside_it() -> None:
    frequency_hz = signals.TRANSMITTER.downlink.frequency_hz
    beside = Transmitter(
        "othersat", OTHER.satellite, replace(OTHER.downlink, name="beside", frequency_hz=frequency_hz + 60e3)
    )
    rate_hz, center_hz = 240_000.0, frequency_hz + 30e3
    here = signals.iq(FRAMES, rate_hz, -30e3)
    there = signals.iq([signals.frame(9)], rate_hz, 30e3)
    middle = len(here) * 3 // 5
    one = here[:middle]
    two = np.concatenate((here[middle:], there))

    def block(part: np.ndarray, begins: int) -> IqBlock:
        return IqBlock(part, rate_hz, center_hz, BEGIN_UTC_NS + round(begins / rate_hz * NS_PER_S))

    old = Receiver("test", [signals.TRANSMITTER])
    records = old.feed(block(one, 0))
    new = Receiver("test", [signals.TRANSMITTER, beside])
    records += new.continue_from(old)
    records += new.feed(block(two, middle)) + new.flush()
    frames = [record for record in records if isinstance(record, Frame)]
    assert [item.link_frame.data for item in frames if item.downlink == signals.TRANSMITTER.downlink.name] == FRAMES
    assert [item.link_frame.data for item in frames if item.downlink == "beside"] == [signals.frame(9)]
