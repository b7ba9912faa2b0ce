"""What the Sun, the Moon and the Earth's resonances add to an orbit of more than 225 minutes: SDP4's constants.

NumPy over all deep-space satellites at once; the terms that depend on time are evaluated in ``kernels``. Knows
only how to fill its columns of the table. The numerical coefficients are those of the theory (Hujsak 1979) as
printed in Spacetrack Report No. 3 and AIAA 2006-6753, appendix B; they are fits and have no shorter source.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from agent.orbit import constants as c
from agent.orbit.frames import greenwich_mean_sidereal_time_rad

Floats = NDArray[np.float64]
Terms = dict[str, Floats]

SUN_STRENGTH, MOON_STRENGTH = 2.9864797e-6, 4.7968065e-7
COS_ECLIPTIC, SIN_ECLIPTIC = 0.91744867, 0.39785416
LEAST_INCLINATION_RAD = 5.2359877e-2
"""Below 3° (and above 177°) the node has no secular rate of its own."""

# g-functions of eccentricity of the half-day resonance: polynomials in e, lowest order first, by interval.
G211 = ((3.616, -13.2470, 16.2900), (-72.099, 331.819, -508.738, 266.724))
G310 = ((-19.302, 117.3900, -228.4190, 156.5910), (-346.844, 1582.851, -2415.925, 1246.113))
G322 = ((-18.9068, 109.7927, -214.6334, 146.5816), (-342.585, 1554.908, -2366.899, 1215.972))
G410 = ((-41.122, 242.6940, -471.0940, 313.9530), (-1052.797, 4758.686, -7193.992, 3651.957))
G422 = ((-146.407, 841.8800, -1629.014, 1083.4350), (-3581.690, 16178.110, -24462.770, 12422.520))
G520 = ((-532.114, 3017.977, -5740.032, 3708.2760), (1464.74, -4664.75, 3763.64))
G520_HIGH = (-5149.66, 29936.92, -54087.36, 31324.56)
G533 = ((-919.22770, 4988.6100, -9064.7700, 5542.21), (-37995.780, 161616.52, -229838.20, 109377.94))
G521 = ((-822.71072, 4568.6173, -8491.4146, 5337.524), (-51752.104, 218913.95, -309468.16, 146349.42))
G532 = ((-853.66600, 4690.2500, -8624.7700, 5341.4), (-40023.880, 170470.89, -242699.48, 115605.82))


def _body_terms(
    e2: Floats,
    inclination: tuple[Floats, Floats],
    perigee: tuple[Floats, Floats],
    body: tuple[tuple[Floats, Floats], tuple[Floats, Floats], tuple[Floats, Floats]],
    strength: Floats,
) -> Terms:
    """Return the coefficients s1…s7 and z1…z33 of one perturbing body.

    Each pair is (cosine, sine): of the orbit's inclination and perigee, of the body's perigee, inclination, and
    node counted from the orbit's node.
    """
    (cosi, sini), (cosw, sinw) = inclination, perigee
    (cosg, sing), (cosib, sinib), (cosh, sinh) = body
    a1 = cosg * cosh + sing * cosib * sinh
    a3 = -sing * cosh + cosg * cosib * sinh
    a7 = -cosg * sinh + sing * cosib * cosh
    a8 = sing * sinib
    a9 = sing * sinh + cosg * cosib * cosh
    a10 = cosg * sinib
    a2, a4 = cosi * a7 + sini * a8, cosi * a9 + sini * a10
    a5, a6 = -sini * a7 + cosi * a8, -sini * a9 + cosi * a10
    x1, x2 = a1 * cosw + a2 * sinw, a3 * cosw + a4 * sinw
    x3, x4 = -a1 * sinw + a2 * cosw, -a3 * sinw + a4 * cosw
    x5, x6, x7, x8 = a5 * sinw, a6 * sinw, a5 * cosw, a6 * cosw
    beta2 = 1.0 - e2
    z31, z32, z33 = 12.0 * x1**2 - 3.0 * x3**2, 24.0 * x1 * x2 - 6.0 * x3 * x4, 12.0 * x2**2 - 3.0 * x4**2
    z1 = 3.0 * (a1**2 + a2**2) + z31 * e2
    z2 = 6.0 * (a1 * a3 + a2 * a4) + z32 * e2
    z3 = 3.0 * (a3**2 + a4**2) + z33 * e2
    s3 = strength
    s4 = s3 * np.sqrt(beta2)
    return {
        "s1": -15.0 * np.sqrt(e2) * s4,
        "s2": -0.5 * s3 / np.sqrt(beta2),
        "s3": s3,
        "s4": s4,
        "s5": x1 * x3 + x2 * x4,
        "s6": x2 * x3 + x1 * x4,
        "s7": x2 * x4 - x1 * x3,
        "z1": 2.0 * z1 + beta2 * z31,
        "z2": 2.0 * z2 + beta2 * z32,
        "z3": 2.0 * z3 + beta2 * z33,
        "z11": -6.0 * a1 * a5 + e2 * (-24.0 * x1 * x7 - 6.0 * x3 * x5),
        "z12": -6.0 * (a1 * a6 + a3 * a5) + e2 * (-24.0 * (x2 * x7 + x1 * x8) - 6.0 * (x3 * x6 + x4 * x5)),
        "z13": -6.0 * a3 * a6 + e2 * (-24.0 * x2 * x8 - 6.0 * x4 * x6),
        "z21": 6.0 * a2 * a5 + e2 * (24.0 * x1 * x5 - 6.0 * x3 * x7),
        "z22": 6.0 * (a4 * a5 + a2 * a6) + e2 * (24.0 * (x2 * x5 + x1 * x6) - 6.0 * (x4 * x7 + x3 * x8)),
        "z23": 6.0 * a4 * a6 + e2 * (24.0 * x2 * x6 - 6.0 * x4 * x8),
        "z31": z31,
        "z32": z32,
        "z33": z33,
    }


def _periodic_columns(terms: Terms, e2: Floats, body_eccentricity: float) -> tuple[Floats, ...]:
    """Return the twelve coefficients of a body's periodic terms, in the order of the table's columns."""
    s1, s2, s3, s4 = terms["s1"], terms["s2"], terms["s3"], terms["s4"]
    return (
        2.0 * s1 * terms["s6"],
        2.0 * s1 * terms["s7"],
        2.0 * s2 * terms["z12"],
        2.0 * s2 * (terms["z13"] - terms["z11"]),
        -2.0 * s3 * terms["z2"],
        -2.0 * s3 * (terms["z3"] - terms["z1"]),
        -2.0 * s3 * (-21.0 - 9.0 * e2) * body_eccentricity,
        2.0 * s4 * terms["z32"],
        2.0 * s4 * (terms["z33"] - terms["z31"]),
        -18.0 * s4 * body_eccentricity,
        -2.0 * s2 * terms["z22"],
        -2.0 * s2 * (terms["z23"] - terms["z21"]),
    )


def fill_deep_space(
    table: Floats, rows: NDArray[np.intp], days_since_1900: Floats, epoch_utc_ns: NDArray[np.int64]
) -> None:
    """Fill the deep-space columns of ``rows``; ``days_since_1900`` counts from 1899-12-31T12:00 UTC."""
    t = table[rows]
    e, inclination = t[:, c.E0], t[:, c.I0]
    e2, n0 = e**2, t[:, c.N0]
    orbit_i, orbit_w = (t[:, c.COSI], t[:, c.SINI]), (np.cos(t[:, c.ARGP0]), np.sin(t[:, c.ARGP0]))
    cosnode, sinnode = np.cos(t[:, c.NODE0]), np.sin(t[:, c.NODE0])
    ones = np.ones_like(e)

    # Where the Moon's orbit stands on the equator on that day.
    moon_node = np.remainder(4.5236020 - 9.2422029e-4 * days_since_1900, 2 * np.pi)
    sin_mn, cos_mn = np.sin(moon_node), np.cos(moon_node)
    cos_mi = 0.91375164 - 0.03568096 * cos_mn
    sin_mi = np.sqrt(1.0 - cos_mi**2)
    sin_mh = 0.089683511 * sin_mn / sin_mi
    cos_mh = np.sqrt(1.0 - sin_mh**2)
    gamma = 5.8351514 + 0.0019443680 * days_since_1900
    moon_g = (
        gamma
        + np.arctan2(
            SIN_ECLIPTIC * sin_mn / sin_mi,
            cos_mh * cos_mn + COS_ECLIPTIC * sin_mh * sin_mn,
        )
        - moon_node
    )

    sun = _body_terms(
        e2,
        orbit_i,
        orbit_w,
        (
            (0.1945905 * ones, -0.98088458 * ones),
            (COS_ECLIPTIC * ones, SIN_ECLIPTIC * ones),
            (cosnode, sinnode),
        ),
        SUN_STRENGTH / n0,
    )
    moon = _body_terms(
        e2,
        orbit_i,
        orbit_w,
        (
            (np.cos(moon_g), np.sin(moon_g)),
            (cos_mi, sin_mi),
            (cos_mh * cosnode + sin_mh * sinnode, sinnode * cos_mh - cosnode * sin_mh),
        ),
        MOON_STRENGTH / n0,
    )
    t[:, c.ZMOS] = np.remainder(6.2565837 + 0.017201977 * days_since_1900, 2 * np.pi)
    t[:, c.ZMOL] = np.remainder(4.7199672 + 0.22997150 * days_since_1900 - gamma, 2 * np.pi)
    t[:, c.SE2 : c.SH3 + 1] = np.stack(_periodic_columns(sun, e2, c.SUN_ECCENTRICITY), axis=1)
    t[:, c.EE2 : c.XH3 + 1] = np.stack(_periodic_columns(moon, e2, c.MOON_ECCENTRICITY), axis=1)

    # Secular rates.
    cosi, sini = orbit_i
    rates = {c.DEDT: 0.0 * e, c.DIDT: 0.0 * e, c.DMDT: 0.0 * e, c.DOMDT: 0.0 * e, c.DNODT: 0.0 * e}
    near_pole = (inclination < LEAST_INCLINATION_RAD) | (inclination > np.pi - LEAST_INCLINATION_RAD)
    safe_sini = np.where(sini != 0.0, sini, 1.0)
    for body, n in ((sun, c.SUN_MEAN_MOTION_RAD_MIN), (moon, c.MOON_MEAN_MOTION_RAD_MIN)):
        node_rate = np.where(near_pole, 0.0, -n * body["s2"] * (body["z21"] + body["z23"])) / safe_sini
        rates[c.DEDT] = rates[c.DEDT] + body["s1"] * n * body["s5"]
        rates[c.DIDT] = rates[c.DIDT] + body["s2"] * n * (body["z11"] + body["z13"])
        rates[c.DMDT] = rates[c.DMDT] - n * body["s3"] * (body["z1"] + body["z3"] - 14.0 - 6.0 * e2)
        rates[c.DOMDT] = rates[c.DOMDT] + body["s4"] * n * (body["z31"] + body["z33"] - 6.0) - cosi * node_rate
        rates[c.DNODT] = rates[c.DNODT] + node_rate
    for column, values in rates.items():
        t[:, column] = values

    t[:, c.DEEP] = 1.0
    t[:, c.GST0] = greenwich_mean_sidereal_time_rad(epoch_utc_ns)
    t[:, c.RESONANCE] = np.where(
        (n0 > 0.0034906585) & (n0 < 0.0052359877),
        1.0,
        np.where((n0 >= 8.26e-3) & (n0 <= 9.24e-3) & (e >= 0.5), 2.0, 0.0),
    )
    day, half_day = t[:, c.RESONANCE] == 1.0, t[:, c.RESONANCE] == 2.0
    if day.any():
        t[day] = _one_day_resonance(t[day])
    if half_day.any():
        t[half_day] = _half_day_resonance(t[half_day])
    table[rows] = t


def _one_day_resonance(t: Floats) -> Floats:
    """Fill the columns of synchronous orbits (periods near 24 h)."""
    e2, cosi, sini, n0 = t[:, c.E0] ** 2, t[:, c.COSI], t[:, c.SINI], t[:, c.N0]
    a = (n0 / c.XKE) ** (2 / 3)
    g200 = 1.0 + e2 * (-2.5 + 0.8125 * e2)
    g310 = 1.0 + 2.0 * e2
    g300 = 1.0 + e2 * (-6.0 + 6.60937 * e2)
    f220 = 0.75 * (1.0 + cosi) ** 2
    f311 = 0.9375 * sini**2 * (1.0 + 3.0 * cosi) - 0.75 * (1.0 + cosi)
    f330 = 1.875 * (1.0 + cosi) ** 3
    strength = 3.0 * n0**2 * a**2
    t[:, c.DEL2] = 2.0 * strength * f220 * g200 * 1.7891679e-6
    t[:, c.DEL3] = 3.0 * strength * f330 * g300 * 2.2123015e-7 * a
    t[:, c.DEL1] = strength * f311 * g310 * 2.1460748e-6 * a
    t[:, c.XLAMO] = np.remainder(t[:, c.M0] + t[:, c.NODE0] + t[:, c.ARGP0] - t[:, c.GST0], 2 * np.pi)
    t[:, c.XFACT] = (
        t[:, c.MDOT]
        + (t[:, c.ARGPDOT] + t[:, c.NODEDOT])
        - c.EARTH_ROTATION_RAD_MIN
        + t[:, c.DMDT]
        + t[:, c.DOMDT]
        + t[:, c.DNODT]
        - n0
    )
    return t


def _by_eccentricity(e: Floats, split: float, pieces: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    low, high = polyval(e, pieces[0]), polyval(e, pieces[1])
    return np.where(e <= split if split == 0.65 else e < split, low, high)


def _half_day_resonance(t: Floats) -> Floats:
    """Fill the columns of eccentric orbits with periods near 12 h (Molniya)."""
    e, cosi, sini, n0 = t[:, c.E0], t[:, c.COSI], t[:, c.SINI], t[:, c.N0]
    a = (n0 / c.XKE) ** (2 / 3)
    cosi2, sini2 = cosi**2, sini**2
    g201 = -0.306 - (e - 0.64) * 0.440
    g520 = np.where(e > 0.715, polyval(e, G520_HIGH), _by_eccentricity(e, 0.65, G520))
    f220 = 0.75 * (1.0 + 2.0 * cosi + cosi2)
    f522 = (
        9.84375 * sini * (sini2 * (1.0 - 2.0 * cosi - 5.0 * cosi2) + 0.33333333 * (-2.0 + 4.0 * cosi + 6.0 * cosi2))
    )
    f523 = sini * (
        4.92187512 * sini2 * (-2.0 - 4.0 * cosi + 10.0 * cosi2) + 6.56250012 * (1.0 + 2.0 * cosi - 3.0 * cosi2)
    )
    f542 = 29.53125 * sini * (2.0 - 8.0 * cosi + cosi2 * (-12.0 + 8.0 * cosi + 10.0 * cosi2))
    f543 = 29.53125 * sini * (-2.0 - 8.0 * cosi + cosi2 * (12.0 + 8.0 * cosi - 10.0 * cosi2))
    strength = 3.0 * n0**2 * a**2
    second = strength * 1.7891679e-6
    third = strength * a * 3.7393792e-7
    fourth = 2.0 * strength * a**2 * 7.3636953e-9
    fifth = strength * a**3 * 1.1428639e-7
    fifth4 = 2.0 * strength * a**3 * 2.1765803e-9
    t[:, c.D2201] = second * f220 * g201
    t[:, c.D2211] = second * 1.5 * sini2 * _by_eccentricity(e, 0.65, G211)
    t[:, c.D3210] = third * 1.875 * sini * (1.0 - 2.0 * cosi - 3.0 * cosi2) * _by_eccentricity(e, 0.65, G310)
    t[:, c.D3222] = third * -1.875 * sini * (1.0 + 2.0 * cosi - 3.0 * cosi2) * _by_eccentricity(e, 0.65, G322)
    t[:, c.D4410] = fourth * 35.0 * sini2 * f220 * _by_eccentricity(e, 0.65, G410)
    t[:, c.D4422] = fourth * 39.3750 * sini2**2 * _by_eccentricity(e, 0.65, G422)
    t[:, c.D5220] = fifth * f522 * g520
    t[:, c.D5232] = fifth * f523 * _by_eccentricity(e, 0.7, G532)
    t[:, c.D5421] = fifth4 * f542 * _by_eccentricity(e, 0.7, G521)
    t[:, c.D5433] = fifth4 * f543 * _by_eccentricity(e, 0.7, G533)
    t[:, c.XLAMO] = np.remainder(t[:, c.M0] + 2.0 * t[:, c.NODE0] - 2.0 * t[:, c.GST0], 2 * np.pi)
    t[:, c.XFACT] = (
        t[:, c.MDOT] + t[:, c.DMDT] + 2.0 * (t[:, c.NODEDOT] + t[:, c.DNODT] - c.EARTH_ROTATION_RAD_MIN) - n0
    )
    return t
