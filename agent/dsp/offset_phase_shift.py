"""Offset QPSK from complex or real samples to soft symbols: two rails half a symbol apart, taken as one stream.

A quarter turn for each half symbol puts the symbols of both rails on one axis, so that the signal is BPSK at twice
the symbol rate; only its envelope stands nearly still, and neither its power nor its fourth power tells clock or
carrier. Its square does: the rails' transitions come half a symbol apart and with opposite sign, so the square has
two lines, at twice the carrier plus and minus the symbol rate. Their middle is the carrier, their phases together
its phase, apart the clock. Knows what the lines leave open (which rail is which) and gives both.

Source: W. A. Gardner, "Exploitation of spectral redundancy in cyclostationary signals", IEEE Signal Processing
Magazine 8 (1991), conjugate cycle frequencies of staggered QPSK.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.dsp.carrier_recovery import CarrierRemoval, SpectralLine
from agent.dsp.clock_recovery import INTERPOLATION_BANK, INTERPOLATION_HALF
from agent.dsp.sampling import Filter, Planar, Resampler
from agent.dsp.symbol_blocks import KNOT, Blocks
from agent.dsp.symbol_levels import LevelTracker
from agent.records import SymbolBlock, Trace

_ROLLOFF = 0.35
_PER_SYMBOL = 8  # samples: four for each half symbol
_HOP = 64  # samples, as ``kernels.take_symbols`` has it
_EDGE_HALF = 15  # samples
_HALF_WINDOW_HOPS = 32
_LEVEL_HALF_WINDOW = 96
_PHASE_HALF_WINDOW = 128  # half symbols


class TwoLines(SpectralLine):
    """Where the middle of two lines of the square is that stand the symbol rate to either side of it."""

    def __init__(self, window_samples: int, range_cycles: float) -> None:
        """Search ``range_cycles`` (cycles a sample) to either side."""
        super().__init__(window_samples, range_cycles, 2)
        self._apart = window_samples // _PER_SYMBOL
        self._beyond = np.abs(np.fft.fftfreq(window_samples)) > 2.0 * range_cycles
        self._outside[:] = False

    def evidence(self, samples: Planar, step: int) -> NDArray[np.floating[Any]]:
        """Give the product of the powers a symbol rate above and below each frequency."""
        power = super().evidence(samples, step)
        both = np.sqrt(np.roll(power, -self._apart, axis=1) * np.roll(power, self._apart, axis=1))
        both[:, self._beyond] = 0.0
        return np.asarray(both)


class _TwoPhases:
    """Follow the phases of the two lines in centred windows; give the clock's track and the carrier's phase."""

    def __init__(self) -> None:
        shape = 1.0 - (np.arange(-_HALF_WINDOW_HOPS, _HALF_WINDOW_HOPS + 1) / (_HALF_WINDOW_HOPS + 1.0)) ** 2
        self._shape = shape / shape.sum()
        # The lines come of what lies about half the symbol rate: let the rest add no noise.
        along = np.arange(-_EDGE_HALF, _EDGE_HALF + 1)
        edges = np.sin(np.pi * along / _PER_SYMBOL) * np.cos(0.5 * np.pi * along / (_EDGE_HALF + 1)) ** 2
        self._edges = Filter(edges.astype(np.float32), 2)
        self._samples: Planar = np.zeros((2, 0), dtype=np.float32)
        self._sums = np.zeros((2, _HALF_WINDOW_HOPS), dtype=np.complex128)
        self._last: NDArray[np.float64] = np.zeros((2, 0))

    def feed(self, samples: Planar, *, last: bool) -> NDArray[np.float64]:
        """Give float64[2, hops]: the phases (cycles, unwrapped) of the upper and the lower line."""
        parts = [self._samples, self._edges.feed(samples, last=last)]
        if last:
            parts.append(np.zeros((2, (_HALF_WINDOW_HOPS + 2) * _HOP), dtype=np.float32))
        held = np.concatenate(parts, axis=1)
        hops = held.shape[1] // _HOP
        z = held[0, : hops * _HOP] + 1j * held[1, : hops * _HOP]
        eighths = (z * z).reshape(hops, _HOP // _PER_SYMBOL, _PER_SYMBOL).sum(axis=1)
        turns = np.exp(-2j * np.pi * np.arange(_PER_SYMBOL) / _PER_SYMBOL)
        self._samples = held[:, hops * _HOP :].copy()
        self._sums = np.concatenate((self._sums, np.stack((eighths @ turns, eighths @ turns.conj()))), axis=1)
        ready = self._sums.shape[1] - 2 * _HALF_WINDOW_HOPS
        if ready <= 0:
            return np.zeros((2, 0))
        smooth = np.stack([np.convolve(line, self._shape, "valid") for line in self._sums])
        self._sums = self._sums[:, ready:].copy()
        cycles = np.angle(smooth) / (2.0 * np.pi)
        held_cycles = np.concatenate((self._last, cycles), axis=1)
        unwrapped = np.unwrap(held_cycles, axis=1, period=1.0)[:, self._last.shape[1] :]
        self._last = unwrapped[:, -1:].copy()
        return unwrapped


class _Upright:
    """Turn the serial symbols the last degrees onto the real axis: by their own decisions, in centred windows."""

    def __init__(self) -> None:
        shape = 1.0 - np.abs(np.arange(-_PHASE_HALF_WINDOW, _PHASE_HALF_WINDOW + 1)) / (_PHASE_HALF_WINDOW + 1.0)
        self._shape = shape / shape.sum()
        self._values = np.zeros(_PHASE_HALF_WINDOW, dtype=np.complex128)
        self._positions = np.empty(0)

    def feed(
        self, values: NDArray[np.complex128], positions: NDArray[np.float64], *, last: bool
    ) -> tuple[Planar, NDArray[np.float64]]:
        """Give the axes of the symbols whose surroundings are known, the real one first, and their positions."""
        tail = np.zeros(_PHASE_HALF_WINDOW if last else 0, dtype=np.complex128)
        self._values = np.concatenate((self._values, values, tail))
        self._positions = np.concatenate((self._positions, positions))
        count = max(0, len(self._values) - 2 * _PHASE_HALF_WINDOW)
        if not count:
            return np.empty((2, 0), dtype=np.float32), np.empty(0)
        turned = self._values
        for _ in range(2):
            folded = turned * np.sign(turned.real)
            lean = np.convolve(folded, self._shape, "same")
            turned = turned * np.exp(-1j * np.angle(lean + 1e-30))
        inside = turned[_PHASE_HALF_WINDOW : _PHASE_HALF_WINDOW + count]
        given, self._positions = self._positions[:count], self._positions[count:]
        self._values = self._values[count:].copy()
        return np.stack((inside.real, inside.imag)).astype(np.float32), given


class OffsetPskChain:
    """One unbroken stream of offset QPSK."""

    def __init__(
        self,
        baudrate_bd: float,
        sample_rate_hz: float,
        *,
        carrier_hz: float,
        search_hz: float,
        is_real: bool,
        line_symbols: int,
        first_stream: int = 0,
        start_utc_ns: int = 0,
    ) -> None:
        """Set what is known; ``baudrate_bd`` is that of symbols, two bits each.

        The carrier is looked for in windows of ``line_symbols``: short for one that drifts, long for a faint one.
        """
        self._baud = baudrate_bd
        self._first_stream = first_stream
        self._fast_hz = _PER_SYMBOL * baudrate_bd
        self._carrier = np.array([carrier_hz / sample_rate_hz])
        self._oscillator = np.zeros(1)
        edge_hz = min(1.4 * baudrate_bd, 0.48 * sample_rate_hz)
        if is_real:
            edge_hz = min(edge_hz, carrier_hz)  # beyond lies the mirror image of the real signal
        bank = filters.lowpass_bank(edge_hz / sample_rate_hz, 0.3 * edge_hz / sample_rate_hz)
        self._down = Resampler(bank, 2, sample_rate_hz, self._fast_hz)
        window = _PER_SYMBOL * line_symbols
        self._removal = CarrierRemoval(TwoLines(window, search_hz / self._fast_hz), window)
        self._matched = Filter(filters.rrc_taps(_PER_SYMBOL, _ROLLOFF, 5.0), 2)
        self._lines = _TwoPhases()
        self._buffer: Planar = np.zeros((2, _HOP), dtype=np.float32)  # the stream is preceded by silence
        self._origin = -_HOP
        self._track = np.zeros((0, 2))
        self._middles: NDArray[np.float64] = np.zeros((2, 0))
        self._hop = 0
        self._taken = np.array([-1e18])
        self._upright = _Upright()
        self._levels = LevelTracker(_LEVEL_HALF_WINDOW)
        self._blocks = [Blocks(first_stream + k, 2.0 * baudrate_bd, start_utc_ns) for k in (0, 1)]
        self._given = 0  # half symbols
        self._filtered: Planar = np.empty((2, 0), dtype=np.float32)
        self._serial: Planar = np.empty((2, 0), dtype=np.float32)
        self._clock = np.empty(0)
        self._positions = np.empty(0)

    def traces(self) -> list[Trace]:
        """Show the carrier, the matched filter's output, the clock and the serial symbols."""
        number = self._first_stream
        hop_hz = self._fast_hz / _HOP
        return [
            *self._removal.traces(self._fast_hz, number),
            Trace("matched", self._filtered, "full scale", self._fast_hz, hypothesis=number),
            Trace("aligned", self._serial, "1", positions_s=self._positions / self._fast_hz, hypothesis=number),
            Trace("clock_phase", self._clock, "half symbol", hop_hz, 0.5 / hop_hz, hypothesis=number),
            Trace("clock_strength", np.ones_like(self._clock), "1", hop_hz, 0.5 / hop_hz, hypothesis=number),
        ]

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole; with ``last`` give all that is still inside."""
        centred = np.empty((2, samples.shape[1]), dtype=np.float32)
        kernels.mix(samples, self._carrier, 0.0, max(1, centred.shape[1]), self._oscillator, centred)
        found = self._removal.feed(self._down.feed(centred, last=last), last=last)
        filtered = self._filtered = self._matched.feed(found, last=last)
        tail = np.zeros((2, 2 * _HOP if last else 0), dtype=np.float32)
        self._buffer = np.concatenate((self._buffer, filtered, tail), axis=1)
        lines = self._lines.feed(filtered, last=last)
        self._clock = lines[1] - lines[0]
        values, positions, turn = self._take(lines)
        serial, positions = self._upright.feed(values, positions, last=last)
        self._serial, self._positions = serial, positions
        levelled = self._levels.feed(serial[0], positions, last=last)
        if levelled is None:
            return []
        first, final = float(levelled.positions[0]), float(levelled.positions[-1])
        where_hz = self._removal.removed(first, final) * self._fast_hz + turn * self._baud
        # Which rail is which is open: if the other one, every second symbol is inverted.
        other = levelled.soft.copy()
        other[self._given & 1 :: 2] *= np.float32(-1.0)
        self._given += len(other)
        knots = levelled.positions[::KNOT] * (2.0 / _PER_SYMBOL)
        noise = levelled.noise()
        return [
            block
            for blocks, soft in zip(self._blocks, (levelled.soft, other), strict=True)
            for block in blocks.make(soft, knots, noise, where_hz)
        ]

    def _take(self, lines: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.float64], float]:
        """Give the serial symbols between the hops known, their positions, and the carrier's cycles a symbol."""
        upper, lower = lines
        # The lines' phases are half a cycle and twice the carrier's, less and plus the clock's in symbols.
        track = np.stack((lower - upper, np.zeros_like(upper)), axis=1)
        self._track = np.concatenate((self._track, track))
        self._middles = np.concatenate((self._middles, lines), axis=1)
        hops = len(self._track) - 1
        if hops < 1:
            return np.empty(0, dtype=np.complex128), np.empty(0), 0.0
        room = int(hops * 16 * 1.2) + hops + 8
        symbols, positions = np.empty((2, room), dtype=np.float32), np.empty(room)
        count = kernels.take_symbols(
            self._buffer, self._origin, self._track, self._hop, self._taken, INTERPOLATION_BANK, symbols, positions
        )
        positions = positions[:count]
        middles = (self._hop + np.arange(hops + 1)) * _HOP + 31.5
        phase = (np.interp(positions, middles, self._middles.sum(axis=0)) - 1.0) / 4.0  # the carrier's, cycles
        clock = np.interp(positions, middles, self._track[:, 0])
        number = np.rint(positions / 4.0 - clock)
        turned = (symbols[0, :count] + 1j * symbols[1, :count]) * np.exp(-2j * np.pi * (phase + 0.25 * number))
        turned[np.mod(number, 4) >= 2] *= -1.0
        drift = float(self._middles[:, -1].sum() - self._middles[:, 0].sum()) / 4.0
        self._hop += hops
        self._track = self._track[hops:].copy()
        self._middles = self._middles[:, hops:].copy()
        keep = self._hop * _HOP - 2 * INTERPOLATION_HALF - self._origin
        if keep > 0:
            self._buffer = self._buffer[:, keep:].copy()
            self._origin += keep
        return turned, positions, drift * _PER_SYMBOL / (hops * _HOP)
