"""The inner loop of limit checking, over any number of parameters at once.

``judge`` gives the instant verdict on every value; ``step`` gives it too and carries each alarm's persistence,
change and hysteresis along. Arrays only; ``limits`` makes them and names what the numbers mean. Semantics: XTCE 1.2
(OMG SpaceSystem) §NumericAlarmType with the choices written in ``docs/health.md``.

Columns of the tables (one row a rule, one row a range, one row a parameter)::

    rules  i8[m, 10]   first range, end of ranges, level in no range (-1: no multi-range alarm), min violations,
                       min conformance, disabled, change per sample, change in percent, span in samples, -
    reals  f8[m, 2]    hysteresis, span in nanoseconds
    bounds f8[k, 2]    low, high (infinite when open)
    flags  u1[k, 5]    low exclusive, high exclusive, inside form, level, kind (0 static, 1 multi, 2 change)
    counts i8[n, 6]    violations, conformances, alarm (0 none, 1 pending, 2 active), worst level, reference
                       time, samples since the reference
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


@numba.njit(inline="always")
def _verdict(  # noqa: PLR0917 - Numba takes arguments by position
    value: float,
    change: float,
    row: int,
    margin: float,
    rules: NDArray[np.int64],
    bounds: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> tuple[int, int]:
    """Return the most severe level that tests true and which side it was found on (-1 low, 1 high, 0 neither)."""
    level = 0
    side = 0
    in_one = False
    for k in range(rules[row, 0], rules[row, 1]):
        kind = flags[k, 4]
        x = change if kind == 2 else value
        if kind == 2 and math.isnan(x):
            continue
        keep = 0.0 if kind == 2 else margin
        low = bounds[k, 0]
        high = bounds[k, 1]
        if flags[k, 2]:
            low -= keep
            high += keep
        else:
            low += keep
            high -= keep
        below = x < low or (flags[k, 0] != 0 and x == low)
        above = x > high or (flags[k, 1] != 0 and x == high)
        inside = not (below or above)
        if kind == 1 and inside:
            in_one = True
        bad = inside if flags[k, 2] else not inside
        if bad and flags[k, 3] > level:
            level = int(flags[k, 3])
            side = 0 if inside else (-1 if below else 1)
    if rules[row, 2] >= 0 and not in_one and rules[row, 2] > level:
        level = rules[row, 2]
    return level, side


@numba.njit(
    "void(float64[::1], int8[::1], int64[::1], int64[:, ::1], float64[:, ::1], uint8[:, ::1],"
    " uint8[::1], int8[::1])",
    nogil=True,
    cache=True,
)
def judge(  # noqa: PLR0917 - Numba takes arguments by position
    values: NDArray[np.float64],
    given: NDArray[np.int8],
    rows: NDArray[np.int64],
    rules: NDArray[np.int64],
    bounds: NDArray[np.float64],
    flags: NDArray[np.uint8],
    results: NDArray[np.uint8],
    sides: NDArray[np.int8],
) -> None:
    """Give the instant verdict on every value, change alarms left out.

    ``given`` is the level of a label or text, -1 for a number, -2 for a value that is missing.
    """
    for i in range(values.shape[0]):
        row = rows[i]
        sides[i] = 0
        if row < 0:
            results[i] = UNJUDGED
        elif rules[row, 5]:
            results[i] = DISABLED
        elif given[i] == -2:
            results[i] = MISSING
        elif given[i] >= 0:
            results[i] = given[i]
        elif math.isnan(values[i]):
            results[i] = NOT_A_NUMBER
        else:
            level, side = _verdict(values[i], math.nan, row, 0.0, rules, bounds, flags)
            results[i] = level
            sides[i] = side


@numba.njit(
    "void(float64[::1], int8[::1], int64[::1], int64, int64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " uint8[:, ::1], int64[:, ::1], float64[:, ::1], uint8[::1], int8[::1], uint8[::1])",
    nogil=True,
    cache=True,
)
def step(  # noqa: PLR0917 - Numba takes arguments by position
    values: NDArray[np.float64],
    given: NDArray[np.int8],
    rows: NDArray[np.int64],
    now_ns: int,
    rules: NDArray[np.int64],
    reals: NDArray[np.float64],
    bounds: NDArray[np.float64],
    flags: NDArray[np.uint8],
    counts: NDArray[np.int64],
    past: NDArray[np.float64],
    results: NDArray[np.uint8],
    sides: NDArray[np.int8],
    events: NDArray[np.uint8],
) -> None:
    """Judge one sample of every parameter and move its alarm on.

    A value that is missing or not a number is no evidence: it counts neither as a violation nor as conformance.
    Where no rule holds, or it is disabled, an alarm ends at once.
    """
    for i in range(values.shape[0]):
        row = rows[i]
        events[i] = NO_EVENT
        sides[i] = 0
        needed = 1
        level = 0
        conforms = True
        if row < 0:
            results[i] = UNJUDGED
        elif rules[row, 5]:
            results[i] = DISABLED
        elif given[i] == -2:
            results[i] = MISSING
            continue
        elif given[i] >= 0:
            level = int(given[i])
            results[i] = level
            conforms = level == 0
            needed = rules[row, 4]
        elif math.isnan(values[i]):
            results[i] = NOT_A_NUMBER
            past[i, 0] = math.nan
            continue
        else:
            needed = rules[row, 4]
            value = values[i]
            if math.isnan(past[i, 0]):
                past[i, 0] = value
                counts[i, 4] = now_ns
                counts[i, 5] = 0
            else:
                counts[i, 5] += 1
                elapsed_ns = now_ns - counts[i, 4]
                if counts[i, 5] >= rules[row, 8] and elapsed_ns >= reals[row, 1]:
                    change = value - past[i, 0]
                    if rules[row, 7]:
                        change = 100.0 * change / abs(past[i, 0]) if past[i, 0] != 0.0 else math.nan
                    if rules[row, 6]:
                        change /= counts[i, 5]
                    else:
                        change = change / (elapsed_ns * 1e-9) if elapsed_ns > 0 else math.nan
                    past[i, 1] = change
                    past[i, 0] = value
                    counts[i, 4] = now_ns
                    counts[i, 5] = 0
            level, side = _verdict(value, past[i, 1], row, 0.0, rules, bounds, flags)
            results[i] = level
            sides[i] = side
            conforms = level == 0
            if conforms and counts[i, 2] == 2 and reals[row, 0] > 0.0:
                held, _ = _verdict(value, past[i, 1], row, reals[row, 0], rules, bounds, flags)
                conforms = held == 0
        if level > 0:
            counts[i, 0] += 1
            counts[i, 1] = 0
            if counts[i, 2] == 2:
                if level > counts[i, 3]:
                    counts[i, 3] = level
                    events[i] = MORE_SEVERE
            else:
                counts[i, 3] = max(counts[i, 3], level)
                if counts[i, 0] >= rules[row, 3]:
                    counts[i, 2] = 2
                    events[i] = TRIGGERED
                elif counts[i, 2] == 0:
                    counts[i, 2] = 1
                    events[i] = PENDING
        elif counts[i, 2] == 1:
            counts[i, 0] = 0
            counts[i, 2] = 0
            counts[i, 3] = 0
            events[i] = DROPPED
        elif counts[i, 2] == 2:
            counts[i, 1] = counts[i, 1] + 1 if conforms else 0
            if counts[i, 1] >= needed:
                counts[i, 0] = 0
                counts[i, 1] = 0
                counts[i, 2] = 0
                counts[i, 3] = 0
                events[i] = RETURNED
