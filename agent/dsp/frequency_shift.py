"""Frequency-shift keying from complex samples to soft symbols, for every modem that shifts a frequency.

The signal is brought near zero frequency (the middle between its two tones is found feed-forward), filtered, and
goes two ways: through a discriminator, which needs to know nothing and gives the symbol clock, and through the
sequence detector, which knows how the phase moves and hears several decibels more. ``AudioReceiver`` does the same
for audio that has been through a discriminator already. Knows neither what the carrier is nor what the bits mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.dsp import cpm_kernels, filters
from agent.dsp.carrier_recovery import CarrierRemoval
from agent.dsp.clock_recovery import SAMPLES_PER_SYMBOL, ClockRecovery
from agent.dsp.sampling import Filter, Planar, Resampler
from agent.dsp.sequence_detection import SequenceDetector
from agent.dsp.symbol_blocks import KNOT, Blocks, with_best_snr
from agent.dsp.symbol_levels import GROUP_SYMBOLS, Levelled, LevelTracker
from agent.records import SymbolBlock, Trace

_LEVEL_HALF_WINDOW = 48
_TONE_WINDOW = 128
_STEADY_HOPS = 40  # half window of the sequence detector's clock, in hops of 16 symbols
_SLOW_BD = 2400.0
_BANDWIDTH_TIME = 0.5
_AUDIO_HYPOTHESES = ((True, 8), (False, 4))
"""Full width where the signal path is good, short where it smears, with a clock that follows lost samples."""

_IQ_HYPOTHESES = ((True, 8),)
_AUDIO_MEMORY = 0.7  # of the phase reference: the scale of audio is known to a tenth, and the phase walks
_USUAL_SMEAR = 0.2  # what a Gaussian filter of BT 0.5 makes of a full-width matched filter's symbols


Offset: TypeAlias = "Callable[[float, float, float], float]"


class TwoTones:
    """Where the middle between two tones is: the carrier of a frequency-shifted signal, whatever its data."""

    def __init__(self, window_samples: int, samples_per_symbol: int) -> None:
        self._size = window_samples
        self._symbol = samples_per_symbol

    def evidence(self, samples: Planar, step: int) -> NDArray[np.floating[Any]]:
        """Give (middle times weight, weight) of each window."""
        out = np.empty(((samples.shape[1] - self._size) // step + 1, 2))
        cpm_kernels.tone_middles(samples, self._size, step, self._symbol, out)
        return out

    def frequencies(self, evidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Give the middle in cycles a sample."""
        return np.asarray(evidence[:, 0] / np.maximum(evidence[:, 1], 1e-90))


class _Branch:
    def __init__(self, blocks: Blocks, half_window_hops: int, clock_error: float) -> None:
        self.clock = ClockRecovery(1, half_window_hops, clock_error, loud_noise=True)
        self.levels = LevelTracker(_LEVEL_HALF_WINDOW)
        self.blocks = blocks
        self.matched = np.empty((1, 0), dtype=np.float32)
        self.values = np.empty((1, 0), dtype=np.float32)
        self.positions = np.empty(0)


class Slicer:
    """From a frequency (or a discriminator's audio) to soft symbols, once for each hypothesis.

    A hypothesis is (whether the matched filter is a whole symbol wide or half of one, half window of the clock
    in hops of 16 symbols); the streams are numbered after them. What was found on the way stays readable until
    the next ``feed``.
    """

    def __init__(
        self,
        baudrate_bd: float,
        sample_rate_hz: float,
        hypotheses: tuple[tuple[bool, int], ...],
        start_utc_ns: int,
        first_stream: int = 0,
    ) -> None:
        sps = sample_rate_hz / baudrate_bd
        self._resampler = Resampler(filters.box_bank(sps / 2), 1, sample_rate_hz, SAMPLES_PER_SYMBOL * baudrate_bd)
        # Two halves side by side make the whole: at four samples a symbol, the samples on either side.
        self._widen = Filter(np.array([0.5, 0.0, 0.5], dtype=np.float32), 1)
        clock_error = 0.02 if baudrate_bd <= _SLOW_BD else 0.005
        steady_error = 0.02 if baudrate_bd <= _SLOW_BD else 0.001
        self._steady = ClockRecovery(1, _STEADY_HOPS, steady_error, loud_noise=True)
        self._wide = [is_wide for is_wide, _ in hypotheses]
        self._baud = baudrate_bd
        self._first_stream = first_stream
        self._branches = [
            _Branch(Blocks(first_stream + stream, baudrate_bd, start_utc_ns), half_window, clock_error)
            for stream, (_, half_window) in enumerate(hypotheses)
        ]
        self.narrow = np.empty((1, 0), dtype=np.float32)
        """float32[1, n]: the signal at four samples a symbol behind the narrower filter."""
        self.centres = np.empty(0)
        """Positions, in symbols from the start, of the symbols that a long look at the clock has found."""
        self.levelled: Levelled | None = None
        """The symbols of the first hypothesis whose levels are known; positions in symbols."""

    def feed(self, samples: Planar, offset: Offset | None = None, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples; give blocks.

        ``offset`` tells the carrier's frequency from the position (in symbols) of two symbols and the middle
        between the levels there.
        """
        self.narrow = self._resampler.feed(samples, last=last)
        wide = self._widen.feed(self.narrow, last=last)
        self.centres = self._steady.feed(wide, last=last)[1] / SAMPLES_PER_SYMBOL
        out: list[SymbolBlock] = []
        for number, branch in enumerate(self._branches):
            part = wide if self._wide[number] else self.narrow
            values, positions = branch.clock.feed(part, last=last)
            positions /= SAMPLES_PER_SYMBOL
            branch.matched, branch.values, branch.positions = part, values, positions
            levelled = branch.levels.feed(values[0], positions, last=last)
            if number == 0:
                self.levelled = levelled
            if levelled is not None:
                first, final = float(levelled.positions[0]), float(levelled.positions[-1])
                where_hz = None if offset is None else offset(first, final, levelled.middle())
                out += branch.blocks.make(levelled.soft, levelled.positions[::KNOT], levelled.noise(), where_hz)
        return out

    def traces(self, unit: str) -> list[Trace]:
        """Show each hypothesis' matched filter, clock and symbols; ``unit`` is the input's."""
        shown: list[Trace] = []
        for number, branch in enumerate(self._branches, self._first_stream):
            seconds = branch.positions / self._baud
            matched_hz = SAMPLES_PER_SYMBOL * self._baud
            shown += [
                Trace("matched", branch.matched[0], unit, matched_hz, hypothesis=number),
                Trace("symbols", branch.values[0], unit, positions_s=seconds, hypothesis=number),
                *branch.clock.traces(self._baud, number),
            ]
        return shown


class AudioReceiver:
    """From a discriminator's audio to soft symbols.

    The audio is sliced, and it is also turned back into the frequency-modulated signal it came from (at an index
    of one half, whatever it was: the scale of audio is not known) for the sequence detector. A click of the
    discriminator, one turn of the phase, disappears in that.
    """

    def __init__(
        self,
        baudrate_bd: float,
        sample_rate_hz: float,
        start_utc_ns: int,
    ) -> None:
        self._slicer = Slicer(baudrate_bd, sample_rate_hz, _AUDIO_HYPOTHESES, start_utc_ns)
        self._detector = SequenceDetector(0.5, _BANDWIDTH_TIME, 2, 2.0, memory=_AUDIO_MEMORY)
        self._blocks = Blocks(len(_AUDIO_HYPOTHESES), baudrate_bd, start_utc_ns)
        self._frequency = np.empty(0, dtype=np.float32)
        self._origin = 0  # stream position of its first sample
        self._state = np.array([0.0, _USUAL_SMEAR, 0.25 / SAMPLES_PER_SYMBOL])
        self._signal: Planar = np.empty((2, 0), dtype=np.float32)
        self._rate_hz = SAMPLES_PER_SYMBOL * baudrate_bd

    def traces(self) -> list[Trace]:
        """Show the slicer's stages, and the signal that the audio was turned back into."""
        remodulated = Trace("remodulated", self._signal, "1", self._rate_hz, 0.5 / self._rate_hz)
        return [*self._slicer.traces("full scale"), remodulated]

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole and give the symbols now certain; ``last`` for the end of the stream."""
        out = self._slicer.feed(samples, last=last)
        self._frequency = np.concatenate((self._frequency, self._slicer.narrow[0]))
        levelled = self._slicer.levelled
        signal = np.empty((2, 0), dtype=np.float32)
        if levelled is not None:
            signal = self._remodulate(levelled, last=last)
        self._signal = signal
        # The phase after sample i belongs half a sample behind its middle.
        centres = self._slicer.centres * SAMPLES_PER_SYMBOL - 0.5
        soft, given, noise, _ = self._detector.feed(signal, centres, last=last)
        if len(soft):
            out += self._blocks.make(soft, given[::KNOT] / SAMPLES_PER_SYMBOL, noise, None)
        return with_best_snr(out)

    def _remodulate(self, levelled: Levelled, *, last: bool) -> Planar:
        ends = levelled.positions[GROUP_SYMBOLS - 1 :: GROUP_SYMBOLS] * SAMPLES_PER_SYMBOL
        if len(ends) < len(levelled.levels):
            ends = np.append(ends, levelled.positions[-1] * SAMPLES_PER_SYMBOL)
        bounds = np.empty(len(ends) + 1, dtype=np.int64)
        bounds[0] = 0
        bounds[1:] = np.round(ends + SAMPLES_PER_SYMBOL / 2).astype(np.int64) - self._origin
        np.clip(bounds, 0, len(self._frequency), out=bounds)
        if last:
            bounds[-1] = len(self._frequency)
        signal = np.empty((2, int(bounds[-1])), dtype=np.float32)
        cpm_kernels.remodulate(self._frequency, bounds, levelled.levels, self._state, signal)
        self._frequency = self._frequency[bounds[-1] :].copy()
        self._origin += int(bounds[-1])
        return signal


class Receiver:
    """From planar complex samples to soft symbols of a signal near zero frequency."""

    def __init__(
        self,
        baudrate_bd: float,
        deviation_hz: float,
        sample_rate_hz: float,
        *,
        search_hz: float,
        edge_hz: float = math.inf,
        bandwidth_time: float | None = _BANDWIDTH_TIME,
        widest_hz: float | None = None,
        first_stream: int = 0,
        start_utc_ns: int = 0,
    ) -> None:
        """Set what is known of the signal; ``deviation_hz`` is negative when a one is the lower tone.

        The middle is looked for within ``search_hz``; nothing is heard beyond ``edge_hz``. With
        ``widest_hz`` the deviation is a guess: the detector looks for the index that fits, up to there.
        """
        half_band_hz = abs(deviation_hz) + 0.5 * baudrate_bd
        # The tones must lie within a quarter of the rate, wherever the middle is.
        multiple = max(1, math.ceil((abs(deviation_hz) + 0.25 * baudrate_bd + search_hz) / baudrate_bd - 1e-6))
        per_symbol = SAMPLES_PER_SYMBOL * multiple
        self._baud = baudrate_bd
        self._sense = math.copysign(1.0, deviation_hz)
        self._rate_hz = per_symbol * baudrate_bd
        self._per_symbol = per_symbol
        wide_hz = min(half_band_hz + search_hz, edge_hz, 0.45 * self._rate_hz, 0.49 * sample_rate_hz)
        bank = filters.lowpass_bank(wide_hz / sample_rate_hz, 0.4 * wide_hz / sample_rate_hz)
        self._wide = Resampler(bank, 2, sample_rate_hz, self._rate_hz)
        window = _TONE_WINDOW * per_symbol
        self._removal = CarrierRemoval(TwoTones(window, per_symbol), window) if search_hz else None
        narrow_hz = min(half_band_hz, edge_hz)
        self._narrow = Filter(filters.lowpass_taps(narrow_hz / self._rate_hz, 0.4 * narrow_hz / self._rate_hz), 2)
        self._angle = np.zeros(2)
        self._slicer = Slicer(baudrate_bd, self._rate_hz, _IQ_HYPOTHESES, start_utc_ns, first_stream)
        index = 2.0 * deviation_hz / baudrate_bd
        widest = 2.0 * (widest_hz or 0.0) / baudrate_bd
        self._detector = SequenceDetector(index, bandwidth_time, per_symbol // 2, 2.0, widest_index=widest)
        self._detected = Blocks(first_stream + len(_IQ_HYPOTHESES), baudrate_bd, start_utc_ns)
        self._first_stream = first_stream
        self._filtered: Planar = np.empty((2, 0), dtype=np.float32)
        self._discriminated: Planar = np.empty((1, 0), dtype=np.float32)

    def traces(self) -> list[Trace]:
        """Show the carrier, the signal at zero frequency, its frequency, and the slicer's stages."""
        number = self._first_stream
        half_s = 0.5 / self._rate_hz
        shown = [
            Trace("filtered", self._filtered, "full scale", self._rate_hz, hypothesis=number),
            Trace("discriminated", self._discriminated[0], "Hz", self._rate_hz, -half_s, hypothesis=number),
            *self._slicer.traces("Hz"),
        ]
        return shown if self._removal is None else [*self._removal.traces(self._rate_hz, number), *shown]

    def feed(self, samples: Planar, *, last: bool = False) -> list[SymbolBlock]:
        """Take samples whole and give the symbols now certain; ``last`` for the end of the stream."""
        part = self._wide.feed(samples, last=last)
        if self._removal is not None:
            part = self._removal.feed(part, last=last)
        narrow = self._narrow.feed(part, last=last)
        frequency = np.empty((1, narrow.shape[1]), dtype=np.float32)
        cpm_kernels.discriminate(narrow, self._angle, frequency[0])
        frequency *= np.float32(self._sense * self._rate_hz)
        self._filtered, self._discriminated = narrow, frequency
        out = self._slicer.feed(frequency, self._offset_hz, last=last)
        # The discriminator's output lies half a sample before the later of its two samples.
        centres = self._slicer.centres * self._per_symbol - 0.5
        soft, given, noise, turn = self._detector.feed(narrow, centres, last=last)
        if len(soft):
            turned_hz = self._sense * turn * self._baud
            first, final = given[0] / self._per_symbol, given[-1] / self._per_symbol
            where_hz = self._offset_hz(first, final, turned_hz)
            out += self._detected.make(soft, given[::KNOT] / self._per_symbol, noise, where_hz)
        return with_best_snr(out)

    def _offset_hz(self, first: float, last: float, rest_hz: float) -> float:
        rest_hz *= self._sense
        if self._removal is None:
            return rest_hz
        return rest_hz + self._rate_hz * self._removal.removed(first * self._per_symbol, last * self._per_symbol)
