"""Tabulated trajectories: states at given times, and the interpolation their message asks for.

A segment is one stretch that may be interpolated; nothing is interpolated across the border of two. Knows no
file format and no station. The choice of interpolant alone moves a satellite by up to 0.0066° as seen from the
ground, so the message's own statement is honoured. Source: CCSDS 502.0-B-3 §5.2.4 (interpolation), annex F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.records import UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Center: TypeAlias = str
Method: TypeAlias = Literal["LINEAR", "LAGRANGE", "HERMITE"]

DEFAULT_DEGREE = 7
GAP_FACTOR = 20.0
"""An interval this many times the median one is a gap, over which nothing is interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class EphemerisSegment:
    """States of one object: ``utc_ns`` int64[n] rising, ``states_km`` float64[n, 6] (km, km/s).

    ``usable_utc_ns`` are the first and last time at which the segment may be evaluated. ``method`` and
    ``degree`` are the message's, or Hermite of degree 7 where it states none.
    """

    object_name: str
    object_id: str
    center: Center
    frame: str
    utc_ns: Integers
    states_km: Floats
    usable_utc_ns: tuple[UtcNs, UtcNs]
    method: Method = "HERMITE"
    degree: int = DEFAULT_DEGREE
    source: str = ""

    def spans(self) -> tuple[tuple[UtcNs, UtcNs], ...]:
        """Return the stretches without a gap in which the segment may be evaluated."""
        steps = np.diff(self.utc_ns)
        if not steps.size:
            return ()
        breaks = np.flatnonzero(steps > GAP_FACTOR * np.median(steps))
        starts = np.concatenate([[0], breaks + 1])
        ends = np.concatenate([breaks, [len(self.utc_ns) - 1]])
        first, last = self.usable_utc_ns
        cut = [
            (max(int(self.utc_ns[a]), first), min(int(self.utc_ns[b]), last))
            for a, b in zip(starts, ends, strict=True)
        ]
        return tuple((a, b) for a, b in cut if a < b)

    def at(self, times_utc_ns: Integers) -> Floats:
        """Interpolate, float64[6, m]; NaN outside the usable time and inside gaps."""
        times = np.asarray(times_utc_ns, dtype=np.int64)
        good = np.zeros(times.shape, dtype=np.bool_)
        out = np.full((6, times.size), np.nan)
        for start, end in self.spans():
            inside = (times >= start) & (times <= end)
            if not inside.any():
                continue
            low = int(np.searchsorted(self.utc_ns, start, side="right")) - 1
            high = int(np.searchsorted(self.utc_ns, end, side="left")) + 1
            out[:, inside] = self._interpolate(times[inside], max(low, 0), min(high, len(self.utc_ns)))
            good |= inside
        return out

    def _interpolate(self, times: Integers, low: int, high: int) -> Floats:
        """Interpolate with the points ``low … high - 1``; degrees beyond them are lowered to what there is."""
        wanted = {"LINEAR": 2, "LAGRANGE": self.degree + 1, "HERMITE": (self.degree + 2) // 2}[self.method]
        count = max(2, min(wanted, high - low))
        nearest = np.searchsorted(self.utc_ns[low:high], times, side="right") - 1
        first = np.clip(nearest - (count - 1) // 2, 0, high - low - count) + low
        window = first[:, None] + np.arange(count)
        # Seconds from the time asked for: small numbers, exact to a nanosecond.
        nodes_s = (self.utc_ns[window] - times[:, None]) / 1e9
        values = self.states_km[window]
        if self.method == "HERMITE":
            return _hermite(nodes_s, values[..., :3], values[..., 3:])
        return np.concatenate([_lagrange(nodes_s, values[..., :3]), _lagrange(nodes_s, values[..., 3:])])


def _lagrange(nodes: Floats, values: Floats) -> Floats:
    """Evaluate at zero the polynomials through ``values`` float64[m, k, 3] at ``nodes`` float64[m, k]."""
    table = values.copy()
    count = nodes.shape[1]
    for level in range(1, count):  # Neville's scheme
        a, b = nodes[:, : count - level, None], nodes[:, level:, None]
        table = (b * table[:, : count - level] - a * table[:, 1 : count - level + 1]) / (b - a)
    return np.asarray(table[:, 0].T)


def _hermite(nodes: Floats, values: Floats, rates: Floats) -> Floats:
    """Evaluate at zero the polynomial with these values and rates, and its derivative: float64[6, m]."""
    m, count = nodes.shape
    doubled = np.repeat(nodes, 2, axis=1)
    column = np.repeat(values, 2, axis=1)
    coefficients = np.empty((m, 2 * count, 3))
    coefficients[:, 0] = column[:, 0]
    # Divided differences with every node twice; where both are one node, the rate stands for the quotient.
    gaps = doubled[:, 1:] - doubled[:, :-1]
    quotient = np.empty((m, 2 * count - 1, 3))
    quotient[:, 1::2] = (column[:, 2::2] - column[:, 1:-1:2]) / gaps[:, 1::2, None]
    quotient[:, 0::2] = rates
    coefficients[:, 1] = quotient[:, 0]
    for level in range(2, 2 * count):
        spread = doubled[:, level:] - doubled[:, :-level]
        quotient = (quotient[:, 1:] - quotient[:, :-1]) / spread[..., None]
        coefficients[:, level] = quotient[:, 0]
    value = coefficients[:, -1].copy()
    rate = np.zeros_like(value)
    for level in range(2 * count - 2, -1, -1):
        shift = -doubled[:, level, None]
        rate = rate * shift + value
        value = value * shift + coefficients[:, level]
    return np.concatenate([value.T, rate.T])


@dataclass(frozen=True, slots=True, eq=False)
class Ephemeris:
    """The segments of one object, in order of time."""

    segments: tuple[EphemerisSegment, ...]

    @property
    def name(self) -> str:
        """The object's name."""
        return self.segments[0].object_name

    @property
    def norad(self) -> int:
        """The catalogue number where the message's object id is one, else 0."""
        text = self.segments[0].object_id
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0

    def segment_at(self, utc_ns: UtcNs) -> EphemerisSegment | None:
        """Return the segment that may be evaluated at a time; of two that meet there, the later."""
        for segment in reversed(self.segments):
            if any(start <= utc_ns <= end for start, end in segment.spans()):
                return segment
        return None

    def spans(self) -> tuple[tuple[UtcNs, UtcNs, EphemerisSegment], ...]:
        """Return every stretch with its segment, in order."""
        found = [(start, end, segment) for segment in self.segments for start, end in segment.spans()]
        return tuple(sorted(found, key=lambda span: span[:2]))


def by_object(segments: Sequence[EphemerisSegment]) -> tuple[Ephemeris, ...]:
    """Gather the segments of each object."""
    found: dict[tuple[str, str], list[EphemerisSegment]] = {}
    for segment in segments:
        found.setdefault((segment.object_id, segment.object_name), []).append(segment)
    return tuple(Ephemeris(tuple(sorted(s, key=lambda one: one.usable_utc_ns))) for s in found.values())
