"""The signals that modems are measured with: transmitters, channel and noise, by one definition of Eb/N0.

fs = 48 kHz. A frame has 82 octets with its FCS, 64 of them random. P is the mean power during the burst. With
complex noise of variance ``sigma2`` (I and Q together) ``Eb/N0 = P fs / (Rb sigma2)``, with real
``P fs / (2 Rb sigma2)``.
Rb is the channel's bit rate for AX.25, the information rate ``Rs / 2 * 223 / 255`` for the CCSDS concatenated code.
FM audio: the noise is added to the complex baseband, low-passed at 7.2 kHz, then an ideal discriminator. Bursts:
GFSK 50 flags, frame, 4 flags, 0.1 s gap; AFSK 25 flags, frame, 4 flags, 0.3 s gap; BPSK half a second of flags.

Knows nothing of the demodulators: it is written from these definitions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from firmware_protocols import ax25, ccsds_tm_sync

RATE_HZ = 48_000
FRAME_OCTETS = 82
HEADER = bytes.fromhex("86a24040404060" + "8ea4b09c404061" + "03f0")

Bits = NDArray[np.uint8]
Samples = NDArray[np.complex128] | NDArray[np.float64]


@dataclass(frozen=True)
class Transmission:
    """A signal without noise, the frames in it, its mean power in the bursts and the rate its Eb counts."""

    samples: Samples
    frames: tuple[bytes, ...]
    power: float
    bit_rate_hz: float


def random_frames(count: int, rng: np.random.Generator) -> tuple[bytes, ...]:
    return tuple(HEADER + rng.bytes(FRAME_OCTETS - len(HEADER) - 2) for _ in range(count))


def ax25_bits(frame: bytes, flags_before: int, *, scrambled: bool) -> Bits:
    options = ax25.Options(scrambler="g3ruh" if scrambled else "none")
    return ax25.encode(frame, options, flags_before=flags_before, flags_after=4)


def with_gaps(bursts: list[Samples], gap_s: float) -> Samples:
    gap = np.zeros(round(gap_s * RATE_HZ))
    parts: list[Samples] = [np.zeros(RATE_HZ // 5)]
    for burst in bursts:
        parts += [burst, gap]
    return np.concatenate([*parts, np.zeros(RATE_HZ // 5)])


def held(bits: Bits, bit_rate_hz: float, rate_hz: float) -> NDArray[np.float64]:
    """Give ±1 for each sample: rectangular pulses at any rate."""
    count = int(len(bits) * rate_hz / bit_rate_hz)
    which = np.minimum((np.arange(count) * bit_rate_hz / rate_hz).astype(np.intp), len(bits) - 1)
    return 2.0 * bits[which] - 1.0


def gfsk(
    bits: Bits, baudrate_bd: float, *, index: float = 0.5, bandwidth_time: float = 0.5, ppm: float = 0.0
) -> NDArray[np.complex128]:
    oversampling = 4
    fast_hz = RATE_HZ * oversampling
    baudrate_bd *= 1.0 + ppm * 1e-6
    pulses = held(bits, baudrate_bd, fast_hz)
    spread = np.sqrt(np.log(2.0)) / (2.0 * np.pi * bandwidth_time) * fast_hz / baudrate_bd
    taps = np.exp(-0.5 * (np.arange(-round(6 * spread), round(6 * spread) + 1) / spread) ** 2)
    smooth = np.convolve(pulses, taps / taps.sum(), "same")
    phase = 2.0 * np.pi * np.cumsum(smooth * index * baudrate_bd / 2.0) / fast_hz
    return np.asarray(np.exp(1j * phase)[::oversampling])


def afsk(
    bits: Bits, baudrate_bd: float = 1200.0, carrier_hz: float = 1700.0, deviation_hz: float = 500.0
) -> Samples:
    phase = np.cumsum(carrier_hz - deviation_hz * held(bits, baudrate_bd, RATE_HZ)) / RATE_HZ
    return np.asarray(np.cos(2.0 * np.pi * phase))


def bpsk(bits: Bits, baudrate_bd: float, rolloff: float = 0.35) -> NDArray[np.float64]:
    spacing = round(RATE_HZ / baudrate_bd)
    impulses = np.zeros(len(bits) * spacing)
    impulses[::spacing] = 2.0 * bits - 1.0
    t = (np.arange(-8 * spacing, 8 * spacing + 1) + 1e-6) / spacing
    top = np.sin(np.pi * t * (1 - rolloff)) + 4 * rolloff * t * np.cos(np.pi * t * (1 + rolloff))
    return np.convolve(impulses, top / (np.pi * t * (1 - (4 * rolloff * t) ** 2)))


def bpsk_burst(frame: bytes) -> Bits:
    """Half a second of flags at 1200 Bd, then the frame."""
    return ax25_bits(frame, 75, scrambled=True)


def differential(bits: Bits) -> Bits:
    """Change the phase for a zero."""
    return np.asarray(np.bitwise_xor.accumulate(1 - bits)).astype(np.uint8)


def manchester(bits: Bits) -> Bits:
    """Send two halves for a bit, a one with the positive half first."""
    return np.stack((bits, 1 - bits), axis=1).ravel()


def quadrature(bits: Bits, baudrate_bd: float, *, offset: bool = False) -> NDArray[np.complex128]:
    """QPSK: two bits a symbol, the first on I; with ``offset`` Q half a symbol later."""
    pairs = bits[: len(bits) // 2 * 2].reshape(-1, 2)
    first, second = (bpsk(np.ascontiguousarray(pairs[:, k]), baudrate_bd) for k in (0, 1))
    if offset:
        second = np.roll(second, round(RATE_HZ / baudrate_bd / 2))
    return np.asarray((first + 1j * second) / sqrt(2.0))


def phase_modulated(
    bits: Bits, baudrate_bd: float, subcarrier_hz: float, index_rad: float
) -> NDArray[np.complex128]:
    """PCM/PSK/PM: the data on a sine subcarrier, that on the phase of a carrier."""
    data = held(bits, baudrate_bd, RATE_HZ)
    t = np.arange(len(data)) / RATE_HZ
    return np.asarray(np.exp(1j * index_rad * data * np.sin(2.0 * np.pi * subcarrier_hz * t)))


def shifted(samples: Samples, offset_hz: float, ramp_hz_s: float = 0.0) -> NDArray[np.complex128]:
    t = np.arange(len(samples)) / RATE_HZ
    return np.asarray(samples * np.exp(2j * np.pi * (offset_hz * t + 0.5 * ramp_hz_s * t * t)))


def noisy_iq(sent: Transmission, ebn0_db: float, rng: np.random.Generator) -> NDArray[np.complex128]:
    sigma2 = sent.power * RATE_HZ / (sent.bit_rate_hz * 10 ** (ebn0_db / 10))
    noise = rng.standard_normal(len(sent.samples)) + 1j * rng.standard_normal(len(sent.samples))
    return np.asarray(sent.samples + noise * sqrt(sigma2 / 2))


def noisy_audio(sent: Transmission, ebn0_db: float, rng: np.random.Generator) -> NDArray[np.float64]:
    sigma2 = sent.power * RATE_HZ / (2 * sent.bit_rate_hz * 10 ** (ebn0_db / 10))
    return np.asarray(sent.samples.real + rng.standard_normal(len(sent.samples)) * sqrt(sigma2))


def noisy_fm_audio(sent: Transmission, ebn0_db: float, rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(-127, 128) * 2.0 * 7200.0 / RATE_HZ
    taps = np.sinc(t) * np.hamming(255)
    heard = np.convolve(noisy_iq(sent, ebn0_db, rng), taps / taps.sum(), "same")
    return np.asarray(np.angle(heard[1:] * np.conj(heard[:-1])) / (2.0 * np.pi))


def through_fm(sent: Transmission, ebn0_db: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Send audio by FM of 3 kHz deviation, hear it through 8 kHz and an ideal discriminator."""
    phase = 2.0 * np.pi * 3000.0 * np.cumsum(np.real(sent.samples)) / RATE_HZ
    carrier = Transmission(np.exp(1j * phase) * _keyed(sent), sent.frames, 1.0, sent.bit_rate_hz)
    t = np.arange(-127, 128) * 2.0 * 8000.0 / RATE_HZ
    taps = np.sinc(t) * np.hamming(255)
    heard = np.convolve(noisy_iq(carrier, ebn0_db, rng), taps / taps.sum(), "same")
    return np.asarray(np.angle(heard[1:] * np.conj(heard[:-1])) * RATE_HZ / (2.0 * np.pi * 3000.0))


def _keyed(sent: Transmission) -> NDArray[np.float64]:
    """Give one where there is a burst, zero where there is none."""
    near = np.convolve(np.abs(np.real(sent.samples)), np.ones(65), "same")
    return np.asarray((near > 1e-9).astype(np.float64))


def gfsk_bursts(count: int, rng: np.random.Generator, *, ppm: float = 0.0) -> Transmission:
    frames = random_frames(count, rng)
    bursts: list[Samples] = [gfsk(ax25_bits(frame, 50, scrambled=True), 9600.0, ppm=ppm) for frame in frames]
    return Transmission(with_gaps(bursts, 0.1), frames, 1.0, 9600.0)


def afsk_bursts(count: int, rng: np.random.Generator) -> Transmission:
    frames = random_frames(count, rng)
    bursts = [afsk(ax25_bits(frame, 25, scrambled=False)) for frame in frames]
    return Transmission(with_gaps(bursts, 0.3), frames, 0.5, 1200.0)


def bpsk_bursts(count: int, rng: np.random.Generator) -> Transmission:
    frames = random_frames(count, rng)
    bursts: list[Samples] = [bpsk(ax25_bits(frame, 75, scrambled=True), 1200.0) for frame in frames]
    power = float(np.mean(bursts[0][1000:-1000] ** 2))
    return Transmission(with_gaps(bursts, 0.3), frames, power, 1200.0)


def keyed_bursts(
    count: int, rng: np.random.Generator, make: Callable[[Bits], Samples], bit_rate_hz: float
) -> Transmission:
    """Bursts of AX.25 with G3RUH in any modulation, behind 75 flags."""
    frames = random_frames(count, rng)
    bursts: list[Samples] = [make(bpsk_burst(frame)) for frame in frames]
    power = float(np.mean(np.abs(bursts[0][1000:-1000]) ** 2))
    return Transmission(with_gaps(bursts, 0.3), frames, power, bit_rate_hz)


CCSDS = ccsds_tm_sync.Options(
    frame_octets=223, reed_solomon="dual", convolutional="ccsds", precoding="differential"
)


def ccsds_stream(count: int, rng: np.random.Generator) -> Transmission:
    """One continuous transmission; the first and last of its frames are not counted."""
    frames = [rng.bytes(223) for _ in range(count + 2)]
    samples = bpsk(ccsds_tm_sync.encode_blocks(frames, CCSDS), 9600.0)
    power = float(np.mean(samples[2000:-2000] ** 2))
    return Transmission(with_gaps([samples], 0.0), tuple(frames[1:-1]), power, 4800.0 * 223 / 255)


def ccsds_bursts(count: int, rng: np.random.Generator) -> Transmission:
    """Bursts of five frames; the first of each is not counted."""
    groups = [[rng.bytes(223) for _ in range(5)] for _ in range(max(1, count // 4))]
    bursts: list[Samples] = [bpsk(ccsds_tm_sync.encode_blocks(group, CCSDS), 9600.0) for group in groups]
    power = float(np.mean(bursts[0][2000:-2000] ** 2))
    counted = tuple(frame for group in groups for frame in group[1:])
    return Transmission(with_gaps(bursts, 0.3), counted, power, 4800.0 * 223 / 255)


def coherent_frame_rate(ebn0_db: float, bits: int = 8 * FRAME_OCTETS) -> float:
    """Give the share of frames without a symbol error in coherent detection: the bound of hard decisions.

    With NRZI and G3RUH a frame fails by its first wrong symbol; antipodal symbols fail with Q(sqrt(2 Eb/N0)).
    """
    wrong = 0.5 * erfc(sqrt(10 ** (ebn0_db / 10)))
    return float((1.0 - wrong) ** bits)


def differential_frame_rate(ebn0_db: float, bits: int = 8 * FRAME_OCTETS) -> float:
    """Give the same for products of coherent decisions: a wrong symbol makes two wrong bits."""
    wrong = erfc(sqrt(10 ** (ebn0_db / 10)))
    return float((1.0 - wrong) ** bits)


def noncoherent_frame_rate(ebn0_db: float, bits: int = 8 * FRAME_OCTETS) -> float:
    """Give the same for non-coherent detection of orthogonal tones: a symbol fails with exp(-Eb/2N0)/2."""
    return float((1.0 - 0.5 * np.exp(-0.5 * 10 ** (ebn0_db / 10))) ** bits)
