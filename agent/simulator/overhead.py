"""Mean elements for a satellite that exists nowhere: a circular orbit that passes over a station at a wished time.

Pure. For scenarios that need a sky; such a set is named as simulated and belongs to no catalogue.
"""

from __future__ import annotations

import math

import numpy as np

from agent.orbit.elements import MeanElements
from agent.orbit.frames import earth_rotation_rad
from agent.records import Station, UtcNs

ASIDE_DEG = 2.5
"""How far beside the station the orbit's plane lies: a pass through the zenith is a special case."""


def elements_over(
    station: Station,
    over_utc_ns: UtcNs,
    *,
    name: str,
    norad: int,
    inclination_deg: float = 97.5,
    revolutions_per_day: float = 15.05,
) -> MeanElements:
    """Give a circular orbit, northbound near ``station`` at ``over_utc_ns``.

    A station farther from the equator than the orbit goes gets its northernmost (southernmost) point. The
    latitude is taken as geocentric: a fifth of a degree does not matter here.
    """
    inclination = math.radians(inclination_deg)
    reached = math.sin(math.radians(station.latitude_deg)) / math.sin(inclination)
    argument_of_latitude = math.asin(max(-1.0, min(1.0, reached)))
    sidereal = float(earth_rotation_rad(np.array([over_utc_ns], dtype=np.int64))[0])
    right_ascension = sidereal + math.radians(station.longitude_deg + ASIDE_DEG)
    from_node = math.atan2(math.cos(inclination) * math.sin(argument_of_latitude), math.cos(argument_of_latitude))
    return MeanElements(
        name=name,
        norad=norad,
        cospar="",
        epoch_utc_ns=over_utc_ns,
        mean_motion_rev_d=revolutions_per_day,
        eccentricity=0.0001,
        inclination_deg=inclination_deg,
        raan_deg=math.degrees(right_ascension - from_node) % 360.0,
        argument_of_perigee_deg=0.0,
        mean_anomaly_deg=math.degrees(argument_of_latitude) % 360.0,
        bstar=1e-5,
        source="simulated",
    )
