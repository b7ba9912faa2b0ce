"""Satellites sampled on uniform grids, station by station searched: arrays of passes, no records yet.

A grid is just fine enough for ten-point interpolation (minutes in LEO, half an hour in GEO) and shared by all
satellites of like motion and by all stations. Knows Satellites and places; knows no names and makes no text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit import constants as c
from agent.orbit.frames import earth_rotation_rad, enu_matrix, geodetic_to_ecef_km, polar_motion_matrix
from agent.orbit.sgp4 import Satellites, States, propagate_minutes
from agent.records import Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

SATELLITES_A_BATCH = 32
"""Positions of a batch stay in the second-level cache of a Pi for a day, and in 30 MB for a week of Molniya."""

PHASE_STEP_RAD = 0.25
"""Mean anomaly between grid points: ten points then reproduce a circular orbit to 5 mm."""
PERIGEE_STEP = 0.1
"""Grid step as a part of the distance, in complex time, to the singularity of Kepler's equation near perigee."""
LONGEST_STEP_S = 2700.0
NONE_NS = np.iinfo(np.int64).min
"""Stands in arrays for the time of an AOS or LOS outside the window."""


@dataclass(frozen=True, slots=True, eq=False)
class PassArrays:
    """Passes as columns, each [count]; ``azimuth_deg`` float64[count, 3] at AOS, TCA and LOS.

    ``aos_utc_ns`` and ``los_utc_ns`` are ``NONE_NS`` where the pass is cut by the window.
    """

    satellite: Integers
    station: Integers
    aos_utc_ns: Integers
    tca_utc_ns: Integers
    los_utc_ns: Integers
    max_elevation_deg: Floats
    azimuth_deg: Floats
    always_up: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.satellite)

    def in_order(self) -> PassArrays:
        """Sort by station, then by time of rising (those already up first)."""
        order = np.lexsort((self.tca_utc_ns, self.aos_utc_ns, self.station))
        return PassArrays(
            self.satellite[order],
            self.station[order],
            self.aos_utc_ns[order],
            self.tca_utc_ns[order],
            self.los_utc_ns[order],
            self.max_elevation_deg[order],
            self.azimuth_deg[order],
            self.always_up[order],
        )


def joined(parts: Sequence[PassArrays]) -> PassArrays:
    """Put arrays of passes one behind another."""
    if not parts:
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return PassArrays(none, none, none, none, none, nothing, np.empty((0, 3)), np.empty(0, dtype=np.bool_))
    return PassArrays(
        np.concatenate([p.satellite for p in parts]),
        np.concatenate([p.station for p in parts]),
        np.concatenate([p.aos_utc_ns for p in parts]),
        np.concatenate([p.tca_utc_ns for p in parts]),
        np.concatenate([p.los_utc_ns for p in parts]),
        np.concatenate([p.max_elevation_deg for p in parts]),
        np.concatenate([p.azimuth_deg for p in parts]),
        np.concatenate([p.always_up for p in parts]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Satellites of one grid step, sampled; ``members`` are their places in the list they came from.

    ``usable`` int64[n, 4]: first and end of the points without error around the window's start, first and last
    point of the window (the last moved to where the errors begin).
    """

    members: NDArray[np.intp]
    satellites: Satellites
    states: States
    grid_start_utc_ns: UtcNs
    step_s: float
    cosine: Floats
    sine: Floats
    usable: Integers

    def utc_ns(self, at: float) -> UtcNs:
        """Return the time of a grid point."""
        return self.grid_start_utc_ns + round(at * self.step_s * 1e9)

    def enu_km(self, index: int, station: Station) -> Floats:
        """Return east, north and up of one satellite at the window's grid points, float64[3, m]."""
        row = station_row(station, self.grid_start_utc_ns)
        start, stop = int(self.usable[index, 2]), int(self.usable[index, 3]) + 1
        x, y, z = self.states.km[index, :3, start:stop]
        cosine, sine = self.cosine[start:stop], self.sine[start:stop]
        fixed = np.stack([cosine * x + sine * y, cosine * y - sine * x, z]) - row[14:17, None]
        return np.asarray(row[5:14].reshape(3, 3) @ fixed)


def grid_steps_s(table: Floats) -> Floats:
    """Return the longest step for each satellite at which ten points interpolate its motion to centimetres."""
    n, e = table[:, c.N0] / 60.0, np.clip(table[:, c.E0], 1e-6, 0.999)
    singularity = (np.arccosh(1.0 / e) - np.sqrt(1.0 - e**2)) / n
    return np.asarray(np.minimum(np.minimum(PHASE_STEP_RAD / n, PERIGEE_STEP * singularity), LONGEST_STEP_S))


def station_row(station: Station, utc_ns: UtcNs) -> Floats:
    """Return what the search needs of a station: turned by the pole, so that satellites need not be."""
    pole = polar_motion_matrix(utc_ns)
    place = geodetic_to_ecef_km(station.latitude_deg, station.longitude_deg, station.altitude_m) @ pole
    enu = enu_matrix(station.latitude_deg, station.longitude_deg) @ pole
    along = float(place @ enu[2])
    across = place - along * enu[2]
    return np.concatenate([[along], across, [place @ place - along**2], enu.ravel(), place])


def sampled(satellites: Satellites, start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> Iterator[Batch]:
    """Group the satellites by grid step and sample each group; arrays of one batch are reused by the next."""
    from agent.orbit.search.kernels import PAD

    good = np.flatnonzero(satellites.error == 0)
    if not good.size:
        return
    # A ladder of steps, four to the octave, lets satellites share a grid and its sines.
    steps = 2.0 ** (np.floor(4.0 * np.log2(grid_steps_s(satellites.table[good]))) / 4.0)
    window_s = (end_utc_ns - start_utc_ns) / 1e9
    for step in np.unique(steps):
        intervals = max(1, math.ceil(window_s / step))
        exact_s = window_s / intervals
        n = intervals + 1 + 2 * PAD
        grid_start = start_utc_ns - round(PAD * exact_s * 1e9)
        offsets_s = np.arange(n) * exact_s
        angle = earth_rotation_rad(grid_start + np.rint(offsets_s * 1e9).astype(np.int64))
        cosine, sine = np.cos(angle), np.sin(angle)
        members = good[steps == step]
        filled: States | None = None
        for first in range(0, members.size, SATELLITES_A_BATCH):
            rows = members[first : first + SATELLITES_A_BATCH]
            chosen = Satellites(
                tuple(satellites.elements[i] for i in rows),
                np.ascontiguousarray(satellites.table[rows]),
                satellites.epoch_utc_ns[rows],
                satellites.error[rows],
            )
            if filled is not None and len(filled.km) != rows.size:
                filled = None
            filled = propagate_minutes(chosen, offsets_s / 60.0, grid_start, filled)
            usable = np.empty((rows.size, 4), dtype=np.int64)
            usable[:] = 0, n, PAD, PAD + intervals
            for index in np.flatnonzero(filled.error.any(axis=1)):
                usable[index] = _usable(filled.error[index], PAD, PAD + intervals)
            yield Batch(rows, chosen, filled, grid_start, exact_s, cosine, sine, usable)


def _usable(error: NDArray[np.uint8], start: int, stop: int) -> tuple[int, int, int, int]:
    """Return the run of good points that holds the window's start, and the window cut to it."""
    if error[start]:
        return 0, 0, start, start
    bad = np.flatnonzero(error)
    before, after = bad[bad < start], bad[bad > start]
    low = int(before[-1]) + 1 if before.size else 0
    high = int(after[0]) if after.size else len(error)
    return low, high, start, min(stop, high - 1)


def search_batch(batch: Batch, stations: Sequence[Station], min_elevation_deg: float) -> PassArrays:
    """Find the passes of one batch."""
    from agent.orbit.search.kernels import ROW, find_passes

    table = np.array([station_row(station, batch.grid_start_utc_ns) for station in stations])
    threshold = np.full(len(stations), math.sin(math.radians(min_elevation_deg)))
    window_s = batch.step_s * len(batch.cosine)
    capacity = int(len(batch.satellites) * len(stations) * (2 + window_s / 7200.0))
    while True:
        rows = np.empty((capacity, ROW))
        found = find_passes(batch.states.km, batch.cosine, batch.sine, batch.usable, table, threshold, rows)
        if found <= capacity:
            break
        capacity = found
    rows = rows[:found]
    with np.errstate(invalid="ignore"):
        times = batch.grid_start_utc_ns + np.rint(rows[:, 2:5] * (batch.step_s * 1e9)).astype(np.int64)
    times[np.isnan(rows[:, 2:5])] = NONE_NS
    return PassArrays(
        batch.members[rows[:, 0].astype(np.intp)].astype(np.int64),
        rows[:, 1].astype(np.int64),
        times[:, 0],
        times[:, 1],
        times[:, 2],
        rows[:, 5],
        rows[:, 6:9],
        rows[:, 9] != 0.0,
    )


def search_passes(
    satellites: Satellites,
    stations: Sequence[Station],
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
) -> PassArrays:
    """Find every pass of every satellite over every station in a window, as columns."""
    parts = [
        search_batch(batch, stations, min_elevation_deg) for batch in sampled(satellites, start_utc_ns, end_utc_ns)
    ]
    return joined(parts)
