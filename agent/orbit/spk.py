"""SPK kernels as ephemerides: bodies by NAIF number, seen from the Earth or, for a lunar orbiter, from the Moon.

Takes the segments of a kernel that somebody opened, walks from each body through its centres to the Earth, and
samples the path over a window into ephemeris segments: passes, look angles, Doppler and occultation then come
from ``trajectory``, as for an OEM. Knows no file and no library; what it needs of a segment is ``SpkSegment``. TDB
is taken for TT, 2 ms apart at most. Source: NAIF, "SPK Required Reading" and "NAIF Integer ID codes".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.orbit.earth_orientation import tai_minus_utc_s
from agent.orbit.ephemeris import EphemerisSegment
from agent.records import UtcNs

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

NS_PER_S = 1_000_000_000
DAY_S = 86_400.0
J2000_JD = 2_451_545.0
J2000_CLOCK_NS = 946_728_000_000_000_000
"""2000-01-01T12:00:00 of a time system's own clock, counted as UTC is here."""
TT_MINUS_TAI_S = 32.184

BARYCENTER, EARTH_MOON, MOON, EARTH = 0, 3, 301, 399
NAMES = {
    10: "SUN", 199: "MERCURY", 299: "VENUS", 301: "MOON", 4: "MARS", 5: "JUPITER", 6: "SATURN", 7: "URANUS",
    8: "NEPTUNE", 9: "PLUTO", 499: "MARS", 599: "JUPITER", 699: "SATURN", 799: "URANUS", 899: "NEPTUNE",
    999: "PLUTO",
}  # fmt: skip
STEPS_ON_THE_WAY = (BARYCENTER, 1, 2, EARTH_MOON, EARTH)
"""Bodies that a path leads through and nobody listens to."""
J2000_FRAME = 1
STEP_S, BODY_STEP_S = 60.0, 1800.0
DEGREE = 9
MARGIN_S = (5 * 3600.0, 3600.0)
"""Before the window, for the light time from Pluto, and after it, for the interpolation's ends."""
MAX_STATES = 1_000_000
MAX_CHAIN = 8


class SpkSegment(Protocol):
    """What is needed of a kernel's segment, as ``jplephem`` gives it; seconds are TDB past J2000."""

    target: int
    center: int
    frame: int
    start_second: float
    end_second: float

    def compute(self, tdb: Floats, tdb2: Floats) -> Floats:
        """Return positions, float64[3 or 6, m] (km), at Julian dates in two parts."""


class SpkError(AgentError):
    """The kernel cannot serve; says why."""


def tdb_s(times_utc_ns: Integers) -> tuple[Integers, Floats]:
    """Return whole seconds past J2000 and the rest, in TDB."""
    clock = times_utc_ns - J2000_CLOCK_NS
    whole = clock // NS_PER_S
    rest = (clock - whole * NS_PER_S) / 1e9 + tai_minus_utc_s(times_utc_ns) + TT_MINUS_TAI_S
    return whole, rest


def segments_of(
    kernel: Sequence[SpkSegment], window_utc_ns: tuple[UtcNs, UtcNs], *, source: str
) -> tuple[EphemerisSegment, ...]:
    """Sample every body that can be seen over the window; raises ``SpkError`` when the kernel has none.

    A spacecraft is sampled each minute, a body each half hour; where the kernel has a gap, the segment ends.
    """
    if not kernel:
        raise SpkError(f"{source}: the kernel holds no segments")
    found: list[EphemerisSegment] = []
    unseen: list[str] = []
    for target in sorted({segment.target for segment in kernel} - set(STEPS_ON_THE_WAY)):
        step_s = STEP_S if target < 0 else BODY_STEP_S
        start = window_utc_ns[0] - round(MARGIN_S[0] * NS_PER_S)
        end = window_utc_ns[1] + round(MARGIN_S[1] * NS_PER_S)
        count = int((end - start) / 1e9 / step_s) + 1
        if count > MAX_STATES:
            raise SpkError(f"{source}: a window of {(end - start) / 1e9 / DAY_S:.0f} days is too long")
        times = start + np.arange(count, dtype=np.int64) * round(step_s * NS_PER_S)
        try:
            center, places = _from_earth(kernel, target, times)
        except SpkError as error:
            unseen.append(str(error))
            continue
        found += _cut(target, center, times, places, source)
    if not found:
        why = "; ".join(unseen[:3]) or "its bodies are not in it over the window"
        raise SpkError(f"{source}: nothing in the kernel can be seen from a station: {why}")
    return tuple(found)


def _from_earth(kernel: Sequence[SpkSegment], target: int, times: Integers) -> tuple[str, Floats]:
    """Return the centre, EARTH or MOON, and the places about it, float64[3, m]; NaN where the kernel has none."""
    root, places = _walk(kernel, target, times)
    if root == EARTH:
        return "EARTH", places
    if root == MOON and target != MOON:
        return "MOON", places
    earth_root, earth = _walk(kernel, EARTH, times)
    if earth_root != root or root == EARTH:
        raise SpkError(f"the path of body {target} ends at {root}, that of the Earth at {earth_root}")
    return "EARTH", places - earth


def _walk(kernel: Sequence[SpkSegment], body: int, times: Integers) -> tuple[int, Floats]:
    """Add up the places from a body through its centres, until the Earth or a centre the kernel does not know."""
    places = np.zeros((3, times.size))
    whole, rest = tdb_s(times)
    for _ in range(MAX_CHAIN):
        own = [segment for segment in kernel if segment.target == body]
        # A path leads through one centre; of several, the kernel's last counts.
        own = [segment for segment in own if segment.center == own[-1].center]
        if not own:
            return body, places
        step = np.full((3, times.size), np.nan)
        for segment in own:  # the later ones take precedence (SPK Required Reading, "Segment priority")
            if segment.frame != J2000_FRAME:
                raise SpkError(f"body {body} is given in frame {segment.frame}, not in J2000")
            clock = whole + rest
            inside = (clock >= segment.start_second) & (clock <= segment.end_second)
            if inside.any():
                day, second = np.divmod(whole[inside], int(DAY_S))
                step[:, inside] = segment.compute(J2000_JD + day, (second + rest[inside]) / DAY_S)[:3]
        places += step
        body = own[-1].center
        if body == EARTH:
            return body, places
    raise SpkError(f"the path of a body leads through more than {MAX_CHAIN} centres")


def _cut(target: int, center: str, times: Integers, places: Floats, source: str) -> list[EphemerisSegment]:
    """Make a segment of each stretch without a gap."""
    good = np.isfinite(places).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    found = []
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if high - low <= DEGREE:
            continue
        stretch = times[low:high]
        # The rates serve nobody: positions alone are interpolated.
        rates = np.gradient(places[:, low:high], (stretch - stretch[0]) / 1e9, axis=1)
        found.append(
            EphemerisSegment(
                object_name=NAMES.get(target, f"NAIF {target}"),
                object_id=f"NAIF {target}",
                center=center,
                frame="EME2000",
                utc_ns=stretch,
                states_km=np.ascontiguousarray(np.concatenate([places[:, low:high], rates]).T),
                usable_utc_ns=(int(stretch[0]), int(stretch[-1])),
                method="LAGRANGE",
                degree=DEGREE,
                source=source,
            )
        )
    return found
