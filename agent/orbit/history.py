"""What an object's successive element sets say: how far predictions from them go wrong, and when it manoeuvred.

Two sets of one object, some time apart, are two opinions on one orbit. Drag raises the mean motion by about what
the sets' own derivatives say; a rise well beyond or below that, a turn of the plane, or in high orbits a miss
that no perturbation explains, is a manoeuvre. The misses of the quiet pairs give the error bound of the newest
set. Knows sets only; whether they belong to the right object is ``checks``'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agent.orbit import constants as c
from agent.orbit.elements import NS_PER_DAY, MeanElements
from agent.orbit.look import initialised
from agent.orbit.sgp4 import propagate
from agent.records import UtcNs

MIN_INTERVAL_D = 0.02
"""Sets closer together are the same observation twice."""
DRAG_MOTION_REV_D = 10.0
"""Above this mean motion drag is what changes an orbit, below it Sun and Moon."""
LEAST_DRAG, MOST_DRAG = 0.5, 1.9
"""Between these multiples of the two sets' own derivatives lies what an unsteady atmosphere does in weeks
(0.6 … 1.3 for twelve quiet Korean satellites over 46 days of 2026)."""
MOTION_NOISE_REV_D = 1.0e-5
PLANE_NOISE_DEG, PLANE_NOISE_DEG_D = 0.02, 0.002
HIGH_MISS_KM, HIGH_MISS_KM_D = 20.0, 6.0
"""A quiet geosynchronous object (COMS 1, retired) misses by 98 km in 46 days, a kept one by 1,250 km and more."""
FIT_ERROR_KM, FIT_ERROR_KM_D = 1.0, 0.5
"""A set's error at its epoch and its linear growth: public sets of LEO objects, order of magnitude."""
UNSEEN_DRAG_PART = 0.5
"""Part of the drag's whole effect taken as its uncertainty while there is no history."""
HISTORY_FACTOR = 1.5
"""The bound is this many times the worst growth seen."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the prediction of one set met the next: distance, plane, and the change of mean motion."""

    earlier: MeanElements
    later: MeanElements
    interval_d: float
    miss_km: float
    plane_deg: float
    motion_change_rev_d: float
    drag_change_rev_d: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Manoeuvre:
    """A change of orbit between two sets that no drag explains, with the evidence in words."""

    norad: int
    satellite: str
    after_utc_ns: UtcNs
    before_utc_ns: UtcNs
    kind: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """How far the newest set may be wrong: ``km(age_d)`` = at the epoch + linear + quadratic growth.

    ``basis`` says what it is grown from; ``manoeuvres`` is true when the object is known to manoeuvre, for
    then no bound holds past the next one.
    """

    at_epoch_km: float
    linear_km_d: float
    quadratic_km_d2: float
    speed_km_s: float
    basis: str
    manoeuvres: bool = False

    def km(self, age_d: float) -> float:
        """Return the bound of the position, along the track, at an age."""
        age = abs(age_d)
        return self.at_epoch_km + age * (self.linear_km_d + age * self.quadratic_km_d2)

    def seconds(self, age_d: float) -> float:
        """Return by how much AOS, TCA and LOS may be early or late at an age."""
        return self.km(age_d) / self.speed_km_s


def compare(earlier: MeanElements, later: MeanElements) -> Comparison | None:
    """Meet a set with its successor at the latter's epoch; ``None`` when either cannot be propagated there."""
    at = np.array([later.epoch_utc_ns], dtype=np.int64)
    predicted, observed = (propagate(initialised(s), at) for s in (earlier, later))
    if predicted.error.any() or observed.error.any():
        return None
    p, q = predicted.km[0, :, 0], observed.km[0, :, 0]
    a, b = np.cross(p[:3], p[3:]), np.cross(q[:3], q[3:])
    cross = np.linalg.norm(np.cross(a, b)) / (np.linalg.norm(a) * np.linalg.norm(b))
    days = later.age_d(earlier.epoch_utc_ns) * -1.0
    # A set prints half the derivative.
    drags = sorted(2.0 * s.mean_motion_dot * days for s in (earlier, later))
    return Comparison(
        earlier,
        later,
        days,
        float(np.linalg.norm(p[:3] - q[:3])),
        math.degrees(math.asin(min(1.0, float(cross)))),
        later.mean_motion_rev_d - earlier.mean_motion_rev_d,
        (drags[0], drags[1]),
    )


def judge(comparison: Comparison) -> Manoeuvre | None:
    """Say whether drag and the Moon explain the change between two sets; a manoeuvre if they do not."""
    days = comparison.interval_d
    change, (least, most) = comparison.motion_change_rev_d, comparison.drag_change_rev_d
    kind = evidence = ""
    if comparison.earlier.mean_motion_rev_d >= DRAG_MOTION_REV_D:
        low = (LEAST_DRAG if least > 0 else MOST_DRAG) * least - MOTION_NOISE_REV_D
        high = max(MOST_DRAG * most, 0.0) + MOTION_NOISE_REV_D
        explained = f"drag explains {low:+.6f} to {high:+.6f}"
        if change < low:
            kind, evidence = "raised", f"mean motion changed by {change:+.6f} rev/d in {days:.1f} d, {explained}"
        elif change > high:
            kind, evidence = "lowered", f"mean motion changed by {change:+.6f} rev/d in {days:.1f} d, {explained}"
    elif comparison.miss_km > HIGH_MISS_KM + HIGH_MISS_KM_D * days:
        kind = "moved"
        evidence = (
            f"the earlier set misses by {comparison.miss_km:.0f} km after {days:.1f} d, without drag to blame"
        )
    limit = PLANE_NOISE_DEG + PLANE_NOISE_DEG_D * days
    if not kind and comparison.plane_deg > limit:
        kind = "plane turned"
        evidence = f"the plane turned by {comparison.plane_deg:.3f}° beyond the prediction in {days:.1f} d"
    if not kind:
        return None
    later = comparison.later
    return Manoeuvre(later.norad, later.name, comparison.earlier.epoch_utc_ns, later.epoch_utc_ns, kind, evidence)


def comparisons(history: Sequence[MeanElements]) -> tuple[Comparison, ...]:
    """Compare each set of one object with the next, oldest first."""
    found = (compare(a, b) for a, b in pairwise(history) if b.age_d(a.epoch_utc_ns) < -MIN_INTERVAL_D)
    return tuple(one for one in found if one is not None)


def manoeuvres(history: Sequence[MeanElements]) -> tuple[Manoeuvre, ...]:
    """Find the manoeuvres between the sets of one object, oldest first."""
    found = (judge(comparison) for comparison in comparisons(history))
    return tuple(one for one in found if one is not None)


def error_bound(history: Sequence[MeanElements]) -> ErrorBound:
    """Return the error bound of the newest set, grown from the misses of the sets before it."""
    newest = history[-1]
    axis_km = (c.XKE / (newest.mean_motion_rev_d * 2 * math.pi / 1440.0)) ** (2 / 3) * c.EARTH_RADIUS_KM
    speed_km_s = math.sqrt(c.MU_KM3_S2 / axis_km)
    quiet: list[Comparison] = []
    moved = False
    for comparison in comparisons(history):
        if judge(comparison) is None:
            quiet.append(comparison)
        else:
            moved = True
    # Drag displaces an object along its track by (derivative/2) × days² revolutions.
    drag_km_d2 = abs(newest.mean_motion_dot) * 2.0 * math.pi * axis_km
    if not quiet:
        linear = FIT_ERROR_KM_D if newest.mean_motion_rev_d >= DRAG_MOTION_REV_D else HIGH_MISS_KM_D
        basis = "no history: half of its drag"
        return ErrorBound(FIT_ERROR_KM, linear, UNSEEN_DRAG_PART * drag_km_d2, speed_km_s, basis, moved)
    growth = max(max(q.miss_km - FIT_ERROR_KM, 0.0) / q.interval_d**2 for q in quiet)
    sets = f"{len(quiet) + 1} sets"
    return ErrorBound(
        FIT_ERROR_KM, FIT_ERROR_KM_D, HISTORY_FACTOR * growth, speed_km_s, f"its own misses over {sets}", moved
    )


def decay_utc_ns(elements: MeanElements, until_utc_ns: UtcNs) -> UtcNs | None:
    """Return when an object comes down by these elements, to an hour, or ``None`` if not before ``until``."""
    start = elements.epoch_utc_ns
    if until_utc_ns <= start:
        return None
    count = min(int((until_utc_ns - start) / NS_PER_DAY * 24) + 2, 20_000)
    times = start + np.linspace(0, 1, count) * (until_utc_ns - start)
    codes = propagate(initialised(elements), times.astype(np.int64)).error[0]
    down = np.flatnonzero(codes != 0)
    return int(times[down[0]]) if down.size else None
