"""Light and dark: when a satellite is in the Earth's shadow, and how dark it is at the station.

The shadow is a cone of the apparent discs of Sun and Earth as the satellite sees them; the Earth is a sphere of its
equatorial radius with 20 km of dense air, which puts the edges within some seconds of the truth. Knows elements
and stations; makes no record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit.celestial import SUN_RADIUS_KM, sun_km
from agent.orbit.elements import MeanElements
from agent.orbit.frames import enu_matrix, teme_to_ecef
from agent.orbit.look import states_teme_km
from agent.records import Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

SHADOW_RADIUS_KM = 6378.137 + 20.0
STEP_S = 30.0
Light = Literal["sunlit", "penumbra", "umbra"]
Twilight = Literal["day", "civil", "nautical", "astronomical", "night"]


@dataclass(frozen=True, slots=True)
class Eclipse:
    """One passage through the shadow; the umbra is ``None`` where only the penumbra is touched."""

    start_utc_ns: UtcNs
    end_utc_ns: UtcNs
    umbra_utc_ns: tuple[UtcNs, UtcNs] | None


def _margins_rad(position_km: Floats, sun: Floats) -> tuple[Floats, Floats]:
    """Return how far the Sun's disc is from touching the Earth's, and from being covered by it wholly."""
    distance = np.sqrt((position_km**2).sum(axis=0))
    to_sun = sun - position_km
    sun_distance = np.sqrt((to_sun**2).sum(axis=0))
    earth_disc = np.arcsin(np.minimum(SHADOW_RADIUS_KM / distance, 1.0))
    sun_disc = np.arcsin(SUN_RADIUS_KM / sun_distance)
    apart = np.arccos(np.clip(-(position_km * to_sun).sum(axis=0) / (distance * sun_distance), -1.0, 1.0))
    return apart - (earth_disc + sun_disc), apart - (earth_disc - sun_disc)


def light_of(elements: MeanElements, at_utc_ns: UtcNs) -> Light:
    """Tell whether a satellite is lit at a time."""
    times = np.array([at_utc_ns], dtype=np.int64)
    touching, covering = _margins_rad(states_teme_km(elements, times)[:3], sun_km(times))
    return "umbra" if covering[0] < 0 else "penumbra" if touching[0] < 0 else "sunlit"


def eclipses(elements: MeanElements, start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> tuple[Eclipse, ...]:
    """Find the passages through the shadow in a window; those cut by it begin or end with it."""
    times = np.append(np.arange(start_utc_ns, end_utc_ns, round(STEP_S * 1e9), dtype=np.int64), end_utc_ns)

    def margin(at: Integers, which: int) -> Floats:
        return _margins_rad(states_teme_km(elements, at)[:3], sun_km(at))[which]

    outer = _stretches(times, lambda at: margin(at, 0))
    inner = _stretches(times, lambda at: margin(at, 1))
    return tuple(Eclipse(a, b, next(((c, d) for c, d in inner if a <= c and d <= b), None)) for a, b in outer)


def _stretches(times: Integers, margin: Callable[[Integers], Floats]) -> list[tuple[UtcNs, UtcNs]]:
    """Return where ``margin`` is negative, its edges bisected to a millisecond."""
    inside = margin(times) < 0.0
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    low, high = times[edges].copy(), times[edges + 1].copy()
    for _ in range(16 if edges.size else 0):
        middle = (low + high) // 2
        same = (margin(middle) < 0.0) == inside[edges]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    moments = [int(times[0])] * bool(inside[0]) + high.tolist() + [int(times[-1])] * bool(inside[-1])
    return list(zip(moments[::2], moments[1::2], strict=True))


def sun_elevation_deg(station: Station, times_utc_ns: Integers) -> Floats:
    """Return the Sun's geometric elevation; its parallax of 9″ is left out."""
    sun = sun_km(times_utc_ns)
    fixed = teme_to_ecef(np.concatenate([sun, np.zeros_like(sun)]), times_utc_ns)[:3]
    up = enu_matrix(station.latitude_deg, station.longitude_deg)[2] @ fixed
    return np.asarray(np.degrees(np.arcsin(up / np.sqrt((fixed**2).sum(axis=0)))))


def twilight_at(station: Station, at_utc_ns: UtcNs) -> Twilight:
    """Name how dark it is: the Sun 0.833° below the horizon ends the day, then 6°, 12° and 18°."""
    elevation = float(sun_elevation_deg(station, np.array([at_utc_ns], dtype=np.int64))[0])
    steps: tuple[tuple[Twilight, float], ...] = (
        ("day", -0.833),
        ("civil", -6.0),
        ("nautical", -12.0),
        ("astronomical", -18.0),
    )
    return next((name for name, limit in steps if elevation > limit), "night")
