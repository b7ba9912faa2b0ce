"""Slow twins of the orbit kernels: positions by python-sgp4, passes by sampling every few seconds and bisecting.

Written from definitions only: the angle of the Earth from GMST 1982 and a given UT1−UTC, elevation from the
angle between zenith and line of sight. Shares nothing with ``agent.orbit`` but the values of an element set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sgp4.api import WGS72, Satrec

from agent.orbit.elements import MeanElements
from agent.records import Station

Floats = NDArray[np.float64]
DAY_S = 86_400.0
JD_1970 = 2_440_587.5


def satrec(elements: MeanElements) -> Satrec:
    """Give a set to python-sgp4."""
    satellite = Satrec()
    days = elements.epoch_utc_ns / 1e9 / DAY_S + JD_1970 - 2_433_281.5
    satellite.sgp4init(
        WGS72,
        "i",
        0,
        days,
        elements.bstar,
        0.0,
        0.0,
        elements.eccentricity,
        math.radians(elements.argument_of_perigee_deg),
        math.radians(elements.inclination_deg),
        math.radians(elements.mean_anomaly_deg),
        elements.mean_motion_rev_d * 2 * math.pi / 1440.0,
        math.radians(elements.raan_deg),
    )
    return satellite


def gmst_rad(ut1_s: Floats) -> Floats:
    """Greenwich mean sidereal time of 1982 at UT1 seconds since 1970."""
    t = ((ut1_s / DAY_S) + JD_1970 - 2_451_545.0) / 36_525.0
    degrees = (67310.54841 + (876600.0 * 3600.0 + 8640184.812866) * t + 0.093104 * t**2 - 6.2e-6 * t**3) / 240.0
    return np.asarray(np.radians(degrees % 360.0))


def elevation_of(
    elements: MeanElements,
    station: Station,
    start_utc_s: float,
    *,
    dut1_s: float,
    pole_rad: tuple[float, float] = (0.0, 0.0),
) -> Callable[[Floats], Floats]:
    """Return a function of seconds after a start that gives elevation in degrees (NaN where SGP4 fails)."""
    satellite = satrec(elements)
    epoch_s = elements.epoch_utc_ns / 1e9
    latitude, longitude = math.radians(station.latitude_deg), math.radians(station.longitude_deg)
    a, f = 6378.137, 1 / 298.257223563
    e2 = f * (2 - f)
    n = a / math.sqrt(1 - e2 * math.sin(latitude) ** 2)
    h = station.altitude_m / 1000
    place = np.array(
        [
            (n + h) * math.cos(latitude) * math.cos(longitude),
            (n + h) * math.cos(latitude) * math.sin(longitude),
            (n * (1 - e2) + h) * math.sin(latitude),
        ]
    )
    zenith = np.array(
        [
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        ]
    )
    place, zenith = _without_pole(place, pole_rad), _without_pole(zenith, pole_rad)
    # Two-part dates, so that python-sgp4 sees times to a nanosecond.
    whole = satellite.jdsatepoch
    part0 = satellite.jdsatepochF

    def elevation(seconds: Floats) -> Floats:
        seconds = np.atleast_1d(np.asarray(seconds, dtype=np.float64))
        part = part0 + (seconds + (start_utc_s - epoch_s)) / DAY_S
        error, position, _ = satellite.sgp4_array(np.full_like(part, whole), part)
        angle = gmst_rad(start_utc_s + seconds + dut1_s)
        x = np.cos(angle) * position[:, 0] + np.sin(angle) * position[:, 1]
        y = np.cos(angle) * position[:, 1] - np.sin(angle) * position[:, 0]
        line = np.stack([x, y, position[:, 2]], axis=1) - place
        sine = line @ zenith / np.linalg.norm(line, axis=1)
        return np.where(error == 0, np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))), np.nan)

    return elevation


def _without_pole(vector: Floats, pole_rad: tuple[float, float]) -> Floats:
    """Turn an ITRF vector about the x and y of the pole into the frame that sidereal time turns."""
    x, y = pole_rad
    return vector + np.array([-x * vector[2], y * vector[2], x * vector[0] - y * vector[1]])


def _bisect(function: Callable[[Floats], Floats], low: float, high: float) -> float:
    rising = float(function(np.array([high]))[0]) > 0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if (float(function(np.array([middle]))[0]) > 0) == rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def _peak(function: Callable[[Floats], Floats], low: float, high: float) -> float:
    """Find a maximum by trisection in bulk."""
    for _ in range(12):
        grid = np.linspace(low, high, 21)
        values = function(grid)
        at = int(np.nanargmax(values))
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, 20)]
    return 0.5 * (low + high)


def true_passes(
    elevation: Callable[[Floats], Floats], window_s: float, threshold_deg: float, step_s: float
) -> list[tuple[float | None, float, float | None, float]]:
    """Return (AOS, TCA, LOS, maximum elevation) of each pass, times in seconds after the start.

    Samples every ``step_s``, and looks closer at every local maximum just below the threshold.
    """
    grid = np.arange(0.0, window_s, step_s)
    grid = np.append(grid, window_s)
    values = elevation(grid) - threshold_deg

    def above(seconds: Floats) -> Floats:
        return elevation(seconds) - threshold_deg

    nodes = list(zip(grid.tolist(), values.tolist(), strict=True))
    inner = values[1:-1]
    for at in np.flatnonzero((inner <= 0) & (inner >= values[:-2]) & (inner >= values[2:])) + 1:
        top = _peak(above, grid[at - 1], grid[at + 1])
        nodes.append((top, float(above(np.array([top]))[0])))
    for at in np.flatnonzero((inner > 0) & (inner <= values[:-2]) & (inner <= values[2:])) + 1:
        low = _peak(lambda s: -above(s), grid[at - 1], grid[at + 1])
        nodes.append((low, float(above(np.array([low]))[0])))
    nodes.sort()
    passes = []
    begin: float | None = None
    up = nodes[0][1] > 0
    for (t0, v0), (t1, v1) in pairwise(nodes):
        if (v0 > 0) == (v1 > 0):
            continue
        crossing = _bisect(above, t0, t1)
        if up:
            passes.append((begin, crossing))
        else:
            begin = crossing
        up = not up
    result: list[tuple[float | None, float, float | None, float]] = []
    spans: list[tuple[float | None, float | None]] = [*passes]
    if up:
        spans.append((begin, None))
    for aos, los in spans:
        first, last = aos if aos is not None else 0.0, los if los is not None else window_s
        dense = np.linspace(first, last, max(50, int((last - first) / 10.0)))
        at = int(np.argmax(elevation(dense)))
        tca = _peak(elevation, dense[max(at - 1, 0)], dense[min(at + 1, len(dense) - 1)])
        result.append((aos, tca, los, float(elevation(np.array([tca]))[0])))
    return result
