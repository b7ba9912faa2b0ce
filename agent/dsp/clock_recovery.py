"""Symbol clock, feed-forward: no loop, nothing to acquire, the first symbol of a burst is as good as the last.

The squared slope of the signal has a spectral line at the baud rate. Its phase is measured in a window centred
on every 16 symbols (looking ahead as far as back), over a few clock errors at once, unwrapped, and the symbols
are interpolated where it says. Source: M. Oerder and H. Meyr, "Digital filter and square timing recovery",
IEEE Trans. Comm. 36 (1988), with a prefilter at the band edge.

Takes planar streams at four samples a nominal symbol; knows no modulation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agent.dsp import filters, kernels
from agent.records import Trace

SAMPLES_PER_SYMBOL = 4
HOP_SYMBOLS = 16
_HOP = SAMPLES_PER_SYMBOL * HOP_SYMBOLS
INTERPOLATION_HALF = 4
INTERPOLATION_BANK = filters.polyphase_bank(
    filters.lowpass_pulse(0.42, float(INTERPOLATION_HALF), 40.0), INTERPOLATION_HALF
)


_UNLIKELY = 0.25
"""What the power of a line counts whose clock error is larger than likely: noise must not pull the clock there."""


@lru_cache(maxsize=16)
def _error_windows(half: int, likely_error: float, largest_error: float) -> tuple[NDArray[np.float64], ...]:
    """Give the clock errors to try, in cycles a hop, what a line there counts, and windows turned against them."""
    shape = 1.0 - (np.arange(-half, half + 1) / (half + 1.0)) ** 2
    widest = 0.4 / (2 * half + 1)  # cycles a hop within which the window loses little
    likely = _spread(0.0, likely_error * HOP_SYMBOLS, widest)
    far = _spread(likely[-1], largest_error * HOP_SYMBOLS, widest)[1:]
    errors = np.concatenate((-far[::-1], -likely[:0:-1], likely, far))
    counts = np.where(np.abs(errors) > likely[-1], _UNLIKELY, 1.0)
    turns = np.exp(2j * np.pi * np.outer(errors, np.arange(-half, half + 1)))
    windows = turns * (shape / shape.sum())
    return errors, counts, np.ascontiguousarray(np.stack((windows.real, windows.imag), axis=1))


def _spread(first: float, last: float, widest: float) -> NDArray[np.float64]:
    """Give errors from one to another, no further apart than a window of that width sees between them."""
    return np.linspace(first, last, 1 + int(np.ceil(max(0.0, last - first - widest) / (1.5 * widest))))


class ClockRecovery:
    """Give symbols and their positions from a stream at four samples a symbol."""

    def __init__(
        self,
        channels: int,
        half_window_hops: int,
        likely_error: float,
        largest_error: float = 0.0,
        *,
        loud_noise: bool = False,
    ) -> None:
        """Set the window to ``half_window_hops`` hops of 16 symbols on either side.

        ``likely_error`` is the clock error, as a fraction, up to which the line is searched; from there to
        ``largest_error`` it is taken where it is plain. ``loud_noise`` says that noise alone is stronger than the
        signal, as behind a discriminator: what is loud then counts less.
        """
        self._loud_noise = loud_noise
        self._half = half_window_hops
        self._errors, self._counts, self._windows = _error_windows(half_window_hops, likely_error, largest_error)
        self._reset(channels)

    def _reset(self, channels: int) -> None:
        lead = self._half * _HOP + 4
        # The stream is preceded by silence, so that the first symbols have a whole window.
        self._buffer = np.zeros((channels, lead), dtype=np.float32)
        self._origin = -lead
        self._phasors = np.zeros((3, self._half))
        self._next_phasor = 0
        self._track = np.zeros((0, 2))
        self._track_hop = 0
        self._state = np.zeros(2)
        self._taken = np.array([-1e18])
        self.track = np.zeros((0, 2))
        """float64[n, 2]: (phase in symbols, strength of the line) of the hops that the last ``feed`` judged."""

    def feed(
        self, samples: NDArray[np.float32], *, last: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Take samples; give float32[channels, k] symbols and their float64[k] positions in the stream.

        With ``last`` give also the symbols whose windows reach beyond the end.
        """
        parts = [self._buffer, samples]
        if last:
            parts.append(np.zeros((samples.shape[0], (self._half + 2) * _HOP), dtype=np.float32))
        self._buffer = np.concatenate(parts, axis=1)
        end = self._origin + self._buffer.shape[1]
        new = max(0, (end - 4 - self._next_phasor * _HOP) // _HOP)
        if new:
            fresh = np.empty((3, new))
            kernels.clock_phasors(self._buffer, self._next_phasor * _HOP - self._origin, fresh)
            if self._loud_noise:
                fresh /= fresh[2] ** 2 + 1e-30
            self._next_phasor += new
            self._phasors = np.concatenate((self._phasors, fresh), axis=1)
        ready = max(0, self._phasors.shape[1] - 2 * self._half)
        self.track = np.zeros((0, 2))
        if not ready:
            return self._nothing()
        track = np.empty((ready, 2))
        kernels.clock_track(self._phasors, self._windows, self._errors, self._counts, self._state, track)
        self._phasors = self._phasors[:, ready:].copy()
        self._track = np.concatenate((self._track, track))
        self.track = track
        return self._take()

    def traces(self, baudrate_bd: float, hypothesis: int) -> list[Trace]:
        """Show the clock's phase, and how strong its line is, for each 16 symbols."""
        rate_hz = baudrate_bd / HOP_SYMBOLS
        middle_s = 0.5 * HOP_SYMBOLS / baudrate_bd
        return [
            Trace("clock_phase", self.track[:, 0], "symbol", rate_hz, middle_s, hypothesis=hypothesis),
            Trace("clock_strength", self.track[:, 1], "1", rate_hz, middle_s, hypothesis=hypothesis),
        ]

    def line_strength(self) -> float:
        """Tell how strong the clock's line was lately, 0 to 1."""
        return float(self._track[-1, 1]) if len(self._track) else 0.0

    def _nothing(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        return np.empty((self._buffer.shape[0], 0), dtype=np.float32), np.empty(0)

    def _take(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        hops = self._track.shape[0] - 1
        if hops < 1:
            return self._nothing()
        room = int(hops * HOP_SYMBOLS * 1.2) + hops + 8
        symbols = np.empty((self._buffer.shape[0], room), dtype=np.float32)
        positions = np.empty(room)
        count = kernels.take_symbols(
            self._buffer,
            self._origin,
            self._track,
            self._track_hop,
            self._taken,
            INTERPOLATION_BANK,
            symbols,
            positions,
        )
        self._track_hop += hops
        self._track = self._track[hops:].copy()
        keep = self._track_hop * _HOP - 2 * INTERPOLATION_HALF - self._origin
        if keep > 0:
            self._buffer = self._buffer[:, keep:].copy()
            self._origin += keep
        return np.ascontiguousarray(symbols[:, :count]), positions[:count]
