"""BPSK and differential BPSK, with Manchester coding if so said, from IQ or from the audio of an SSB receiver.

Signal model: ``a(t) cos(2 pi f t + phase)``, ``a`` being ±1 for each symbol behind a root-raised-cosine (or any
other reasonable) filter; as audio on a real carrier, by convention near 1500 Hz for slow signals and at a
quarter of the sample rate (12 kHz) for fast ones, and searched for around that. Which of the two phases is a one
cannot be known: the deframer looks for both, unless the coding is differential.

Knows no framing. Every burst is given once a hypothesis (``SymbolBlock.stream``): matched filter and carrier loop
bandwidth.
"""

from __future__ import annotations

import msgspec
import numpy as np

from agent.dsp import filters, kernels
from agent.dsp.carrier_recovery import CarrierRemoval, PhaseTracker, SquaredLine
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Hop, Intake, Planar, Resampler, Signal
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
_HYPOTHESES = ((8, 16), (24, 48))
"""(half window of the clock in hops of 16 symbols, half window of the carrier's phase in symbols)."""


class _Chain:
    def __init__(self, stream: int, half_window_hops: int, half_window_symbols: int, clock_error: float) -> None:
        self.stream = stream
        self.clock = ClockRecovery(2, half_window_hops, clock_error)
        self.phase = PhaseTracker(half_window_symbols)
        self.first = True


class Demodulator:
    """BPSK to soft symbols."""

    def __init__(self, baudrate_bd: float, options: Options, signal: Signal, sample_rate_hz: float) -> None:
        self._options = options
        self._rate = sample_rate_hz
        self._baud = baudrate_bd * (2.0 if options.manchester else 1.0)
        self._fast_hz = SAMPLES_PER_SYMBOL * self._baud
        self._carrier_hz = options.carrier_hz if options.carrier_hz is not None else self._usual_carrier_hz(signal)
        reach = options.search_hz if options.search_hz is not None else self._baud
        self._search_cycles = min(reach / self._fast_hz, 0.24)
        sps = sample_rate_hz / self._baud
        hop_symbols = min(1024, max(128, 128 * round(0.1 * self._baud / 128)))
        self._intake = Intake(signal, sample_rate_hz, round(hop_symbols * sps))
        self._window = SAMPLES_PER_SYMBOL * min(512, max(64, 1 << round(np.log2(0.05 * self._baud))))
        edge_hz = 1.8 * self._baud
        if signal == "audio":
            edge_hz = min(edge_hz, self._carrier_hz)  # beyond lies the mirror image of the real signal
        half = 2.2 * sample_rate_hz / (0.25 * edge_hz) / 2.0
        self._lowpass = filters.polyphase_bank(filters.lowpass_pulse(edge_hz / sample_rate_hz, half), half)[None]
        matched = filters.rrc_pulse(SAMPLES_PER_SYMBOL, _ROLLOFF, 20.0)
        self._matched = filters.polyphase_bank(matched, 20.0, 1)[None]
        self._clock_error = 0.005
        self._begin(0)

    def _usual_carrier_hz(self, signal: Signal) -> float:
        if signal == "iq":
            return 0.0
        return 1500.0 if self._baud * (1 + _ROLLOFF) / 2 < 1500.0 else self._rate / 4

    def _begin(self, start_utc_ns: int) -> None:
        self._start_utc_ns = start_utc_ns
        self._oscillator = np.zeros(1)
        self._down = Resampler(self._lowpass, 2, self._rate, self._fast_hz)
        self._search = CarrierRemoval(SquaredLine(self._window, self._search_cycles), self._window)
        self._filter = Resampler(self._matched, 2, 1.0, 1.0)
        self._chains = [_Chain(i, *h, self._clock_error) for i, h in enumerate(_HYPOTHESES)]

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
        centred = np.empty((2, hop.samples.shape[1]), dtype=np.float32)
        where = np.array([self._carrier_hz / self._rate])
        kernels.mix(hop.samples, where, 0.0, centred.shape[1], self._oscillator, centred)
        found, offset = self._search.feed(self._down.feed(centred)[0])
        return out + self._symbols(self._filter.feed(found)[0], offset, last=False)

    def _drain(self) -> list[SymbolBlock]:
        found, offset = self._search.feed(self._down.flush()[0])
        rest, offset = self._search.flush()
        filtered = self._filter.feed(np.concatenate((found, rest), axis=1))[0]
        filtered = np.concatenate((filtered, self._filter.flush()[0]), axis=1)
        return self._symbols(filtered, offset, last=True)

    def _symbols(self, samples: Planar, offset: float, *, last: bool) -> list[SymbolBlock]:
        out: list[SymbolBlock] = []
        for chain in self._chains:
            symbols, positions = chain.clock.feed(samples)
            if last:
                tail, tail_positions = chain.clock.flush()
                symbols = np.concatenate((symbols, tail), axis=1)
                positions = np.concatenate((positions, tail_positions))
            soft, given, snr_db, turn = chain.phase.feed(symbols, positions, last=last)
            if not len(soft):
                continue
            out.append(
                SymbolBlock(
                    soft=soft,
                    baudrate_bd=self._baud,
                    start_utc_ns=self._start_utc_ns + round(given[0] * 1e9 / self._fast_hz),
                    snr_db=snr_db,
                    frequency_offset_hz=self._carrier_hz + offset * self._fast_hz + turn * self._baud,
                    stream=chain.stream,
                    first=chain.first,
                )
            )
            chain.first = False
        return out
