"""The inner loop of limit checking, over any number of parameters at once.

``step`` gives the instant verdict on every value and carries each alarm's persistence, change and hysteresis along.
Arrays only; ``limits`` makes them and names what the numbers mean. Semantics: XTCE 1.2 (OMG SpaceSystem)
§NumericAlarmType with the choices written in ``docs/health.md``. All of it stands in one loop: an array handed to a
helper function in the loop is reference-counted there, which makes the loop ten times slower (Numba 0.61 … 0.68).

Columns of the tables (one row a rule, one row a range, one row a parameter)::

    rules  i4[m, 8]    first range, end of ranges, level in no range (-1: no multi-range alarm), min violations,
                       min conformance, disabled, span in samples, change (0 none, else 1 + 2 per sample
                       + 4 in percent)
    reals  f8[m, 6]    hysteresis, span in nanoseconds, and what needs no look at the ranges: values strictly
                       between the third and fourth, changes strictly between the fifth and sixth
    bounds f8[k, 2]    low, high (infinite when open)
    flags  u1[k, 4]    1 low exclusive + 2 high exclusive, inside form, level, kind (0 static, 1 multi, 2 change)
    counts i4[n, 4]    violations, conformances, alarm (0 none, 1 pending, 2 active), worst level
    since  i8[n, 2]    time of the reference value, samples since it
    past   f8[n, 2]    reference value, last change (NaN when there is none)
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

NORMAL, NOT_A_NUMBER, MISSING, DISABLED, UNJUDGED = 0, 6, 7, 8, 9
"""Results beside the levels 1 to 5."""
NO_EVENT, PENDING, TRIGGERED, MORE_SEVERE, RETURNED, DROPPED = 0, 1, 2, 3, 4, 5


@numba.njit(
    "void(float64[::1], int8[::1], int64[::1], int64, int32[:, ::1], float64[:, ::1], float64[:, ::1],"
    " uint8[:, ::1], int32[:, ::1], int64[:, ::1], float64[:, ::1], uint8[::1], int8[::1], uint8[::1])",
    nogil=True,
    cache=True,
)
def step(
    values: NDArray[np.float64],
    given: NDArray[np.int8],
    rows: NDArray[np.int64],
    now_ns: int,
    rules: NDArray[np.int32],
    reals: NDArray[np.float64],
    bounds: NDArray[np.float64],
    flags: NDArray[np.uint8],
    counts: NDArray[np.int32],
    since: NDArray[np.int64],
    past: NDArray[np.float64],
    results: NDArray[np.uint8],
    sides: NDArray[np.int8],
    events: NDArray[np.uint8],
) -> None:
    """Judge one sample of every parameter and move its alarm on.

    ``given`` is the level of a label or text, -1 for a number, -2 for a value that is missing. A value that is
    missing or not a number is no evidence: it counts neither as a violation nor as conformance. Where no rule
    holds, or it is disabled, an alarm ends at once. ``sides`` is the side the most severe violation was found
    on (-1 low, 1 high, 0 neither). A time that runs backwards (a reset on board) begins the change anew.
    """
    for i in range(values.shape[0]):
        row = rows[i]
        events[i] = NO_EVENT
        level = 0
        side = 0
        needed = 1
        conforms = True
        if row < 0:
            results[i] = UNJUDGED
        elif rules[row, 5]:
            results[i] = DISABLED
        elif given[i] == -2:
            results[i] = MISSING
            sides[i] = 0
            continue
        elif given[i] >= 0:
            level = int(given[i])
            results[i] = level
            conforms = level == 0
            needed = int(rules[row, 4])
        elif math.isnan(values[i]):
            results[i] = NOT_A_NUMBER
            sides[i] = 0
            past[i, 0] = math.nan
            continue
        else:
            value = values[i]
            needed = int(rules[row, 4])
            if rules[row, 7]:
                reference = past[i, 0]
                if math.isnan(reference) or now_ns < since[i, 0]:
                    past[i, 0] = value
                    since[i, 0] = now_ns
                    since[i, 1] = 0
                else:
                    samples = since[i, 1] + 1
                    since[i, 1] = samples
                    elapsed_ns = now_ns - since[i, 0]
                    if samples >= rules[row, 6] and elapsed_ns >= reals[row, 1]:
                        change = value - reference
                        if rules[row, 7] & 4:
                            change = 100.0 * change / abs(reference) if reference != 0.0 else math.nan
                        if rules[row, 7] & 2:
                            change /= samples
                        else:
                            change = change / (elapsed_ns * 1e-9) if elapsed_ns > 0 else math.nan
                        past[i, 0] = value
                        past[i, 1] = change
                        since[i, 0] = now_ns
                        since[i, 1] = 0
            margin = reals[row, 0] if counts[i, 2] == 2 else 0.0
            in_one = False
            in_one_by_margin = False
            calm = (
                margin == 0.0
                and reals[row, 2] < value < reals[row, 3]
                and not (past[i, 1] <= reals[row, 4] or past[i, 1] >= reals[row, 5])
            )
            if not calm:
                for k in range(rules[row, 0], rules[row, 1]):
                    kind = flags[k, 3]
                    x = past[i, 1] if kind == 2 else value
                    if kind == 2 and math.isnan(x):
                        continue
                    low = bounds[k, 0]
                    high = bounds[k, 1]
                    open_low = (flags[k, 0] & 1) != 0
                    open_high = (flags[k, 0] & 2) != 0
                    inside_form = flags[k, 1] != 0
                    below = x < low or (open_low and x == low)
                    above = x > high or (open_high and x == high)
                    inside = not (below or above)
                    if inside == inside_form and flags[k, 2] > level:
                        level = int(flags[k, 2])
                        side = 0 if inside else (-1 if below else 1)
                    in_one = in_one or (kind == 1 and inside)
                    if margin > 0.0:
                        keep = 0.0 if kind == 2 else (-margin if inside_form else margin)
                        low += keep
                        high -= keep
                        inside = not (x < low or (open_low and x == low) or x > high or (open_high and x == high))
                        conforms = conforms and not (inside == inside_form and flags[k, 2] > 0)
                        in_one_by_margin = in_one_by_margin or (kind == 1 and inside)
                if rules[row, 2] > 0:
                    if not in_one and rules[row, 2] > level:
                        level = int(rules[row, 2])
                    if margin > 0.0 and not in_one_by_margin:
                        conforms = False
            conforms = conforms and level == 0
            results[i] = level
        sides[i] = side
        if level > 0:
            violations = counts[i, 0] + 1
            counts[i, 0] = violations
            counts[i, 1] = 0
            if counts[i, 2] == 2:
                if level > counts[i, 3]:
                    counts[i, 3] = level
                    events[i] = MORE_SEVERE
            else:
                counts[i, 3] = max(counts[i, 3], level)
                if violations >= rules[row, 3]:
                    counts[i, 2] = 2
                    events[i] = TRIGGERED
                elif counts[i, 2] == 0:
                    counts[i, 2] = 1
                    events[i] = PENDING
        elif counts[i, 2] != 0:
            conformances = counts[i, 1] + 1 if conforms else 0
            counts[i, 1] = conformances
            if counts[i, 2] == 1 or conformances >= needed:
                events[i] = DROPPED if counts[i, 2] == 1 else RETURNED
                counts[i, 0] = 0
                counts[i, 1] = 0
                counts[i, 2] = 0
                counts[i, 3] = 0
