"""PCM/PSK/PM and PCM/PM: a phase-modulated carrier, most of it left standing, from IQ or phase-demodulated audio.

Signal model: ``exp(j (2 pi f t + phase + m d(t) sin(2 pi f_sub t)))``: BPSK ``d`` on a subcarrier (sine or square)
that modulates the phase by ``m`` radians, below a quarter turn, so that a residual carrier stands in the middle;
without a subcarrier ``d`` itself modulates, Manchester coded as CCSDS 401.0-B §2.4.11 asks. Danuri's subcarrier is
147,456 Hz, nine times its symbol rate.

The residual carrier is found within a stated range and followed by its phase in centred windows, feed-forward;
what stands at right angles to it is the subcarrier, an ordinary BPSK signal on a real carrier. Knows no framing.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, psk_kernels
from agent.dsp.carrier_recovery import CarrierRemoval, SpectralLine
from agent.dsp.phase_shift import BitMaker, Manchester, Plain, PskChain
from agent.dsp.presence import Presence
from agent.dsp.sampling import Chain, Intake, Look, Planar, Resampler, Signal, Streaming
from agent.dsp.symbol_blocks import averaged, es_n0_db
from agent.records import AudioBlock, IqBlock, SymbolBlock, Trace


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say.

    ``subcarrier_hz`` is 0 when the data modulate the carrier directly; ``search_hz`` is how far from the centre the
    residual carrier is looked for (half the baud rate or a fifth of the subcarrier when absent); ``manchester``
    says that bits are sent as two halves (the rule without a subcarrier).
    """

    subcarrier_hz: float = 0.0
    search_hz: float | None = None
    manchester: bool | None = None


_GROUPS_A_SECOND = 4000.0  # phases of the residual carrier that are measured
_HALF_WINDOW_GROUPS = 12


class _ResidualCarrier:
    """Follow the residual carrier and give what stands at right angles to it."""

    def __init__(self, rate_hz: float, search_hz: float) -> None:
        window = 1 << max(8, round(np.log2(rate_hz / 50.0)))
        self.removal = CarrierRemoval(SpectralLine(window, min(search_hz / rate_hz, 0.48), 1), window)
        self._segment = max(2, round(rate_hz / _GROUPS_A_SECOND / 2) * 2)
        half = _HALF_WINDOW_GROUPS
        weights = 1.0 - np.abs(np.arange(-half, half + 1)) / (half + 1.0)
        self._weights = weights / weights.sum()
        self._means = np.zeros(half, dtype=np.complex128)
        self._samples: Planar = np.zeros((2, 0), dtype=np.float32)  # from the first group without a phase
        self._rest: Planar = np.zeros((2, 0), dtype=np.float32)  # not yet in a group
        self._phases: NDArray[np.float64] = np.zeros(0)
        self._began = False

    def feed(self, samples: Planar, *, last: bool) -> Planar:
        """Give float32[1, n]."""
        centred = self.removal.feed(samples, last=last)
        self._samples = np.concatenate((self._samples, centred), axis=1)
        fresh = np.concatenate((self._rest, centred), axis=1)
        groups = fresh.shape[1] // self._segment
        whole = fresh[:, : groups * self._segment].reshape(2, groups, self._segment).mean(axis=2)
        self._rest = fresh[:, groups * self._segment :].copy()
        self._means = np.concatenate((self._means, whole[0] + 1j * whole[1]))
        if last:
            self._means = np.concatenate((self._means, np.zeros(_HALF_WINDOW_GROUPS)))
        if len(self._means) <= 2 * _HALF_WINDOW_GROUPS:
            return np.empty((1, 0), dtype=np.float32)
        angles = np.angle(np.convolve(self._means, self._weights, "valid"))
        self._means = self._means[len(angles) :].copy()
        phases = np.unwrap(np.concatenate((self._phases[-1:], angles)))
        if not self._began:
            # The stream begins half a segment before the first phase: hold that phase back to there.
            lead = np.zeros((2, self._segment // 2), dtype=np.float32)
            self._samples = np.concatenate((lead, lead, self._samples), axis=1)
            phases = np.concatenate((phases[:1], phases))
            self._began = True
        self._phases = phases[-1:]
        length = (len(phases) - 1) * self._segment
        out = np.empty((1, length), dtype=np.float32)
        ready = np.ascontiguousarray(self._samples[:, : length + self._segment])
        psk_kernels.quadrature(ready, phases, self._segment, out[0])
        self._samples = self._samples[:, length:].copy()
        return out


class _Chain:
    """One unbroken stream of IQ."""

    def __init__(
        self,
        baudrate_bd: float,
        options: Options,
        sample_rate_hz: float,
        psk: PskChain,
        rate_hz: float,
        start_utc_ns: int,
    ) -> None:
        self._psk = psk
        self._start_utc_ns = start_utc_ns
        self._direct = options.subcarrier_hz == 0.0
        edge_hz = min(0.45 * rate_hz, 0.48 * sample_rate_hz)
        bank = filters.lowpass_bank(edge_hz / sample_rate_hz, 0.2 * edge_hz / sample_rate_hz)
        self._down = Resampler(bank, 2, sample_rate_hz, rate_hz)
        search_hz = _search_hz(baudrate_bd, options)
        self._rate_hz = rate_hz
        self._data: Planar = np.empty((1, 0), dtype=np.float32)
        self._carrier = _ResidualCarrier(rate_hz, search_hz)

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        data = self._carrier.feed(self._down.feed(samples, last=last), last=last)
        if self._direct:
            data = np.concatenate((data, np.zeros_like(data)))
        self._data = data
        return [self._told(block) for block in self._psk.feed(data, last=last)]

    def _told(self, block: SymbolBlock) -> SymbolBlock:
        """Give a block the offset of the residual carrier, and an Es/N0 where one axis is empty."""
        first = (block.start_utc_ns - self._start_utc_ns) * 1e-9 * self._rate_hz
        final = first + len(block.soft) * self._rate_hz / block.baudrate_bd
        carrier_hz = self._carrier.removal.removed(first, final) * self._rate_hz
        if not self._direct:
            return replace(block, frequency_offset_hz=carrier_hz)
        miss = np.abs(block.soft) - np.float32(1.0)
        noise = averaged(2.0 * miss * miss, np.ones_like(miss))
        return replace(block, frequency_offset_hz=carrier_hz, noise=noise, snr_db=es_n0_db(float(noise.mean())))

    def traces(self) -> list[Trace]:
        """Show the residual carrier, what stands at right angles to it, and the stages of the subcarrier."""
        quadrature = Trace("quadrature", self._data[0], "full scale", self._rate_hz)
        residual = [
            replace(trace, signal="residual_carrier") for trace in self._carrier.removal.traces(self._rate_hz)
        ]
        return [*residual, quadrature, *self._psk.traces()]


def _search_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how far the residual carrier may be: half the baud rate, or a fifth of the way to the subcarrier."""
    if options.search_hz is not None:
        return abs(options.search_hz)
    return max(0.5 * baudrate_bd, 0.2 * options.subcarrier_hz)


def channel_bandwidth_hz(baudrate_bd: float, options: Options) -> float:
    """Tell how wide a channel must be in IQ to hold the signal wherever it is looked for."""
    manchester = options.subcarrier_hz == 0.0 if options.manchester is None else options.manchester
    search_hz = _search_hz(baudrate_bd, options)
    return 2.0 * (options.subcarrier_hz + baudrate_bd * (2.0 if manchester else 1.0) + search_hz)


class Demodulator:
    """PCM/PSK/PM to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        """Raise ``ValueError`` naming the option that does not fit the sample rate."""
        manchester = options.subcarrier_hz == 0.0 if options.manchester is None else options.manchester
        keyed_bd = baudrate_bd * (2.0 if manchester else 1.0)
        highest_hz = options.subcarrier_hz + keyed_bd
        if options.subcarrier_hz < 0.0:
            raise ValueError("subcarrier_hz: below zero")
        if options.subcarrier_hz and options.subcarrier_hz < 0.75 * keyed_bd:
            raise ValueError(f"subcarrier_hz: too low for {keyed_bd:g} Bd")
        if 2.0 * highest_hz > sample_rate_hz:
            raise ValueError(f"subcarrier_hz: {highest_hz:g} Hz is not within half the sample rate")
        rate_hz = min(sample_rate_hz, 2.4 * highest_hz) if signal == "iq" else sample_rate_hz

        def bits() -> tuple[BitMaker, ...]:
            return (Manchester(0, None), Manchester(1, None)) if manchester else (Plain(),)

        def begin(start_utc_ns: int) -> Chain:
            psk = PskChain(
                baudrate_bd,
                rate_hz,
                order=2,
                carrier_hz=options.subcarrier_hz,
                search_hz=0.02 * keyed_bd,
                is_real=options.subcarrier_hz > 0.0,
                bits=bits,
                halves=2 if manchester else 1,
                start_utc_ns=start_utc_ns,
            )
            if signal == "iq":
                return _Chain(baudrate_bd, options, sample_rate_hz, psk, rate_hz, start_utc_ns)
            return psk

        present = Presence(keyed_bd, sample_rate_hz, channel_bandwidth_hz(baudrate_bd, options))
        self._streaming = Streaming(Intake(signal, sample_rate_hz, baudrate_bd), begin, present)

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return self._streaming.feed(block)

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        return self._streaming.flush()

    def watch(self, look: Look) -> None:
        """Show from now on what every stage gives."""
        self._streaming.watch = look
