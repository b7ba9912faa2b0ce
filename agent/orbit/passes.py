"""Passes: when satellites rise over a station, culminate and set, and why those that do not, do not.

The orbit is sampled on a uniform grid just fine enough for ten-point interpolation (steps of minutes in LEO, of
half an hour in GEO), shared by all stations; ``search`` finds every crossing on it. Elements are chosen by the
caller. Knows no file and no clock. Elevations are geometric; ``refraction`` gives a threshold that is apparent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit import constants as c
from agent.orbit.elements import MeanElements
from agent.orbit.frames import (
    earth_rotation_rad,
    enu_matrix,
    geodetic_to_ecef_km,
    polar_motion_matrix,
)
from agent.orbit.sgp4 import ERRORS, Satellites, States, initialise, propagate_minutes
from agent.records import Pass, Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]

NS_PER_S = 1_000_000_000
MAX_WINDOW_D = 366.0
SATELLITES_A_BATCH = 32
"""Positions of a batch stay in the second-level cache of a Pi for a day, and in 30 MB for a week of Molniya."""

PHASE_STEP_RAD = 0.25
"""Mean anomaly between grid points: ten points then reproduce a circular orbit to 5 mm."""
PERIGEE_STEP = 0.1
"""Grid step as a part of the distance, in complex time, to the singularity of Kepler's equation near perigee."""
LONGEST_STEP_S = 2700.0


@dataclass(frozen=True, slots=True)
class PassNote:
    """Why a satellite gives no pass, or gives fewer than the window would hold."""

    satellite: str
    norad: int
    reason: str
    station: str = ""


@dataclass(frozen=True, slots=True)
class PointingBox:
    """Where a satellite that never sets stays during the window, seen from the station."""

    satellite: str
    norad: int
    station: str
    azimuth_deg: tuple[float, float]
    elevation_deg: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PassPrediction:
    """Passes in order of time, notes on satellites that give none, boxes for those that are always up."""

    passes: tuple[Pass, ...]
    notes: tuple[PassNote, ...] = ()
    pointing: tuple[PointingBox, ...] = ()


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


def check_window(start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> None:
    """Raise ``AgentError`` when the window ends before it starts or is longer than a year."""
    if end_utc_ns <= start_utc_ns:
        raise AgentError("the window of the prediction ends before it starts")
    if end_utc_ns - start_utc_ns > MAX_WINDOW_D * 86_400 * NS_PER_S:
        raise AgentError(f"the window of the prediction is longer than {MAX_WINDOW_D:.0f} days")


def predict_passes(
    elements: Sequence[MeanElements],
    station: Station,
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
    names: Mapping[int, str] | None = None,
) -> PassPrediction:
    """Predict every pass of every satellite over one station, in order of time; see ``predict_for_stations``."""
    return predict_for_stations(
        elements, [station], start_utc_ns, end_utc_ns, min_elevation_deg=min_elevation_deg, names=names
    )[0]


def predict_for_stations(
    elements: Sequence[MeanElements],
    stations: Sequence[Station],
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
    names: Mapping[int, str] | None = None,
) -> list[PassPrediction]:
    """Predict the passes over several stations; a propagation serves them all.

    ``names`` replaces the elements' names by catalogue number. Raises ``AgentError`` for a window that ends
    before it starts and for a threshold that is no elevation.
    """
    check_window(start_utc_ns, end_utc_ns)
    if not -90.0 < min_elevation_deg < 90.0:
        raise AgentError(f"the minimum elevation {min_elevation_deg}° is outside -90…90°")
    named = [replace(s, name=names[s.norad]) if names and s.norad in names else s for s in elements]
    satellites = initialise(named)
    passes: list[list[Pass]] = [[] for _ in stations]
    notes: list[list[PassNote]] = [[] for _ in stations]
    boxes: list[list[PointingBox]] = [[] for _ in stations]
    for batch in _batches(satellites, start_utc_ns, end_utc_ns):
        rows = _search(batch, stations, min_elevation_deg)
        _collect(batch, stations, rows, passes, boxes)
        _explain(batch, stations, rows, min_elevation_deg, notes)
    for index, satellite in enumerate(named):
        if satellites.error[index]:
            reason = f"its elements cannot be propagated: {ERRORS[int(satellites.error[index])]}"
            for k, station in enumerate(stations):
                notes[k].append(PassNote(satellite.name, satellite.norad, reason, station.name))
    return [
        PassPrediction(
            tuple(sorted(passes[k], key=lambda p: (p.aos_utc_ns or start_utc_ns, p.tca_utc_ns))),
            tuple(notes[k]),
            tuple(boxes[k]),
        )
        for k in range(len(stations))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Satellites of one grid step, sampled: ``usable`` as the kernel takes it."""

    satellites: Satellites
    states: States
    grid_start_utc_ns: UtcNs
    step_s: float
    cosine: Floats
    sine: Floats
    usable: NDArray[np.int64]

    def utc_ns(self, at: float) -> UtcNs:
        return self.grid_start_utc_ns + round(at * self.step_s * 1e9)


def _batches(satellites: Satellites, start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> Iterator[_Batch]:
    """Group the satellites by grid step and sample each group on its grid."""
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
            usable = np.array([_usable(error, PAD, PAD + intervals) for error in filled.error], dtype=np.int64)
            yield _Batch(chosen, filled, grid_start, exact_s, cosine, sine, usable)


def _usable(error: NDArray[np.uint8], start: int, stop: int) -> tuple[int, int, int, int]:
    """Return the run of good points that holds the window's start, and the window cut to it."""
    bad = np.flatnonzero(error)
    if not bad.size:
        return 0, len(error), start, stop
    if error[start]:
        return 0, 0, start, start
    before, after = bad[bad < start], bad[bad > start]
    low = int(before[-1]) + 1 if before.size else 0
    high = int(after[0]) if after.size else len(error)
    return low, high, start, min(stop, high - 1)


def _search(batch: _Batch, stations: Sequence[Station], min_elevation_deg: float) -> Floats:
    from agent.orbit.search.kernels import ROW, find_passes

    table = np.array([station_row(station, batch.grid_start_utc_ns) for station in stations])
    threshold = np.full(len(stations), math.sin(math.radians(min_elevation_deg)))
    window_s = batch.step_s * len(batch.cosine)
    capacity = int(len(batch.satellites) * len(stations) * (2 + window_s / 7200.0))
    while True:
        rows = np.empty((capacity, ROW))
        found = find_passes(batch.states.km, batch.cosine, batch.sine, batch.usable, table, threshold, rows)
        if found <= capacity:
            return rows[:found]
        capacity = found


def _collect(
    batch: _Batch,
    stations: Sequence[Station],
    rows: Floats,
    passes: list[list[Pass]],
    boxes: list[list[PointingBox]],
) -> None:
    scale, origin = batch.step_s * 1e9, batch.grid_start_utc_ns
    for row in rows.tolist():
        i, k, aos, tca, los, elevation, aos_azimuth, tca_azimuth, los_azimuth, whole = row
        satellite = batch.satellites.elements[int(i)]
        risen, set_ = not math.isnan(aos), not math.isnan(los)
        tca_utc_ns = origin + round(tca * scale)
        passes[int(k)].append(
            Pass(
                satellite.name,
                satellite.norad,
                stations[int(k)].name,
                origin + round(aos * scale) if risen else None,
                tca_utc_ns,
                origin + round(los * scale) if set_ else None,
                elevation,
                aos_azimuth if risen else None,
                tca_azimuth,
                los_azimuth if set_ else None,
                "always_up" if whole else "pass",
                satellite.age_d(tca_utc_ns),
            )
        )
        if whole:
            boxes[int(k)].append(_pointing_box(batch, int(i), stations[int(k)]))


def _enu_km(batch: _Batch, index: int, station: Station) -> Floats:
    row = station_row(station, batch.grid_start_utc_ns)
    start, stop = int(batch.usable[index, 2]), int(batch.usable[index, 3]) + 1
    x, y, z = batch.states.km[index, :3, start:stop]
    cosine, sine = batch.cosine[start:stop], batch.sine[start:stop]
    fixed = np.stack([cosine * x + sine * y, cosine * y - sine * x, z]) - row[14:17, None]
    return np.asarray(row[5:14].reshape(3, 3) @ fixed)


def _highest_deg(batch: _Batch, index: int, station: Station) -> float:
    """Return the highest elevation of a satellite that does not rise: the vertex of a parabola on the grid."""
    east, north, up = _enu_km(batch, index, station)
    elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
    at = int(elevation.argmax())
    if not 0 < at < elevation.size - 1:
        return float(elevation[at])
    before, here, after = (float(v) for v in elevation[at - 1 : at + 2])
    bend = before - 2.0 * here + after
    return here - 0.125 * (after - before) ** 2 / bend if bend < 0.0 else here


def _pointing_box(batch: _Batch, index: int, station: Station) -> PointingBox:
    satellite = batch.satellites.elements[index]
    east, north, up = _enu_km(batch, index, station)
    elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
    # Azimuths are unwound from their mean direction, so that a box around north does not become 0…360°.
    mean = math.atan2(float(east.mean()), float(north.mean()))
    away = np.degrees(np.remainder(np.arctan2(east, north) - mean + np.pi, 2 * np.pi) - np.pi)
    centre = math.degrees(mean)
    return PointingBox(
        satellite.name,
        satellite.norad,
        station.name,
        ((centre + float(away.min())) % 360.0, (centre + float(away.max())) % 360.0),
        (float(elevation.min()), float(elevation.max())),
    )


def _explain(
    batch: _Batch,
    stations: Sequence[Station],
    rows: Floats,
    min_elevation_deg: float,
    notes: list[list[PassNote]],
) -> None:
    """Say of each satellite without a pass why, and of each whose prediction ends early when."""
    with_pass = {(int(row[0]), int(row[1])) for row in rows[:, :2]}
    last = len(batch.cosine) - 1
    for i, satellite in enumerate(batch.satellites.elements):
        _, high, start, stop = (int(v) for v in batch.usable[i])
        for k, station in enumerate(stations):
            if high == 0:
                code = int(batch.states.error[i, start])
                reason = f"cannot be propagated to the window's start: {ERRORS.get(code, 'unknown error')}"
            elif high <= last and stop < last and stop == high - 1:
                code = int(batch.states.error[i, high])
                when = np.datetime64(batch.utc_ns(high), "ns").astype("datetime64[m]")
                reason = f"{ERRORS.get(code, 'unknown error')} about {when}Z by these elements; no pass after that"
            elif (i, k) in with_pass:
                continue
            else:
                top = _highest_deg(batch, i, station)
                reason = f"never rises above {min_elevation_deg:g}° in this window; highest about {top:.1f}°"
            notes[k].append(PassNote(satellite.name, satellite.norad, reason, station.name))
