"""Frames and time scales: TEME to the rotating Earth, the station's ENU, geodetic coordinates.

TEME is turned by the Greenwich mean sidereal time of 1982 (the definition SGP4's elements are made with) at
UT1, then by polar motion. WGS 84 is the ellipsoid of stations and sub-satellite points. Knows the Earth's
orientation through ``earth_orientation``; knows no orbit. NumPy only.
Source: Vallado et al., AIAA 2006-6753, appendix C; IERS Conventions (2010); NGA.STND.0036 (WGS 84).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit.earth_orientation import EarthOrientation, bundled

Floats: TypeAlias = NDArray[np.float64]
Nanoseconds: TypeAlias = NDArray[np.int64]

WGS84_RADIUS_KM = 6378.137
WGS84_FLATTENING = 1 / 298.257223563
WGS84_E2 = WGS84_FLATTENING * (2 - WGS84_FLATTENING)
J2000_UTC_NS = 946_728_000_000_000_000
NS_PER_DAY = 86_400_000_000_000
DAYS_PER_CENTURY = 36_525.0


def greenwich_mean_sidereal_time_rad(ut1_ns: Nanoseconds) -> Floats:
    """Return GMST (IAU 1982) in 0…2π; the argument counts UT1 as ``UtcNs`` counts UTC.

    The day's turn is taken from whole nanoseconds, so that the angle is good to 1e-13 rad today and in 2050.
    """
    since = np.asarray(ut1_ns, dtype=np.int64) - J2000_UTC_NS
    days = since / NS_PER_DAY
    t = days / DAYS_PER_CENTURY
    turn = np.remainder(since, NS_PER_DAY) / NS_PER_DAY
    # 876600 h a century is one turn a day: it is in ``turn``; what is left is the precession's share.
    seconds = 67310.54841 + t * (8640184.812866 + t * (0.093104 - 6.2e-6 * t))
    return np.asarray(np.remainder(turn + seconds / 86400.0, 1.0) * (2 * np.pi), dtype=np.float64)


def earth_rotation_rad(utc_ns: Nanoseconds, orientation: EarthOrientation | None = None) -> Floats:
    """Return the angle that turns TEME into the Earth's frame, at UTC."""
    times = np.asarray(utc_ns, dtype=np.int64)
    dut1_ns = np.rint((orientation or bundled()).ut1_minus_utc_s(times) * 1e9).astype(np.int64)
    return greenwich_mean_sidereal_time_rad(times + dut1_ns)


EARTH_ROTATION_RAD_S = 7.292115146706979e-5
"""Source: IERS Conventions (2010), table 1.1, as the rate of GMST 1982 (AIAA 2006-6753, appendix C)."""


def polar_motion_matrix(utc_ns: int, orientation: EarthOrientation | None = None) -> Floats:
    """Return the small rotation from the pseudo-Earth-fixed frame to ITRF."""
    x, y = (orientation or bundled()).polar_motion_rad(utc_ns)
    return np.array([[1.0, 0.0, x], [0.0, 1.0, -y], [-x, y, 1.0]])


def teme_to_ecef(states_km: Floats, utc_ns: Nanoseconds) -> Floats:
    """Turn TEME states float64[…, 6, m] at the times float64[m] into the rotating Earth's frame, ITRF."""
    angle = earth_rotation_rad(utc_ns)
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z, vx, vy, vz = (states_km[..., k, :] for k in range(6))
    px, py = cosine * x + sine * y, cosine * y - sine * x
    out = np.stack(
        (
            px,
            py,
            z,
            cosine * vx + sine * vy + EARTH_ROTATION_RAD_S * py,
            cosine * vy - sine * vx - EARTH_ROTATION_RAD_S * px,
            vz,
        ),
        axis=-2,
    )
    middle = int(utc_ns[len(utc_ns) // 2]) if len(utc_ns) else J2000_UTC_NS
    w = polar_motion_matrix(middle)
    out[..., :3, :] = np.einsum("ij,...jm->...im", w, out[..., :3, :])
    out[..., 3:, :] = np.einsum("ij,...jm->...im", w, out[..., 3:, :])
    return out


def geodetic_to_ecef_km(latitude_deg: float, longitude_deg: float, altitude_m: float) -> Floats:
    """Return the place of a station on WGS 84."""
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    sine, cosine = np.sin(latitude), np.cos(latitude)
    normal = WGS84_RADIUS_KM / np.sqrt(1.0 - WGS84_E2 * sine**2)
    height = altitude_m / 1000.0
    return np.array(
        [
            (normal + height) * cosine * np.cos(longitude),
            (normal + height) * cosine * np.sin(longitude),
            (normal * (1.0 - WGS84_E2) + height) * sine,
        ]
    )


def enu_matrix(latitude_deg: float, longitude_deg: float) -> Floats:
    """Return the rows east, north and up of a station; at a pole they follow its longitude."""
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    slat, clat, slon, clon = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    return np.array([[-slon, clon, 0.0], [-slat * clon, -slat * slon, clat], [clat * clon, clat * slon, slat]])


def ecef_to_geodetic(position_km: Floats) -> tuple[Floats, Floats, Floats]:
    """Return latitude_deg, longitude_deg (-180…180) and altitude_km of positions float64[3, …].

    Bowring's start and two steps: below 1 nm from the surface to the Moon, the poles included.
    """
    x, y, z = position_km[0], position_km[1], position_km[2]
    b = WGS84_RADIUS_KM * (1.0 - WGS84_FLATTENING)
    second_e2 = WGS84_E2 / (1.0 - WGS84_E2)
    rho = np.hypot(x, y)
    tan_u = z / np.maximum(rho, 1e-12) * (1.0 + second_e2 * b / np.sqrt(rho**2 + z**2)) * (1.0 - WGS84_FLATTENING)
    latitude = np.zeros_like(rho)
    for _ in range(3):
        u = np.arctan(tan_u)
        latitude = np.arctan2(z + second_e2 * b * np.sin(u) ** 3, rho - WGS84_E2 * WGS84_RADIUS_KM * np.cos(u) ** 3)
        tan_u = (1.0 - WGS84_FLATTENING) * np.tan(latitude)
    sine, cosine = np.sin(latitude), np.cos(latitude)
    normal = WGS84_RADIUS_KM / np.sqrt(1.0 - WGS84_E2 * sine**2)
    altitude = rho * cosine + z * sine - normal * (1.0 - WGS84_E2 * sine**2)
    return np.degrees(latitude), np.degrees(np.arctan2(y, x)), altitude
