"""Channel bits to a transmitter's signal: the pulse, the phase, nothing of the path or the receiver.

A signal is made once a burst, as its complex envelope on a grid of its own that is fine enough to be read
between its points; whoever renders it picks sample rate, carrier and time. ``modulate`` takes the modulation by
the name that a satellite file uses. Knows no framing: a one is the higher frequency, or phase 0.

Sources: Gaussian filter, K. Murota and K. Hirade, IEEE Trans. Commun. 29 (1981); root raised cosine, CCSDS
401.0-B, 2.4.17A; AFSK, Bell 202.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

Bits = NDArray[np.uint8]

POINTS_PER_CYCLE: Final = 16
"""Grid points per symbol, or per period of the widest deviation: read between by straight lines, -50 dB."""

RRC_SYMBOLS: Final = 8
GAUSS_SYMBOLS: Final = 2
MAX_BITS: Final = 4_000_000
SSB_CARRIER_HZ: Final = 1500.0


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A burst's complex envelope, complex64[n] at ``rate_hz``, of mean power 1.

    ``baudrate_bd`` is the rate of channel bits, which a stated Eb/N0 refers to.
    """

    envelope: NDArray[np.complex64]
    rate_hz: float
    baudrate_bd: float

    @property
    def duration_s(self) -> float:
        """Return how long the burst lasts."""
        return len(self.envelope) / self.rate_hz

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Read the envelope at any times after the burst's begin; outside the burst it is zero."""
        grid = times_s * self.rate_hz
        below = np.floor(grid)
        inside = (below >= 0) & (below < len(self.envelope) - 1)
        place = np.where(inside, below, 0.0).astype(np.int64)
        part = np.where(inside, grid - below, 0.0)
        left, right = self.envelope[place], self.envelope[place + 1]
        read: NDArray[np.complex128] = np.where(inside, left + part * (right - left), 0.0)
        return read

    def sampled(self, sample_rate_hz: float, frequency_offset_hz: float = 0.0) -> NDArray[np.complex64]:
        """Return the whole burst as IQ samples, its carrier ``frequency_offset_hz`` from the centre."""
        times_s = np.arange(int(self.duration_s * sample_rate_hz)) / sample_rate_hz
        turned = self.at(times_s) * np.exp(2j * np.pi * frequency_offset_hz * times_s)
        return np.asarray(turned, np.complex64)


class FskOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """FSK, GFSK, MSK, GMSK: without ``deviation_hz`` the modulation index is 0.5, without ``bt`` no filter."""

    deviation_hz: Annotated[float, Meta(gt=0)] | None = None
    bt: Annotated[float, Meta(ge=0.1, le=10)] | None = 0.5


class BpskOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """BPSK; ``differential``: a zero changes the phase; ``manchester``: a bit is two halves of opposite phase."""

    pulse: Literal["rrc", "rect"] = "rrc"
    rolloff: Annotated[float, Meta(gt=0, le=1)] = 0.35
    differential: bool = False
    manchester: bool = False


class QpskOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """QPSK, Gray coded, the first bit of a pair on I; the baud rate is that of symbols.

    ``offset`` delays Q by half a symbol.
    """

    pulse: Literal["rrc", "rect"] = "rrc"
    rolloff: Annotated[float, Meta(gt=0, le=1)] = 0.35
    offset: bool = False


class OqpskOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Offset QPSK: Q half a symbol behind I, the first bit of a pair on I; the baud rate is that of symbols."""

    pulse: Literal["rrc", "rect"] = "rrc"
    rolloff: Annotated[float, Meta(gt=0, le=1)] = 0.35


class AfskOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two tones, a one ``deviation_hz`` above ``af_carrier_hz``; on IQ they modulate an FM carrier."""

    af_carrier_hz: Annotated[float, Meta(gt=0)] = 1700.0
    deviation_hz: float = 500.0
    fm_deviation_hz: Annotated[float, Meta(gt=0)] = 3000.0


class PmOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Residual carrier, phase modulated by a subcarrier that carries the bits (PCM/PSK/PM, CCSDS 401.0-B).

    Without a subcarrier the bits modulate the phase themselves (PCM/PM), Manchester coded unless said otherwise.
    """

    subcarrier_hz: Annotated[float, Meta(ge=0)] = 0.0
    index_rad: Annotated[float, Meta(gt=0, lt=1.6)] = 1.0
    subcarrier: Literal["sine", "square"] = "sine"
    manchester: bool | None = None


OPTIONS: Final[dict[str, type[Struct]]] = {
    "fsk": FskOptions,
    "bpsk": BpskOptions,
    "qpsk": QpskOptions,
    "oqpsk": OqpskOptions,
    "afsk": AfskOptions,
    "pm": PmOptions,
}


class UnknownModulator(ValueError):
    """No modulation of this name can be transmitted, or not with these options; ``str()`` says which."""


def convert_options(modulation: str, options: Mapping[str, Any]) -> Struct:
    """Turn a table into a modulation's options; raises ``UnknownModulator``."""
    kind = OPTIONS.get(modulation)
    if kind is None:
        raise UnknownModulator(f"no modulator is called {modulation!r} (there are: {', '.join(OPTIONS)})")
    try:
        return msgspec.convert(dict(options), kind, strict=True)
    except msgspec.ValidationError as exc:
        raise UnknownModulator(f"{modulation}: {exc}") from exc


def transmit_options(modulation: str, received_with: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Join what a satellite file says for reception, where it concerns a transmitter, with what else is said."""
    kind = OPTIONS.get(modulation)
    known = {item.encode_name for item in msgspec.structs.fields(kind)} if kind is not None else set()
    return {name: value for name, value in received_with.items() if name in known} | dict(said)


def modulate(modulation: str, bits: Bits, baudrate_bd: float, options: Mapping[str, Any]) -> Waveform:
    """Return the IQ signal of one burst of channel bits (0 and 1); raises ``UnknownModulator``."""
    chosen = convert_options(modulation, options)
    _check_bits(bits)
    match chosen:
        case FskOptions():
            return _fsk(bits, baudrate_bd, chosen)
        case BpskOptions():
            return _bpsk(bits, baudrate_bd, chosen)
        case QpskOptions():
            return _qpsk(bits, baudrate_bd, chosen)
        case OqpskOptions():
            offset = QpskOptions(pulse=chosen.pulse, rolloff=chosen.rolloff, offset=True)
            return _qpsk(bits, baudrate_bd, offset)
        case AfskOptions():
            return _afsk(bits, baudrate_bd, chosen)
        case PmOptions():
            return _pm(bits, baudrate_bd, chosen)
    raise UnknownModulator(f"no modulator is called {modulation!r}")


def modulate_audio(
    modulation: str,
    bits: Bits,
    baudrate_bd: float,
    options: Mapping[str, Any],
    *,
    sample_rate_hz: float = 48_000.0,
    carrier_hz: float | None = None,
) -> NDArray[np.float32]:
    """Return one burst as a receiver's audio, float32[n] of mean power 0.5 at most.

    FSK is what an ideal FM discriminator gives, AFSK the tones, PM what a phase demodulator gives; PSK stands on
    ``carrier_hz``, as an SSB receiver gives it: 1500 Hz where the signal fits, else a quarter of the sample rate.
    """
    chosen = convert_options(modulation, options)
    _check_bits(bits)
    count = int(len(bits) / baudrate_bd * sample_rate_hz)
    times_s = np.arange(count) / sample_rate_hz
    if isinstance(chosen, FskOptions):
        shape, rate_hz = _frequency_pulses(bits, baudrate_bd, chosen.bt, POINTS_PER_CYCLE)
        audio = np.interp(times_s * rate_hz, np.arange(len(shape)), shape) * np.sqrt(0.5)
    elif isinstance(chosen, AfskOptions):
        phase_rad, rate_hz = _tone_phase(bits, baudrate_bd, chosen)
        audio = np.sin(np.interp(times_s * rate_hz, np.arange(len(phase_rad)), phase_rad))
    elif isinstance(chosen, PmOptions):
        audio = np.angle(modulate(modulation, bits, baudrate_bd, options).at(times_s)) * np.sqrt(0.5)
    else:
        turned = modulate(modulation, bits, baudrate_bd, options).at(times_s)
        if carrier_hz is None:
            fits = 0.675 * baudrate_bd < SSB_CARRIER_HZ  # half the width with a roll-off of 0.35
            carrier_hz = SSB_CARRIER_HZ if fits else sample_rate_hz / 4
        audio = np.real(turned * np.exp(2j * np.pi * carrier_hz * times_s))
    return np.asarray(audio, np.float32)


# -- one modulation each -----------------------------------------------------------------------------------


def _fsk(bits: Bits, baudrate_bd: float, options: FskOptions) -> Waveform:
    deviation_hz = options.deviation_hz or 0.25 * baudrate_bd
    points = _points(baudrate_bd, deviation_hz)
    shape, rate_hz = _frequency_pulses(bits, baudrate_bd, options.bt, points)
    phase_rad = 2 * np.pi * deviation_hz / rate_hz * np.cumsum(shape)
    return Waveform(np.exp(1j * phase_rad).astype(np.complex64), rate_hz, baudrate_bd)


def _bpsk(bits: Bits, baudrate_bd: float, options: BpskOptions) -> Waveform:
    if options.differential:
        bits = (np.cumsum(bits == 0) & 1).astype(np.uint8)
    symbols = 1.0 - 2.0 * (bits == 0)
    symbol_rate_bd = baudrate_bd
    if options.manchester:
        symbols, symbol_rate_bd = np.stack([symbols, -symbols], axis=1).reshape(-1), 2 * baudrate_bd
    shaped = _shaped(symbols, options.pulse, options.rolloff)
    return _unit_power(shaped.astype(np.complex64), symbol_rate_bd * POINTS_PER_CYCLE, baudrate_bd)


def _qpsk(bits: Bits, baudrate_bd: float, options: QpskOptions) -> Waveform:
    if len(bits) % 2:
        bits = np.append(bits, np.uint8(0))
    symbols = 1.0 - 2.0 * (bits.reshape(-1, 2) == 0)
    in_phase = _shaped(symbols[:, 0], options.pulse, options.rolloff)
    quadrature = _shaped(symbols[:, 1], options.pulse, options.rolloff)
    if options.offset:
        half = np.zeros(POINTS_PER_CYCLE // 2)
        in_phase, quadrature = np.concatenate([in_phase, half]), np.concatenate([half, quadrature])
    envelope = (in_phase + 1j * quadrature).astype(np.complex64)
    return _unit_power(envelope, baudrate_bd * POINTS_PER_CYCLE, 2 * baudrate_bd)


def _afsk(bits: Bits, baudrate_bd: float, options: AfskOptions) -> Waveform:
    audio_rad, rate_hz = _tone_phase(bits, baudrate_bd, options)
    phase_rad = 2 * np.pi * options.fm_deviation_hz / rate_hz * np.cumsum(np.sin(audio_rad))
    return Waveform(np.exp(1j * phase_rad).astype(np.complex64), rate_hz, baudrate_bd)


def _pm(bits: Bits, baudrate_bd: float, options: PmOptions) -> Waveform:
    symbols = 1.0 - 2.0 * (bits == 0)
    symbol_rate_bd = baudrate_bd
    if options.manchester or (options.manchester is None and not options.subcarrier_hz):
        symbols, symbol_rate_bd = np.stack([symbols, -symbols], axis=1).reshape(-1), 2 * baudrate_bd
    points = _points(symbol_rate_bd, 2 * options.subcarrier_hz)
    rate_hz = points * symbol_rate_bd
    carried = np.repeat(symbols, points)
    if options.subcarrier_hz:
        wave = np.sin(2 * np.pi * options.subcarrier_hz / rate_hz * np.arange(len(carried)))
        carried *= wave if options.subcarrier == "sine" else np.where(wave >= 0, 1.0, -1.0)
    return Waveform(np.exp(1j * options.index_rad * carried).astype(np.complex64), rate_hz, baudrate_bd)


# -- pulses ------------------------------------------------------------------------------------------------


def _check_bits(bits: Bits) -> None:
    if not 0 < len(bits) <= MAX_BITS:
        raise ValueError(f"a burst has from 1 to {MAX_BITS} bits, not {len(bits)}")


def _points(baudrate_bd: float, widest_hz: float) -> int:
    """Return grid points per bit, so many that the widest deviation is still finely followed."""
    return int(np.ceil(POINTS_PER_CYCLE * max(1.0, widest_hz / baudrate_bd)))


def _frequency_pulses(
    bits: Bits, baudrate_bd: float, bt: float | None, points: int
) -> tuple[NDArray[np.float64], float]:
    """Return the frequency of each grid point, ±1 at full deviation, and the grid's rate."""
    steps = np.repeat(1.0 - 2.0 * (bits == 0), points)
    if bt is not None:
        half = GAUSS_SYMBOLS * points
        along = np.arange(-half, half + 1) / points
        gauss = np.exp(-2 * (np.pi * bt * along) ** 2 / np.log(2))
        padded = np.concatenate([np.full(half, steps[0]), steps, np.full(half, steps[-1])])
        steps = _convolve(padded, gauss / gauss.sum())[2 * half : -2 * half]
    return steps, points * baudrate_bd


def _tone_phase(bits: Bits, baudrate_bd: float, options: AfskOptions) -> tuple[NDArray[np.float64], float]:
    """Return the phase of the tones, continuous from bit to bit, and the grid's rate."""
    high, low = options.af_carrier_hz + options.deviation_hz, options.af_carrier_hz - options.deviation_hz
    points = _points(baudrate_bd, max(high, low, options.fm_deviation_hz))
    rate_hz = points * baudrate_bd
    tone_hz = np.repeat(np.where(bits == 0, low, high), points)
    return 2 * np.pi / rate_hz * np.cumsum(tone_hz), rate_hz


def _shaped(symbols: NDArray[np.float64], pulse: Literal["rrc", "rect"], rolloff: float) -> NDArray[np.float64]:
    if pulse == "rect":
        return np.repeat(symbols, POINTS_PER_CYCLE)
    impulses = np.zeros(len(symbols) * POINTS_PER_CYCLE)
    impulses[::POINTS_PER_CYCLE] = symbols
    return _convolve(impulses, root_raised_cosine(rolloff, POINTS_PER_CYCLE, RRC_SYMBOLS))


def root_raised_cosine(rolloff: float, points: int, symbols: int) -> NDArray[np.float64]:
    """Return the pulse from ``-symbols`` to ``symbols``, ``points`` a symbol, of peak near 1."""
    t = np.arange(-symbols * points, symbols * points + 1) / points
    with np.errstate(divide="ignore", invalid="ignore"):
        pulse = (np.sin(np.pi * t * (1 - rolloff)) + 4 * rolloff * t * np.cos(np.pi * t * (1 + rolloff))) / (
            np.pi * t * (1 - (4 * rolloff * t) ** 2)
        )
    pulse[t == 0] = 1 - rolloff + 4 * rolloff / np.pi
    edge = np.isclose(np.abs(t), 1 / (4 * rolloff))
    pulse[edge] = (
        rolloff
        / np.sqrt(2)
        * ((1 + 2 / np.pi) * np.sin(np.pi / (4 * rolloff)) + (1 - 2 / np.pi) * np.cos(np.pi / (4 * rolloff)))
    )
    return np.asarray(pulse, np.float64)


def _convolve(signal: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve by way of the spectrum: a burst is short and its pulse long."""
    length = len(signal) + len(taps) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(signal, size) * np.fft.rfft(taps, size)
    return np.asarray(np.fft.irfft(product, size)[:length], np.float64)


def _unit_power(envelope: NDArray[np.complex64], rate_hz: float, baudrate_bd: float) -> Waveform:
    # The filter's tails are part of the burst but not of its power: they would make long tails loud.
    edge = RRC_SYMBOLS * POINTS_PER_CYCLE
    body = envelope[edge:-edge] if len(envelope) > 4 * edge else envelope
    power = float(np.mean(np.abs(body) ** 2))
    return Waveform((envelope / np.sqrt(power)).astype(np.complex64), rate_hz, baudrate_bd)
