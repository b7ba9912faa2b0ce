"""The carrier, feed-forward. BPSK: where it is by the line of the squared signal, its phase by the squared symbols.

The square of a real baseband signal is never negative, so the strongest line of the squared signal's spectrum
lies at twice the carrier whatever the data: a search over the whole range needs no preamble and no loop.
``CarrierRemoval`` follows it through overlapping windows, looking ahead as far as back, and takes the carrier
away (whatever estimator it is given: FSK brings its own); ``PhaseTracker`` turns BPSK symbols onto the real axis.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.dsp import kernels, psk_kernels
from agent.dsp.sampling import Planar
from agent.records import Trace

_REMEMBERED_WINDOWS = 512


class SpectralLine:
    """Where the line of a power of the signal is: 1 for a residual carrier, 2 for BPSK, 4 for QPSK."""

    def __init__(self, window_samples: int, range_cycles: float, power: int) -> None:
        """Search ``range_cycles`` (cycles a sample, below one half over ``power``) to either side."""
        self._size = window_samples
        self._power = power
        taper = np.hanning(window_samples + 1)[:-1]
        self._taper = (taper / taper.sum()).astype(np.float32)
        self._outside = np.abs(np.fft.fftfreq(window_samples)) > power * range_cycles

    def evidence(self, samples: Planar, step: int) -> NDArray[np.floating[Any]]:
        """Give the spectrum of each window's power."""
        signal: NDArray[Any] = np.ascontiguousarray(samples.T).view(np.complex64).ravel()
        if self._power > 1:
            signal = signal * signal
        if self._power > 2:  # to the fourth in angle, squared in size: noise peaks weigh less
            signal = signal * signal / np.maximum(np.abs(signal), np.float32(1e-30))
        windows = np.lib.stride_tricks.sliding_window_view(signal, self._size)[::step]
        spectra = np.fft.fft(windows * self._taper, axis=1)
        power: NDArray[np.floating[Any]] = spectra.real**2 + spectra.imag**2
        power[:, self._outside] = 0.0
        return power

    def frequencies(self, evidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Give the carrier of each window, in cycles a sample."""
        rows = np.arange(len(evidence))
        at = np.argmax(evidence, axis=1)
        left, middle, right = (
            np.log(np.maximum(evidence[rows, (at + d) % self._size], 1e-30).astype(np.float64)) for d in (-1, 0, 1)
        )
        bend = np.minimum(left - 2.0 * middle + right, -1e-9)
        peak = np.fft.fftfreq(self._size)[at] + np.clip(0.5 * (left - right) / bend, -0.5, 0.5) / self._size
        return np.asarray(peak / self._power)


class Estimator(Protocol):
    """How a frequency is judged: evidence of windows, which neighbours may add to, then the frequency."""

    def evidence(self, samples: Planar, step: int) -> NDArray[np.floating[Any]]:
        """Give one row for each whole window in the samples; windows begin ``step`` samples apart."""
        ...

    def frequencies(self, evidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Judge each row."""
        ...


class CarrierRemoval:
    """Find the carrier in planar complex samples as they come, and mix it to zero.

    Window ``w`` is centred on sample ``w * step`` of the stream and overlaps its neighbours by half; its
    frequency is judged from its own evidence and theirs. Between the middles the frequency is straight.
    """

    def __init__(self, estimator: Estimator, window_samples: int) -> None:
        self._estimator = estimator
        self._size = window_samples
        self._step = window_samples // 2
        self._buffer: Planar = np.zeros((2, self._step), dtype=np.float32)  # from the next window's first sample
        self._delayed: Planar = np.zeros((2, 0), dtype=np.float32)  # from the first sample not yet mixed
        self._evidence: NDArray[np.floating[Any]] | None = None  # of the two windows before the next
        self._frequencies = np.zeros(0)  # from the start of ``_delayed``
        self._state = np.zeros(1)
        self._past = np.zeros(0)  # frequencies already used, of the windows from ``_past_origin`` on
        self._past_origin = 0
        self.step = self._step
        """Samples from one judged frequency to the next."""
        self.found = np.zeros(0)
        """Frequencies, in cycles a sample, that the last ``feed`` took away."""

    def feed(self, samples: Planar, *, last: bool = False) -> Planar:
        """Take samples; give those whose carrier is known, now at zero; with ``last`` also what is still held."""
        if last:
            held = self._delayed.shape[1] + samples.shape[1]
            silence = np.zeros((2, 2 * self._size), dtype=np.float32)
            return np.ascontiguousarray(self.feed(np.concatenate((samples, silence), axis=1))[:, :held])
        self._buffer = np.concatenate((self._buffer, samples), axis=1)
        self._delayed = np.concatenate((self._delayed, samples), axis=1)
        count = max(0, self._buffer.shape[1] // self._step - 1)
        if count:
            self._search(count)
        segments = len(self._frequencies) - 1
        self.found = self._frequencies[: max(0, segments)]
        if segments < 1:
            return np.empty((2, 0), dtype=np.float32)
        length = segments * self._step
        out = np.empty((2, length), dtype=np.float32)
        ready = np.ascontiguousarray(self._delayed[:, :length])
        kernels.mix(ready, self._frequencies, 0.0, self._step, self._state, out)
        self._past = np.concatenate((self._past, self._frequencies[:segments]))
        excess = max(0, len(self._past) - _REMEMBERED_WINDOWS)
        self._past = self._past[excess:]
        self._past_origin += excess
        self._frequencies = self._frequencies[segments:].copy()
        self._delayed = self._delayed[:, length:].copy()
        return out

    def removed(self, first: float, last: float) -> float:
        """Tell what was removed, on average, between two positions of the stream, in cycles a sample."""
        lo = min(max(int(first / self._step) - self._past_origin, 0), max(0, len(self._past) - 1))
        hi = max(lo + 1, int(last / self._step) + 1 - self._past_origin)
        return float(self._past[lo:hi].mean()) if len(self._past) else 0.0

    def traces(self, rate_hz: float, hypothesis: int | None = None) -> list[Trace]:
        """Show the frequencies taken away, for samples of a rate."""
        return [Trace("carrier", self.found * rate_hz, "Hz", rate_hz / self.step, hypothesis=hypothesis)]

    def _search(self, count: int) -> None:
        part = np.ascontiguousarray(self._buffer[:, : (count + 1) * self._step])
        evidence = self._estimator.evidence(part, self._step)
        self._buffer = self._buffer[:, count * self._step :].copy()
        before = np.zeros((1, evidence.shape[1])) if self._evidence is None else self._evidence
        chain = np.concatenate((before, evidence))
        if len(chain) > 2:
            blurred = chain[:-2] + chain[1:-1] + chain[2:]
            self._frequencies = np.concatenate((self._frequencies, self._estimator.frequencies(blurred)))
        self._evidence = chain[-2:].copy()


class PhaseTracker:
    """Turn BPSK (QPSK) symbols onto the real axis (the diagonals); looks ``half_window`` symbols ahead."""

    def __init__(self, half_window: int, order: int = 2) -> None:
        """Set the window, and the order: 2 for BPSK, 4 for QPSK."""
        self._order = order
        self._eights = (half_window + 7) // 8
        self._half = 8 * self._eights
        self._symbols: Planar = np.zeros((2, self._half), dtype=np.float32)
        self._positions = np.empty(0)
        self._state = np.array([0.0, -1.0])

    def feed(
        self, symbols: Planar, positions: NDArray[np.float64], *, last: bool = False
    ) -> tuple[Planar, NDArray[np.float64], NDArray[np.float32], float]:
        """Give (float32[2, n] the axes, their positions, N0/Es of every eight, the carrier's cycles a symbol)."""
        self._symbols = np.concatenate((self._symbols, symbols), axis=1)
        self._positions = np.concatenate((self._positions, positions))
        waiting = len(self._positions)
        if last:
            tail = np.zeros((2, self._half + 16), dtype=np.float32)
            self._symbols = np.concatenate((self._symbols, tail), axis=1)
        count = (waiting if last else waiting - self._half - 8) // 8 * 8
        if last and count < waiting:
            count += 8
        if count <= 0:
            return np.empty((2, 0), dtype=np.float32), np.empty(0), np.empty(0, dtype=np.float32), 0.0
        axes = np.empty((2, count), dtype=np.float32)
        quality = np.empty((count // 8 + 1, 3))
        psk_kernels.align_psk(self._symbols, self._eights, self._order, self._state, axes, quality)
        self._symbols = self._symbols[:, count:].copy()
        given, self._positions = self._positions[:count], self._positions[count:]
        eights = quality[: max(1, (len(given) + 7) // 8)]
        noise = (4.0 / self._order * eights[:, 0] / eights[:, 1]).astype(np.float32)
        turn = quality[:, 2].sum() / count / (2.0 * math.pi)
        return axes[:, : len(given)], given, noise, turn
