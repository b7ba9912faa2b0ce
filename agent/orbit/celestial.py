"""Sun, Moon, and the frames of the stars: where they stand, from series that need no file.

Positions are geocentric, referred to the true equator and equinox of date (which TEME is, but for the equation of
the equinoxes). The Moon is good to 10″ and 20 km, the Sun to 20″: enough to point, for eclipses to a few
seconds, and for a lunar orbiter seen from Earth to 0.003°. Knows no station and no spacecraft.
Sources: Meeus, Astronomical Algorithms (2nd ed.), ch. 22 (nutation of IAU 1980, terms above 0.0025″), 25 (Sun,
low accuracy), 47 (Moon, abridged from ELP-2000/82); Lieske 1977 (precession of IAU 1976).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit.earth_orientation import tai_minus_utc_s

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

ASTRONOMICAL_UNIT_KM = 149_597_870.7
SUN_RADIUS_KM = 695_700.0
MOON_RADIUS_KM = 1_737.4
J2000_UTC_NS = 946_728_000_000_000_000
NS_PER_CENTURY = 36_525 * 86_400 * 1e9
HOUR_NS = 3_600_000_000_000
ARCSECOND = np.pi / 648_000.0


def centuries_tt(utc_ns: Integers) -> Floats:
    """Return Julian centuries of TT since J2000."""
    times = np.asarray(utc_ns, dtype=np.int64)
    ahead_s = tai_minus_utc_s(times) + 32.184
    return np.asarray(((times - J2000_UTC_NS) + ahead_s * 1e9) / NS_PER_CENTURY)


# Nutation: multiples of D, M, M', F, Ω; then Δψ and its change a century, Δε and its change, in 0.0001″.
_NUTATION = np.array(
    [
        (0, 0, 0, 0, 1, -171996, -174.2, 92025, 8.9),
        (-2, 0, 0, 2, 2, -13187, -1.6, 5736, -3.1),
        (0, 0, 0, 2, 2, -2274, -0.2, 977, -0.5),
        (0, 0, 0, 0, 2, 2062, 0.2, -895, 0.5),
        (0, 1, 0, 0, 0, 1426, -3.4, 54, -0.1),
        (0, 0, 1, 0, 0, 712, 0.1, -7, 0.0),
        (-2, 1, 0, 2, 2, -517, 1.2, 224, -0.6),
        (0, 0, 0, 2, 1, -386, -0.4, 200, 0.0),
        (0, 0, 1, 2, 2, -301, 0.0, 129, -0.1),
        (-2, -1, 0, 2, 2, 217, -0.5, -95, 0.3),
        (-2, 0, 1, 0, 0, -158, 0.0, 0, 0.0),
        (-2, 0, 0, 2, 1, 129, 0.1, -70, 0.0),
        (0, 0, -1, 2, 2, 123, 0.0, -53, 0.0),
        (2, 0, 0, 0, 0, 63, 0.0, 0, 0.0),
        (0, 0, 1, 0, 1, 63, 0.1, -33, 0.0),
        (2, 0, -1, 2, 2, -59, 0.0, 26, 0.0),
        (0, 0, -1, 0, 1, -58, -0.1, 32, 0.0),
        (0, 0, 1, 2, 1, -51, 0.0, 27, 0.0),
        (-2, 0, 2, 0, 0, 48, 0.0, 0, 0.0),
        (0, 0, -2, 2, 1, 46, 0.0, -24, 0.0),
        (2, 0, 0, 2, 2, -38, 0.0, 16, 0.0),
        (0, 0, 2, 2, 2, -31, 0.0, 13, 0.0),
        (0, 0, 2, 0, 0, 29, 0.0, 0, 0.0),
        (-2, 0, 1, 2, 2, 29, 0.0, -12, 0.0),
        (0, 0, 0, 2, 0, 26, 0.0, 0, 0.0),
    ]
)


def _fundamental_arguments(t: Floats) -> Floats:
    """Return D, M, M', F and Ω in radians, float64[5, m]."""
    return np.radians(
        np.stack(
            [
                297.85036 + t * (445267.111480 + t * (-0.0019142 + t / 189474.0)),
                357.52772 + t * (35999.050340 + t * (-0.0001603 - t / 300000.0)),
                134.96298 + t * (477198.867398 + t * (0.0086972 + t / 56250.0)),
                93.27191 + t * (483202.017538 + t * (-0.0036825 + t / 327270.0)),
                125.04452 + t * (-1934.136261 + t * (0.0020708 + t / 450000.0)),
            ]
        )
    )


def nutation_rad(t: Floats) -> tuple[Floats, Floats, Floats]:
    """Return nutation in longitude, in obliquity, and the mean obliquity, at centuries of TT."""
    angle = _NUTATION[:, :5] @ _fundamental_arguments(t)
    psi = ((_NUTATION[:, 5, None] + _NUTATION[:, 6, None] * t) * np.sin(angle)).sum(axis=0)
    eps = ((_NUTATION[:, 7, None] + _NUTATION[:, 8, None] * t) * np.cos(angle)).sum(axis=0)
    mean = 84381.448 + t * (-46.8150 + t * (-0.00059 + t * 0.001813))
    return psi * 1e-4 * ARCSECOND, eps * 1e-4 * ARCSECOND, mean * ARCSECOND


def _about(axis: int, angle: Floats) -> Floats:
    """Return matrices float64[m, 3, 3] that turn the frame about an axis."""
    out = np.zeros((angle.size, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1.0
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, i, j], out[:, j, i] = np.sin(angle), -np.sin(angle)
    return out


def j2000_to_teme(utc_ns: Integers) -> Floats:
    """Return matrices float64[m, 3, 3] from EME2000 (or GCRF, 0.02″ apart) to TEME.

    Many times are interpolated between hours: the frame turns by 0.3″ a day, so that loses 3e-11 rad.
    """
    times = np.atleast_1d(np.asarray(utc_ns, dtype=np.int64))
    if times.size <= 64:
        return _j2000_to_teme(times)
    first = int(times.min())
    knots = first + HOUR_NS * np.arange((int(times.max()) - first) // HOUR_NS + 2, dtype=np.int64)
    if knots.size > times.size:
        return _j2000_to_teme(times)
    table = _j2000_to_teme(knots)
    index, rest = np.divmod(times - first, HOUR_NS)
    part = (rest / HOUR_NS)[:, None, None]
    return np.asarray(table[index] * (1.0 - part) + table[index + 1] * part)


def _j2000_to_teme(times: Integers) -> Floats:
    t = centuries_tt(times)
    zeta = t * (2306.2181 + t * (0.30188 + t * 0.017998)) * ARCSECOND
    z = t * (2306.2181 + t * (1.09468 + t * 0.018203)) * ARCSECOND
    theta = t * (2004.3109 + t * (-0.42665 - t * 0.041833)) * ARCSECOND
    precession = _about(2, -z) @ _about(1, theta) @ _about(2, -zeta)
    psi, eps, mean = nutation_rad(t)
    nutation = _about(0, -(mean + eps)) @ _about(2, -psi) @ _about(0, mean)
    # The equation of the equinoxes leads from the true equinox to the uniform one, TEME's.
    return np.asarray(_about(2, psi * np.cos(mean + eps)) @ nutation @ precession)


def sun_km(utc_ns: Integers) -> Floats:
    """Return the Sun's geometric place in TEME, float64[3, m]."""
    t = centuries_tt(np.atleast_1d(utc_ns))
    m = np.radians(357.52911 + t * (35999.05029 - 0.0001537 * t))
    center = (
        (1.914602 - t * (0.004817 + 0.000014 * t)) * np.sin(m)
        + (0.019993 - 0.000101 * t) * np.sin(2 * m)
        + 0.000289 * np.sin(3 * m)
    )
    longitude = np.radians(280.46646 + t * (36000.76983 + 0.0003032 * t) + center)
    e = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    distance = 1.000001018 * (1 - e**2) / (1 + e * np.cos(m + np.radians(center))) * ASTRONOMICAL_UNIT_KM
    return _to_teme(t, longitude, np.zeros_like(t), distance)


# The Moon: multiples of D, M, M', F; Σl in 1e-6 degrees and Σr in 1e-3 km. Meeus table 47.A.
_MOON_LONGITUDE = np.array(
    [
        (0, 0, 1, 0, 6288774, -20905355),
        (2, 0, -1, 0, 1274027, -3699111),
        (2, 0, 0, 0, 658314, -2955968),
        (0, 0, 2, 0, 213618, -569925),
        (0, 1, 0, 0, -185116, 48888),
        (0, 0, 0, 2, -114332, -3149),
        (2, 0, -2, 0, 58793, 246158),
        (2, -1, -1, 0, 57066, -152138),
        (2, 0, 1, 0, 53322, -170733),
        (2, -1, 0, 0, 45758, -204586),
        (0, 1, -1, 0, -40923, -129620),
        (1, 0, 0, 0, -34720, 108743),
        (0, 1, 1, 0, -30383, 104755),
        (2, 0, 0, -2, 15327, 10321),
        (0, 0, 1, 2, -12528, 0),
        (0, 0, 1, -2, 10980, 79661),
        (4, 0, -1, 0, 10675, -34782),
        (0, 0, 3, 0, 10034, -23210),
        (4, 0, -2, 0, 8548, -21636),
        (2, 1, -1, 0, -7888, 24208),
        (2, 1, 0, 0, -6766, 30824),
        (1, 0, -1, 0, -5163, -8379),
        (1, 1, 0, 0, 4987, -16675),
        (2, -1, 1, 0, 4036, -12831),
        (2, 0, 2, 0, 3994, -10445),
        (4, 0, 0, 0, 3861, -11650),
        (2, 0, -3, 0, 3665, 14403),
        (0, 1, -2, 0, -2689, -7003),
        (2, 0, -1, 2, -2602, 0),
        (2, -1, -2, 0, 2390, 10056),
        (1, 0, 1, 0, -2348, 6322),
        (2, -2, 0, 0, 2236, -9884),
        (0, 1, 2, 0, -2120, 5751),
        (0, 2, 0, 0, -2069, 0),
        (2, -2, -1, 0, 2048, -4950),
        (2, 0, 1, -2, -1773, 4130),
        (2, 0, 0, 2, -1595, 0),
        (4, -1, -1, 0, 1215, -3958),
        (0, 0, 2, 2, -1110, 0),
        (3, 0, -1, 0, -892, 3258),
        (2, 1, 1, 0, -810, 2616),
        (4, -1, -2, 0, 759, -1897),
        (0, 2, -1, 0, -713, -2117),
        (2, 2, -1, 0, -700, 2354),
        (2, 1, -2, 0, 691, 0),
        (2, -1, 0, -2, 596, 0),
        (4, 0, 1, 0, 549, -1423),
        (0, 0, 4, 0, 537, -1117),
        (4, -1, 0, 0, 520, -1571),
        (1, 0, -2, 0, -487, -1739),
        (2, 1, 0, -2, -399, 0),
        (0, 0, 2, -2, -381, -4421),
        (1, 1, 1, 0, 351, 0),
        (3, 0, -2, 0, -340, 0),
        (4, 0, -3, 0, 330, 0),
        (2, -1, 2, 0, 327, 0),
        (0, 2, 1, 0, -323, 1165),
        (1, 1, -1, 0, 299, 0),
        (2, 0, 3, 0, 294, 0),
        (2, 0, -1, -2, 0, 8752),
    ],
    dtype=np.float64,
)
# Σb in 1e-6 degrees. Meeus table 47.B.
_MOON_LATITUDE = np.array(
    [
        (0, 0, 0, 1, 5128122),
        (0, 0, 1, 1, 280602),
        (0, 0, 1, -1, 277693),
        (2, 0, 0, -1, 173237),
        (2, 0, -1, 1, 55413),
        (2, 0, -1, -1, 46271),
        (2, 0, 0, 1, 32573),
        (0, 0, 2, 1, 17198),
        (2, 0, 1, -1, 9266),
        (0, 0, 2, -1, 8822),
        (2, -1, 0, -1, 8216),
        (2, 0, -2, -1, 4324),
        (2, 0, 1, 1, 4200),
        (2, 1, 0, -1, -3359),
        (2, -1, -1, 1, 2463),
        (2, -1, 0, 1, 2211),
        (2, -1, -1, -1, 2065),
        (0, 1, -1, -1, -1870),
        (4, 0, -1, -1, 1828),
        (0, 1, 0, 1, -1794),
        (0, 0, 0, 3, -1749),
        (0, 1, -1, 1, -1565),
        (1, 0, 0, 1, -1491),
        (0, 1, 1, 1, -1475),
        (0, 1, 1, -1, -1410),
        (0, 1, 0, -1, -1344),
        (1, 0, 0, -1, -1335),
        (0, 0, 3, 1, 1107),
        (4, 0, 0, -1, 1021),
        (4, 0, -1, 1, 833),
        (0, 0, 1, -3, 777),
        (4, 0, -2, 1, 671),
        (2, 0, 0, -3, 607),
        (2, 0, 2, -1, 596),
        (2, -1, 1, -1, 491),
        (2, 0, -2, 1, -451),
        (0, 0, 3, -1, 439),
        (2, 0, 2, 1, 422),
        (2, 0, -3, -1, 421),
        (2, 1, -1, 1, -366),
        (2, 1, 0, 1, -351),
        (4, 0, 0, 1, 331),
        (2, -1, 1, 1, 315),
        (2, -2, 0, -1, 302),
        (0, 0, 1, 3, -283),
        (2, 1, 1, -1, -229),
        (1, 1, 0, -1, 223),
        (1, 1, 0, 1, 223),
        (0, 1, -2, -1, -220),
        (2, 1, -1, -1, -220),
        (1, 0, 1, 1, -185),
        (2, -1, -2, -1, 181),
        (0, 1, 2, 1, -177),
        (4, 0, -2, -1, 176),
        (4, -1, -1, -1, 166),
        (1, 0, 1, -1, -164),
        (4, 0, 1, -1, 132),
        (1, 0, -1, -1, -119),
        (4, -1, 0, -1, 115),
        (2, -2, 0, 1, 107),
    ],
    dtype=np.float64,
)


def moon_km(utc_ns: Integers) -> Floats:
    """Return the Moon's geometric place in TEME, float64[3, m]."""
    t = centuries_tt(np.atleast_1d(utc_ns))
    degrees = np.stack(
        [
            297.8501921 + t * (445267.1114034 + t * (-0.0018819 + t * (1 / 545868.0 - t / 113065000.0))),
            357.5291092 + t * (35999.0502909 + t * (-0.0001536 + t / 24490000.0)),
            134.9633964 + t * (477198.8675055 + t * (0.0087414 + t * (1 / 69699.0 - t / 14712000.0))),
            93.2720950 + t * (483202.0175233 + t * (-0.0036539 + t * (-1 / 3526000.0 + t / 863310000.0))),
        ]
    )
    arguments = np.radians(degrees)
    m_moon, f = arguments[2], arguments[3]
    mean = 218.3164477 + t * (481267.88123421 + t * (-0.0015786 + t * (1 / 538841.0 - t / 65194000.0)))
    a1, a2, a3 = (np.radians(a + b * t) for a, b in ((119.75, 131.849), (53.09, 479264.290), (313.45, 481266.484)))
    e = 1.0 - t * (0.002516 + 0.0000074 * t)
    scale = e ** np.abs(_MOON_LONGITUDE[:, 1, None])
    angle = _MOON_LONGITUDE[:, :4] @ arguments
    longitude = (_MOON_LONGITUDE[:, 4, None] * scale * np.sin(angle)).sum(axis=0)
    distance = (_MOON_LONGITUDE[:, 5, None] * scale * np.cos(angle)).sum(axis=0)
    angle = _MOON_LATITUDE[:, :4] @ arguments
    latitude = (_MOON_LATITUDE[:, 4, None] * e ** np.abs(_MOON_LATITUDE[:, 1, None]) * np.sin(angle)).sum(axis=0)
    turn = np.radians(mean)
    longitude = longitude + 3958 * np.sin(a1) + 1962 * np.sin(turn - f) + 318 * np.sin(a2)
    latitude = (
        latitude
        - 2235 * np.sin(turn)
        + 382 * np.sin(a3)
        + 175 * (np.sin(a1 - f) + np.sin(a1 + f))
        + 127 * np.sin(turn - m_moon)
        - 115 * np.sin(turn + m_moon)
    )
    return _to_teme(
        t, np.radians(mean + longitude * 1e-6), np.radians(latitude * 1e-6), 385000.56 + distance * 1e-3
    )


def _to_teme(t: Floats, longitude: Floats, latitude: Floats, distance: Floats) -> Floats:
    """Turn ecliptic coordinates of the mean equinox of date into TEME."""
    psi, eps, mean = nutation_rad(t)
    obliquity = mean + eps
    true = longitude + psi
    x = distance * np.cos(latitude) * np.cos(true)
    y = distance * np.cos(latitude) * np.sin(true)
    z = distance * np.sin(latitude)
    cosine, sine = np.cos(obliquity), np.sin(obliquity)
    y, z = cosine * y - sine * z, sine * y + cosine * z
    turn = psi * cosine
    return np.stack([np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x, z])
