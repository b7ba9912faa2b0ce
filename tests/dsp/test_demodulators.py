"""The demodulators: frames come back from clean and noisy bursts however they are offset, cut or broken."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent import dsp
from agent.records import AudioBlock, IqBlock, SymbolBlock
from agent.simulator import modulators
from firmware_protocols import ax25
from tests.benchmarks import waveforms as air

AFSK = {"af_carrier_hz": 1700.0, "deviation_hz": 500.0}
QUIET_DB = 25.0
HALF_A_BAUD = 0.5


def block(samples: NDArray[Any], at: int = 0, lost: int = 0) -> IqBlock | AudioBlock:
    start_utc_ns = round(at * 1e9 / air.RATE_HZ)
    if np.iscomplexobj(samples):
        return IqBlock(samples.astype(np.complex64), air.RATE_HZ, 437e6, start_utc_ns, lost)
    return AudioBlock(samples.astype(np.float32), air.RATE_HZ, start_utc_ns, lost)


def make(modulation: str, baudrate_bd: float, options: dict[str, Any], samples: NDArray[Any]) -> Any:
    signal = "iq" if np.iscomplexobj(samples) else "audio"
    return dsp.make_demodulator(modulation, baudrate_bd, options, signal, air.RATE_HZ)


def demodulate(
    modulation: str,
    baudrate_bd: float,
    samples: NDArray[Any],
    cuts: Iterable[int] = (),
    options: dict[str, Any] | None = None,
) -> list[SymbolBlock]:
    demodulator = make(modulation, baudrate_bd, options or {}, samples)
    edges = [0, *sorted(cuts), len(samples)]
    blocks: list[SymbolBlock] = []
    for a, b in itertools.pairwise(edges):
        blocks += demodulator.feed(block(samples[a:b], a))
    return blocks + demodulator.flush()


def streams(blocks: list[SymbolBlock]) -> dict[int, NDArray[np.float32]]:
    parts: dict[int, list[NDArray[np.float32]]] = {}
    for one in blocks:
        parts.setdefault(one.stream, []).append(one.soft)
    return {stream: np.concatenate(soft) for stream, soft in parts.items()}


def frames(blocks: list[SymbolBlock], *, scrambled: bool = True) -> set[bytes]:
    found: set[bytes] = set()
    for soft in streams(blocks).values():
        deframer = ax25.Deframer(ax25.Options(scrambler="g3ruh" if scrambled else "none", repair=False))
        found |= {frame.data for frame in [*deframer.feed(soft), *deframer.flush()]}
    return found


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def gfsk() -> air.Transmission:
    return air.gfsk_bursts(4, rng())


@pytest.fixture(scope="module")
def bpsk() -> air.Transmission:
    return air.bpsk_bursts(2, rng())


@pytest.fixture(scope="module")
def afsk() -> air.Transmission:
    return air.afsk_bursts(2, rng())


@pytest.mark.parametrize("offset_bauds", [-HALF_A_BAUD, 0.0, HALF_A_BAUD])
def test_gfsk_frames_come_out_of_iq_wherever_the_carrier_is(gfsk: air.Transmission, offset_bauds: float) -> None:
    samples = air.shifted(air.noisy_iq(gfsk, QUIET_DB, rng()), offset_bauds * 9600.0)
    blocks = demodulate("fsk", 9600.0, samples)
    assert frames(blocks) == set(gfsk.frames)


@pytest.mark.parametrize("modulation", ["fsk", "bpsk"])
def test_the_offset_of_a_tuner_does_not_cover_a_signal_at_its_centre(
    modulation: str, gfsk: air.Transmission, bpsk: air.Transmission
) -> None:
    sent = gfsk if modulation == "fsk" else bpsk
    samples = air.shifted(air.noisy_iq(sent, QUIET_DB, rng()), 150.0) + (1.5 - 1.0j)
    assert frames(demodulate(modulation, sent.bit_rate_hz, samples)) == set(sent.frames)


def test_gfsk_at_11_db_is_heard_by_the_sequence_detector_alone(gfsk: air.Transmission) -> None:
    blocks = demodulate("fsk", 9600.0, air.noisy_iq(gfsk, 11.0, rng()))
    sliced = frames([one for one in blocks if one.stream == 0])
    detected = frames([one for one in blocks if one.stream == 1])
    assert detected == set(gfsk.frames)
    assert len(sliced) < len(detected)


@pytest.mark.parametrize("deviation_hz", [300.0, 600.0, 3000.0])
@pytest.mark.parametrize("offset_hz", [0.0, 1500.0])
def test_slow_fsk_is_heard_with_any_deviation_without_saying_which(deviation_hz: float, offset_hz: float) -> None:
    frame = air.random_frames(1, rng())[0]
    bits = air.ax25_bits(frame, 75, scrambled=False)
    signal = air.gfsk(bits, 1200.0, index=2.0 * deviation_hz / 1200.0)
    sent = air.Transmission(air.with_gaps([signal], 0.2), (frame,), 1.0, 1200.0)
    samples = air.shifted(air.noisy_iq(sent, 30.0, rng()), offset_hz)
    assert frames(demodulate("fsk", 1200.0, samples), scrambled=False) == {frame}


@pytest.mark.parametrize("sense", [1.0, -1.0])
def test_gfsk_frames_come_out_of_fm_audio_upright_and_inverted(gfsk: air.Transmission, sense: float) -> None:
    audio = sense * air.noisy_fm_audio(gfsk, QUIET_DB, rng()) + 0.02
    assert frames(demodulate("fsk", 9600.0, audio)) == set(gfsk.frames)


@pytest.mark.parametrize("ppm", [-500.0, 500.0])
def test_clock_errors_are_followed(ppm: float) -> None:
    sent = air.gfsk_bursts(3, rng(), ppm=ppm)
    assert frames(demodulate("fsk", 9600.0, air.noisy_iq(sent, QUIET_DB, rng()))) == set(sent.frames)


@pytest.mark.parametrize("error", [-0.018, 0.018])
def test_strong_bpsk_is_heard_with_its_clock_two_percent_off(error: float, bpsk: air.Transmission) -> None:
    blocks = demodulate("bpsk", bpsk.bit_rate_hz * (1.0 + error), air.noisy_iq(bpsk, QUIET_DB, rng()))
    assert frames(blocks) == set(bpsk.frames)


@pytest.mark.parametrize("offset_hz", [-600.0, 0.0, 475.0])
def test_bpsk_carrier_is_found_in_iq_and_reported(bpsk: air.Transmission, offset_hz: float) -> None:
    blocks = demodulate("bpsk", 1200.0, air.shifted(air.noisy_iq(bpsk, QUIET_DB, rng()), offset_hz))
    assert frames(blocks) == set(bpsk.frames)
    # A short block may begin or end a stretch of which the carrier was a mean with noise.
    best = max((one for one in blocks if len(one.soft) > 512), key=lambda one: one.snr_db or -99.0)
    assert best.frequency_offset_hz == pytest.approx(offset_hz, abs=5.0)


@pytest.mark.parametrize("carrier_hz", [1200.0, 1500.0, 1975.0])
def test_bpsk_carrier_is_found_in_audio(bpsk: air.Transmission, carrier_hz: float) -> None:
    audio = air.shifted(bpsk.samples, carrier_hz).real
    assert frames(demodulate("bpsk", 1200.0, audio + 0.02 * rng().standard_normal(len(audio)))) == set(bpsk.frames)


def test_bpsk_snr_is_es_over_n0(bpsk: air.Transmission) -> None:
    blocks = demodulate("bpsk", 1200.0, air.noisy_iq(bpsk, 12.0, rng()))
    assert max(one.snr_db or -99.0 for one in blocks) == pytest.approx(12.0, abs=1.0)


@pytest.mark.parametrize("ebn0_db", [9.0, 14.0, 19.0])
def test_gfsk_snr_is_es_over_n0_on_every_stream(ebn0_db: float) -> None:
    bits = rng(3).integers(0, 2, 20_000).astype(np.uint8)
    sent = air.Transmission(air.gfsk(bits, 9600.0), (), 1.0, 9600.0)
    blocks = demodulate("fsk", 9600.0, air.noisy_iq(sent, ebn0_db, rng()))
    for stream in streams(blocks):
        heard = [one.snr_db for one in blocks if one.stream == stream and one.snr_db is not None]
        listens_wide = stream > 1  # to any deviation: more noise comes in
        assert np.median(heard) == pytest.approx(ebn0_db, abs=2.0 if listens_wide else 1.0)


@pytest.mark.parametrize(
    ("baudrate_bd", "index", "bandwidth_time"),
    [(9600.0, 0.35, 0.5), (9600.0, 1.0, 0.5), (9600.0, 2.0, 1.0), (4800.0, 0.7, 0.5), (2400.0, 3.0, 1.0),
     (19200.0, 1.0, 0.5), (19200.0, 0.5, 0.3)],
)  # fmt: skip
def test_fsk_of_any_index_is_heard_from_iq_without_saying_which(
    baudrate_bd: float, index: float, bandwidth_time: float
) -> None:
    frames_sent = air.random_frames(3, rng())
    bursts: list[air.Samples] = [
        air.gfsk(air.ax25_bits(one, 60, scrambled=True), baudrate_bd, index=index, bandwidth_time=bandwidth_time)
        for one in frames_sent
    ]
    sent = air.Transmission(air.with_gaps(bursts, 0.1), frames_sent, 1.0, baudrate_bd)
    samples = air.shifted(air.noisy_iq(sent, 15.0, rng()), 0.1 * baudrate_bd)
    assert frames(demodulate("fsk", baudrate_bd, samples)) == set(frames_sent)


def test_afsk_frames_come_out_of_audio_and_of_fm_iq(afsk: air.Transmission) -> None:
    audio = air.noisy_audio(afsk, QUIET_DB, rng())
    assert frames(demodulate("afsk", 1200.0, audio, options=AFSK), scrambled=False) == set(afsk.frames)
    iq = np.exp(2j * np.pi * np.cumsum(3000.0 * afsk.samples + 400.0) / air.RATE_HZ)
    assert frames(demodulate("afsk", 1200.0, iq, options=AFSK), scrambled=False) == set(afsk.frames)


def test_negative_deviation_turns_the_bits_over(afsk: air.Transmission) -> None:
    audio = air.noisy_audio(afsk, QUIET_DB, rng())
    upright = streams(demodulate("afsk", 1200.0, audio, options=AFSK))
    turned = streams(demodulate("afsk", 1200.0, audio, options={**AFSK, "deviation_hz": -500.0}))
    for stream, soft in upright.items():
        inside = slice(300, len(soft) - 600)
        agree = np.mean(np.sign(soft[inside]) == np.sign(turned[stream][inside]))
        assert agree < 0.35  # noise between the bursts agrees half the time


def test_differential_bpsk_gives_one_where_the_phase_stays(bpsk: air.Transmission) -> None:
    samples = air.noisy_iq(bpsk, QUIET_DB, rng())
    plain = streams(demodulate("bpsk", 1200.0, samples))[0]
    products = streams(demodulate("bpsk", 1200.0, samples, options={"differential": True}))[0]
    assert np.array_equal(np.sign(products[1:]), np.sign(plain[1:] * plain[:-1]))


@pytest.mark.parametrize("differential", [False, True])
def test_manchester_halves_are_put_together_whichever_comes_first(differential: bool) -> None:
    frame = air.random_frames(1, rng())[0]
    bits = air.ax25_bits(frame, 75, scrambled=True)
    if differential:
        bits = (1 - np.bitwise_xor.accumulate(1 - bits)).astype(np.uint8)  # a one keeps the phase
    halves = np.stack((bits, 1 - bits), axis=1).ravel()
    sent = air.Transmission(air.with_gaps([air.bpsk(halves, 2400.0)], 0.3), (frame,), 1.0, 1200.0)
    samples = air.shifted(air.noisy_iq(sent, QUIET_DB, rng()), 200.0)
    options = {"manchester": True, "differential": differential}
    assert frames(demodulate("bpsk", 1200.0, samples, options=options)) == {frame}


@pytest.mark.parametrize("offset_hz", [-700.0, 0.0, 900.0])
@pytest.mark.parametrize("swapped", [False, True])
def test_qpsk_frames_come_out_whatever_the_phase_and_the_side(offset_hz: float, swapped: bool) -> None:
    frame = air.random_frames(1, rng())[0]
    bits = air.ax25_bits(frame, 150, scrambled=True)
    bits = bits[: len(bits) // 2 * 2]
    z = air.bpsk(bits[0::2], 2400.0) + 1j * air.bpsk(bits[1::2], 2400.0)
    z = np.conj(z) if swapped else z
    sent = air.Transmission(air.with_gaps([z], 0.3), (frame,), 2.0, 4800.0)
    samples = air.shifted(air.noisy_iq(sent, QUIET_DB, rng()), offset_hz)
    assert frames(demodulate("qpsk", 2400.0, samples)) == {frame}


def test_pm_subcarrier_is_heard_beside_a_residual_carrier_off_its_place() -> None:
    frame = air.random_frames(1, rng())[0]
    data = air.held(air.ax25_bits(frame, 150, scrambled=True), 2000.0, air.RATE_HZ)
    phase = 1.0 * data * np.sin(2.0 * np.pi * 18_000.0 / air.RATE_HZ * np.arange(len(data)))
    sent = air.Transmission(air.with_gaps([np.exp(1j * phase)], 0.2), (frame,), 1.0, 2000.0)
    samples = air.shifted(air.noisy_iq(sent, 20.0, rng()), 321.0, 50.0)
    blocks = demodulate("pm", 2000.0, samples, options={"subcarrier_hz": 18_000.0})
    assert frames(blocks) == {frame}
    middle = blocks[len(blocks) // 2]
    middle_s = middle.start_utc_ns * 1e-9 + 0.5 * len(middle.soft) / middle.baudrate_bd
    assert middle.frequency_offset_hz == pytest.approx(321.0 + 50.0 * middle_s, abs=10.0)


def test_pm_without_a_subcarrier_is_manchester_at_right_angles_to_the_carrier() -> None:
    frame = air.random_frames(1, rng())[0]
    bits = air.ax25_bits(frame, 150, scrambled=True)
    data = air.held(np.stack((bits, 1 - bits), axis=1).ravel(), 4800.0, air.RATE_HZ)
    sent = air.Transmission(air.with_gaps([np.exp(1.1j * data)], 0.2), (frame,), 1.0, 2400.0)
    samples = air.shifted(air.noisy_iq(sent, 20.0, rng()), -432.0)
    blocks = demodulate("pm", 2400.0, samples)
    assert frames(blocks) == {frame}
    best = max(blocks, key=lambda one: one.snr_db or -99.0)
    assert best.snr_db == pytest.approx(20.0 - 1.0, abs=3.0)
    assert best.frequency_offset_hz == pytest.approx(-432.0, abs=5.0)


@pytest.mark.parametrize("pulse", ["rrc", "rect"])
@pytest.mark.parametrize("offset_hz", [-1100.0, 0.0, 600.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_oqpsk_frames_come_out_whichever_rail_is_first(pulse: str, offset_hz: float, mirrored: bool) -> None:
    burst, frame = oqpsk_burst(pulse)
    sent = air.Transmission(air.with_gaps([np.conj(burst) if mirrored else burst], 0.3), (frame,), 1.0, 4800.0)
    samples = air.shifted(air.noisy_iq(sent, 12.0, rng()), offset_hz)
    blocks = demodulate("oqpsk", 2400.0, samples)
    assert frames(blocks) == {frame}
    assert {one.baudrate_bd for one in blocks} == {4800.0}


def oqpsk_burst(pulse: str) -> tuple[NDArray[Any], bytes]:
    frame = air.random_frames(1, rng())[0]
    bits = air.ax25_bits(frame, 150, scrambled=True)
    return modulators.modulate("oqpsk", bits, 2400.0, {"pulse": pulse}).sampled(air.RATE_HZ), frame


def test_an_oqpsk_carrier_that_drifts_is_followed() -> None:
    burst, frame = oqpsk_burst("rrc")
    sent = air.Transmission(air.with_gaps([burst], 0.3), (frame,), 1.0, 4800.0)
    assert frames(demodulate("oqpsk", 2400.0, air.shifted(air.noisy_iq(sent, 15.0, rng()), -500.0, 20.0))) == {
        frame
    }


CASES = ("gfsk-iq", "gfsk-audio", "bpsk-iq", "bpsk-audio", "afsk-audio", "qpsk-iq", "oqpsk-iq", "pm-iq")


def case(name: str) -> tuple[str, float, dict[str, Any], NDArray[Any]]:
    if name == "gfsk-iq":
        return "fsk", 9600.0, {}, air.noisy_iq(air.gfsk_bursts(1, rng()), QUIET_DB, rng())
    if name == "gfsk-audio":
        return "fsk", 9600.0, {}, air.noisy_fm_audio(air.gfsk_bursts(1, rng()), QUIET_DB, rng())
    if name == "bpsk-iq":
        return "bpsk", 1200.0, {}, air.noisy_iq(air.bpsk_bursts(1, rng()), QUIET_DB, rng())
    if name == "bpsk-audio":
        return "bpsk", 1200.0, {}, air.shifted(air.bpsk_bursts(1, rng()).samples, 1500.0).real
    if name == "oqpsk-iq":
        sent = air.Transmission(air.with_gaps([oqpsk_burst("rrc")[0]], 0.3), (), 1.0, 4800.0)
        return "oqpsk", 2400.0, {}, air.noisy_iq(sent, QUIET_DB, rng())
    if name in ("qpsk-iq", "pm-iq"):
        bits = air.ax25_bits(air.random_frames(1, rng())[0], 150, scrambled=True)[:-1]
        bits = bits[: len(bits) // 2 * 2]
        z = air.bpsk(bits[0::2], 2400.0) + 1j * air.bpsk(bits[1::2], 2400.0)
        if name == "pm-iq":
            halves = np.stack((bits, 1 - bits), axis=1).ravel()
            z = np.exp(1.1j * air.held(halves, 4800.0, air.RATE_HZ))
        sent = air.Transmission(air.with_gaps([z], 0.3), (), float(np.mean(np.abs(z) ** 2)), 2400.0)
        return name.removesuffix("-iq"), 2400.0, {}, air.noisy_iq(sent, QUIET_DB, rng())
    return "afsk", 1200.0, AFSK, air.noisy_audio(air.afsk_bursts(1, rng()), QUIET_DB, rng())


@pytest.mark.parametrize("name", CASES)
def test_any_cutting_of_the_input_gives_the_same_symbols(name: str) -> None:
    modulation, baudrate_bd, options, samples = case(name)
    whole = demodulate(modulation, baudrate_bd, samples, options=options)

    @settings(max_examples=8, deadline=None)
    @given(cuts=st.lists(st.integers(0, len(samples)), max_size=12))
    def check(cuts: list[int]) -> None:
        cut = demodulate(modulation, baudrate_bd, samples, cuts, options)
        assert [one.stream for one in cut] == [one.stream for one in whole]
        for a, b in zip(cut, whole, strict=True):
            assert np.array_equal(a.soft, b.soft)
            assert abs(a.start_utc_ns - b.start_utc_ns) < 10_000
            assert a.first == b.first

    check()


@pytest.mark.parametrize("name", CASES)
def test_a_burst_to_the_very_end_is_given_by_flush(name: str) -> None:
    modulation, baudrate_bd, options, samples = case(name)
    end = int(np.flatnonzero(np.abs(samples) > 0.3 * np.abs(samples).max())[-1])
    blocks = demodulate(modulation, baudrate_bd, samples[: end + 1], options=options)
    assert len(frames(blocks, scrambled=modulation != "afsk")) == 1


@pytest.mark.parametrize("name", CASES)
def test_a_gap_begins_anew_and_is_marked(name: str) -> None:
    modulation, baudrate_bd, options, samples = case(name)
    demodulator = make(modulation, baudrate_bd, options, samples)
    blocks = demodulator.feed(block(samples))
    blocks += demodulator.feed(block(samples, at=10 * len(samples), lost=1000))
    blocks += demodulator.flush()
    for stream in streams(blocks):
        firsts = [one.start_utc_ns for one in blocks if one.stream == stream and one.first]
        assert len(firsts) == 2
        assert firsts[1] >= round(10 * len(samples) * 1e9 / air.RATE_HZ)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["silence", "nan", "infinite", "clipped", "loud", "dc"])
def test_useless_input_gives_finite_symbols_and_no_frame(name: str, kind: str) -> None:
    modulation, baudrate_bd, options, samples = case(name)
    useless = {
        "silence": np.zeros_like(samples),
        "nan": np.full_like(samples, np.nan),
        "infinite": np.where(np.arange(len(samples)) % 7 == 0, np.inf, samples),
        "clipped": np.sign(samples.real) + 0 * samples,
        "loud": samples * 1e9,
        "dc": np.ones_like(samples),
    }[kind]
    for one in demodulate(modulation, baudrate_bd, useless, options=options):
        assert np.all(np.isfinite(one.soft))
        assert one.snr_db is None or np.isfinite(one.snr_db)
    good_again = make(modulation, baudrate_bd, options, samples)
    good_again.feed(block(useless))
    blocks = good_again.feed(block(samples, at=len(useless))) + good_again.flush()
    assert len(frames(blocks, scrambled=modulation != "afsk")) >= 1


def test_digital_silence_gives_no_symbols_and_ends_what_was_before(gfsk: air.Transmission) -> None:
    burst = air.noisy_iq(gfsk, QUIET_DB, rng())
    demodulator = make("fsk", 9600.0, {}, burst)
    before = demodulator.feed(block(burst))
    before += demodulator.feed(block(np.zeros(2 * air.RATE_HZ, np.complex64), at=len(burst)))
    assert frames(before) == set(gfsk.frames)
    assert demodulator.feed(block(np.zeros(2 * air.RATE_HZ, np.complex64), at=len(burst) + 2 * air.RATE_HZ)) == []
    assert demodulator.flush() == []


def test_time_of_symbols_is_that_of_the_signal(gfsk: air.Transmission) -> None:
    bits = air.ax25_bits(gfsk.frames[0], 50, scrambled=True)
    blocks = demodulate("fsk", 9600.0, air.noisy_iq(gfsk, QUIET_DB, rng()))
    for stream in streams(blocks):
        soft = np.concatenate([one.soft for one in blocks if one.stream == stream])
        times = np.concatenate(
            [one.start_utc_ns * 1e-9 + np.arange(len(one.soft)) / 9600.0 for one in blocks if one.stream == stream]
        )
        at = int(np.argmax(np.correlate(np.sign(soft[:4000]), 2.0 * bits - 1.0, "valid")))
        assert times[at] == pytest.approx(0.2 + 0.5 / 9600.0, abs=1.0 / 9600.0)


def test_names_and_options_are_refused_by_name() -> None:
    assert set(dsp.modulation_names()) >= {"fsk", "afsk", "bpsk", "qpsk", "oqpsk", "pm"}
    with pytest.raises(LookupError, match="fks"):
        dsp.load("fks")
    with pytest.raises(ValueError, match="deviaton_hz"):
        dsp.make_demodulator("fsk", 9600.0, {"deviaton_hz": 1}, "iq", 48_000.0)
    with pytest.raises(ValueError, match="sample_rate_hz"):
        dsp.make_demodulator("fsk", 9600.0, {}, "iq", 9_600.0)
    with pytest.raises(ValueError, match="baudrate_bd"):
        dsp.make_demodulator("fsk", float("nan"), {}, "iq", 48_000.0)
    with pytest.raises(ValueError, match="deviation_hz"):
        dsp.make_demodulator("afsk", 1200.0, {"deviation_hz": 0.0}, "audio", 48_000.0)


@pytest.mark.parametrize("name", dsp.modulation_names())
def test_a_channel_of_the_stated_width_holds_the_signal(name: str) -> None:
    width_hz = dsp.channel_bandwidth_hz(name, 9600.0, {})
    assert 9600.0 < width_hz < 60_000.0
    assert dsp.channel_bandwidth_hz("pm", 16_384.0, {"subcarrier_hz": 147_456.0}) > 2 * 147_456.0
    with pytest.raises(ValueError, match="nonsense"):
        dsp.channel_bandwidth_hz(name, 9600.0, {"nonsense": 1})


def test_samples_of_another_kind_or_rate_are_refused() -> None:
    demodulator = dsp.make_demodulator("fsk", 9600.0, {}, "iq", 48_000.0)
    with pytest.raises(ValueError, match="iq"):
        demodulator.feed(AudioBlock(np.zeros(10, np.float32), 48_000.0, 0))
    with pytest.raises(ValueError, match="44100"):
        demodulator.feed(IqBlock(np.zeros(10, np.complex64), 44_100.0, 0.0, 0))


def test_importing_the_package_loads_neither_numpy_nor_numba() -> None:
    code = "import sys, agent.dsp; sys.exit(any(m in sys.modules for m in ('numpy', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
