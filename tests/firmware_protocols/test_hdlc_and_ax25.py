"""HDLC and AX.25: against a slow twin, at their bounds, in noise, and what repair gains and costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware_protocols import ax25, hdlc
from tests.reference.hdlc import frames_between_flags

FRAME_INFORMATION_OCTETS = 64
"""82 octets with header and FCS: the frame of the sensitivity figures."""


def soft(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (2.0 * bits - 1.0).astype(np.float32)


def burst(
    frame: bytes, options: ax25.Options, ebn0_db: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Antipodal symbols in Gaussian noise, noise alone behind them; Eb counts every channel bit."""
    sent = soft(ax25.encode(frame, options))
    sigma = 10 ** (-ebn0_db / 20) / 2**0.5
    padded = np.concatenate([sent, np.zeros(100, np.float32)])
    return (padded + sigma * generator.standard_normal(padded.size)).astype(np.float32)


@given(
    st.lists(st.sampled_from([b"", b"\x01\x02", b"\x7e\x7e\x7e", b"\xff" * 9, b"abcdefgh"]), max_size=5),
    st.lists(st.integers(0, 1), max_size=80),
)
@settings(max_examples=200)
def test_deframer_agrees_with_its_slow_twin(frames: list[bytes], tail: list[int]) -> None:
    parts = [np.array(tail, np.uint8)]
    for frame in frames:
        parts += [hdlc.FLAG, hdlc.stuff(frame), hdlc.FLAG, np.array(tail[:7], np.uint8)]
    bits = np.concatenate(parts)
    options = hdlc.Options(nrzi=False, min_octets=2)
    search = hdlc.FrameSearch(options, ax25_header=False, repair=False)
    expected = frames_between_flags("".join(map(str, bits)), min_octets=2)
    assert [frame.data for frame in search.feed(soft(bits))] == expected


def test_one_flag_may_close_a_frame_and_open_the_next() -> None:
    bits = np.concatenate(
        [hdlc.FLAG, hdlc.stuff(b"first frame"), hdlc.FLAG, hdlc.stuff(b"second frame"), hdlc.FLAG]
    )
    deframer = hdlc.Deframer(hdlc.Options())
    frames = deframer.feed(soft(hdlc.line_code(bits, hdlc.Options())))
    assert [frame.data for frame in frames] == [b"first frame", b"second frame"]
    assert frames[1].offset == frames[0].offset + frames[0].span - 8


def test_both_polarities_are_found_without_nrzi() -> None:
    options = hdlc.Options(nrzi=False)
    symbols = soft(hdlc.encode(b"either way up", options))
    for sign in (1, -1):
        assert [frame.data for frame in hdlc.Deframer(options).feed(sign * symbols)] == [b"either way up"]


def test_refused_frames_are_counted_by_reason() -> None:
    options = hdlc.Options(min_octets=8, max_octets=64)
    deframer = hdlc.Deframer(options)
    deframer.feed(soft(hdlc.encode(b"short", options)))
    deframer.feed(soft(hdlc.encode(bytes(200), options)))
    aborted = np.concatenate([hdlc.FLAG, np.tile([0, 1], 64), np.ones(9), hdlc.FLAG]).astype(np.uint8)
    deframer.feed(soft(hdlc.line_code(aborted, options)))
    damaged = soft(hdlc.encode(b"a frame with one bad symbol", options))
    damaged[120] *= -1
    assert deframer.feed(damaged) == []
    assert deframer.rejected == {"too_short": 1, "too_long": 1, "aborted": 1, "bad_fcs": 1}


def test_flush_forgets_a_frame_that_was_cut_off() -> None:
    options = hdlc.Options()
    symbols = soft(hdlc.encode(b"cut in the middle", options))
    deframer = hdlc.Deframer(options)
    assert deframer.feed(symbols[:100]) == []
    assert deframer.flush() == []
    assert deframer.feed(symbols[100:]) == []
    again = deframer.feed(symbols)
    assert [frame.data for frame in again] == [b"cut in the middle"]
    assert again[0].offset >= symbols.size


def test_ui_frame_is_built_and_taken_apart() -> None:
    frame = ax25.build_ui_frame("CQ", "HL0KR-11", b"hello", digipeaters=("DS0AAA", "DS0BBB-7"))
    (packet,) = ax25.PacketExtractor(ax25.Options()).feed(frame)
    assert packet.data == b"hello"
    assert packet.header == {
        "destination": "CQ",
        "source": "HL0KR-11",
        "digipeaters": ("DS0AAA", "DS0BBB-7"),
        "command": True,
        "address_format": "shifted",
        "control": 0x03,
        "pid": 0xF0,
        "type": "UI",
        "poll_final": False,
    }


@pytest.mark.parametrize("callsign", ["", "TOOLONGCALL", "HL0KR-16", "한국", "A-B"])
def test_what_is_no_callsign_is_refused(callsign: str) -> None:
    with pytest.raises(ValueError):
        ax25.build_ui_frame("CQ", callsign, b"")


@pytest.mark.parametrize(
    ("control", "kind"),
    [(0x00, "I"), (0xB1, "RR"), (0x05, "RNR"), (0x09, "REJ"), (0x0D, "SREJ"), (0x3F, "SABM"), (0x7F, "SABME"),
     (0x53, "DISC"), (0x1F, "DM"), (0x73, "UA"), (0x97, "FRMR"), (0x13, "UI"), (0xBF, "XID"), (0xF3, "TEST")],
)  # fmt: skip
def test_control_octets_name_the_frames_of_the_standard(control: int, kind: str) -> None:
    assert ax25.frame_type(control) == kind  # AX.25 v2.2 §4.3, figures 4.2 to 4.4, P/F set


def test_headers_cut_short_are_counted() -> None:
    extractor = ax25.PacketExtractor(ax25.Options())
    assert extractor.feed(bytes(9)) == []
    assert extractor.feed(ax25.build_ui_frame("CQ", "HL0KR", b"")[:14]) == []
    assert extractor.feed(ax25.build_ui_frame("CQ", "HL0KR", b"")[:15]) == []
    assert extractor.rejected == {"bad_addresses": 1, "no_control": 1, "no_pid": 1}


def test_an_odd_header_is_taken_behind_three_flags_or_a_good_frame_only() -> None:
    frame = bytes(range(128, 168))
    options = ax25.Options()
    plain = hdlc.Options()
    one_flag = np.concatenate([np.zeros(40, np.uint8), hdlc.FLAG, hdlc.stuff(frame), hdlc.FLAG])
    deframer = ax25.Deframer(options)
    assert deframer.feed(soft(hdlc.line_code(one_flag, plain))) == []
    assert deframer.rejected == {"irregular_header": 1}
    three_flags = np.concatenate([hdlc.FLAG, hdlc.FLAG, one_flag[40:]])
    again = ax25.Deframer(options).feed(soft(hdlc.line_code(three_flags, plain)))
    assert [each.data for each in again] == [frame]
    good = ax25.build_ui_frame("CQ", "HL0KR", b"")
    behind = np.concatenate([np.zeros(40, np.uint8), hdlc.FLAG, hdlc.stuff(good), one_flag[40:]])
    found = ax25.Deframer(options).feed(soft(hdlc.line_code(behind, plain)))
    assert [each.data for each in found] == [good, frame]


@pytest.mark.parametrize("scrambler", ["none", "g3ruh"])
@pytest.mark.parametrize("place", [220, 300, 500, -60, -36])
def test_a_weak_wrong_symbol_is_mended_and_said(scrambler: str, place: int) -> None:
    options = ax25.Options(scrambler="g3ruh" if scrambler == "g3ruh" else "none")
    frame = ax25.build_ui_frame("CQ", "HL0KR", bytes(range(48)))
    symbols = soft(ax25.encode(frame, options))
    symbols += 0.2 * np.random.default_rng(1).standard_normal(symbols.size).astype(np.float32)
    symbols[place] *= -0.2
    frames = ax25.Deframer(options).feed(symbols)
    assert [(each.data, each.corrected) for each in frames] == [(frame, 1)]
    without = ax25.Options(scrambler=options.scrambler, repair=False)
    assert ax25.Deframer(without).feed(symbols) == []


@pytest.mark.parametrize("scrambler", ["none", "g3ruh"])
def test_repair_finds_half_of_the_frames_a_decibel_below_hard_decisions(scrambler: str) -> None:
    # The hard-decision bound for this frame is 6.8 dB for half of the frames, 8.2 dB for nine tenths.
    options = ax25.Options(scrambler="g3ruh" if scrambler == "g3ruh" else "none")
    generator = np.random.default_rng(2)
    found = {5.8: 0, 6.8: 0}
    for ebn0_db in found:
        deframer = ax25.Deframer(options)
        for _ in range(100):
            frame = ax25.build_ui_frame("CQ", "HL0KR", generator.bytes(FRAME_INFORMATION_OCTETS))
            frames = deframer.feed(burst(frame, options, ebn0_db, generator))
            assert all(each.data == frame for each in frames)
            found[ebn0_db] += len(frames)
    assert found[5.8] >= 50
    assert found[6.8] >= 90


def test_half_an_hour_of_noise_yields_no_frame() -> None:
    generator = np.random.default_rng(3)
    deframer = ax25.Deframer(ax25.Options(scrambler="g3ruh"))
    for _ in range(30):
        assert deframer.feed(generator.standard_normal(9600 * 60, dtype=np.float32)) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scrambler", ["none", "g3ruh"])
def test_a_day_of_noise_yields_at_most_one_frame(scrambler: str) -> None:
    generator = np.random.default_rng(4)
    deframer = ax25.Deframer(ax25.Options(scrambler="g3ruh" if scrambler == "g3ruh" else "none"))
    found = [
        frame
        for _ in range(24 * 60)
        for frame in deframer.feed(generator.standard_normal(9600 * 60, dtype=np.float32))
    ]
    assert len(found) <= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_frames_damaged_beyond_repair_do_not_become_other_frames() -> None:
    options = ax25.Options(scrambler="g3ruh")
    generator = np.random.default_rng(5)
    wrong = right = 0
    for ebn0_db in (3.0, 4.0, 5.0):
        deframer = ax25.Deframer(options)
        for _ in range(4000):
            frame = ax25.build_ui_frame("CQ", "HL0KR", generator.bytes(FRAME_INFORMATION_OCTETS))
            for each in deframer.feed(burst(frame, options, ebn0_db, generator)):
                right += each.data == frame
                wrong += each.data != frame
    assert right > 300
    assert wrong <= 2
