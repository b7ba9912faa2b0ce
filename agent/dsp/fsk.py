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

from agent.dsp import filters
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Hop, Intake, Resampler, Signal
from agent.dsp.symbol_levels import LevelTracker
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say. ``deviation_hz`` is estimated when absent."""

    deviation_hz: float | None = None


_WIDTHS = (1.0, 0.6)
"""Widths of the matched filters tried, in symbols: full for a good signal path, short where it smears."""

_LEVEL_HALF_WINDOW = 48


class _Chain:
    """Clock and levels of one hypothesis, from the start of a stream or the end of a gap."""

    def __init__(self, stream: int, half_window_hops: int, largest_clock_error: float) -> None:
        self.stream = stream
        self.clock = ClockRecovery(1, half_window_hops, largest_clock_error)
        self.levels = LevelTracker(_LEVEL_HALF_WINDOW)
        self.first = True


class Demodulator:
    """FSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        self._baud = baudrate_bd
        self._signal = signal
        self._rate = sample_rate_hz
        self._options = options
        sps = sample_rate_hz / baudrate_bd
        hop_symbols = min(1024, max(128, 128 * round(0.1 * baudrate_bd / 128)))
        self._intake = Intake(signal, sample_rate_hz, round(hop_symbols * sps))
        half = sps / 2 + 4
        self._banks = np.stack([filters.polyphase_bank(filters.box_pulse(w * sps), half) for w in _WIDTHS])
        self._clock_error = 0.02 if baudrate_bd <= 2400 else 0.005
        self._begin(0)

    def _begin(self, start_utc_ns: int) -> None:
        self._start_utc_ns = start_utc_ns
        self._resampler = Resampler(self._banks, 1, self._rate, SAMPLES_PER_SYMBOL * self._baud)
        self._chains = [_Chain(i, 8, self._clock_error) for i in range(len(_WIDTHS))]

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
        return out + self._symbols(self._resampler.feed(hop.samples), last=False)

    def _drain(self) -> list[SymbolBlock]:
        return self._symbols(self._resampler.flush(), last=True)

    def _symbols(self, filtered: NDArray[np.float32], *, last: bool) -> list[SymbolBlock]:
        out: list[SymbolBlock] = []
        for chain, samples in zip(self._chains, filtered, strict=True):
            values, positions = chain.clock.feed(samples)
            if last:
                tail_values, tail_positions = chain.clock.flush()
                values = np.concatenate((values, tail_values), axis=1)
                positions = np.concatenate((positions, tail_positions))
            soft, given, snr_db, _ = chain.levels.feed(values[0], positions, last=last)
            if not len(soft):
                continue
            out.append(
                SymbolBlock(
                    soft=soft,
                    baudrate_bd=self._baud,
                    start_utc_ns=self._start_utc_ns + round(given[0] * 1e9 / (SAMPLES_PER_SYMBOL * self._baud)),
                    snr_db=snr_db,
                    stream=chain.stream,
                    first=chain.first,
                )
            )
            chain.first = False
        return out
