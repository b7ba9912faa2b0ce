"""Element sets and trajectories out of ``gsagent passes``, as other programs read them.

A file's ending says the form: OMM as ``.csv``, ``.json``, ``.xml`` or ``.kvn``, or an ephemeris as ``.oem``. Knows
what to write and how densely; the notations are ``agent.orbit``'s.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigError

if TYPE_CHECKING:
    from agent.orbit.elements import MeanElements
    from agent.orbit.ephemeris import Ephemeris, EphemerisSegment

FORMS = (".csv", ".json", ".xml", ".kvn", ".oem")
ORIGINATOR = "GSAGENT"
STEPS_A_TURN = 96
DEGREE = 9
"""Lagrange's interpolation follows a low orbit to 3 µm and a transfer orbit to 5 mm, over two days. Hermite's would
be a metre to 75 m off: SGP4's velocity is not quite the derivative of its position."""
LONGEST_STEP_S, SHORTEST_STEP_S = 300.0, 5.0
PERIGEE_FACTOR = 1.5
MAX_STATES = 2_000_000


def export(
    path: Path, sets: Sequence[MeanElements], ephemerides: Sequence[Ephemeris], window_utc_ns: tuple[int, int]
) -> None:
    """Write the sets, or their trajectories over the window, to a file of the form that its ending says."""
    from agent.orbit import oem, omm

    form = path.suffix.lower()
    if form not in FORMS:
        raise ConfigError(f"--export {path}: unknown ending {form!r}", mend=f"one of {' '.join(FORMS)}")
    created = time.time_ns()
    if form == ".oem":
        segments = [*trajectories(sets, window_utc_ns), *(s for e in ephemerides for s in e.segments)]
        if not segments:
            raise AgentError(f"{path}: no trajectory reaches into the window; nothing is written")
        text = oem.write_kvn(segments, created_utc_ns=created, originator=ORIGINATOR)
    else:
        for ephemeris in ephemerides:
            print(f"gsagent: {ephemeris.name}: an ephemeris has no mean elements; left out", file=sys.stderr)
        if not sets:
            raise AgentError(f"{path}: no element set is chosen; nothing is written")
        if form == ".csv":
            text = omm.write_csv(sets)
        elif form == ".json":
            text = omm.write_json(sets)
        elif form == ".xml":
            text = omm.write_xml(sets, created_utc_ns=created, originator=ORIGINATOR)
        else:
            text = "\n".join(omm.write_kvn(s, created_utc_ns=created, originator=ORIGINATOR) for s in sets)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AgentError(f"{path}: cannot be written: {error.strerror}") from error


def trajectories(sets: Sequence[MeanElements], window_utc_ns: tuple[int, int]) -> list[EphemerisSegment]:
    """Propagate each set over the window, in TEME; what cannot be propagated ends early and is told."""
    import numpy as np

    from agent.orbit.ephemeris import EphemerisSegment
    from agent.orbit.look import initialised
    from agent.orbit.sgp4 import ERRORS, propagate

    start, end = window_utc_ns
    segments: list[EphemerisSegment] = []
    states_left = MAX_STATES
    for elements in sets:
        # An eccentric orbit is sampled for its perigee, where it turns the fastest.
        turn_s = 86_400.0 / elements.mean_motion_rev_d * (1.0 - elements.eccentricity) ** PERIGEE_FACTOR
        step_s = min(max(turn_s / STEPS_A_TURN, SHORTEST_STEP_S), LONGEST_STEP_S)
        count = max(DEGREE + 1, int((end - start) / 1e9 / step_s) + 2)
        states_left -= count
        if states_left < 0:
            raise ConfigError(
                f"an OEM of more than {MAX_STATES} states", mend="choose fewer satellites or fewer --days"
            )
        times = start + np.rint(np.linspace(0.0, 1.0, count) * (end - start)).astype(np.int64)
        found = propagate(initialised(elements), times)
        wrong = np.flatnonzero(found.error[0])
        good = int(wrong[0]) if wrong.size else count
        if good < count:
            reason = ERRORS.get(int(found.error[0, good]), "unknown error")
            print(f"gsagent: {elements.name} ({elements.norad}): {reason}; {good} states", file=sys.stderr)
        if good < 2:
            continue
        segments.append(
            EphemerisSegment(
                object_name=elements.name,
                # What stands here in an OEM is free where there is no designator (502.0-B-3, table 5-3).
                object_id=elements.cospar or str(elements.norad),
                center="EARTH",
                frame="TEME",
                utc_ns=times[:good],
                states_km=np.ascontiguousarray(found.km[0, :, :good].T),
                usable_utc_ns=(int(times[0]), int(times[good - 1])),
                method="LAGRANGE",
                degree=DEGREE,
            )
        )
    return segments
