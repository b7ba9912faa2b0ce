"""The kernel that finds passes on a coarse grid of positions, exactly.

Elevation above e₀ is rewritten as g > 0 with a g that is as smooth as the orbit (no absolute value, no peak at
culmination)::

    c = s·u,  s' = s − c u      s station, u its zenith, r satellite, all in the Earth's frame
    g = r·u − c cos²e₀ − sin e₀ √(|r|² − 2 r·s' + |s|² − c² (1 + cos² e₀))

which has the sign of (elevation − e₀) for every e₀ in −90…90°. A g so smooth may be sampled every few minutes and
interpolated by ten points to centimetres; crossings and extrema are then those of a polynomial, and a pass between
two samples shows as a local maximum. Knows only arrays; one grid point is one unit of time.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 10
"""Points of an interpolation, five on either side."""
PAD = 5
"""Grid points wanted before and after the window."""
STATION = 17
"""c, s' (3), |s|² − c², east (3), north (3), up (3), s (3): the columns of a station's row."""
ROW = 10
"""satellite, station, aos, tca, los, maximum elevation, azimuths of the three, whole window: a pass's row."""

# Only what Python calls has a signature. Helpers take their types from it and are compiled into it: loading each
# of them from the cache as well would double the start of the process.
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract"}}


def _basis() -> Floats:
    """Return the matrix whose rows, times ten values at −4.5 … 4.5, add up to monomial coefficients."""
    nodes = np.arange(POINTS) - (POINTS - 1) / 2
    return np.ascontiguousarray(np.linalg.inv(np.vander(nodes, increasing=True)).T)


BASIS = _basis()


@njit(**OPTIONS)
def _fit(values: Floats, first: int, out: Floats) -> None:
    """Make the polynomial through ``values[first : first + 10]``, centred between the fifth and the sixth."""
    for k in range(POINTS):
        out[k] = 0.0
    for j in range(POINTS):
        value = values[first + j]
        for k in range(POINTS):
            out[k] += BASIS[j, k] * value


@njit(**OPTIONS)
def _value(poly: Floats, x: float) -> tuple[float, float]:
    """Evaluate a polynomial and its derivative."""
    value, slope = poly[POINTS - 1], 0.0
    for k in range(POINTS - 2, -1, -1):
        slope = slope * x + value
        value = value * x + poly[k]
    return value, slope


@njit(**OPTIONS)
def _root(poly: Floats, low: float, high: float) -> float:
    """Find the sign change between ``low`` and ``high``: Newton's steps inside a bracket that bisects."""
    at_low, _ = _value(poly, low)
    x: float = 0.5 * (low + high)
    for _ in range(60):
        value, slope = _value(poly, x)
        if (value > 0.0) == (at_low > 0.0):
            low = x
        else:
            high = x
        following: float = x - value / slope
        if not (low < following < high):
            following = 0.5 * (low + high)
        if abs(following - x) < 1e-10:
            return following
        x = following
    return x


@njit(**OPTIONS)
def _extremum(poly: Floats, low: float, high: float) -> float:
    """Find where the slope changes its sign between ``low`` and ``high``, by bisection and secants."""
    _, slope_low = _value(poly, low)
    _, slope_high = _value(poly, high)
    x: float = low
    for _ in range(60):
        x = low - slope_low * (high - low) / (slope_high - slope_low)
        if not (low < x < high):
            x = 0.5 * (low + high)
        _, slope = _value(poly, x)
        if slope == 0.0:
            return x
        if (slope > 0.0) == (slope_low > 0.0):
            moved, low, slope_low = x - low, x, slope
            slope_high *= 0.5
        else:
            moved, high, slope_high = high - x, x, slope
            slope_low *= 0.5
        if moved < 1e-9 or high - low < 1e-9:
            return x
    return x


@njit(**OPTIONS)
def _look(enu: Floats, x: float) -> tuple[float, float, float, float]:
    """Return sine of elevation, its rate (up to a positive factor), east and north at ``x``."""
    east, east_rate = _value(enu[0], x)
    north, north_rate = _value(enu[1], x)
    up, up_rate = _value(enu[2], x)
    square = east * east + north * north + up * up
    rate = up_rate * square - up * (east * east_rate + north * north_rate + up * up_rate)
    return up / math.sqrt(square), rate, east, north


@njit(**OPTIONS)
def _azimuth(east: float, north: float) -> float:
    degrees: float = math.degrees(math.atan2(east, north))
    return degrees + 360.0 if degrees < 0.0 else degrees


@njit(**OPTIONS)
def _stencil(at: float, low: int, high: int) -> int:
    """Return the first of the ten grid points around ``at`` that lie in ``low … high``."""
    first = math.floor(at) - (POINTS // 2 - 1)
    return max(low, min(first, high - POINTS))


@njit(**OPTIONS)
def _fit_enu(grid: Floats, station: Floats, first: int, values: Floats, enu: Floats) -> None:
    """Make the polynomials of east, north and up around one interval."""
    for axis in range(3):
        a, b, c = station[5 + 3 * axis], station[6 + 3 * axis], station[7 + 3 * axis]
        constant = a * station[14] + b * station[15] + c * station[16]
        for j in range(POINTS):
            k = first + j
            values[j] = a * grid[0, k] + b * grid[1, k] + c * grid[2, k] - constant
        _fit(values, 0, enu[axis])


@njit(**OPTIONS)
def _sine_at(grid: Floats, station: Floats, k: int) -> float:
    """Return the sine of the elevation at a grid point."""
    x, y, z = grid[0, k] - station[14], grid[1, k] - station[15], grid[2, k] - station[16]
    up: float = station[11] * x + station[12] * y + station[13] * z
    return up / math.sqrt(x * x + y * y + z * z)


@njit(**OPTIONS)
def _culminate(enu: Floats, xl: float, xr: float) -> float:
    """Find where the elevation's rate falls through zero (regula falsi, Illinois); NaN if it does not."""
    _, fl, _, _ = _look(enu, xl)
    _, fr, _, _ = _look(enu, xr)
    if not (fl > 0.0 and fr < 0.0):
        return math.nan
    x = xl
    for _ in range(60):
        x = xl - fl * (xr - xl) / (fr - fl)
        _, f, _, _ = _look(enu, x)
        if f > 0.0:
            step, xl, fl = x - xl, x, f
            fr *= 0.5
        else:
            step, xr, fr = xr - x, x, f
            fl *= 0.5
        if step < 1e-8 or xr - xl < 1e-8:
            break
    return x


@njit(**OPTIONS)
def _describe(
    grid: Floats,
    station: Floats,
    low: int,
    high: int,
    begin: float,
    end: float,
    whole: bool,
    values: Floats,
    enu: Floats,
    row: Floats,
) -> None:
    """Fill maximum elevation, its time and the azimuths of the stretch ``begin … end``.

    The ends and the grid points between them are looked at; around each that is higher than its neighbours the
    polynomials of one stencil find the culmination.
    """
    first = _stencil(end, low, high)
    _fit_enu(grid, station, first, values, enu)
    sine_end, _, east, north = _look(enu, end - first - 0.5 * (POINTS - 1))
    row[8] = _azimuth(east, north)
    first = _stencil(begin, low, high)
    _fit_enu(grid, station, first, values, enu)
    sine_begin, _, east, north = _look(enu, begin - first - 0.5 * (POINTS - 1))
    row[6] = _azimuth(east, north)
    if sine_begin >= sine_end:
        best, best_at, row[7] = sine_begin, begin, row[6]
    else:
        best, best_at, row[7] = sine_end, end, row[8]
    before, before_at, here, here_at = -2.0, begin, sine_begin, begin
    following = math.floor(begin) + 1.0
    while True:
        last = here_at >= end
        after_at = min(following, end)
        after = -2.0
        if not last:
            after = sine_end if after_at >= end else _sine_at(grid, station, int(after_at))
        if here >= before and here >= after:
            first = _stencil(here_at - 0.5, low, high)
            middle = first + 0.5 * (POINTS - 1)
            _fit_enu(grid, station, first, values, enu)
            x = _culminate(enu, before_at - middle, after_at - middle)
            if not math.isnan(x):
                sine, _, east, north = _look(enu, x)
                if sine > best:
                    best, best_at, row[7] = sine, x + middle, _azimuth(east, north)
        if last:
            break
        before, before_at, here, here_at = here, here_at, after, after_at
        following += 1.0
    row[3] = best_at
    row[5] = math.degrees(math.asin(min(1.0, best)))
    row[9] = 1.0 if whole else 0.0


@njit(**OPTIONS)
def _mark(g: Floats, low: int, high: int, start: int, stop: int, marks: NDArray[np.uint8]) -> None:
    """Mark the points before a change of sign, and the local extrema on the wrong side of zero: a vector loop."""
    for j in range(start, stop + 1):
        marks[j] = 0
    for j in range(max(start, low + 1), min(stop, high - 2) + 1):
        before, here, after = g[j - 1], g[j], g[j + 1]
        peak = (here <= 0.0) & (here >= before) & (here >= after)
        dip = (here > 0.0) & (here <= before) & (here <= after)
        crossing = (after > 0.0) != (here > 0.0)
        marks[j] = 1 if peak | dip | crossing else 0
    # At the ends of what may be used only a crossing can be told.
    if start <= low < stop:
        marks[low] = 1
    if stop > high - 2 >= start:
        marks[high - 2] = 1


@njit(
    int64(
        float64[:, :, ::1],
        float64[::1],
        float64[::1],
        int64[:, ::1],
        float64[:, ::1],
        float64[::1],
        float64[:, ::1],
    ),
    **OPTIONS,
)
def find_passes(
    states: Floats,
    cosine: Floats,
    sine: Floats,
    usable: NDArray[np.int64],
    stations: Floats,
    sin_threshold: Floats,
    rows: Floats,
) -> int:
    """Find every pass of every satellite over every station.

    ``states`` is float64[s, 6, n] in TEME, turned into the Earth's frame by the angle whose ``cosine`` and
    ``sine`` are float64[n]. ``usable`` int64[s, 4]: first and end of the points that may be used, first and
    last point of the window. ``stations`` float64[k, STATION]; ``sin_threshold`` the sine of e₀ of each.
    Fills ``rows`` float64[c, ROW], times in grid points, a missing AOS or LOS as NaN. Returns the number of
    passes, which may be larger than c: call again with as many rows.
    """
    n = states.shape[2]
    grid = np.empty((3, n))
    square = np.empty(n)
    g = np.empty(n)
    poly = np.empty(POINTS)
    values = np.empty(POINTS)
    enu = np.empty((3, POINTS))
    spare = np.empty(ROW)
    marks = np.zeros(n, dtype=np.uint8)
    found = 0
    for i in range(states.shape[0]):
        low, high, start, stop = usable[i, 0], usable[i, 1], usable[i, 2], usable[i, 3]
        if high - low < POINTS or stop <= start:
            continue
        px, py, pz = states[i, 0], states[i, 1], states[i, 2]
        for j in range(n):
            x, y, z = px[j], py[j], pz[j]
            grid[0, j] = cosine[j] * x + sine[j] * y
            grid[1, j] = cosine[j] * y - sine[j] * x
            grid[2, j] = z
            square[j] = x * x + y * y + z * z
        for k in range(stations.shape[0]):
            station = stations[k]
            sigma = sin_threshold[k]
            c, rest = station[0], station[4]
            ux, uy, uz = station[11], station[12], station[13]
            if sigma == 0.0:
                for j in range(n):
                    g[j] = ux * grid[0, j] + uy * grid[1, j] + uz * grid[2, j] - c
            else:
                cos2 = 1.0 - sigma * sigma
                constant = rest - c * c * cos2
                sx, sy, sz = 2.0 * station[1], 2.0 * station[2], 2.0 * station[3]
                for j in range(n):
                    x, y, z = grid[0, j], grid[1, j], grid[2, j]
                    under = square[j] - (sx * x + sy * y + sz * z) + constant
                    g[j] = ux * x + uy * y + uz * z - c * cos2 - sigma * np.sqrt(max(under, 0.0))
            _mark(g, low, high, start, stop, marks)
            up = g[start] > 0.0
            begin = math.nan
            for j in range(start, stop + 1):
                if marks[j] == 0:
                    continue
                here = g[j]
                # At most two events belong to a point: a dip or a peak around it, or one crossing after it.
                events, first_event, second_event = 0, 0.0, 0.0
                if low < j < high - 1:
                    before, after = g[j - 1], g[j + 1]
                    peak = (not up) and here >= before and here >= after and before <= 0.0 and after <= 0.0
                    dip = up and here <= before and here <= after and before > 0.0 and after > 0.0
                    if peak or dip:
                        bend = before - 2.0 * here + after
                        slope = 0.5 * (after - before)
                        vertex = here - 0.5 * slope * slope / bend if bend != 0.0 else here
                        # The parabola is wrong by 2 % of its bend at these steps: five times that is looked at.
                        margin = 0.1 * abs(bend)
                        if (vertex + margin > 0.0) if peak else (vertex - margin <= 0.0):
                            first = _stencil(float(j), low, high)
                            middle = first + 0.5 * (POINTS - 1)
                            _fit(g, first, poly)
                            x = _extremum(poly, j - 1 - middle, j + 1 - middle)
                            at, _ = _value(poly, x)
                            if (at > 0.0) != up and start < x + middle < stop:
                                left = max(j - 1, start) - middle
                                right = min(j + 1, stop) - middle
                                first_event = _root(poly, left, x) + middle
                                second_event = _root(poly, x, right) + middle
                                events = 2
                if events == 0 and j < stop and (g[j + 1] > 0.0) != up:
                    first = _stencil(float(j), low, high)
                    middle = first + 0.5 * (POINTS - 1)
                    _fit(g, first, poly)
                    first_event = _root(poly, j - middle, j + 1 - middle) + middle
                    events = 1
                for e in range(events):
                    at = first_event if e == 0 else second_event
                    if up:
                        row = rows[found] if found < rows.shape[0] else spare
                        whole = math.isnan(begin)
                        row[0], row[1], row[2], row[4] = i, k, begin, at
                        _describe(
                            grid, station, low, high, float(start) if whole else begin, at, False, values, enu, row
                        )
                        found += 1
                    else:
                        begin = at
                    up = not up
            if up:
                row = rows[found] if found < rows.shape[0] else spare
                whole = math.isnan(begin)
                row[0], row[1], row[2], row[4] = i, k, begin, math.nan
                _describe(
                    grid, station, low, high, float(start) if whole else begin, float(stop), whole, values, enu, row
                )
                found += 1
    return found
