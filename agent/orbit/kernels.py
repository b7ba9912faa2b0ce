"""Numba kernels of propagation, and nothing that knows a date, a name or a file.

Times are taken in blocks of 64 that live in one scratch array, quantity after quantity at fixed distances:
then every loop has a constant length and provably no aliasing, and LLVM makes vector code of it on AVX as on
NEON. That needs sine, cosine and arc tangent without branches and without a call into libm; they are written
out here from their Taylor series (errors below 2 units in the last place for arguments up to 1e6).
Contraction to fused multiply-add is the only fast-math flag: NaN stays NaN.
Source of the theory: Spacetrack Report No. 3; AIAA 2006-6753.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, njit, uint8, void
from numpy.typing import NDArray

from agent.orbit.constants import (
    A0,
    ARGP0,
    ARGPDOT,
    AYCOF,
    BCC4,
    BCC5,
    CC1,
    COSI,
    D2,
    D3,
    D4,
    D2201,
    D2211,
    D3210,
    D3222,
    D4410,
    D4422,
    D5220,
    D5232,
    D5421,
    D5433,
    DEDT,
    DEEP,
    DEL1,
    DEL2,
    DEL3,
    DELMO,
    DIDT,
    DMDT,
    DNODT,
    DOMDT,
    E0,
    E3,
    EARTH_RADIUS_KM,
    EARTH_ROTATION_RAD_MIN,
    EE2,
    ETA,
    GST0,
    I0,
    J2,
    J3_OVER_J2,
    KEPLER_STEPS,
    LARGE_E,
    M0,
    MDOT,
    MOON_ECCENTRICITY,
    MOON_MEAN_MOTION_RAD_MIN,
    N0,
    NODE0,
    NODECF,
    NODEDOT,
    OMGCOF,
    RESONANCE,
    RESONANCE_STEP_MIN,
    SE2,
    SE3,
    SGH2,
    SGH3,
    SGH4,
    SH2,
    SH3,
    SI2,
    SI3,
    SINI,
    SINMAO,
    SL2,
    SL3,
    SL4,
    SUN_ECCENTRICITY,
    SUN_MEAN_MOTION_RAD_MIN,
    T2COF,
    T3COF,
    T4COF,
    T5COF,
    XFACT,
    XGH2,
    XGH3,
    XGH4,
    XH2,
    XH3,
    XI2,
    XI3,
    XKE,
    XL2,
    XL3,
    XL4,
    XLAMO,
    XLCOF,
    XMCOF,
    ZMOL,
    ZMOS,
)

Floats = NDArray[np.float64]

BLOCK = 64
"""Times a block: its scratch (25 quantities) is 12.5 KiB and stays in the first-level cache."""

# Places of the quantities in the scratch array. A block's input is T; its output is X … VZ and ERROR.
T, X, Y, Z, VX, VY, VZ, ERROR = (BLOCK * k for k in range(8))
MEAN, ARGP, NODE, ECC, AXN, AYN, U, ROOT = (BLOCK * k for k in range(8, 16))
SIN_E, COS_E, ANOMALY, COSIP, SINIP, INCL, NM = (BLOCK * k for k in range(16, 23))
SIN_N, COS_N = (BLOCK * k for k in range(23, 25))
SCRATCH = BLOCK * 25
# Until the state is known its places hold the lunar-solar changes of e, i, M, perigee and node.
PE, PI, PM, PW, PH = X, Y, Z, VX, VY

# Only what Python calls has a signature. Helpers take their types from it and are compiled into it: loading each
# of them from the cache as well would double the start of the process.
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}

TWO_PI = 2.0 * math.pi
TWO_OVER_PI = 2.0 / math.pi
# π/2 in three parts of 33 bits, so that a multiple up to 2^20 subtracts without rounding (Cody and Waite).
HALF_PI_1 = 1.57079632673412561417e00
HALF_PI_2 = 6.07710050630396597660e-11
HALF_PI_3 = 2.02226624871116645580e-21
PI_1, PI_2, PI_3 = 2.0 * HALF_PI_1, 2.0 * HALF_PI_2, 2.0 * HALF_PI_3
INVERSE_PI = 1.0 / math.pi
S3, S5, S7, S9, S11, S13, S15, S17, S19, S21 = ((-1.0) ** k / math.factorial(2 * k + 1) for k in range(1, 11))
C2, C4, C6, C8, C10, C12, C14, C16 = ((-1.0) ** k / math.factorial(2 * k) for k in range(1, 9))
UNIFORM_MIN = 1e-10
"""Times this near to equal steps are taken for equal: 6 ns, or 0.05 mm."""
SECONDS_A_MINUTE = 60.0
VELOCITY_SCALE = EARTH_RADIUS_KM * XKE / SECONDS_A_MINUTE


@njit(**OPTIONS)
def _sin_cos(angle: float) -> tuple[float, float]:
    """Sine and cosine without a branch, for |angle| below 1e6."""
    k = np.floor(angle * TWO_OVER_PI + 0.5)
    r = ((angle - k * HALF_PI_1) - k * HALF_PI_2) - k * HALF_PI_3
    q = k - 4.0 * np.floor(k * 0.25)
    x = r * r
    s = r + r * x * (S3 + x * (S5 + x * (S7 + x * (S9 + x * (S11 + x * (S13 + x * S15))))))
    c = 1.0 + x * (C2 + x * (C4 + x * (C6 + x * (C8 + x * (C10 + x * (C12 + x * (C14 + x * C16)))))))
    odd = (q == 1.0) | (q == 3.0)
    sine = c if odd else s
    cosine = s if odd else c
    return (-sine if q >= 2.0 else sine), (-cosine if (q == 1.0) | (q == 2.0) else cosine)


@njit(**OPTIONS)
def _sin_cos_small(x: float) -> tuple[float, float]:
    """Sine and cosine of |x| below 0.1."""
    x2 = x * x
    s = x + x * x2 * (S3 + x2 * (S5 + x2 * (S7 + x2 * S9)))
    c = 1.0 + x2 * (C2 + x2 * (C4 + x2 * (C6 + x2 * (C8 + x2 * C10))))
    return s, c


@njit(**OPTIONS)
def _sine(angle: float) -> float:
    """Sine alone, for |angle| below 1e6: half a turn is taken out, and the series is longer."""
    k = np.floor(angle * INVERSE_PI + 0.5)
    r = ((angle - k * PI_1) - k * PI_2) - k * PI_3
    x = r * r
    s = S15 + x * (S17 + x * (S19 + x * S21))
    s = r + r * x * (S3 + x * (S5 + x * (S7 + x * (S9 + x * (S11 + x * (S13 + x * s))))))
    # 1 for an even number of half turns, -1 for an odd one.
    sine: float = s * (1.0 - 2.0 * (k - 2.0 * np.floor(0.5 * k)))
    return sine


@njit(**OPTIONS)
def _arc_tangent(y: float, x: float) -> float:
    """Angle of (x, y) in -π…π without a branch: three halvings, then seven terms of the series."""
    ax, ay = np.abs(x), np.abs(y)
    large = max(ax, ay, 1e-300)
    z = min(ax, ay) / large
    z = z / (1.0 + np.sqrt(1.0 + z * z))
    z = z / (1.0 + np.sqrt(1.0 + z * z))
    z = z / (1.0 + np.sqrt(1.0 + z * z))
    z2 = z * z
    a = (
        8.0
        * z
        * (
            1.0
            + z2 * (-1 / 3 + z2 * (0.2 + z2 * (-1 / 7 + z2 * (1 / 9 + z2 * (-1 / 11 + z2 * (1 / 13 - z2 / 15))))))
        )
    )
    a = 0.5 * math.pi - a if ay > ax else a
    a = math.pi - a if x < 0.0 else a
    angle: float = -a if y < 0.0 else a
    return angle


@njit(**OPTIONS)
def _near_earth_secular(p: Floats, w: Floats) -> None:
    """Gravity's and drag's slow changes at any times: fill NODE SIN_N COS_N ROOT AXN AYN U COSIP SINIP ERROR."""
    m0, mdot, argp0, argpdot = p[M0], p[MDOT], p[ARGP0], p[ARGPDOT]
    eta, xmcof, delmo, omgcof = p[ETA], p[XMCOF], p[DELMO], p[OMGCOF]
    for j in range(BLOCK):
        t = w[T + j]
        mean = m0 + mdot * t
        swing = 1.0 + eta * _sine(mean + 0.5 * math.pi)
        shift = omgcof * t + xmcof * (swing * swing * swing - delmo)
        w[MEAN + j] = mean + shift
        w[ARGP + j] = argp0 + argpdot * t - shift
    cc1, d2, d3, d4 = p[CC1], p[D2], p[D3], p[D4]
    bcc4, bcc5, sinmao = p[BCC4], p[BCC5], p[SINMAO]
    t2cof, t3cof, t4cof, t5cof = p[T2COF], p[T3COF], p[T4COF], p[T5COF]
    e0, root_a0, n0 = p[E0], math.sqrt(p[A0]), p[N0]
    node0, nodedot, nodecf = p[NODE0], p[NODEDOT], p[NODECF]
    aycof, xlcof, cosi, sini = p[AYCOF], p[XLCOF], p[COSI], p[SINI]
    for j in range(BLOCK):
        t = w[T + j]
        t2 = t * t
        sine = _sine(w[MEAN + j])
        tempa = 1.0 - t * (cc1 + t * (d2 + t * (d3 + t * d4)))
        tempe = bcc4 * t + bcc5 * (sine - sinmao)
        templ = t2 * (t2cof + t * (t3cof + t * (t4cof + t * t5cof)))
        ecc = e0 - tempe
        # Drag that has shrunk the axis to nothing would let it grow again on the other side.
        error = 6.0 if tempa <= 0.0 else 0.0
        w[ERROR + j] = 1.0 if (ecc >= 1.0) | (ecc < -0.001) else error
        w[ECC + j] = max(ecc, 1.0e-6)
        w[ROOT + j] = root_a0 * tempa
        w[MEAN + j] = w[MEAN + j] + n0 * templ
        sinn, cosn = _sin_cos(node0 + nodedot * t + nodecf * t2)
        w[SIN_N + j] = sinn
        w[COS_N + j] = cosn
        w[NODE + j] = 0.0
    for j in range(BLOCK):
        ecc, argp, root = w[ECC + j], w[ARGP + j], w[ROOT + j]
        sine, cosine = _sin_cos(argp)
        axn = ecc * cosine
        w[AXN + j] = axn
        tilt = 1.0 / (root * root * (1.0 - ecc * ecc))
        w[AYN + j] = ecc * sine + tilt * aycof
        w[U + j] = w[MEAN + j] + argp + tilt * xlcof * axn
        w[COSIP + j] = cosi
        w[SINIP + j] = sini


@njit(**OPTIONS)
def _turns_of_a_block(p: Floats, step: float, turns: Floats) -> None:
    """Fill sine and cosine of what anomaly, perigee and node turn in 0 … 63 steps: float64[6, BLOCK]."""
    mdot, argpdot, nodedot = p[MDOT], p[ARGPDOT], p[NODEDOT]
    for j in range(BLOCK):
        turns[0, j], turns[1, j] = _sin_cos(mdot * step * j)
        turns[2, j], turns[3, j] = _sin_cos(argpdot * step * j)
        turns[4, j], turns[5, j] = _sin_cos(nodedot * step * j)


@njit(**OPTIONS)
def _near_earth_secular_uniform(p: Floats, w: Floats, turns: Floats) -> None:
    """As ``_near_earth_secular`` for times in equal steps, where drag moves perigee and node by small angles.

    The linear parts of the angles come from the block's first by rotation, without a series.
    """
    t0 = w[T]
    omgcof, xmcof, eta, delmo = p[OMGCOF], p[XMCOF], p[ETA], p[DELMO]
    mean0, argp0 = p[M0] + p[MDOT] * t0, p[ARGP0] + p[ARGPDOT] * t0
    mdot, argpdot = p[MDOT], p[ARGPDOT]
    sin_m, cos_m = _sin_cos(mean0)
    sin_w, cos_w = _sin_cos(argp0)
    sin_n, cos_n = _sin_cos(p[NODE0] + p[NODEDOT] * t0)
    cc1, d2, d3, d4 = p[CC1], p[D2], p[D3], p[D4]
    bcc4, bcc5, sinmao = p[BCC4], p[BCC5], p[SINMAO]
    e0, root_a0, nodecf = p[E0], math.sqrt(p[A0]), p[NODECF]
    cosi, sini = p[COSI], p[SINI]
    for j in range(BLOCK):
        t = w[T + j]
        sine = sin_m * turns[1, j] + cos_m * turns[0, j]
        cosine = cos_m * turns[1, j] - sin_m * turns[0, j]
        swing = 1.0 + eta * cosine
        shift = omgcof * t + xmcof * (swing * swing * swing - delmo)
        s, c = _sin_cos_small(shift)
        sine = sine * c + cosine * s
        tempa = 1.0 - t * (cc1 + t * (d2 + t * (d3 + t * d4)))
        ecc = e0 - bcc4 * t - bcc5 * (sine - sinmao)
        error = 6.0 if tempa <= 0.0 else 0.0
        w[ERROR + j] = 1.0 if (ecc >= 1.0) | (ecc < -0.001) else error
        w[ECC + j] = max(ecc, 1.0e-6)
        w[ROOT + j] = root_a0 * tempa
        sine = sin_w * turns[3, j] + cos_w * turns[2, j]
        cosine = cos_w * turns[3, j] - sin_w * turns[2, j]
        w[AYN + j] = sine * c - cosine * s
        w[AXN + j] = cosine * c + sine * s
    t2cof, t3cof, t4cof, t5cof = p[T2COF], p[T3COF], p[T4COF], p[T5COF]
    aycof, xlcof, n0 = p[AYCOF], p[XLCOF], p[N0]
    start = mean0 + argp0
    for j in range(BLOCK):
        t = w[T + j]
        ecc, root = w[ECC + j], w[ROOT + j]
        axn = ecc * w[AXN + j]
        tilt = 1.0 / (root * root * (1.0 - ecc * ecc))
        templ = t * t * (t2cof + t * (t3cof + t * (t4cof + t * t5cof)))
        # The anomaly gains what the perigee loses to drag: their sum is linear but for templ.
        w[U + j] = start + (mdot + argpdot) * (t - t0) + n0 * templ + tilt * xlcof * axn
        w[AXN + j] = axn
        w[AYN + j] = ecc * w[AYN + j] + tilt * aycof
        w[SIN_N + j] = sin_n * turns[5, j] + cos_n * turns[4, j]
        w[COS_N + j] = cos_n * turns[5, j] - sin_n * turns[4, j]
        w[NODE + j] = nodecf * t * t
        w[COSIP + j] = cosi
        w[SINIP + j] = sini


@njit(**OPTIONS)
def _kepler(w: Floats, steps: int, large: float) -> None:
    """Solve Kepler's equation in U AXN AYN by a fixed number of Halley steps: fill SIN_E COS_E."""
    for j in range(BLOCK):
        u = w[U + j]
        w[ANOMALY + j] = u
        sine, cosine = _sin_cos(u)
        w[SIN_E + j] = sine
        w[COS_E + j] = cosine
    for _ in range(steps):
        if large == 0.0:
            for j in range(BLOCK):
                sine, cosine, e = w[SIN_E + j], w[COS_E + j], w[ANOMALY + j]
                axn, ayn = w[AXN + j], w[AYN + j]
                f = w[U + j] - ayn * cosine + axn * sine - e
                d1 = 1.0 - axn * cosine - ayn * sine
                d2 = 0.5 * (axn * sine - ayn * cosine)
                step = f * d1 / (d1 * d1 + d2 * f)
                s, c = _sin_cos_small(step)
                w[ANOMALY + j] = e + step
                w[SIN_E + j] = sine * c + cosine * s
                w[COS_E + j] = cosine * c - sine * s
        else:
            for j in range(BLOCK):
                sine, cosine, e = w[SIN_E + j], w[COS_E + j], w[ANOMALY + j]
                axn, ayn = w[AXN + j], w[AYN + j]
                f = w[U + j] - ayn * cosine + axn * sine - e
                d1 = 1.0 - axn * cosine - ayn * sine
                d2 = 0.5 * (axn * sine - ayn * cosine)
                step = f * d1 / (d1 * d1 + d2 * f)
                step = min(max(step, -0.95), 0.95)
                s, c = _sin_cos(e + step)
                w[ANOMALY + j] = e + step
                w[SIN_E + j] = s
                w[COS_E + j] = c


@njit(**OPTIONS)
def _orient(w: Floats) -> None:
    """Short-period terms of J2, and the state: fill X … VZ and finish ERROR.

    Takes COSIP, SINIP, ROOT (of the axis), SIN_N, COS_N and what is to be added to the node (NODE), AXN, AYN,
    SIN_E, COS_E and overwrites them. One division and one root a point: the reciprocals of four quantities come
    from that of their product.
    """
    for j in range(BLOCK):
        sine, cosine, axn, ayn = w[SIN_E + j], w[COS_E + j], w[AXN + j], w[AYN + j]
        root, cosi, sini = w[ROOT + j], w[COSIP + j], w[SINIP + j]
        am = root * root
        esine = axn * sine - ayn * cosine
        beta2 = 1.0 - (axn * axn + ayn * ayn)
        betal = np.sqrt(beta2)
        r_over_a = 1.0 - (axn * cosine + ayn * sine)
        by_shape, by_size = r_over_a * (1.0 + betal), beta2 * root
        inverse = 1.0 / (by_shape * by_size)
        inverse_shape, inverse_size = inverse * by_size, inverse * by_shape
        a_over_r = inverse_shape * (1.0 + betal)
        inverse_root = inverse_size * beta2
        inverse_pl = inverse_size * inverse_root
        rl = am * r_over_a
        rdotl = inverse_root * a_over_r * esine
        rvdotl = inverse_root * a_over_r * betal
        part = esine * inverse_shape * r_over_a
        sinu = a_over_r * (sine - ayn - axn * part)
        cosu = a_over_r * (cosine - axn + ayn * part)
        sin2u = 2.0 * cosu * sinu
        cos2u = 1.0 - 2.0 * sinu * sinu
        g1 = 0.5 * J2 * inverse_pl
        g2 = g1 * inverse_pl
        cosi2 = cosi * cosi
        con41, x1mth2, x7thm1 = 3.0 * cosi2 - 1.0, 1.0 - cosi2, 7.0 * cosi2 - 1.0
        mrt = rl * (1.0 - 1.5 * g2 * betal * con41) + 0.5 * g1 * x1mth2 * cos2u
        s, c = _sin_cos_small(-0.25 * g2 * x7thm1 * sin2u)
        w[SIN_E + j] = sinu * c + cosu * s
        w[COS_E + j] = cosu * c - sinu * s
        s, c = _sin_cos_small(1.5 * g2 * cosi * sini * cos2u)
        w[SINIP + j] = sini * c + cosi * s
        w[COSIP + j] = cosi * c - sini * s
        w[NODE + j] = w[NODE + j] + 1.5 * g2 * cosi * sin2u
        # n/XKE is a to the power -3/2.
        n_over_xke = inverse_root * inverse_root * inverse_root
        w[AXN + j] = mrt * EARTH_RADIUS_KM
        w[AYN + j] = (rdotl - n_over_xke * g1 * x1mth2 * sin2u) * VELOCITY_SCALE
        w[ROOT + j] = (rvdotl + n_over_xke * g1 * (x1mth2 * cos2u + 1.5 * con41)) * VELOCITY_SCALE
        error = w[ERROR + j]
        error = 6.0 if (error == 0.0) & (mrt < 1.0) else error
        w[ERROR + j] = 4.0 if ((error == 0.0) | (error == 6.0)) & (beta2 < 0.0) else error
    for j in range(BLOCK):
        s, c = _sin_cos_small(w[NODE + j])
        sinn, cosn = w[SIN_N + j] * c + w[COS_N + j] * s, w[COS_N + j] * c - w[SIN_N + j] * s
        sinu, cosu, sini, cosi = w[SIN_E + j], w[COS_E + j], w[SINIP + j], w[COSIP + j]
        r, vr, vt = w[AXN + j], w[AYN + j], w[ROOT + j]
        xmx, xmy = -sinn * cosi, cosn * cosi
        ux, uy, uz = xmx * sinu + cosn * cosu, xmy * sinu + sinn * cosu, sini * sinu
        vx, vy, vz = xmx * cosu - cosn * sinu, xmy * cosu - sinn * sinu, sini * cosu
        w[X + j] = r * ux
        w[Y + j] = r * uy
        w[Z + j] = r * uz
        w[VX + j] = vr * ux + vt * vx
        w[VY + j] = vr * uy + vt * vy
        w[VZ + j] = vr * uz + vt * vz


KNOT = 5
"""Quantities of one step of the resonance integrator: longitude, mean motion and their derivatives."""
FASX2, FASX4, FASX6 = 0.13130908, 2.8843198, 0.37448087
G22, G32, G44, G52, G54 = 5.7686396, 0.95240898, 1.8014998, 1.0508330, 4.4108898


@njit(**OPTIONS)
def _integrate_resonance(p: Floats, step: float, knots: Floats) -> None:
    """Integrate from the epoch in steps of ±720 min (Euler-Maclaurin); a row of ``knots`` for each step."""
    longitude, motion, elapsed = p[XLAMO], p[N0], 0.0
    for k in range(knots.shape[0]):
        if p[RESONANCE] == 1.0:
            a1, a2, a3 = longitude - FASX2, 2.0 * (longitude - FASX4), 3.0 * (longitude - FASX6)
            first = p[DEL1] * math.sin(a1) + p[DEL2] * math.sin(a2) + p[DEL3] * math.sin(a3)
            second = p[DEL1] * math.cos(a1) + 2.0 * p[DEL2] * math.cos(a2) + 3.0 * p[DEL3] * math.cos(a3)
        else:
            w1 = p[ARGP0] + p[ARGPDOT] * elapsed
            w2, l2 = 2.0 * w1, 2.0 * longitude
            first = (
                p[D2201] * math.sin(w2 + longitude - G22)
                + p[D2211] * math.sin(longitude - G22)
                + p[D3210] * math.sin(w1 + longitude - G32)
                + p[D3222] * math.sin(-w1 + longitude - G32)
                + p[D4410] * math.sin(w2 + l2 - G44)
                + p[D4422] * math.sin(l2 - G44)
                + p[D5220] * math.sin(w1 + longitude - G52)
                + p[D5232] * math.sin(-w1 + longitude - G52)
                + p[D5421] * math.sin(w1 + l2 - G54)
                + p[D5433] * math.sin(-w1 + l2 - G54)
            )
            second = (
                p[D2201] * math.cos(w2 + longitude - G22)
                + p[D2211] * math.cos(longitude - G22)
                + p[D3210] * math.cos(w1 + longitude - G32)
                + p[D3222] * math.cos(-w1 + longitude - G32)
                + p[D5220] * math.cos(w1 + longitude - G52)
                + p[D5232] * math.cos(-w1 + longitude - G52)
                + 2.0
                * (
                    p[D4410] * math.cos(w2 + l2 - G44)
                    + p[D4422] * math.cos(l2 - G44)
                    + p[D5421] * math.cos(w1 + l2 - G54)
                    + p[D5433] * math.cos(-w1 + l2 - G54)
                )
            )
        rate = motion + p[XFACT]
        second *= rate
        knots[k, 0], knots[k, 1] = longitude, motion
        knots[k, 2], knots[k, 3], knots[k, 4] = rate, first, second
        longitude += rate * step + first * step * step * 0.5
        motion += first * step + second * step * step * 0.5
        elapsed += step


@njit(**OPTIONS)
def _deep_space_secular(p: Floats, w: Floats, ahead: Floats, behind: Floats) -> None:
    """Slow changes of gravity, drag, Sun, Moon and resonance: fill MEAN ARGP NODE ECC INCL ROOT ERROR."""
    mean0, mdot = p[M0], p[MDOT] + p[DMDT]
    argp0, argpdot = p[ARGP0], p[ARGPDOT] + p[DOMDT]
    node0, nodedot, nodecf = p[NODE0], p[NODEDOT] + p[DNODT], p[NODECF]
    e0, edot, i0, idot = p[E0], p[DEDT], p[I0], p[DIDT]
    n0, root_a0, cc1, bcc4, t2cof = p[N0], math.sqrt(p[A0]), p[CC1], p[BCC4], p[T2COF]
    for j in range(BLOCK):
        t = w[T + j]
        w[MEAN + j] = mean0 + mdot * t
        w[ARGP + j] = argp0 + argpdot * t
        w[NODE + j] = node0 + t * (nodedot + nodecf * t)
        w[INCL + j] = i0 + idot * t
        w[NM + j] = n0
    if p[RESONANCE] > 0.0:
        for j in range(BLOCK):
            t = w[T + j]
            k = int(abs(t) / RESONANCE_STEP_MIN)
            knot = ahead[k] if t >= 0.0 else behind[k]
            rest = t - (k * RESONANCE_STEP_MIN if t >= 0.0 else -k * RESONANCE_STEP_MIN)
            half = 0.5 * rest * rest
            longitude = knot[0] + knot[2] * rest + knot[3] * half
            theta = p[GST0] + t * EARTH_ROTATION_RAD_MIN
            if p[RESONANCE] == 1.0:
                w[MEAN + j] = longitude - w[NODE + j] - w[ARGP + j] + theta
            else:
                w[MEAN + j] = longitude - 2.0 * w[NODE + j] + 2.0 * theta
            w[NM + j] = knot[1] + knot[3] * rest + knot[4] * half
    for j in range(BLOCK):
        t = w[T + j]
        ratio = w[NM + j] / n0
        x = ratio - 1.0
        # (n/n0) to the power -1/3: a series, then Newton's method on y^-3 = ratio.
        y = 1.0 + x * (-1 / 3 + x * (2 / 9 - x * 14 / 81))
        y = y + y * (1.0 - y * y * y * ratio) * (1 / 3)
        y = y + y * (1.0 - y * y * y * ratio) * (1 / 3)
        y = y + y * (1.0 - y * y * y * ratio) * (1 / 3)
        tempa = 1.0 - cc1 * t
        ecc = e0 + edot * t - bcc4 * t
        w[ROOT + j] = root_a0 * y * tempa
        w[MEAN + j] = w[MEAN + j] + n0 * t2cof * t * t
        w[ECC + j] = max(ecc, 1.0e-6)
        error = 6.0 if tempa <= 0.0 else 0.0
        error = 1.0 if (ecc >= 1.0) | (ecc < -0.001) else error
        w[ERROR + j] = 2.0 if ratio <= 0.0 else error


@njit(**OPTIONS)
def _lunar_solar_periodics(p: Floats, w: Floats) -> None:
    """Periodic terms of Sun and Moon: fill PE PI PM PW PH."""
    zmos, zmol = p[ZMOS], p[ZMOL]
    se2, se3, si2, si3, sl2, sl3, sl4 = p[SE2], p[SE3], p[SI2], p[SI3], p[SL2], p[SL3], p[SL4]
    sgh2, sgh3, sgh4, sh2, sh3 = p[SGH2], p[SGH3], p[SGH4], p[SH2], p[SH3]
    for j in range(BLOCK):
        zm = zmos + SUN_MEAN_MOTION_RAD_MIN * w[T + j]
        sine, _ = _sin_cos(zm)
        sine, cosine = _sin_cos(zm + 2.0 * SUN_ECCENTRICITY * sine)
        f2, f3 = 0.5 * sine * sine - 0.25, -0.5 * sine * cosine
        w[PE + j] = se2 * f2 + se3 * f3
        w[PI + j] = si2 * f2 + si3 * f3
        w[PM + j] = sl2 * f2 + sl3 * f3 + sl4 * sine
        w[PW + j] = sgh2 * f2 + sgh3 * f3 + sgh4 * sine
        w[PH + j] = sh2 * f2 + sh3 * f3
    se2, se3, si2, si3, sl2, sl3, sl4 = p[EE2], p[E3], p[XI2], p[XI3], p[XL2], p[XL3], p[XL4]
    sgh2, sgh3, sgh4, sh2, sh3 = p[XGH2], p[XGH3], p[XGH4], p[XH2], p[XH3]
    for j in range(BLOCK):
        zm = zmol + MOON_MEAN_MOTION_RAD_MIN * w[T + j]
        sine, _ = _sin_cos(zm)
        sine, cosine = _sin_cos(zm + 2.0 * MOON_ECCENTRICITY * sine)
        f2, f3 = 0.5 * sine * sine - 0.25, -0.5 * sine * cosine
        w[PE + j] = w[PE + j] + se2 * f2 + se3 * f3
        w[PI + j] = w[PI + j] + si2 * f2 + si3 * f3
        w[PM + j] = w[PM + j] + sl2 * f2 + sl3 * f3 + sl4 * sine
        w[PW + j] = w[PW + j] + sgh2 * f2 + sgh3 * f3 + sgh4 * sine
        w[PH + j] = w[PH + j] + sh2 * f2 + sh3 * f3


@njit(**OPTIONS)
def _apply_periodics(w: Floats) -> None:
    """Add the periodics, below 0.2 rad of inclination in Lyddane's variables: fill AXN AYN U COSIP SINIP."""
    least = 10.0
    for j in range(BLOCK):
        incl, ecc = w[INCL + j] + w[PI + j], w[ECC + j] + w[PE + j]
        w[INCL + j] = incl
        w[ECC + j] = ecc
        sini, cosi = _sin_cos(incl)
        w[SINIP + j] = sini
        w[COSIP + j] = cosi
        error = w[ERROR + j]
        w[ERROR + j] = 3.0 if (error == 0.0) & ((ecc < 0.0) | (ecc > 1.0)) else error
    for j in range(BLOCK):
        least = min(least, w[INCL + j])
    if least < 0.2:
        for j in range(BLOCK):
            sini, cosi, change, node_change = w[SINIP + j], w[COSIP + j], w[PI + j], w[PH + j]
            turns = w[NODE + j] / TWO_PI
            whole = np.floor(turns) if turns >= 0.0 else -np.floor(-turns)
            node = w[NODE + j] - whole * TWO_PI
            sinn, cosn = _sin_cos(node)
            along = cosi * change * sinn + node_change * cosn + sini * sinn
            across = cosi * change * cosn - node_change * sinn + sini * cosn
            turned = _arc_tangent(along, across)
            turned = turned + TWO_PI if node - turned > math.pi else turned
            turned = turned - TWO_PI if turned - node > math.pi else turned
            perigee = w[ARGP + j] + cosi * (node - turned) + w[PW + j] - change * node * sini
            low = w[INCL + j] < 0.2
            # Where it does not hold the ordinary form is applied below, with these left as they are.
            w[ARGP + j] = perigee if low else w[ARGP + j]
            w[NODE + j] = turned if low else w[NODE + j]
            w[PW + j] = 0.0 if low else w[PW + j]
            w[PH + j] = 0.0 if low else w[PH + j]
    for j in range(BLOCK):
        sini, cosi, ecc = w[SINIP + j], w[COSIP + j], w[ECC + j]
        ph = w[PH + j]
        turn = 0.0 if ph == 0.0 else ph / sini
        argp = w[ARGP + j] + w[PW + j] - cosi * turn
        node = w[NODE + j] + turn
        flip = w[INCL + j] < 0.0
        argp = argp - math.pi if flip else argp
        node = node + math.pi if flip else node
        sini = -sini if flip else sini
        divisor = 1.0 + cosi if np.abs(cosi + 1.0) > 1.5e-12 else 1.5e-12
        xlcof = -0.25 * J3_OVER_J2 * sini * (3.0 + 5.0 * cosi) / divisor
        sine, cosine = _sin_cos(argp)
        axn = ecc * cosine
        root = w[ROOT + j]
        tilt = 1.0 / (root * root * (1.0 - ecc * ecc))
        w[AXN + j] = axn
        w[AYN + j] = ecc * sine - tilt * 0.5 * J3_OVER_J2 * sini
        w[U + j] = w[MEAN + j] + w[PM + j] + argp + tilt * xlcof * axn
        sinn, cosn = _sin_cos(node)
        w[SIN_N + j] = sinn
        w[COS_N + j] = cosn
        w[NODE + j] = 0.0
        w[SINIP + j] = sini


@njit(**OPTIONS)
def _propagate_block(p: Floats, w: Floats, turns: Floats, uniform: bool, ahead: Floats, behind: Floats) -> None:
    """Propagate the 64 times in T: fill X … VZ and ERROR."""
    if p[DEEP] == 0.0:
        if uniform:
            _near_earth_secular_uniform(p, w, turns)
        else:
            _near_earth_secular(p, w)
    else:
        _deep_space_secular(p, w, ahead, behind)
        _lunar_solar_periodics(p, w)
        _apply_periodics(w)
    _kepler(w, int(p[KEPLER_STEPS]), p[LARGE_E])
    _orient(w)


@njit(
    void(float64[:, ::1], float64[::1], float64[::1], float64[:, :, ::1], uint8[:, ::1]),
    **OPTIONS,
)
def propagate_states(
    table: Floats, offsets: Floats, minutes: Floats, out: Floats, error: NDArray[np.uint8]
) -> None:
    """Propagate satellite i to ``offsets[i] + minutes``: ``out`` is float64[n, 6, m], ``error`` uint8[n, m]."""
    w = np.zeros(SCRATCH)
    turns = np.empty((6, BLOCK))
    m = minutes.shape[0]
    least, most = minutes.min(), minutes.max()
    step = (minutes[m - 1] - minutes[0]) / (m - 1) if m > 2 * BLOCK else 0.0
    equal = m > 2 * BLOCK
    for j in range(m):
        if abs(minutes[j] - (minutes[0] + j * step)) > UNIFORM_MIN:
            equal = False
    for i in range(table.shape[0]):
        p = table[i]
        forward = max(int((offsets[i] + most) / RESONANCE_STEP_MIN), 0) + 1
        backward = max(int(-(offsets[i] + least) / RESONANCE_STEP_MIN), 0) + 1
        resonant = p[RESONANCE] > 0.0
        ahead = np.empty((forward if resonant else 1, KNOT))
        behind = np.empty((backward if resonant else 1, KNOT))
        if resonant:
            _integrate_resonance(p, RESONANCE_STEP_MIN, ahead)
            _integrate_resonance(p, -RESONANCE_STEP_MIN, behind)
        longest = max(abs(offsets[i] + least), abs(offsets[i] + most))
        swing = max(abs((1.0 + p[ETA]) ** 3 - p[DELMO]), abs((1.0 - p[ETA]) ** 3 - p[DELMO]))
        small = abs(p[OMGCOF]) * longest + abs(p[XMCOF]) * swing < 0.1
        uniform = equal and small and abs(p[NODECF]) * longest * longest < 0.08
        if uniform:
            _turns_of_a_block(p, step, turns)
        for start in range(0, m, BLOCK):
            count = min(BLOCK, m - start)
            for j in range(count):
                w[T + j] = offsets[i] + minutes[start + j]
            for j in range(count, BLOCK):
                w[T + j] = w[T]
            _propagate_block(p, w, turns, uniform and count == BLOCK, ahead, behind)
            bad = 0
            for j in range(BLOCK):
                bad |= 1 if w[ERROR + j] != 0.0 else 0
            if bad != 0:
                for j in range(BLOCK):
                    if w[ERROR + j] != 0.0:
                        for k in range(6):
                            w[X + BLOCK * k + j] = np.nan
            for k in range(6):
                row = out[i, k, start : start + count]
                for j in range(count):
                    row[j] = w[X + BLOCK * k + j]
            for j in range(count):
                error[i, start + j] = np.uint8(w[ERROR + j]) if bad != 0 else np.uint8(0)
