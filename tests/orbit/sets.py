"""Element sets the tests of this room share: a few real ones, public catalogue data of August 2026."""

from __future__ import annotations

from agent.orbit.elements import MeanElements, read_elements
from agent.records import Station

# CelesTrak, 2026-08-22: a sun-synchronous imager, a mid-inclination radar satellite, a geostationary one.
KOREAN = """\
KOMPSAT-3A
1 40536U 15014A   26234.23459699  .00025355  00000+0  32785-3 0  9990
2 40536  97.6921 230.6158 0048721 295.6089  64.0135 15.57465138632083
KOREASAT 116
1 45920U 20048A   26234.28935075 -.00000364  00000+0  00000+0 0  9992
2 45920   0.0177  94.4257 0001133  57.1213  39.4301  1.00271755 22300
KORSAT-1
1 59452U 24066L   26234.24217712  .00001951  00000+0  17960-3 0  9997
2 59452  45.4107 262.0359 0004800  48.8927 311.2365 14.98467324129961
"""
DAEJEON = Station("daejeon", 36.372, 127.363, 80.0)
AUGUST_23_UTC_NS = 1_787_443_200_000_000_000
DAY_NS = 86_400_000_000_000


def circular(
    *,
    norad: int = 90001,
    mean_motion_rev_d: float = 15.2,
    eccentricity: float = 0.001,
    inclination_deg: float = 97.6,
    raan_deg: float = 100.0,
    argument_of_perigee_deg: float = 90.0,
    mean_anomaly_deg: float = 0.0,
    bstar: float = 1e-4,
    epoch_utc_ns: int = AUGUST_23_UTC_NS,
) -> MeanElements:
    """Make a set; the defaults are a low sun-synchronous orbit."""
    return MeanElements(
        name=f"TEST {norad}",
        norad=norad,
        cospar="2026-001A",
        epoch_utc_ns=epoch_utc_ns,
        mean_motion_rev_d=mean_motion_rev_d,
        eccentricity=eccentricity,
        inclination_deg=inclination_deg,
        raan_deg=raan_deg,
        argument_of_perigee_deg=argument_of_perigee_deg,
        mean_anomaly_deg=mean_anomaly_deg,
        bstar=bstar,
    )


GEOSTATIONARY = circular(
    norad=90002, mean_motion_rev_d=1.00270, eccentricity=0.0002, inclination_deg=0.03, raan_deg=250.0,
    argument_of_perigee_deg=200.0, mean_anomaly_deg=40.0, bstar=0.0,
)  # fmt: skip
MOLNIYA = circular(
    norad=90003, mean_motion_rev_d=2.00613, eccentricity=0.74, inclination_deg=62.8, raan_deg=190.0,
    argument_of_perigee_deg=270.0, mean_anomaly_deg=20.0, bstar=0.0,
)  # fmt: skip


def korean() -> tuple[MeanElements, ...]:
    """Return the real sets above."""
    return read_elements(KOREAN, source="test").sets
