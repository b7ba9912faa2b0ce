"""Passes, look angles and Doppler of objects known by an ephemeris: from a low orbit to a lunar orbiter.

Adds to a tabulated trajectory what distance brings: the light time (1.3 s from the Moon), and the Moon itself,
behind which a spacecraft is silent. Frames that can be turned are EME2000 and its kin, TEME and ITRF; centres
are the Earth and the Moon. Elevations are of the place where the object was when its signal left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.celestial import MOON_RADIUS_KM, j2000_to_teme, moon_km
from agent.orbit.ephemeris import Ephemeris, EphemerisSegment
from agent.orbit.frames import earth_rotation_rad, ecef_to_geodetic, enu_matrix, polar_motion_matrix
from agent.orbit.look import LIGHT_KM_S, station_teme_km
from agent.orbit.passes import PassNote, PassPrediction, check_window
from agent.orbit.search.grid import NONE_NS, station_row
from agent.records import LookAngles, Pass, Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

STAR_FRAMES = ("EME2000", "ICRF", "GCRF", "J2000")
STEP_S = 60.0
MAX_POINTS = 1_000_000


def check_frame(segment: EphemerisSegment) -> None:
    """Raise ``AgentError`` for a frame or a centre that cannot be turned into the Earth's."""
    where = f"{segment.source}: {segment.object_name}"
    if segment.center not in ("EARTH", "MOON"):
        raise AgentError(f"{where}: its centre is {segment.center}; only EARTH and MOON can be seen from a station")
    if segment.frame not in (*STAR_FRAMES, "TEME") and not segment.frame.startswith("ITRF"):
        raise AgentError(f"{where}: frame {segment.frame} is not {', '.join(STAR_FRAMES)}, TEME or ITRF")
    if segment.frame.startswith("ITRF") and segment.center != "EARTH":
        raise AgentError(f"{where}: frame {segment.frame} does not go with centre {segment.center}")


def teme_km(segment: EphemerisSegment, times_utc_ns: Integers) -> Floats:
    """Return geocentric places in TEME, float64[3, m]; NaN where the segment gives none."""
    check_frame(segment)
    places = segment.at(times_utc_ns)[:3]
    if segment.frame in STAR_FRAMES:
        places = np.einsum("mij,jm->im", j2000_to_teme(times_utc_ns), places)
    elif segment.frame != "TEME" and times_utc_ns.size:
        angle = earth_rotation_rad(times_utc_ns)
        x, y, z = polar_motion_matrix(int(times_utc_ns[len(times_utc_ns) // 2])).T @ places
        places = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y, z])
    if segment.center == "MOON":
        places = places + moon_km(times_utc_ns)
    return np.asarray(places)


def apparent_teme_km(segment: EphemerisSegment, station: Station, times_utc_ns: Integers) -> Floats:
    """Return where the object was when the signal left that arrives at the station at the times, in TEME."""
    here = station_teme_km(station, times_utc_ns)[:3]
    places = teme_km(segment, times_utc_ns)
    outside = np.isnan(places[0])
    for _ in range(2):
        delay_s = np.sqrt(((places - here) ** 2).sum(axis=0)) / LIGHT_KM_S
        left = times_utc_ns - np.rint(np.nan_to_num(delay_s) * 1e9).astype(np.int64)
        # What arrives at the first moment left before the table begins: the light time's worth of it is let go.
        places = teme_km(segment, np.maximum(left, segment.usable_utc_ns[0]))
    places[:, outside] = np.nan
    return places


def apparent_range_km(ephemeris: Ephemeris, station: Station, times_utc_ns: Integers) -> Floats:
    """Return the light path's length for signals that arrive at the times; raises ``AgentError`` outside."""
    segment = ephemeris.segment_at(int(times_utc_ns[len(times_utc_ns) // 2]))
    if segment is None:
        raise AgentError(f"{ephemeris.name}: the ephemeris does not reach over that time")
    line = apparent_teme_km(segment, station, times_utc_ns) - station_teme_km(station, times_utc_ns)[:3]
    distance = np.sqrt((line**2).sum(axis=0))
    if np.isnan(distance).any():
        raise AgentError(f"{ephemeris.name}: the ephemeris does not reach over that time")
    return np.asarray(distance)


@dataclass(frozen=True, slots=True)
class Occultation:
    """A stretch in which the Moon stands before an object."""

    start_utc_ns: UtcNs
    end_utc_ns: UtcNs


def _clearance_km(segment: EphemerisSegment, station: Station, times: Integers) -> Floats:
    """Return how far the line of sight passes above the Moon's limb; large where the Moon is behind."""
    here = station_teme_km(station, times)[:3]
    line = apparent_teme_km(segment, station, times) - here
    distance = np.sqrt((line**2).sum(axis=0))
    moon = moon_km(times - 1_280_000_000) - here
    along = (moon * line).sum(axis=0) / distance
    across = np.sqrt(np.maximum((moon**2).sum(axis=0) - along**2, 0.0))
    # The Moon itself, known by a kernel, does not stand behind itself.
    outside = ((line - moon) ** 2).sum(axis=0) > (0.5 * MOON_RADIUS_KM) ** 2
    hides = (along > 0.0) & (along < distance) & outside
    return np.asarray(np.where(hides, across - MOON_RADIUS_KM, MOON_RADIUS_KM))


def occultations(
    ephemeris: Ephemeris, station: Station, start_utc_ns: UtcNs, end_utc_ns: UtcNs
) -> tuple[Occultation, ...]:
    """Find when the Moon hides the object from the station, to a second where the ephemeris allows it."""
    found: list[Occultation] = []
    for begin, end, segment in ephemeris.spans():
        first, last = max(begin, start_utc_ns), min(end, end_utc_ns)
        if first >= last:
            continue
        grid = np.arange(first, last, round(STEP_S * 1e9), dtype=np.int64)[:MAX_POINTS]
        hidden = _clearance_km(segment, station, grid) < 0.0
        edges = np.flatnonzero(hidden[1:] != hidden[:-1])
        low, high = grid[edges].copy(), grid[edges + 1].copy()
        for _ in range(30):
            middle = (low + high) // 2
            same = (_clearance_km(segment, station, middle) < 0.0) == hidden[edges] if edges.size else edges == 0
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        moments = [int(grid[0])] * bool(hidden[0]) + high.tolist() + [int(grid[-1])] * bool(hidden[-1])
        found += [Occultation(a, b) for a, b in zip(moments[::2], moments[1::2], strict=True)]
    return tuple(found)


def predict_trajectory(
    ephemeris: Ephemeris,
    station: Station,
    start_utc_ns: UtcNs,
    end_utc_ns: UtcNs,
    *,
    min_elevation_deg: float = 0.0,
) -> PassPrediction:
    """Predict the passes of an object over a station as far as its ephemeris reaches, gaps left out."""
    check_window(start_utc_ns, end_utc_ns)
    passes: list[Pass] = []
    notes: list[PassNote] = []
    covered = 0
    highest = -90.0
    for begin, end, segment in ephemeris.spans():
        first, last = max(begin, start_utc_ns), min(end, end_utc_ns)
        if first >= last:
            continue
        covered += last - first
        found, top = _search_span(segment, station, first, last, min_elevation_deg)
        highest = max(highest, top)
        passes += found
    if covered == 0:
        reason = f"its ephemeris does not reach into the window ({ephemeris.segments[0].source})"
        notes.append(PassNote(ephemeris.name, ephemeris.norad, reason, station.name))
    elif covered < 0.999 * (end_utc_ns - start_utc_ns):
        part = covered / (end_utc_ns - start_utc_ns)
        reason = f"its ephemeris covers {part:.0%} of the window; nothing is said of the rest"
        notes.append(PassNote(ephemeris.name, ephemeris.norad, reason, station.name))
    if covered and not passes:
        reason = f"never rises above {min_elevation_deg:g}° in this window; highest about {highest:.1f}°"
        notes.append(PassNote(ephemeris.name, ephemeris.norad, reason, station.name))
    return PassPrediction(tuple(passes), tuple(notes))


def _search_span(
    segment: EphemerisSegment, station: Station, first: UtcNs, last: UtcNs, min_elevation_deg: float
) -> tuple[list[Pass], float]:
    """Search one stretch without a gap; also returns the highest elevation on the grid."""
    from agent.orbit.search.kernels import PAD, ROW, find_passes

    intervals = max(2 * PAD, math.ceil((last - first) / 1e9 / STEP_S))
    if intervals > MAX_POINTS:
        raise AgentError(f"{segment.object_name}: a window of {intervals * STEP_S / 86400:.0f} days is too long")
    step_s = (last - first) / 1e9 / intervals
    n = intervals + 1 + 2 * PAD
    times = first - round(PAD * step_s * 1e9) + np.rint(np.arange(n) * step_s * 1e9).astype(np.int64)
    states = np.zeros((1, 6, n))
    states[0, :3] = apparent_teme_km(segment, station, times)
    angle = earth_rotation_rad(times)
    cosine, sine = np.cos(angle), np.sin(angle)
    good = np.flatnonzero(np.isfinite(states[0, 0]))
    low, high = int(good[0]), int(good[-1]) + 1
    usable = np.array([[low, high, max(PAD, low), min(PAD + intervals, high - 1)]], dtype=np.int64)
    states = np.nan_to_num(states)
    row = station_row(station, first)
    rows = np.empty((intervals + 2, ROW))
    threshold = np.array([math.sin(math.radians(min_elevation_deg))])
    count = find_passes(states, cosine, sine, usable, row[None], threshold, rows)
    x, y, z = states[0, :3, low:high]
    turned = np.stack([cosine[low:high] * x + sine[low:high] * y, cosine[low:high] * y - sine[low:high] * x, z])
    east, north, up = row[5:14].reshape(3, 3) @ (turned - row[14:17, None])
    top = float(np.degrees(np.arctan2(up, np.hypot(east, north))).max())

    def moment(at: float) -> UtcNs:
        return NONE_NS if math.isnan(at) else int(times[0]) + round(at * step_s * 1e9)

    passes = []
    for found in rows[:count].tolist():
        aos, tca, los = (moment(value) for value in found[2:5])
        risen, has_set = aos != NONE_NS, los != NONE_NS
        passes.append(
            Pass(
                satellite=segment.object_name,
                norad=int(segment.object_id) if segment.object_id.isdecimal() else 0,
                station=station.name,
                aos_utc_ns=aos if risen else None,
                tca_utc_ns=tca,
                los_utc_ns=los if has_set else None,
                max_elevation_deg=found[5],
                aos_azimuth_deg=found[6] if risen else None,
                tca_azimuth_deg=found[7],
                los_azimuth_deg=found[8] if has_set else None,
                kind="always_up" if found[9] else "pass",
            )
        )
    return passes, top


def look_at_trajectory(
    ephemeris: Ephemeris, station: Station, at_utc_ns: UtcNs, downlinks: Mapping[str, float] | None = None
) -> LookAngles:
    """Tell where the object stands; as ``look.look_angles``, but its age is counted from the segment's start."""
    segment = ephemeris.segment_at(at_utc_ns)
    if segment is None:
        raise AgentError(f"{ephemeris.name}: the ephemeris does not reach over that time")
    times = at_utc_ns + np.array([0, -500_000_000, 500_000_000], dtype=np.int64)
    inside = np.clip(times, *segment.usable_utc_ns)
    line = apparent_teme_km(segment, station, inside) - station_teme_km(station, inside)[:3]
    distance = np.sqrt((line**2).sum(axis=0))
    rate = float((distance[2] - distance[1]) / ((inside[2] - inside[1]) / 1e9))
    angle = float(earth_rotation_rad(inside[:1])[0])
    turn = np.array(
        [[math.cos(angle), math.sin(angle), 0.0], [-math.sin(angle), math.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    pole = polar_motion_matrix(at_utc_ns)
    enu = enu_matrix(station.latitude_deg, station.longitude_deg)
    east, north, up = (float(v) for v in enu @ pole @ turn @ line[:, 0])
    latitude, longitude, altitude = ecef_to_geodetic(pole @ turn @ teme_km(segment, inside[:1]))
    return LookAngles(
        satellite=ephemeris.name,
        norad=ephemeris.norad,
        at_utc_ns=at_utc_ns,
        azimuth_deg=math.degrees(math.atan2(east, north)) % 360.0,
        elevation_deg=math.degrees(math.atan2(up, math.hypot(east, north))),
        range_km=float(distance[0]),
        range_rate_km_s=rate,
        latitude_deg=float(latitude[0]),
        longitude_deg=float(longitude[0]),
        altitude_km=float(altitude[0]),
        element_age_d=(at_utc_ns - int(segment.utc_ns[0])) / 86_400e9,
        doppler_hz={name: -hertz * rate / LIGHT_KM_S for name, hertz in (downlinks or {}).items()},
    )
