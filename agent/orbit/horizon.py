"""The horizon as it stands around one antenna: hills, masts and walls by azimuth.

A mask belongs to its station: it is never shared and never ignored, for an antenna that follows a satellite into a
wall breaks. Passes are first found above the lowest part of the mask, exactly, then cut where the satellite goes
behind it; one pass may become several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.catalogue import Catalogue
from agent.orbit.elements import MeanElements
from agent.orbit.frames import enu_matrix, geodetic_to_ecef_km, teme_to_ecef
from agent.orbit.look import states_teme_km
from agent.records import Pass, Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

SAMPLE_S = 1.0
MAX_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class HorizonMask:
    """Elevations of the horizon in degrees at rising azimuths; linear between them and around north."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        azimuths = [azimuth for azimuth, _ in self.points]
        if not azimuths or any(not 0.0 <= azimuth <= 360.0 for azimuth in azimuths):
            raise AgentError("a horizon mask needs points with azimuths of 0…360°")
        if sorted(set(azimuths)) != azimuths:
            raise AgentError("the azimuths of a horizon mask must rise")
        if any(not -90.0 < elevation < 90.0 for _, elevation in self.points):
            raise AgentError("the elevations of a horizon mask lie between -90° and 90°")

    @property
    def lowest_deg(self) -> float:
        """The lowest elevation of the mask."""
        return min(elevation for _, elevation in self.points)

    def elevation_deg(self, azimuth_deg: Floats) -> Floats:
        """Return the horizon's elevation at azimuths."""
        azimuths, elevations = (np.array(column) for column in zip(*self.points, strict=True))
        return np.asarray(np.interp(azimuth_deg, azimuths, elevations, period=360.0))


def azimuth_elevation_deg(elements: MeanElements, station: Station, times: Integers) -> tuple[Floats, Floats]:
    """Return azimuths and elevations at the times."""
    fixed = teme_to_ecef(states_teme_km(elements, times), times)[:3]
    place = geodetic_to_ecef_km(station.latitude_deg, station.longitude_deg, station.altitude_m)
    east, north, up = enu_matrix(station.latitude_deg, station.longitude_deg) @ (fixed - place[:, None])
    return np.degrees(np.arctan2(east, north)) % 360.0, np.degrees(np.arctan2(up, np.hypot(east, north)))


def behind_mask(
    passes: Sequence[Pass],
    catalogue: Catalogue,
    station: Station,
    mask: HorizonMask,
    window_utc_ns: tuple[UtcNs, UtcNs],
) -> list[Pass]:
    """Cut passes found above ``mask.lowest_deg`` to the stretches above the mask, in order of time.

    Gaps and peaks narrower than a second of flight may be missed.
    """
    found: list[Pass] = []
    for one in passes:
        elements = catalogue.nearest(one.norad, one.tca_utc_ns)
        if elements is None:
            raise AgentError(f"{one.satellite} ({one.norad}): a pass without elements")
        found += _cut(one, elements, station, mask, window_utc_ns)
    return sorted(found, key=lambda p: p.aos_utc_ns or window_utc_ns[0])


def _cut(
    one: Pass, elements: MeanElements, station: Station, mask: HorizonMask, window_utc_ns: tuple[UtcNs, UtcNs]
) -> list[Pass]:
    first = window_utc_ns[0] if one.aos_utc_ns is None else one.aos_utc_ns
    last = window_utc_ns[1] if one.los_utc_ns is None else one.los_utc_ns
    count = int(np.clip((last - first) / 1e9 / SAMPLE_S, 50, MAX_SAMPLES)) + 1
    times = first + np.rint(np.linspace(0.0, 1.0, count) * (last - first)).astype(np.int64)

    def above(at: Integers) -> Floats:
        azimuth, elevation = azimuth_elevation_deg(elements, station, at)
        return elevation - mask.elevation_deg(azimuth)

    clear = above(times) > 0.0
    edges = np.flatnonzero(clear[1:] != clear[:-1])
    crossings = _bisect(above, times[edges], times[edges + 1], clear[edges])
    starts: list[UtcNs | None] = [one.aos_utc_ns] if clear[0] else []
    ends: list[UtcNs | None] = []
    for crossing, was_clear in zip(crossings, clear[edges], strict=True):
        (ends if was_clear else starts).append(crossing)
    if clear[-1]:
        ends.append(one.los_utc_ns)
    parts = []
    for aos, los in zip(starts, ends, strict=True):
        begin, end = first if aos is None else aos, last if los is None else los
        inside = np.concatenate([[begin], times[(times > begin) & (times < end)], [end]]).astype(np.int64)
        if begin <= one.tca_utc_ns <= end:
            inside = np.append(inside, one.tca_utc_ns)
        azimuth, elevation = azimuth_elevation_deg(elements, station, inside)
        top = int(elevation.argmax())
        last_index = int(np.flatnonzero(inside == end)[0])
        parts.append(
            replace(
                one,
                aos_utc_ns=aos,
                los_utc_ns=los,
                tca_utc_ns=int(inside[top]),
                max_elevation_deg=float(elevation[top]),
                aos_azimuth_deg=None if aos is None else float(azimuth[0]),
                tca_azimuth_deg=float(azimuth[top]),
                los_azimuth_deg=None if los is None else float(azimuth[last_index]),
                kind="always_up" if aos is None and los is None else "pass",
            )
        )
    return parts


def _bisect(
    function: Callable[[Integers], Floats], low: Integers, high: Integers, was_clear: NDArray[np.bool_]
) -> list[int]:
    if not low.size:
        return []
    low, high = low.copy(), high.copy()
    for _ in range(24):
        middle = (low + high) // 2
        same = (function(middle) > 0.0) == was_clear
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [int(value) for value in high]
