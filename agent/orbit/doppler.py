"""The Doppler curve of one pass as a piecewise polynomial that a receiver evaluates itself.

What is stored is the range the carrier's phase sees: its rate gives the frequency shift, and the range itself the
phase, so that a correction made with it has no frequency steps. Knows one satellite and one station; evaluating
needs no orbit, no Numba and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.elements import MeanElements
from agent.orbit.ephemeris import Ephemeris
from agent.orbit.look import LIGHT_KM_S, retarded_range
from agent.orbit.trajectory import apparent_range_km
from agent.records import Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]

DEGREE = 10
SHORTEST_S, LONGEST_S = 4.0, 600.0
MAX_SEGMENTS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class DopplerCurve:
    """Range over a window, in segments of equal length.

    ``coefficients`` is float64[segments, DEGREE + 1], lowest order first, in x = -1 … 1 over each segment.
    """

    start_utc_ns: UtcNs
    end_utc_ns: UtcNs
    segment_s: float
    coefficients: Floats

    def _segment(self, at_utc_ns: UtcNs) -> tuple[Floats, float]:
        if not self.start_utc_ns <= at_utc_ns <= self.end_utc_ns:
            raise ValueError("the time lies outside the Doppler curve")
        elapsed_s = (at_utc_ns - self.start_utc_ns) / 1e9
        index = min(int(elapsed_s / self.segment_s), len(self.coefficients) - 1)
        return self.coefficients[index], 2.0 * (elapsed_s / self.segment_s - index) - 1.0

    def covers(self, at_utc_ns: UtcNs) -> bool:
        """Tell whether the curve reaches over a time."""
        return self.start_utc_ns <= at_utc_ns <= self.end_utc_ns

    def range_km(self, at_utc_ns: UtcNs) -> float:
        """Return the range of the signal that arrives at a time inside the window."""
        poly, x = self._segment(at_utc_ns)
        return float(polynomial.polyval(x, poly))

    def range_rate_km_s(self, at_utc_ns: UtcNs) -> float:
        """Return its rate, positive when the satellite recedes."""
        poly, x = self._segment(at_utc_ns)
        return float(polynomial.polyval(x, polynomial.polyder(poly))) * 2.0 / self.segment_s

    def shift_hz(self, frequency_hz: float, at_utc_ns: UtcNs) -> float:
        """Return the Doppler shift of a carrier, positive when the satellite approaches."""
        return -frequency_hz * self.range_rate_km_s(at_utc_ns) / LIGHT_KM_S

    def phase_cycles(self, frequency_hz: float, start_utc_ns: UtcNs, sample_rate_hz: float, count: int) -> Floats:
        """Return the phase that Doppler has added to a carrier at ``count`` samples from a time, in cycles.

        Zero at the first sample; multiply by exp(-2πi·phase) to take the shift out. Times outside the window
        keep the range rate of its edge.
        """
        elapsed_s = (start_utc_ns - self.start_utc_ns) / 1e9 + np.arange(count) / sample_rate_hz
        end_s = (self.end_utc_ns - self.start_utc_ns) / 1e9
        inside = np.clip(elapsed_s, 0.0, end_s)
        index = np.minimum((inside / self.segment_s).astype(np.intp), len(self.coefficients) - 1)
        x = 2.0 * (inside / self.segment_s - index) - 1.0
        kilometres = np.zeros(count)
        for segment in np.unique(index):
            at = index == segment
            kilometres[at] = polynomial.polyval(x[at], self.coefficients[segment])
        for edge_utc_ns, beyond in (
            (self.start_utc_ns, np.minimum(elapsed_s, 0.0)),
            (self.end_utc_ns, np.maximum(elapsed_s - end_s, 0.0)),
        ):
            if beyond.any():
                kilometres += beyond * self.range_rate_km_s(edge_utc_ns)
        return np.asarray(-frequency_hz / LIGHT_KM_S * (kilometres - kilometres[:1]))


def _range_km(elements: MeanElements | Ephemeris, station: Station, times_utc_ns: NDArray[np.int64]) -> Floats:
    if isinstance(elements, Ephemeris):
        return apparent_range_km(elements, station, times_utc_ns)
    return retarded_range(elements, station, times_utc_ns)[0]


def doppler_curve(
    elements: MeanElements | Ephemeris, station: Station, start_utc_ns: UtcNs, end_utc_ns: UtcNs
) -> DopplerCurve:
    """Fit the curve of a window, usually AOS to LOS, to better than 0.01 m/s.

    Segments are three quarters of the least range divided by speed: that is the distance, in complex time, of
    the square root's zero, which limits any polynomial. Raises ``AgentError`` when the elements give no place.
    """
    if end_utc_ns <= start_utc_ns:
        raise AgentError("the window of the Doppler curve ends before it starts")
    window_s = (end_utc_ns - start_utc_ns) / 1e9
    coarse = start_utc_ns + np.rint(np.linspace(0.0, window_s, 65) * 1e9).astype(np.int64)
    distance = _range_km(elements, station, coarse)
    longest = float(np.clip(0.75 * distance.min() / 8.0, SHORTEST_S, LONGEST_S))
    count = max(1, int(np.ceil(window_s / longest)))
    if count > MAX_SEGMENTS:
        raise AgentError(f"a Doppler curve over {window_s / 86400:.1f} days is too long; ask for one pass")
    segment_s = window_s / count
    nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    elapsed_s = (np.arange(count)[:, None] + 0.5 * (nodes[None] + 1.0)) * segment_s
    times = start_utc_ns + np.rint(elapsed_s * 1e9).astype(np.int64)
    kilometres = _range_km(elements, station, times.ravel())
    fitted = chebyshev.chebfit(nodes, kilometres.reshape(count, -1).T, DEGREE)
    power = np.array([chebyshev.cheb2poly(column) for column in fitted.T])
    padded = np.zeros((count, DEGREE + 1))
    for row, column in zip(padded, power, strict=True):
        row[: len(column)] = column
    return DopplerCurve(start_utc_ns, end_utc_ns, segment_s, padded)
