"""Passes: when satellites rise over a station, culminate and set, and why those that do not, do not.

Turns what ``search`` finds into records and words. Elements are chosen by the caller. Knows no file and no
clock. Elevations are geometric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.catalogue import Catalogue
from agent.orbit.elements import NS_PER_DAY, MeanElements
from agent.orbit.history import ErrorBound, error_bound
from agent.orbit.search.grid import NONE_NS, Batch, PassArrays, joined, sampled, search_batch
from agent.orbit.sgp4 import ERRORS, initialise
from agent.records import Pass, Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]

MAX_WINDOW_D = 366.0


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


def check_window(start_utc_ns: UtcNs, end_utc_ns: UtcNs) -> None:
    """Raise ``AgentError`` when the window ends before it starts or is longer than a year."""
    if end_utc_ns <= start_utc_ns:
        raise AgentError("the window of the prediction ends before it starts")
    if end_utc_ns - start_utc_ns > MAX_WINDOW_D * NS_PER_DAY:
        raise AgentError(f"the window of the prediction is longer than {MAX_WINDOW_D:.0f} days")


def predict_passes(
    elements: Sequence[MeanElements],
    station: Station,
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
    names: Mapping[int, str] | None = None,
    bounds: Mapping[int, ErrorBound] | None = None,
) -> PassPrediction:
    """Predict every pass of every satellite over one station, in order of time; see ``predict_for_stations``."""
    return predict_for_stations(
        elements,
        [station],
        start_utc_ns,
        end_utc_ns,
        min_elevation_deg=min_elevation_deg,
        names=names,
        bounds=bounds,
    )[0]


def predict_for_stations(
    elements: Sequence[MeanElements],
    stations: Sequence[Station],
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
    names: Mapping[int, str] | None = None,
    bounds: Mapping[int, ErrorBound] | None = None,
) -> list[PassPrediction]:
    """Predict the passes over several stations; a propagation serves them all.

    ``names`` replaces the elements' names by catalogue number; ``bounds`` gives error bounds grown from histories
    of sets (without one a set is judged by its drag alone). Raises ``AgentError`` for a window that ends
    before it starts and for a threshold that is no elevation.
    """
    check_window(start_utc_ns, end_utc_ns)
    if not -90.0 < min_elevation_deg < 90.0:
        raise AgentError(f"the minimum elevation {min_elevation_deg}° is outside -90…90°")
    named = [replace(s, name=names[s.norad]) if names and s.norad in names else s for s in elements]
    satellites = initialise(named)
    notes: list[list[PassNote]] = [[] for _ in stations]
    boxes: list[list[PointingBox]] = [[] for _ in stations]
    parts: list[PassArrays] = []
    for batch in sampled(satellites, start_utc_ns, end_utc_ns):
        found = search_batch(batch, stations, min_elevation_deg)
        parts.append(found)
        _explain(batch, stations, found, min_elevation_deg, notes=notes)
        _box(batch, stations, found, boxes)
    for index in np.flatnonzero(satellites.error):
        reason = f"its elements cannot be propagated: {ERRORS[int(satellites.error[index])]}"
        for k, station in enumerate(stations):
            notes[k].append(PassNote(named[index].name, named[index].norad, reason, station.name))
    arrays = joined(parts).in_order()
    ends = np.searchsorted(arrays.station, np.arange(len(stations) + 1))
    limits = [(bounds or {}).get(s.norad) or error_bound([s]) for s in named]
    records = to_records(arrays, named, stations, limits)
    return [
        PassPrediction(tuple(records[ends[k] : ends[k + 1]]), tuple(notes[k]), tuple(boxes[k]))
        for k in range(len(stations))
    ]


def predict_from_catalogue(
    catalogue: Catalogue,
    numbers: Sequence[int],
    station: Station,
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
    bounds: Mapping[int, ErrorBound] | None = None,
) -> PassPrediction:
    """Predict with the set that is nearest to each pass in time, where an object has several.

    Each set is searched over the whole window and gives the passes that culminate in its span: none is cut or
    counted twice where one set follows another.
    """
    single: list[MeanElements] = []
    passes: list[Pass] = []
    notes: list[PassNote] = []
    boxes: list[PointingBox] = []
    for norad in numbers:
        spans = catalogue.spans(norad, start_utc_ns, end_utc_ns)
        if len(spans) == 1:
            single.append(spans[0][0])
            continue
        own: list[Pass] = []
        silent: list[PassNote] = []
        for elements, begin, end in spans:
            found = predict_passes(
                [elements], station, start_utc_ns, end_utc_ns, min_elevation_deg=min_elevation_deg, bounds=bounds
            )
            own += [p for p in found.passes if begin <= p.tca_utc_ns < end or p.kind == "always_up"]
            silent += found.notes
            boxes += found.pointing
        passes += own
        notes += [] if own else silent[-1:]
    together = predict_passes(
        single, station, start_utc_ns, end_utc_ns, min_elevation_deg=min_elevation_deg, bounds=bounds
    )
    ordered = sorted([*passes, *together.passes], key=lambda p: (p.aos_utc_ns or start_utc_ns, p.tca_utc_ns))
    return PassPrediction(tuple(ordered), (*notes, *together.notes), (*boxes, *together.pointing))


def to_records(
    arrays: PassArrays,
    elements: Sequence[MeanElements],
    stations: Sequence[Station],
    bounds: Sequence[ErrorBound],
) -> list[Pass]:
    """Make a record of each pass, in the arrays' order; ``bounds`` stand in the order of ``elements``."""
    epochs = np.array([s.epoch_utc_ns for s in elements], dtype=np.int64)
    age = (arrays.tca_utc_ns - epochs[arrays.satellite]) / NS_PER_DAY if len(arrays) else np.empty(0)
    columns = zip(
        arrays.satellite.tolist(),
        arrays.station.tolist(),
        arrays.aos_utc_ns.tolist(),
        arrays.tca_utc_ns.tolist(),
        arrays.los_utc_ns.tolist(),
        arrays.max_elevation_deg.tolist(),
        arrays.azimuth_deg.tolist(),
        arrays.always_up.tolist(),
        age.tolist(),
        strict=True,
    )
    records = []
    for i, k, aos, tca, los, elevation, (aos_azimuth, tca_azimuth, los_azimuth), always_up, age_d in columns:
        satellite = elements[i]
        risen, has_set = aos != NONE_NS, los != NONE_NS
        records.append(
            Pass(
                satellite.name,
                satellite.norad,
                stations[k].name,
                aos if risen else None,
                tca,
                los if has_set else None,
                elevation,
                aos_azimuth if risen else None,
                tca_azimuth,
                los_azimuth if has_set else None,
                "always_up" if always_up else "pass",
                age_d,
                uncertainty_s=bounds[i].seconds(age_d),
            )
        )
    return records


def _box(batch: Batch, stations: Sequence[Station], found: PassArrays, boxes: list[list[PointingBox]]) -> None:
    """Add a pointing box for each satellite that never sets in the window."""
    place = {int(member): index for index, member in enumerate(batch.members)}
    for row in np.flatnonzero(found.always_up):
        index, k = place[int(found.satellite[row])], int(found.station[row])
        satellite = batch.satellites.elements[index]
        east, north, up = batch.enu_km(index, stations[k])
        elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
        # Azimuths are unwound from their mean direction, so that a box around north does not become 0…360°.
        mean = math.atan2(float(east.mean()), float(north.mean()))
        away = np.degrees(np.remainder(np.arctan2(east, north) - mean + np.pi, 2 * np.pi) - np.pi)
        centre = math.degrees(mean)
        boxes[k].append(
            PointingBox(
                satellite.name,
                satellite.norad,
                stations[k].name,
                ((centre + float(away.min())) % 360.0, (centre + float(away.max())) % 360.0),
                (float(elevation.min()), float(elevation.max())),
            )
        )


def _highest_deg(batch: Batch, index: int, station: Station) -> float:
    """Return the highest elevation of a satellite that does not rise: the vertex of a parabola on the grid."""
    east, north, up = batch.enu_km(index, station)
    elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
    at = int(elevation.argmax())
    if not 0 < at < elevation.size - 1:
        return float(elevation[at])
    before, here, after = (float(v) for v in elevation[at - 1 : at + 2])
    bend = before - 2.0 * here + after
    return here - 0.125 * (after - before) ** 2 / bend if bend < 0.0 else here


def _explain(
    batch: Batch,
    stations: Sequence[Station],
    found: PassArrays,
    min_elevation_deg: float,
    *,
    notes: list[list[PassNote]],
) -> None:
    """Say of each satellite without a pass why, and of each whose prediction ends early when."""
    last = len(batch.cosine) - 1
    risen = np.zeros((len(batch.members), len(stations)), dtype=np.bool_)
    risen[np.searchsorted(batch.members, found.satellite), found.station] = True
    cut_short = (batch.usable[:, 1] <= last) & (batch.usable[:, 3] == batch.usable[:, 1] - 1)
    for i in np.flatnonzero(~risen.all(axis=1) | cut_short):
        satellite = batch.satellites.elements[i]
        high, start = int(batch.usable[i, 1]), int(batch.usable[i, 2])
        for k, station in enumerate(stations):
            if high == 0:
                code = int(batch.states.error[i, start])
                reason = f"cannot be propagated to the window's start: {ERRORS.get(code, 'unknown error')}"
            elif cut_short[i]:
                code = int(batch.states.error[i, high])
                when = np.datetime64(batch.utc_ns(high), "ns").astype("datetime64[m]")
                reason = f"{ERRORS.get(code, 'unknown error')} about {when}Z by these elements; no pass after that"
            elif risen[i, k]:
                continue
            else:
                top = _highest_deg(batch, int(i), station)
                reason = f"never rises above {min_elevation_deg:g}° in this window; highest about {top:.1f}°"
            notes[k].append(PassNote(satellite.name, satellite.norad, reason, station.name))
