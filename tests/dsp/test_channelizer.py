"""The channelizer: a tone comes out where it belongs, a Doppler curve is removed, cutting changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dsp.channelizer import Channelizer
from agent.records import IqBlock

RATE_HZ = 240_000.0
PASSBAND_RIPPLE = 0.02
STOPBAND = 0.003


def tone(offset_hz: float, seconds: float, ramp_hz_s: float = 0.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.exp(2j * np.pi * (offset_hz * t + 0.5 * ramp_hz_s * t * t)).astype(np.complex64)


def run(channelizer: Channelizer, samples: np.ndarray, cuts: list[int]) -> dict[int, np.ndarray]:
    pieces: dict[int, list[np.ndarray]] = {}
    edges = [0, *sorted(cuts), len(samples)]
    blocks = [
        channelizer.feed(IqBlock(samples[a:b], RATE_HZ, 437e6, round(a / RATE_HZ * 1e9)))
        for a, b in itertools.pairwise(edges)
    ]
    for given_blocks in [*blocks, channelizer.flush()]:
        for number, block in given_blocks.items():
            pieces.setdefault(number, []).append(block.samples)
    return {number: np.concatenate(parts) for number, parts in pieces.items()}


@pytest.mark.parametrize("offset_hz", [0.0, 1234.5, -50_000.0, 87_654.321])
def test_tone_comes_out_at_its_distance_from_the_channel_without_a_seam(offset_hz: float) -> None:
    channelizer = Channelizer(RATE_HZ)
    number = channelizer.add(offset_hz, 20_000.0)
    out = run(channelizer, tone(offset_hz + 3000.0, 0.5), [])[number]
    rate_hz = channelizer.sample_rate_hz(number)
    middle = out[200 : round(0.45 * rate_hz)]
    turns = np.angle(middle[1:] * np.conj(middle[:-1])) / (2 * np.pi) * rate_hz
    assert np.allclose(turns, 3000.0, atol=30.0)
    assert np.allclose(np.abs(middle), 1.0, atol=PASSBAND_RIPPLE)


def test_tone_of_another_channel_is_suppressed() -> None:
    channelizer = Channelizer(RATE_HZ)
    near, far = channelizer.add(0.0, 20_000.0), channelizer.add(60_000.0, 20_000.0)
    out = run(channelizer, tone(60_000.0, 0.3), [])
    assert np.abs(out[near][500:-500]).max() < STOPBAND
    assert np.abs(out[far][500:-500]).min() > 1.0 - PASSBAND_RIPPLE


def test_doppler_curve_brings_a_drifting_tone_to_the_centre() -> None:
    channelizer = Channelizer(RATE_HZ)
    number = channelizer.add(40_000.0, 10_000.0)
    channelizer.set_doppler(number, lambda utc_ns: 2000.0 - 300.0 * utc_ns * 1e-9)
    out = run(channelizer, tone(42_000.0, 1.0, -300.0), [])[number]
    middle = out[1000:-1000]
    assert abs(np.mean(middle / np.abs(middle))) > 0.999


def test_doppler_many_times_the_channel_s_width_does_not_carry_the_signal_out_of_it() -> None:
    channelizer = Channelizer(RATE_HZ)
    number = channelizer.add(40_000.0, 3_000.0)
    channelizer.set_doppler(number, lambda utc_ns: 9000.0 - 15_000.0 * utc_ns * 1e-9)
    out = run(channelizer, tone(49_000.0, 1.0, -15_000.0), [])[number]
    middle = out[200:-200]
    assert np.abs(middle).min() > 1.0 - PASSBAND_RIPPLE
    assert abs(np.mean(middle / np.abs(middle))) > 0.999


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 24_000), max_size=8))
def test_any_cutting_gives_the_same_samples(cuts: list[int]) -> None:
    samples = tone(1000.0, 0.1) + tone(-33_000.0, 0.1)
    whole, cut = Channelizer(RATE_HZ), Channelizer(RATE_HZ)
    for channelizer in (whole, cut):
        channelizer.add(0.0, 10_000.0)
        channelizer.add(-33_000.0, 15_000.0)
    expected, got = run(whole, samples, []), run(cut, samples, cuts)
    assert all(np.array_equal(expected[n], got[n]) for n in expected)


def test_channel_outside_the_band_is_refused_naming_the_field() -> None:
    with pytest.raises(ValueError, match="offset_hz"):
        Channelizer(RATE_HZ).add(115_000.0, 20_000.0)


def test_loss_is_handed_on() -> None:
    channelizer = Channelizer(RATE_HZ)
    number = channelizer.add(0.0, 20_000.0)
    samples = tone(0.0, 0.1)
    channelizer.feed(IqBlock(samples, RATE_HZ, 437e6, 0))
    after = channelizer.feed(IqBlock(samples, RATE_HZ, 437e6, 10**9, lost_before=1000))[number]
    assert after.lost_before > 0
    assert after.start_utc_ns == 10**9
