"""Where one satellite stands and how fast it recedes, at many times at once, seen from one station.

What judges of a signal ask: range rate for the Doppler of any carrier, elevation for whether it can be heard at
all, and how wrong both may be. Knows one set of elements and one station.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.orbit.elements import MeanElements
from agent.orbit.frames import enu_matrix, geodetic_to_ecef_km, teme_to_ecef
from agent.orbit.history import ErrorBound, error_bound
from agent.orbit.look import LIGHT_KM_S, retarded_range, states_teme_km
from agent.records import Station, UtcNs

Floats: TypeAlias = NDArray[np.float64]

STEP_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Track:
    """One satellite over one station. ``bound`` tells how wrong its elements may be, by default from themselves."""

    elements: MeanElements
    station: Station
    bound: ErrorBound | None = None

    def uncertainty_s(self, at_utc_ns: UtcNs) -> float:
        """Return by how much the satellite may be early or late."""
        bound = self.bound or error_bound([self.elements])
        return bound.seconds(self.elements.age_d(at_utc_ns))

    def elevation_deg(self, times_utc_ns: NDArray[np.int64]) -> Floats:
        """Return the geometric elevation at each time; raises ``AgentError`` when the elements give no place."""
        fixed = teme_to_ecef(states_teme_km(self.elements, times_utc_ns)[None], times_utc_ns)[0, :3]
        station = self.station
        here = geodetic_to_ecef_km(station.latitude_deg, station.longitude_deg, station.altitude_m)
        east, north, up = enu_matrix(station.latitude_deg, station.longitude_deg) @ (fixed - here[:, None])
        return np.asarray(np.degrees(np.arctan2(up, np.hypot(east, north))))

    def doppler(self, times_utc_ns: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return the Doppler shift in parts of the carrier, and its change a second; raises ``AgentError``."""
        around = np.concatenate((times_utc_ns - STEP_NS, times_utc_ns, times_utc_ns + STEP_NS))
        rate = retarded_range(self.elements, self.station, around)[1].reshape(3, -1)
        return -rate[1] / LIGHT_KM_S, -(rate[2] - rate[0]) / (2.0 * LIGHT_KM_S)
