"""SGP4 and SDP4 for many satellites at many times: elements in, TEME position and velocity out.

The initialisation (mean motion un-Kozai'd, drag and secular rates) is NumPy over all satellites at once; the
propagation is a Numba kernel that takes blocks of 64 times, chosen so that every inner loop is a vector loop.
Knows the near-earth theory; what the Sun, the Moon and resonances add is ``deep_space``'s. Knows no frame but
TEME. Source: Spacetrack Report No. 3; Vallado, Crawford, Hujsak, Kelso, "Revisiting Spacetrack Report #3",
AIAA 2006-6753, whose variable names are kept where a name must be looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit import constants as c
from agent.orbit.elements import NS_PER_DAY, NS_PER_MINUTE, MeanElements
from agent.records import UtcNs

Floats: TypeAlias = NDArray[np.float64]

ERRORS: Mapping[int, str] = MappingProxyType(
    {
        1: "mean eccentricity out of range",
        2: "mean motion not positive",
        3: "eccentricity perturbed out of range",
        4: "semi-latus rectum negative",
        6: "decayed",
    }
)
"""Error codes of AIAA 2006-6753; code 5 is not given by the theory any more."""

JANUARY_0_1900_UTC_NS = -2_209_032_000_000_000_000
"""1899-12-31T12:00, the noon from which the theory of the Sun and Moon counts its days."""


@dataclass(frozen=True, slots=True, eq=False)
class Satellites:
    """Satellites ready to be propagated.

    ``table`` is float64[n, COLUMNS], one row of initialised constants a satellite; ``error`` uint8[n] is not
    zero where the elements cannot be propagated at all.
    """

    elements: tuple[MeanElements, ...]
    table: Floats
    epoch_utc_ns: NDArray[np.int64]
    error: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.elements)


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """TEME states: ``km`` is float64[n, 6, m] (x y z in km, then km/s), ``error`` uint8[n, m]; NaN where not 0."""

    km: Floats
    error: NDArray[np.uint8]

    @property
    def position_km(self) -> Floats:
        """Positions, float64[n, 3, m]."""
        return self.km[:, :3]

    @property
    def velocity_km_s(self) -> Floats:
        """Velocities, float64[n, 3, m]."""
        return self.km[:, 3:]


def _kepler_steps(eccentricity: Floats) -> Floats:
    """Count the Halley steps after which Kepler's equation is solved to the last bits, for each eccentricity.

    Steps of third order from the mean longitude; the bounds were found by trying every anomaly on a fine grid
    (``tests/orbit/test_sgp4.py``) and hold with one step to spare.
    """
    bounds = np.array([0.02, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95])
    steps = np.array([2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 12.0])
    return steps[np.searchsorted(bounds, eccentricity)]


def initialise(elements: Sequence[MeanElements]) -> Satellites:
    """Compute everything that does not depend on time."""
    from agent.orbit.deep_space import fill_deep_space

    sets = tuple(elements)
    count = len(sets)
    table = np.zeros((count, c.COLUMNS))
    error = np.zeros(count, dtype=np.uint8)
    epoch = np.array([s.epoch_utc_ns for s in sets], dtype=np.int64)
    raw = np.array(
        [
            (
                s.mean_motion_rev_d,
                s.eccentricity,
                s.inclination_deg,
                s.raan_deg,
                s.argument_of_perigee_deg,
                s.mean_anomaly_deg,
                s.bstar,
            )
            for s in sets
        ],
        dtype=np.float64,
    ).reshape(count, 7)
    with np.errstate(all="ignore"):
        _fill_near_earth(table, raw)
        deep = np.flatnonzero(2 * np.pi / table[:, c.N0] >= c.DEEP_SPACE_PERIOD_MIN)
        if deep.size:
            fill_deep_space(table, deep, (epoch[deep] - JANUARY_0_1900_UTC_NS) / NS_PER_DAY, epoch[deep])
    error[~np.isfinite(table).all(axis=1)] = 4
    error[table[:, c.N0] <= 0.0] = 2
    return Satellites(sets, table, epoch, error)


def _fill_near_earth(table: Floats, raw: Floats) -> None:
    """Fill the columns both theories share and the drag terms of the near-earth one (AIAA 2006-6753, app. B)."""
    kozai = raw[:, 0] * (2 * np.pi / 1440.0)
    ecc, bstar = raw[:, 1], raw[:, 6]
    inclination, node, argp, mean = (np.radians(raw[:, k]) for k in (2, 3, 4, 5))
    cosi, sini = np.cos(inclination), np.sin(inclination)
    cosi2, beta2 = cosi**2, 1.0 - ecc**2
    cosi4, beta = cosi2**2, np.sqrt(beta2)
    con41, con42, x1mth2 = 3.0 * cosi2 - 1.0, 1.0 - 5.0 * cosi2, 1.0 - cosi2

    # Brouwer's mean motion from Kozai's.
    a1 = (c.XKE / kozai) ** (2 / 3)
    d1 = 0.75 * c.J2 * con41 / (beta * beta2)
    delta = d1 / a1**2
    a_del = a1 * (1.0 - delta**2 - delta * (1 / 3 + 134.0 * delta**2 / 81.0))
    n0 = kozai / (1.0 + d1 / a_del**2)
    a0 = (c.XKE / n0) ** (2 / 3)
    perigee_km = (a0 * (1.0 - ecc) - 1.0) * c.EARTH_RADIUS_KM

    # The atmosphere's fitting parameter s, lowered for low perigees.
    s_km = np.where(perigee_km < 98.0, 20.0, np.where(perigee_km < 156.0, perigee_km - 78.0, 78.0))
    qoms24 = ((120.0 - s_km) / c.EARTH_RADIUS_KM) ** 4
    s4 = s_km / c.EARTH_RADIUS_KM + 1.0
    tsi = 1.0 / (a0 - s4)
    eta = a0 * ecc * tsi
    eta2, eeta = eta**2, ecc * eta
    psi2 = np.abs(1.0 - eta2)
    coef = qoms24 * tsi**4
    coef1 = coef / psi2**3.5
    cc2 = (
        coef1
        * n0
        * (
            a0 * (1.0 + 1.5 * eta2 + eeta * (4.0 + eta2))
            + 0.375 * c.J2 * tsi / psi2 * con41 * (8.0 + 3.0 * eta2 * (8.0 + eta2))
        )
    )
    cc1 = bstar * cc2
    eccentric = ecc > 1.0e-4
    divisor = np.where(eccentric, ecc, 1.0)
    cc3 = np.where(eccentric, -2.0 * coef * tsi * c.J3_OVER_J2 * n0 * sini / divisor, 0.0)
    cc4 = (
        2.0
        * n0
        * coef1
        * a0
        * beta2
        * (
            eta * (2.0 + 0.5 * eta2)
            + ecc * (0.5 + 2.0 * eta2)
            - c.J2
            * tsi
            / (a0 * psi2)
            * (
                -3.0 * con41 * (1.0 - 2.0 * eeta + eta2 * (1.5 - 0.5 * eeta))
                + 0.75 * x1mth2 * (2.0 * eta2 - eeta * (1.0 + eta2)) * np.cos(2.0 * argp)
            )
        )
    )
    cc5 = 2.0 * coef1 * a0 * beta2 * (1.0 + 2.75 * (eta2 + eeta) + eeta * eta2)

    # Secular rates of J2 and J4.
    inverse_p2 = 1.0 / (a0 * beta2) ** 2
    g1 = 1.5 * c.J2 * inverse_p2 * n0
    g2 = 0.5 * g1 * c.J2 * inverse_p2
    g3 = -0.46875 * c.J4 * inverse_p2**2 * n0
    mdot = n0 + 0.5 * g1 * beta * con41 + 0.0625 * g2 * beta * (13.0 - 78.0 * cosi2 + 137.0 * cosi4)
    argpdot = (
        -0.5 * g1 * con42
        + 0.0625 * g2 * (7.0 - 114.0 * cosi2 + 395.0 * cosi4)
        + g3 * (3.0 - 36.0 * cosi2 + 49.0 * cosi4)
    )
    node1 = -g1 * cosi
    nodedot = node1 + (0.5 * g2 * (4.0 - 19.0 * cosi2) + 2.0 * g3 * (3.0 - 7.0 * cosi2)) * cosi

    # Below 220 km, and in deep space, the drag is cut after its first term.
    full = (perigee_km >= 220.0) & (2 * np.pi / n0 < c.DEEP_SPACE_PERIOD_MIN)
    d2 = 4.0 * a0 * tsi * cc1**2
    shared = d2 * tsi * cc1 / 3.0
    d3 = (17.0 * a0 + s4) * shared
    d4 = 0.5 * shared * a0 * tsi * (221.0 * a0 + 31.0 * s4) * cc1
    higher = {
        c.ETA: eta,
        c.OMGCOF: bstar * cc3 * np.cos(argp),
        c.XMCOF: np.where(eccentric, -2 / 3 * coef * bstar / np.where(eccentric, eeta, 1.0), 0.0),
        c.DELMO: (1.0 + eta * np.cos(mean)) ** 3,
        c.SINMAO: np.sin(mean),
        c.BCC5: bstar * cc5,
        c.D2: d2,
        c.D3: d3,
        c.D4: d4,
        c.T3COF: d2 + 2.0 * cc1**2,
        c.T4COF: 0.25 * (3.0 * d3 + cc1 * (12.0 * d2 + 10.0 * cc1**2)),
        c.T5COF: 0.2 * (3.0 * d4 + 12.0 * cc1 * d3 + 6.0 * d2**2 + 15.0 * cc1**2 * (2.0 * d2 + cc1**2)),
    }
    always = {
        c.E0: ecc,
        c.I0: inclination,
        c.M0: mean,
        c.ARGP0: argp,
        c.N0: n0,
        c.A0: a0,
        c.BSTAR: bstar,
        c.MDOT: mdot,
        c.ARGPDOT: argpdot,
        c.NODEDOT: nodedot,
        c.NODE0: node,
        c.NODECF: 3.5 * beta2 * node1 * cc1,
        c.CC1: cc1,
        c.BCC4: bstar * cc4,
        c.T2COF: 1.5 * cc1,
        c.AYCOF: -0.5 * c.J3_OVER_J2 * sini,
        c.XLCOF: long_period_coefficient(cosi, sini),
        c.COSI: cosi,
        c.SINI: sini,
        c.KEPLER_STEPS: _kepler_steps(ecc),
        c.LARGE_E: (ecc > 0.08).astype(np.float64),
    }
    for column, values in always.items():
        table[:, column] = values
    for column, values in higher.items():
        table[:, column] = np.where(full, values, 0.0)


def long_period_coefficient(cosi: Floats, sini: Floats) -> Floats:
    """Coefficient of the long-period term in the mean longitude; the divisor is kept off zero at 180°."""
    divisor = np.where(np.abs(cosi + 1.0) > 1.5e-12, 1.0 + cosi, 1.5e-12)
    return np.asarray(-0.25 * c.J3_OVER_J2 * sini * (3.0 + 5.0 * cosi) / divisor)


def propagate(satellites: Satellites, times_utc_ns: NDArray[np.int64], out: States | None = None) -> States:
    """Propagate every satellite to every time.

    ``out`` takes arrays of an earlier call of the same shape: the first touch of large arrays costs more than
    the propagation. Times are UTC, and leap seconds between the epoch and the time are not counted, as in
    every other implementation that elements are made for.
    """
    times = np.ascontiguousarray(times_utc_ns, dtype=np.int64)
    reference = int(times[0]) if times.size else 0
    minutes = (times - reference) / NS_PER_MINUTE
    return propagate_minutes(satellites, minutes, reference, out)


def propagate_minutes(
    satellites: Satellites,
    minutes: Floats,
    reference_utc_ns: UtcNs,
    out: States | None = None,
) -> States:
    """Propagate to ``minutes`` after ``reference_utc_ns``, float64[m]."""
    from agent.orbit.kernels import propagate_states

    n, m = len(satellites), len(minutes)
    states = out if out is not None else States(np.empty((n, 6, m)), np.empty((n, m), dtype=np.uint8))
    if states.km.shape != (n, 6, m):
        raise ValueError(f"the states to fill have shape {states.km.shape}, {(n, 6, m)} is needed")
    if n and m:
        offsets = (reference_utc_ns - satellites.epoch_utc_ns) / NS_PER_MINUTE
        propagate_states(satellites.table, offsets, np.ascontiguousarray(minutes), states.km, states.error)
        bad = satellites.error != 0
        if bad.any():
            states.km[bad] = np.nan
            states.error[bad] = satellites.error[bad][:, None]
    return states
