"""Passes of a satellite 500 km up over a station at 47° N, for whoever judges signals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from agent.orbit.elements import MeanElements
from agent.orbit.passes import predict_passes
from agent.orbit.track import Track
from agent.records import Pass, Station

S = 1_000_000_000
CARRIER_HZ = 437e6
EPOCH_NS = 1_790_000_000 * S
STATION = Station("here", 47.0, 8.0, 400.0)
ELEMENTS = MeanElements(
    name="sat", norad=1, cospar="", epoch_utc_ns=EPOCH_NS, mean_motion_rev_d=15.22, eccentricity=1e-4,
    inclination_deg=97.4, raan_deg=10.0, argument_of_perigee_deg=0.0, mean_anomaly_deg=0.0,
    bstar=1e-5, source="test",
)  # fmt: skip


@dataclass(frozen=True)
class Sky:
    """One pass, and where the satellite is."""

    start_ns: int
    seconds: int
    track: Track


@lru_cache
def passes(days: int = 5) -> tuple[Pass, ...]:
    """The passes above 20°."""
    found = predict_passes([ELEMENTS], STATION, EPOCH_NS, EPOCH_NS + days * 86_400 * S).passes
    return tuple(one for one in found if one.aos_utc_ns and one.los_utc_ns and one.max_elevation_deg > 20.0)


def sky(number: int = 0) -> Sky:
    """One of the passes."""
    one = passes()[number]
    assert one.aos_utc_ns is not None
    assert one.los_utc_ns is not None
    return Sky(one.aos_utc_ns, (one.los_utc_ns - one.aos_utc_ns) // S, Track(ELEMENTS, STATION))
