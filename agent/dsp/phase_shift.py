"""Phase-shift keying from complex or real samples to soft symbols, for every modem that shifts a phase.

The carrier is found feed-forward by the line of the signal's square (fourth power), the signal filtered, its clock
and then its phase recovered, once for each hypothesis: a short clock and phase window that follows anything, and
long ones for a faint steady signal. What the symbols mean (differential, Manchester, which axis) is for the
``BitMaker`` that a modem brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.dsp.carrier_recovery import CarrierRemoval, PhaseTracker, SpectralLine
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Filter, Planar, Resampler, Signal
from agent.dsp.symbol_blocks import KNOT, Blocks
from agent.records import SymbolBlock, Trace

_ROLLOFF = 0.35
_LIKELY_CLOCK_ERROR = 0.005
_LARGEST_CLOCK_ERROR = 0.02
_HYPOTHESES = ((8, 16, _LARGEST_CLOCK_ERROR), (40, 64, _LIKELY_CLOCK_ERROR))
"""(half window of the clock in hops of 16 symbols, that of the carrier's phase in symbols, largest clock error)."""

Symbols = NDArray[np.float32]


class BitMaker(Protocol):
    """What symbols mean: float32[2, n] axes in, soft bits out; may keep what the next symbols need."""

    def bits(self, axes: Planar) -> tuple[Symbols, int]:
        """Give soft bits, and the number (from the first given, perhaps -1) of the symbol the first belongs to."""
        ...


class Plain:
    """BPSK: one bit a symbol, on the real axis."""

    def bits(self, axes: Planar) -> tuple[Symbols, int]:
        """Give the real axis."""
        return axes[0], 0


class Products:
    """Differential BPSK: a one where a symbol is as the one before, as sure as the less sure of the two."""

    def __init__(self) -> None:
        self._previous = np.zeros(1, dtype=np.float32)

    def bits(self, axes: Planar) -> tuple[Symbols, int]:
        """Give the products."""
        soft = axes[0]
        before = np.concatenate((self._previous, soft[:-1]))
        self._previous = soft[-1:].copy()
        out: Symbols = np.copysign(np.minimum(np.abs(soft), np.abs(before)), soft * before)
        return out, 0


class Manchester:
    """Two half symbols a bit, of opposite sign: their difference, the pairs beginning at even or odd ones."""

    def __init__(self, parity: int, products: Products | None) -> None:
        self._skip = parity
        self._held = np.empty(0, dtype=np.float32)
        self._products = products

    def bits(self, axes: Planar) -> tuple[Symbols, int]:
        """Give the differences of pairs."""
        held = len(self._held)
        halves = np.concatenate((self._held, axes[0]))[self._skip :]
        first, self._skip = self._skip - held, 0
        whole = len(halves) // 2 * 2
        self._held = halves[whole:].copy()
        soft: Symbols = (halves[0:whole:2] - halves[1:whole:2]) * np.float32(0.5)
        if self._products is not None and len(soft):
            soft, _ = self._products.bits(soft[None])
        return soft, first


class _Branch:
    """Clock and carrier phase of one hypothesis, and what its symbols may mean."""

    def __init__(
        self, clock_hops: int, phase_symbols: int, clock_error: float, order: int, makers: tuple[BitMaker, ...]
    ) -> None:
        self.clock = ClockRecovery(2, clock_hops, _LIKELY_CLOCK_ERROR, clock_error)
        self.phase = PhaseTracker(phase_symbols, order)
        self.makers = makers
        self.symbols: Planar = np.empty((2, 0), dtype=np.float32)
        self.positions = np.empty(0)
        self.axes: Planar = np.empty((2, 0), dtype=np.float32)
        self.given = np.empty(0)


class PskChain:
    """One unbroken stream of phase-shift keying."""

    def __init__(
        self,
        baudrate_bd: float,
        sample_rate_hz: float,
        *,
        order: int,
        carrier_hz: float,
        search_hz: float,
        is_real: bool,
        bits: Callable[[], tuple[BitMaker, ...]],
        halves: int = 1,
        first_stream: int = 0,
        start_utc_ns: int = 0,
    ) -> None:
        """Set what is known.

        ``halves`` is how often the phase may change in a symbol (2 for Manchester), ``bits`` makes the bit makers
        of a hypothesis, each of which becomes a stream; with ``order`` 4 they give two bits a symbol.
        """
        self._keyed_bd = baudrate_bd * halves
        self._halves = halves
        self._fast_hz = SAMPLES_PER_SYMBOL * self._keyed_bd
        self._carrier = np.array([carrier_hz / sample_rate_hz])
        self._oscillator = np.zeros(1)
        edge_hz = min(1.8 * self._keyed_bd, 0.48 * sample_rate_hz)
        if is_real:
            edge_hz = min(edge_hz, carrier_hz)  # beyond lies the mirror image of the real signal
        bank = filters.lowpass_bank(edge_hz / sample_rate_hz, 0.3 * edge_hz / sample_rate_hz)
        self._down = Resampler(bank, 2, sample_rate_hz, self._fast_hz)
        window = SAMPLES_PER_SYMBOL * min(512, max(64, 1 << round(math.log2(0.05 * self._keyed_bd))))
        reach = min(search_hz / self._fast_hz, 0.48 / order)
        self._removal = CarrierRemoval(SpectralLine(window, reach, order), window)
        self._matched = Filter(filters.rrc_taps(SAMPLES_PER_SYMBOL, _ROLLOFF, 5.0), 2)
        self._branches = [_Branch(*hypothesis, order, bits()) for hypothesis in _HYPOTHESES]
        bit_rate_hz = baudrate_bd * order / 2
        self._blocks = [
            Blocks(first_stream + stream, bit_rate_hz, start_utc_ns)
            for stream in range(sum(len(b.makers) for b in self._branches))
        ]
        self._bits_a_position = bit_rate_hz / self._fast_hz
        self._symbols_a_bit = self._keyed_bd / bit_rate_hz
        self._filtered: Planar = np.empty((2, 0), dtype=np.float32)

    def traces(self) -> list[Trace]:
        """Show the carrier, the matched filter's output, and each hypothesis' clock and symbols on their axes."""
        shown = self._removal.traces(self._fast_hz)
        shown.append(Trace("matched", self._filtered, "full scale", self._fast_hz))
        for number, branch in enumerate(self._branches):
            taken_s, given_s = branch.positions / self._fast_hz, branch.given / self._fast_hz
            shown += [
                Trace("symbols", branch.symbols, "full scale", positions_s=taken_s, hypothesis=number),
                Trace("aligned", branch.axes, "1", positions_s=given_s, hypothesis=number),
                *branch.clock.traces(self._keyed_bd, number),
            ]
        return shown

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        centred = np.empty((2, samples.shape[1]), dtype=np.float32)
        kernels.mix(samples, self._carrier, 0.0, max(1, centred.shape[1]), self._oscillator, centred)
        found = self._removal.feed(self._down.feed(centred, last=last), last=last)
        filtered = self._filtered = self._matched.feed(found, last=last)
        out: list[SymbolBlock] = []
        stream = 0
        for branch in self._branches:
            symbols, positions = branch.clock.feed(filtered, last=last)
            axes, given, noise, turn = branch.phase.feed(symbols, positions, last=last)
            noise /= np.float32(self._halves)
            branch.symbols, branch.positions, branch.axes, branch.given = symbols, positions, axes, given
            for maker in branch.makers:
                if len(given):
                    soft, first = maker.bits(axes)
                    removed = self._removal.removed(given[0], given[-1])
                    # How far from where the carrier was expected, be that in the audio or beside the centre.
                    where_hz = removed * self._fast_hz + turn * self._keyed_bd
                    if len(soft):
                        knots = self._knots(given, first, len(soft))
                        out += self._blocks[stream].make(soft, knots, noise, where_hz)
                stream += 1
        return out

    def _knots(self, given: NDArray[np.float64], first: int, bits: int) -> NDArray[np.float64]:
        """Give the positions of every so many bits, the first of which belongs to the symbol ``first``."""
        at = np.floor(first + self._symbols_a_bit * np.arange(0, bits, KNOT))
        inside = np.clip(at, 0, len(given) - 1)
        return np.asarray(
            (given[inside.astype(np.int64)] + (at - inside) * SAMPLES_PER_SYMBOL) * self._bits_a_position
        )


def usual_carriers_hz(baudrate_bd: float, signal: Signal, sample_rate_hz: float) -> tuple[float, ...]:
    """Tell where a carrier is in audio by convention: 1500 Hz when slow, a quarter of the sample rate when fast.

    Between the two it may be either, the lower one no lower than the signal's lower sideband needs.
    """
    if signal == "iq":
        return (0.0,)
    half_width_hz = 0.5 * baudrate_bd * (1 + _ROLLOFF)
    if half_width_hz < 1500.0:
        return (1500.0,)
    if half_width_hz < 3400.0 and 4.0 * half_width_hz < sample_rate_hz / 2:
        return (1.25 * half_width_hz, sample_rate_hz / 4)
    return (sample_rate_hz / 4,)
