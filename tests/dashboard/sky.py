"""Circular orbits over a turning Earth: enough of a sky for a dashboard's tests, and no more.

A spherical Earth, no perturbations. The dashboard only shows what is published, so the truth of the orbit does not
matter here; that azimuth, elevation, place and Doppler fit together does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0
MU_KM3_S2 = 398600.4
EARTH_RAD_S = 7.2921159e-5
LIGHT_KM_S = 299792.458


@dataclass(frozen=True, slots=True)
class Circle:
    """A circular orbit: height, inclination, node at time zero (Earth-fixed), and place on it at time zero."""

    altitude_km: float
    inclination_deg: float
    node_deg: float
    phase_deg: float

    @property
    def period_s(self) -> float:
        return 2 * math.pi * math.sqrt((EARTH_KM + self.altitude_km) ** 3 / MU_KM3_S2)

    def positions_km(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Earth-fixed positions, one row a time."""
        along = 2 * np.pi * times_s / self.period_s + math.radians(self.phase_deg)
        tilt = math.radians(self.inclination_deg)
        x, y = np.cos(along), np.sin(along) * math.cos(tilt)
        node = math.radians(self.node_deg) - EARTH_RAD_S * times_s
        radius = EARTH_KM + self.altitude_km
        return radius * np.stack(
            [
                x * np.cos(node) - y * np.sin(node),
                x * np.sin(node) + y * np.cos(node),
                np.sin(along) * math.sin(tilt),
            ],
            axis=1,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a station sees at some times; every field an array."""

    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    range_km: NDArray[np.float64]
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]


def look(circle: Circle, latitude_deg: float, longitude_deg: float, times_s: NDArray[np.float64]) -> Seen:
    """Look at an orbit from a place."""
    position = circle.positions_km(times_s)
    phi, theta = math.radians(latitude_deg), math.radians(longitude_deg)
    up = np.array([math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)])
    east = np.array([-math.sin(theta), math.cos(theta), 0.0])
    north = np.cross(up, east)
    away = position - EARTH_KM * up
    distance = np.linalg.norm(away, axis=1)
    return Seen(
        azimuth_deg=np.degrees(np.arctan2(away @ east, away @ north)) % 360,
        elevation_deg=np.degrees(np.arcsin(away @ up / distance)),
        range_km=distance,
        latitude_deg=np.degrees(np.arcsin(position[:, 2] / np.linalg.norm(position, axis=1))),
        longitude_deg=np.degrees(np.arctan2(position[:, 1], position[:, 0])),
    )


def passes(
    circle: Circle, latitude_deg: float, longitude_deg: float, from_s: float, hours: float
) -> list[tuple[int, int, int]]:
    """AOS, TCA and LOS of every whole pass, in seconds."""
    times = np.arange(from_s - 1200, from_s + hours * 3600, 10.0)
    seen = look(circle, latitude_deg, longitude_deg, times)
    up = seen.elevation_deg > 0
    edges = np.flatnonzero(np.diff(up.astype(int)))
    found = []
    for rise, fall in pairwise(edges):
        if up[rise + 1]:
            top = rise + int(np.argmax(seen.elevation_deg[rise : fall + 1]))
            found.append((int(times[rise]), int(times[top]), int(times[fall])))
    return [item for item in found if item[2] > from_s]
