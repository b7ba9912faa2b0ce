"""What the modulators send, measured without the project's demodulators: tones, deviation, power, error rate."""

import math

import numpy as np
import pytest

from agent.simulator.air import Air, Burst, View, noise_density
from agent.simulator.modulators import (
    RRC_SYMBOLS,
    UnknownModulator,
    modulate,
    modulate_audio,
    root_raised_cosine,
)

RATE = 48_000.0

one_percent = 0.01
three_standard_deviations = 3.0


def random_bits(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, count).astype(np.uint8)


def frequency_hz(iq: np.ndarray, rate_hz: float = RATE) -> np.ndarray:
    return np.angle(iq[1:] * np.conj(iq[:-1])) * rate_hz / (2 * np.pi)


@pytest.mark.parametrize(
    ("modulation", "options"),
    [
        ("fsk", {}),
        ("fsk", {"bt": None, "deviation_hz": 3000.0}),
        ("bpsk", {}),
        ("bpsk", {"pulse": "rect"}),
        ("bpsk", {"manchester": True}),
        ("qpsk", {}),
        ("qpsk", {"offset": True}),
        ("afsk", {}),
        ("pm", {"subcarrier_hz": 16_000.0}),
        ("pm", {}),
    ],
)
def test_every_modulation_has_unit_power_and_the_bursts_duration(
    modulation: str, options: dict[str, object]
) -> None:
    iq = modulate(modulation, random_bits(2000), 1200.0, options).sampled(96_000.0)
    body = iq[4000:-4000]
    assert np.mean(np.abs(body) ** 2) == pytest.approx(1.0, abs=3 * one_percent)
    seconds = 2000 / 1200.0 / (2 if modulation == "qpsk" else 1)
    assert len(iq) / 96_000.0 == pytest.approx(seconds, rel=2 * one_percent)


def test_unfiltered_fsk_stands_at_plus_and_minus_its_deviation() -> None:
    iq = modulate("fsk", random_bits(500), 1200.0, {"bt": None, "deviation_hz": 800.0}).sampled(RATE)
    got = frequency_hz(iq)
    settled = np.abs(np.abs(got) - 800.0) < one_percent * 800.0
    assert np.mean(settled) > 0.95
    assert (got[: int(RATE / 1200) - 4] > 0).all() == bool(random_bits(500)[0])


def test_gmsk_has_an_index_of_one_half() -> None:
    alternating_pairs = np.tile([1, 1, 1, 1, 0, 0, 0, 0], 100).astype(np.uint8)
    waveform = modulate("fsk", alternating_pairs, 9600.0, {"bt": 0.5})
    got = frequency_hz(waveform.envelope, waveform.rate_hz)
    assert got.max() == pytest.approx(2400.0, rel=one_percent)
    assert got.min() == pytest.approx(-2400.0, rel=one_percent)


def test_the_root_raised_cosine_leaves_no_trace_at_other_symbols() -> None:
    for rolloff in (0.2, 0.25, 0.35, 0.5, 1.0):
        pulse = root_raised_cosine(rolloff, 16, 32)
        assert np.isfinite(pulse).all()
        both = np.convolve(pulse, pulse)
        at_symbols = both[len(both) // 2 % 16 :: 16]
        others = np.delete(at_symbols, np.argmax(np.abs(at_symbols)))
        assert np.abs(others).max() < one_percent * np.abs(at_symbols).max()


def test_afsk_audio_has_its_two_tones() -> None:
    for bit, tone_hz in ((1, 2200.0), (0, 1200.0)):
        audio = modulate_audio("afsk", np.full(600, bit, np.uint8), 1200.0, {}, sample_rate_hz=RATE)
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
        assert np.argmax(spectrum) * RATE / len(audio) == pytest.approx(tone_hz, abs=4.0)


def test_afsk_on_iq_deviates_as_stated() -> None:
    iq = modulate("afsk", random_bits(400), 1200.0, {"fm_deviation_hz": 3000.0}).sampled(RATE)
    assert np.abs(frequency_hz(iq)).max() == pytest.approx(3000.0, rel=3 * one_percent)


def test_bpsk_audio_stands_on_its_carrier() -> None:
    audio = modulate_audio("bpsk", random_bits(2400), 1200.0, {}, carrier_hz=1500.0)
    power = np.abs(np.fft.rfft(audio)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / RATE)
    assert np.sum(power * hz) / np.sum(power) == pytest.approx(1500.0, rel=2 * one_percent)
    assert np.sum(power[np.abs(hz - 1500.0) < 820.0]) / np.sum(power) > 0.99


def test_residual_carrier_modulation_leaves_a_carrier() -> None:
    waveform = modulate("pm", random_bits(400), 1000.0, {"subcarrier_hz": 9000.0, "index_rad": 1.0})
    # The mean of exp(j m sin) is J0(m); J0(1.0) = 0.7652 (Abramowitz and Stegun, table 9.1).
    assert abs(np.mean(waveform.envelope)) == pytest.approx(0.7652, abs=one_percent)


def test_differential_bpsk_changes_its_phase_for_a_zero() -> None:
    bits = np.array([1, 0, 0, 1, 1, 0], np.uint8)
    waveform = modulate("bpsk", bits, 1000.0, {"pulse": "rect", "differential": True})
    symbols = np.sign(waveform.envelope.real[8::16])
    assert list(symbols[1:] * symbols[:-1] > 0) == [bool(bit) for bit in bits[1:]]


@pytest.mark.parametrize("ebn0_db", [2.0, 5.0])
def test_the_stated_eb_n0_gives_the_error_rate_of_theory(ebn0_db: float) -> None:
    bits = random_bits(40_000)
    waveform = modulate("bpsk", bits, 1200.0, {})
    rate_hz = 16 * 1200.0
    air = Air(noise_per_hz=1e-6)
    air.transmit(Burst(waveform, 0.0, 437e6, ebn0_db))
    count = len(waveform.envelope)
    iq = air.render(View(rate_hz, 437e6), 0, count, np.random.Generator(np.random.SFC64(5)))
    pulse = root_raised_cosine(0.35, 16, RRC_SYMBOLS)
    matched = np.convolve(iq.real, pulse)
    decided = matched[2 * RRC_SYMBOLS * 16 :: 16][: len(bits)] > 0
    errors = np.mean(decided != bits[: len(decided)].astype(bool))
    expected = 0.5 * math.erfc(math.sqrt(10 ** (ebn0_db / 10)))
    deviation = math.sqrt(expected / len(bits))
    assert abs(errors - expected) < three_standard_deviations * deviation + 0.03 * expected


def test_noise_density_follows_the_definition() -> None:
    # Eb/N0 = P·fs/(Rb·σ²): P 1, Rb 9600, fs 48000, σ² 0.5 is 10 dB.
    assert noise_density(1.0, 10.0, 9600.0) * 48_000 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("modulation", "options", "says"),
    [
        ("ofdm", {}, "no modulator is called 'ofdm' (there are: fsk"),
        ("fsk", {"deviation": 3}, "deviation"),
        ("fsk", {"bt": -1}, "bt"),
        ("pm", {"index_rad": 2.0}, "index_rad"),
    ],
)
def test_what_cannot_be_transmitted_is_said(modulation: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(UnknownModulator) as refused:
        modulate(modulation, random_bits(10), 1200.0, options)
    assert says in str(refused.value)


def test_a_burst_of_no_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="from 1 to"):
        modulate("fsk", np.zeros(0, np.uint8), 1200.0, {})
