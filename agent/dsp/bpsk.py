"""BPSK and differential BPSK, with Manchester coding if so said, from IQ or from the audio of an SSB receiver.

Signal model: ``a(t) cos(2 pi f t + phase)``, ``a`` being ±1 for each symbol behind a root-raised-cosine (or any
other reasonable) filter; as audio on a real carrier, by convention near 1500 Hz for slow signals and at a
quarter of the sample rate (12 kHz) for fast ones, and searched for around that. Which of the two phases is a one
cannot be known: the deframer looks for both, unless the coding is differential.

Knows no framing. Every burst is given once a hypothesis (``SymbolBlock.stream``): matched filter and carrier loop
bandwidth.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.dsp.carrier_recovery import CarrierRemoval, PhaseTracker, SquaredLine
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Chain, Filter, Intake, Planar, Resampler, Signal, Streaming
from agent.dsp.symbol_blocks import Blocks
from agent.records import AudioBlock, IqBlock, SymbolBlock


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``modulation_options`` may say.

    ``carrier_hz`` is where the carrier is expected in audio (in IQ: beside the centre), ``search_hz`` how far
    to either side it is looked for. ``differential`` takes the product of successive symbols: a change of
    phase is a zero. ``manchester`` says that each bit is sent as two half-symbols of opposite phase.
    """

    carrier_hz: float | None = None
    search_hz: float | None = None
    differential: bool = False
    manchester: bool = False


_ROLLOFF = 0.35
_LARGEST_CLOCK_ERROR = 0.005
_HYPOTHESES = ((8, 16), (40, 64))
"""(half window of the clock in hops of 16 symbols, half window of the carrier's phase in symbols)."""


class _Branch:
    """Clock and carrier phase of one hypothesis."""

    def __init__(self, clock_hops: int, phase_symbols: int, blocks: Blocks) -> None:
        self.clock = ClockRecovery(2, clock_hops, _LARGEST_CLOCK_ERROR)
        self.phase = PhaseTracker(phase_symbols)
        self.blocks = blocks
        self.previous = np.zeros(1, dtype=np.float32)

    def products(self, soft: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give for each symbol whether it is as the one before, as sure as the less sure of the two."""
        before = np.concatenate((self.previous, soft[:-1]))
        self.previous = soft[-1:].copy()
        out: NDArray[np.float32] = np.copysign(np.minimum(np.abs(soft), np.abs(before)), soft * before)
        return out


class _Chain:
    """One unbroken stream."""

    def __init__(
        self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float, start_utc_ns: int
    ) -> None:
        self._baud = baudrate_bd
        self._differential = options.differential
        self._fast_hz = SAMPLES_PER_SYMBOL * baudrate_bd
        self._carrier_hz = _carrier_hz(options, baudrate_bd, signal, sample_rate_hz)
        self._carrier = np.array([self._carrier_hz / sample_rate_hz])
        self._oscillator = np.zeros(1)
        edge_hz = min(1.8 * baudrate_bd, 0.48 * sample_rate_hz)
        if signal == "audio":
            edge_hz = min(edge_hz, self._carrier_hz)  # beyond lies the mirror image of the real signal
        bank = filters.lowpass_bank(edge_hz / sample_rate_hz, 0.3 * edge_hz / sample_rate_hz)
        self._down = Resampler(bank, 2, sample_rate_hz, self._fast_hz)
        window = SAMPLES_PER_SYMBOL * min(512, max(64, 1 << round(math.log2(0.05 * baudrate_bd))))
        reach_hz = options.search_hz if options.search_hz is not None else baudrate_bd
        self._search = CarrierRemoval(SquaredLine(window, min(reach_hz / self._fast_hz, 0.24)), window)
        self._matched = Filter(filters.rrc_taps(SAMPLES_PER_SYMBOL, _ROLLOFF, 5.0), 2)
        self._branches = [
            _Branch(*hypothesis, Blocks(stream, baudrate_bd, start_utc_ns))
            for stream, hypothesis in enumerate(_HYPOTHESES)
        ]

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        centred = np.empty((2, samples.shape[1]), dtype=np.float32)
        kernels.mix(samples, self._carrier, 0.0, max(1, centred.shape[1]), self._oscillator, centred)
        found = self._search.feed(self._down.feed(centred, last=last), last=last)
        filtered = self._matched.feed(found, last=last)
        out: list[SymbolBlock] = []
        for branch in self._branches:
            symbols, positions = branch.clock.feed(filtered, last=last)
            soft, given, snr_db, turn = branch.phase.feed(symbols, positions, last=last)
            if len(soft):
                if self._differential:
                    soft = branch.products(soft)
                removed = self._search.removed(given[0], given[-1])
                where_hz = self._carrier_hz + removed * self._fast_hz + turn * self._baud
                out.append(branch.blocks.make(soft, given[0] / SAMPLES_PER_SYMBOL, snr_db, where_hz))
        return out


def _carrier_hz(options: Options, baudrate_bd: float, signal: Signal, sample_rate_hz: float) -> float:
    if options.carrier_hz is not None:
        return options.carrier_hz
    if signal == "iq":
        return 0.0
    return 1500.0 if baudrate_bd * (1 + _ROLLOFF) / 2 < 1500.0 else sample_rate_hz / 4


class Demodulator:
    """BPSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        baudrate_bd *= 2.0 if options.manchester else 1.0

        def begin(start_utc_ns: int) -> Chain:
            return _Chain(baudrate_bd, options, signal, sample_rate_hz, start_utc_ns)

        self._streaming = Streaming(Intake(signal, sample_rate_hz, baudrate_bd), begin)

    def feed(self, block: IqBlock | AudioBlock) -> list[SymbolBlock]:
        """Take a block whole and return the symbols that are now certain."""
        return self._streaming.feed(block)

    def flush(self) -> list[SymbolBlock]:
        """Return what is still inside at the end of a stream."""
        return self._streaming.flush()
