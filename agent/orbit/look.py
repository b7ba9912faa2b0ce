"""Where a satellite stands at a moment, seen from the station, and what its motion does to a carrier.

Azimuth and elevation are geometric, of the satellite's place at that moment; range rate and Doppler are those of
the signal that arrives then, which left the satellite a light time earlier. Doppler is positive when the
satellite approaches. Knows no pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.elements import MeanElements
from agent.orbit.frames import (
    EARTH_ROTATION_RAD_S,
    earth_rotation_rad,
    ecef_to_geodetic,
    enu_matrix,
    geodetic_to_ecef_km,
    polar_motion_matrix,
    teme_to_ecef,
)
from agent.orbit.sgp4 import ERRORS, Satellites, initialise, propagate
from agent.records import LookAngles, Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]

LIGHT_KM_S = 299_792.458


@lru_cache(maxsize=256)
def initialised(elements: MeanElements) -> Satellites:
    """Return one satellite ready to be propagated; the last few hundred are remembered."""
    return initialise([elements])


def states_teme_km(elements: MeanElements, times_utc_ns: NDArray[np.int64]) -> Floats:
    """Return TEME states float64[6, m]; raises ``AgentError`` where the elements give none."""
    states = propagate(initialised(elements), times_utc_ns)
    codes = states.error[0]
    if codes.any():
        code = int(codes[codes != 0][0])
        raise AgentError(f"{elements.name} ({elements.norad}): {ERRORS.get(code, 'unknown error')}")
    return np.asarray(states.km[0])


def station_teme_km(station: Station, times_utc_ns: NDArray[np.int64]) -> Floats:
    """Return the station's states in TEME, float64[6, m]: it turns with the Earth."""
    fixed = geodetic_to_ecef_km(station.latitude_deg, station.longitude_deg, station.altitude_m)
    middle = int(times_utc_ns[len(times_utc_ns) // 2])
    x, y, z = fixed @ polar_motion_matrix(middle)
    angle = earth_rotation_rad(times_utc_ns)
    cosine, sine = np.cos(angle), np.sin(angle)
    px, py = cosine * x - sine * y, sine * x + cosine * y
    rate = EARTH_ROTATION_RAD_S
    return np.stack([px, py, np.full_like(px, z), -rate * py, rate * px, np.zeros_like(px)])


def retarded_range(
    elements: MeanElements, station: Station, times_utc_ns: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return range in km and its rate in km/s for signals that arrive at the times, float64[m] each.

    The satellite is taken back along its own velocity by the light time, which is exact to 1 mm in LEO; the
    station is not, for it receives now. The rate is that of the range the carrier's phase sees.
    """
    satellite = states_teme_km(elements, times_utc_ns)
    here = station_teme_km(station, times_utc_ns)
    position, velocity = satellite[:3], satellite[3:]
    gravity = -398600.4418 / np.sqrt((position**2).sum(axis=0)) ** 3 * position
    delay = np.sqrt(((position - here[:3]) ** 2).sum(axis=0)) / LIGHT_KM_S
    for _ in range(3):
        then = position - delay * velocity + 0.5 * delay**2 * gravity
        line = then - here[:3]
        distance = np.sqrt((line**2).sum(axis=0))
        delay = distance / LIGHT_KM_S
    toward = line / distance
    velocity_then = velocity - delay * gravity
    away = (toward * velocity_then).sum(axis=0)
    # d(range)/dt of arrival: the emission time itself moves by 1 - rate/c.
    rate = (away - (toward * here[3:]).sum(axis=0)) / (1.0 + away / LIGHT_KM_S)
    return distance, rate


def look_angles(
    elements: MeanElements, station: Station, at_utc_ns: UtcNs, downlinks: Mapping[str, float] | None = None
) -> LookAngles:
    """Tell where a satellite stands and what Doppler each downlink (name → Hz) has at the station.

    Raises ``AgentError`` when the elements give no place for that time.
    """
    times = np.array([at_utc_ns], dtype=np.int64)
    fixed = teme_to_ecef(states_teme_km(elements, times)[None], times)[0]
    place = geodetic_to_ecef_km(station.latitude_deg, station.longitude_deg, station.altitude_m)
    east, north, up = (
        float(v) for v in enu_matrix(station.latitude_deg, station.longitude_deg) @ (fixed[:3, 0] - place)
    )
    latitude, longitude, altitude = ecef_to_geodetic(fixed[:3])
    _, rate = retarded_range(elements, station, times)
    return LookAngles(
        satellite=elements.name,
        norad=elements.norad,
        at_utc_ns=at_utc_ns,
        azimuth_deg=float(np.degrees(np.arctan2(east, north)) % 360.0),
        elevation_deg=float(np.degrees(np.arctan2(up, np.hypot(east, north)))),
        range_km=float(np.sqrt(east**2 + north**2 + up**2)),
        range_rate_km_s=float(rate[0]),
        latitude_deg=float(latitude[0]),
        longitude_deg=float(longitude[0]),
        altitude_km=float(altitude[0]),
        element_age_d=elements.age_d(at_utc_ns),
        doppler_hz={name: -hertz * float(rate[0]) / LIGHT_KM_S for name, hertz in (downlinks or {}).items()},
    )
