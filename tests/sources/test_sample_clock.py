"""The sample clock against arrivals that are lumpy, late, lost, and against a stepped system clock."""

import random

import pytest

from agent.sources.samples.clock import SampleClock

RATE = 250_000
BLOCK = 12_500  # 50 ms
BLOCK_NS = 50_000_000
UTC_NS = 1_750_000_000 * 10**9

ten_milliseconds = 10_000_000


def test_jitter_of_arrival_does_not_move_the_stamps() -> None:
    clock, jitter = SampleClock(RATE), random.Random(1)
    errors = []
    for block in range(400):
        begins = block * BLOCK_NS
        arrives = begins + BLOCK_NS + int(jitter.expovariate(1 / 20e6))  # mean lateness 20 ms
        start, lost = clock.stamp(BLOCK, arrives, UTC_NS + arrives)
        errors.append(abs(start - UTC_NS - begins))
        assert lost == 0
    assert max(errors[50:]) < ten_milliseconds


def test_a_stall_that_loses_nothing_is_no_loss() -> None:
    clock = SampleClock(RATE)
    lost_in_all = 0
    for block in range(200):
        on_time = (block + 1) * BLOCK_NS
        arrives = max(on_time, 5_000_000_000) if 60 <= block < 100 else on_time  # two seconds held back
        start, lost = clock.stamp(BLOCK, arrives, UTC_NS + arrives)
        lost_in_all += lost
        assert abs(start - UTC_NS - block * BLOCK_NS) < ten_milliseconds
    assert lost_in_all == 0


def test_samples_that_never_come_are_counted_once() -> None:
    clock = SampleClock(RATE)
    losses = []
    for block in range(200):
        gap = 0 if block < 100 else 1_000_000_000
        arrives = (block + 1) * BLOCK_NS + gap
        start, lost = clock.stamp(BLOCK, arrives, UTC_NS + arrives)
        losses.append(lost)
    assert sum(losses) == RATE
    assert sum(1 for lost in losses if lost) == 1
    assert start == UTC_NS + 199 * BLOCK_NS + 1_000_000_000


def test_a_step_of_the_system_clock_is_no_loss() -> None:
    clock = SampleClock(RATE)
    for block in range(100):
        arrives = (block + 1) * BLOCK_NS
        step = 3600 * 10**9 if block >= 50 else 0
        start, lost = clock.stamp(BLOCK, arrives, UTC_NS + arrives + step)
        assert lost == 0
        assert start == UTC_NS + block * BLOCK_NS + step


@pytest.mark.parametrize("crystal_ppm", [-150, -20, 20, 150])
def test_a_crystal_that_is_off_is_followed(crystal_ppm: int) -> None:
    clock = SampleClock(RATE)
    true_block_ns = BLOCK_NS * (1 + crystal_ppm * 1e-6)
    for block in range(20 * 600):  # ten minutes
        arrives = round((block + 1) * true_block_ns)
        start, lost = clock.stamp(BLOCK, arrives, UTC_NS + arrives)
        assert lost == 0
        assert abs(start - UTC_NS - round(block * true_block_ns)) < ten_milliseconds
