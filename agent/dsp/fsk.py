"""Binary FSK, GFSK, MSK and GMSK, from IQ or from the audio of an FM discriminator.

Signal model: the carrier's frequency is ``f0 + deviation * p(t)``, where ``p`` is ±1 for each bit, rectangular or
smoothed by a Gaussian filter; a one is the higher frequency. As audio, ``p`` itself, scaled, on an unknown and
drifting constant, its sense perhaps inverted (the deframer looks for both).

Knows no framing. Every burst is given several times, once a hypothesis (``SymbolBlock.stream``), because what
the transmitter's and the receiver's filters have made of the pulse is not known.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.dsp.carrier_recovery import CarrierRemoval, Centroid
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Hop, Intake, Planar, Resampler, Signal
from agent.dsp.symbol_levels import LevelTracker
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say. ``deviation_hz`` is estimated when absent."""

    deviation_hz: float | None = None


_WIDTHS = (1.0, 0.6)
"""Widths of the matched filters tried, in symbols: full for a good signal path, short where it smears."""

_LEVEL_HALF_WINDOW = 48
_CLOCK_HALF_WINDOW_HOPS = 8


class _Chain:
    """Clock and levels of one hypothesis, from the start of a stream or the end of a gap."""

    def __init__(self, stream: int, largest_clock_error: float) -> None:
        self.stream = stream
        self.clock = ClockRecovery(1, _CLOCK_HALF_WINDOW_HOPS, largest_clock_error)
        self.levels = LevelTracker(_LEVEL_HALF_WINDOW)
        self.first = True


class _Slicer:
    """From a frequency (or a discriminator's audio) to soft symbols, once for each matched filter."""

    def __init__(self, baudrate_bd: float, sample_rate_hz: float) -> None:
        self._baud = baudrate_bd
        sps = sample_rate_hz / baudrate_bd
        half = sps / 2 + 4
        banks = np.stack([filters.polyphase_bank(filters.box_pulse(w * sps), half) for w in _WIDTHS])
        self._resampler = Resampler(banks, 1, sample_rate_hz, SAMPLES_PER_SYMBOL * baudrate_bd)
        clock_error = 0.02 if baudrate_bd <= 2400 else 0.005
        self._chains = [_Chain(i, clock_error) for i in range(len(_WIDTHS))]

    def feed(self, samples: Planar, start_utc_ns: int, offset_hz: float | None, *, last: bool) -> list[SymbolBlock]:
        filtered = self._resampler.feed(samples)
        if last:
            filtered = np.concatenate((filtered, self._resampler.flush()), axis=2)
        out: list[SymbolBlock] = []
        for chain, branch in zip(self._chains, filtered, strict=True):
            values, positions = chain.clock.feed(branch)
            if last:
                tail_values, tail_positions = chain.clock.flush()
                values = np.concatenate((values, tail_values), axis=1)
                positions = np.concatenate((positions, tail_positions))
            soft, given, snr_db, middle = chain.levels.feed(values[0], positions, last=last)
            if not len(soft):
                continue
            out.append(
                SymbolBlock(
                    soft=soft,
                    baudrate_bd=self._baud,
                    start_utc_ns=start_utc_ns + round(given[0] * 1e9 / (SAMPLES_PER_SYMBOL * self._baud)),
                    snr_db=snr_db,
                    frequency_offset_hz=None if offset_hz is None else offset_hz + middle,
                    stream=chain.stream,
                    first=chain.first,
                )
            )
            chain.first = False
        return out


class _FrequencyFront:
    """From IQ to the frequency in Hz: carrier brought near zero, narrow filter, discriminator."""

    def __init__(self, baudrate_bd: float, deviation_hz: float, sample_rate_hz: float) -> None:
        half_band_hz = deviation_hz + 0.5 * baudrate_bd
        self.rate_hz = min(sample_rate_hz, 4.0 * baudrate_bd * max(1.0, np.ceil(half_band_hz / baudrate_bd)))
        edge_hz = min(half_band_hz + 0.5 * baudrate_bd, 0.48 * self.rate_hz)
        self._wide = Resampler(_lowpass(edge_hz, 0.3 * edge_hz, sample_rate_hz), 2, sample_rate_hz, self.rate_hz)
        window = 2 * round(32 * self.rate_hz / baudrate_bd)
        self._removal = CarrierRemoval(Centroid(), window)
        self._narrow = Resampler(_lowpass(half_band_hz, 0.4 * half_band_hz, self.rate_hz), 2, 1.0, 1.0)
        self._state = np.zeros(2)

    def feed(self, samples: Planar, *, last: bool) -> tuple[Planar, float]:
        """Give the frequency in Hz against the carrier's estimate, and that estimate's mean."""
        wide = self._wide.feed(samples)[0]
        if last:
            wide = np.concatenate((wide, self._wide.flush()[0]), axis=1)
        centred, where = self._removal.feed(wide)
        if last:
            tail, where = self._removal.flush()
            centred = np.concatenate((centred, tail), axis=1)
        narrow = self._narrow.feed(centred)[0]
        if last:
            narrow = np.concatenate((narrow, self._narrow.flush()[0]), axis=1)
        frequency = np.empty((1, narrow.shape[1]), dtype=np.float32)
        kernels.discriminate(narrow, self._state, frequency[0])
        frequency *= np.float32(self.rate_hz)
        return frequency, where * self.rate_hz


def _lowpass(edge_hz: float, skirt_hz: float, rate_hz: float) -> NDArray[np.float32]:
    half = 2.2 * rate_hz / skirt_hz / 2.0
    return filters.polyphase_bank(filters.lowpass_pulse(edge_hz / rate_hz, half), half)[None]


class Demodulator:
    """FSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        self._baud = baudrate_bd
        self._signal = signal
        self._rate = sample_rate_hz
        self._deviation_hz = abs(options.deviation_hz or 0.3 * baudrate_bd)
        hop_symbols = min(1024, max(128, 128 * round(0.1 * baudrate_bd / 128)))
        self._intake = Intake(signal, sample_rate_hz, round(hop_symbols * sample_rate_hz / baudrate_bd))
        self._begin(0)

    def _begin(self, start_utc_ns: int) -> None:
        self._start_utc_ns = start_utc_ns
        rate_hz = self._rate
        self._front: _FrequencyFront | None = None
        if self._signal == "iq":
            self._front = _FrequencyFront(self._baud, self._deviation_hz, self._rate)
            rate_hz = self._front.rate_hz
        self._slicer = _Slicer(self._baud, rate_hz)

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return [symbols for hop in self._intake.feed(block) for symbols in self._hop(hop)]

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        out = [symbols for hop in self._intake.flush() for symbols in self._hop(hop)]
        out += self._drain()
        self._begin(0)
        return out

    def _hop(self, hop: Hop) -> list[SymbolBlock]:
        out: list[SymbolBlock] = []
        if hop.restart:
            out = self._drain()
            self._begin(hop.start_utc_ns)
        return out + self._through(hop.samples, last=False)

    def _drain(self) -> list[SymbolBlock]:
        return self._through(np.zeros((2 if self._signal == "iq" else 1, 0), dtype=np.float32), last=True)

    def _through(self, samples: Planar, *, last: bool) -> list[SymbolBlock]:
        offset_hz: float | None = None
        if self._front is not None:
            samples, offset_hz = self._front.feed(samples, last=last)
        return self._slicer.feed(samples, self._start_utc_ns, offset_hz, last=last)
