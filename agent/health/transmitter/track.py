"""What the judges of a signal ask about where a satellite is predicted to be; ``agent.orbit.track`` answers."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.records import UtcNs

Floats: TypeAlias = NDArray[np.float64]


class Track(Protocol):
    """One satellite, seen from one station; asked for a place that the elements do not give, ``AgentError``."""

    def uncertainty_s(self, at_utc_ns: UtcNs) -> float:
        """Return by how much it may be early or late."""
        ...

    def elevation_deg(self, times_utc_ns: NDArray[np.int64]) -> Floats:
        """Return its elevation."""
        ...

    def doppler(self, times_utc_ns: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return the shift in parts of the carrier, and its change a second."""
        ...
