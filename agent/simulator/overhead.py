"""Mean elements for a satellite that exists nowhere: a circular orbit that passes over a station at a wished time.

Pure. For scenarios that need a sky; such a set is named as simulated and belongs to no catalogue.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from agent.orbit.elements import NS_PER_DAY, MeanElements
from agent.orbit.frames import earth_rotation_rad
from agent.orbit.look import states_teme_km
from agent.records import Station, UtcNs

AGING_ROUNDS = 5
SIDEREAL_DAYS_A_DAY = 1.00273790935
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


def elements_geostationary(longitude_deg: float, at_utc_ns: UtcNs, *, name: str, norad: int) -> MeanElements:
    """Give an orbit that stands over a longitude at ``at_utc_ns`` and nearly so in the weeks about it."""
    sidereal_deg = math.degrees(float(earth_rotation_rad(np.array([at_utc_ns], dtype=np.int64))[0]))
    return MeanElements(
        name=name,
        norad=norad,
        cospar="",
        epoch_utc_ns=at_utc_ns,
        mean_motion_rev_d=SIDEREAL_DAYS_A_DAY,
        eccentricity=0.0001,
        inclination_deg=0.03,
        raan_deg=0.0,
        argument_of_perigee_deg=0.0,
        mean_anomaly_deg=(sidereal_deg + longitude_deg) % 360.0,
        bstar=0.0,
        source="simulated",
    )


def aged(elements: MeanElements, at_utc_ns: UtcNs, days: float) -> MeanElements:
    """Give a set with an epoch ``days`` before ``at_utc_ns`` that puts the satellite where ``elements`` do then.

    Node and mean anomaly at the older epoch are found by propagating forward and correcting what is off: both run
    nearly evenly, so that a few rounds are enough.
    """
    wanted = _node_and_argument(elements, at_utc_ns)
    old = replace(elements, epoch_utc_ns=at_utc_ns - round(days * NS_PER_DAY))
    for _ in range(AGING_ROUNDS):
        node, argument = _node_and_argument(old, at_utc_ns)
        old = replace(
            old,
            raan_deg=(old.raan_deg + _turn_deg(wanted[0] - node)) % 360.0,
            mean_anomaly_deg=(old.mean_anomaly_deg + _turn_deg(wanted[1] - argument)) % 360.0,
        )
    return old


def _node_and_argument(elements: MeanElements, at_utc_ns: UtcNs) -> tuple[float, float]:
    """Return the osculating node and argument of latitude, in degrees."""
    state = states_teme_km(elements, np.array([at_utc_ns], dtype=np.int64))[:, 0]
    position, normal = state[:3], np.cross(state[:3], state[3:])
    node = math.atan2(normal[0], -normal[1])
    toward_node = np.array([math.cos(node), math.sin(node), 0.0])
    ahead = np.cross(normal / np.linalg.norm(normal), toward_node)
    return math.degrees(node), math.degrees(math.atan2(float(position @ ahead), float(position @ toward_node)))


def _turn_deg(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0
