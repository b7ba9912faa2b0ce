"""What a bad line does: worked by hand where it can be."""

import random

import pytest

from agent.simulator.line_faults import at_wrong_baud_rate, cut_off, garble

OCTETS = bytes(range(256)) * 4


def test_the_right_baud_rate_changes_nothing() -> None:
    assert at_wrong_baud_rate(OCTETS, 9600, 9600) == OCTETS


@pytest.mark.parametrize("error", [-0.03, 0.03])
def test_three_per_cent_are_tolerated(error: float) -> None:
    assert at_wrong_baud_rate(OCTETS, 9600, 9600 * (1 + error)) == OCTETS


def test_read_at_twice_the_baud_rate_every_bit_is_seen_twice() -> None:
    # 0x0F at 9600: start, 1111 0000, stop. Read twice as fast the eight bits after half a start bit are
    # 0 (the start bit's second half), 1 1 1 1 1 1 1, and the stop bit is the eighth 1.
    assert at_wrong_baud_rate(b"\x0f", 9600, 19_200)[0] == 0b11111110


def test_a_missing_stop_bit_reads_as_zero() -> None:
    # 0x00 at 9600 is low for nine bits: at twice the rate its stop bit is missing.
    assert at_wrong_baud_rate(b"\x00", 9600, 19_200)[0] == 0


def test_a_slower_reader_gets_fewer_octets_a_faster_one_more_or_zeros() -> None:
    assert len(at_wrong_baud_rate(OCTETS, 9600, 1200)) < len(OCTETS) / 4
    assert at_wrong_baud_rate(OCTETS, 9600, 38_400) != OCTETS


def test_a_share_of_the_octets_has_one_bit_wrong() -> None:
    got = garble(OCTETS * 10, 0.1, random.Random(1))
    wrong = [a ^ b for a, b in zip(OCTETS * 10, got, strict=True) if a != b]
    assert 0.08 < len(wrong) / len(got) < 0.12
    assert all(one.bit_count() == 1 for one in wrong)


def test_a_cut_frame_keeps_a_beginning() -> None:
    for seed in range(50):
        got = cut_off(b"abcdefgh", random.Random(seed))
        assert got
        assert b"abcdefgh".startswith(got)
        assert len(got) < 8
