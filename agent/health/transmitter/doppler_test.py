"""Whether measured carrier frequencies follow the predicted Doppler of a satellite, up to one constant.

A transmitter on the ground, or a recording of another pass, bends otherwise than the prediction. The residual of a
window is compared with what measurement noise, the elements' error along the track and the oscillators' drift can
make of it; the constant offset of both oscillators says nothing and is taken out. Three smooth components, their
covariance under the satellite's own signal, and an F test, since the noise is estimated from the same window.

Knows numbers; which frames they come from and what follows from the answer, ``authenticity`` knows. A transmitter
that imitates the Doppler perfectly, or repeats the signal beside the station, passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

COMPONENTS = 3
FALSE_ALARM = 1e-3
"""The probability with which a window of the satellite's own signal is found suspect."""
TIME_ERROR_S = 0.5
DRIFT_PPB_S = 0.3
"""A crystal that warms up while it transmits, and the receiver's own: a fifth of a part per million in ten
minutes."""
MODEL_PPB = 7.0
"""A kilometre across the track bends the Doppler by more than a good measurement's noise: 3 Hz at 437 MHz."""
LEAST_NOISE_PPB = 5.0
SURE_DISTANCE = 2.4
"""A fixed carrier this many standard deviations beyond the threshold is found 99 times of 100."""


@dataclass(frozen=True, slots=True)
class DopplerVerdict:
    """What one window says. ``p_value`` is how often the satellite itself would look this bad.

    ``discriminates`` tells that a fixed carrier would have been found in this window: without it, being
    consistent says nothing.
    """

    samples: int
    span_s: float
    p_value: float
    statistic: float
    noise_hz: float
    offset_hz: float
    scatter_hz: float
    discriminates: bool

    @property
    def suspect(self) -> bool:
        """Whether the satellite itself is not a sensible explanation."""
        return self.p_value < FALSE_ALARM


def judge(
    times_s: Floats,
    measured_hz: Floats,
    predicted_hz: Floats,
    slope_hz_s: Floats,
    frequency_hz: float,
    *,
    time_error_s: float = TIME_ERROR_S,
) -> DopplerVerdict | None:
    """Judge one window, or ``None`` when it holds too little; samples need not be in order of time."""
    order = np.argsort(times_s, kind="stable")
    columns = judge_many(
        np.array([len(times_s)]),
        times_s[order],
        (measured_hz - predicted_hz)[order],
        slope_hz_s[order],
        predicted_hz[order],
        frequency_hz,
        time_error_s=time_error_s,
    )
    statistic, noise_hz, freedom, offset_hz, fixed, scatter_hz, span_s = (float(v) for v in columns[0])
    if not math.isfinite(statistic) or freedom < 1.0:
        return None
    limit = threshold(freedom)
    return DopplerVerdict(
        samples=len(times_s),
        span_s=span_s,
        p_value=fisher_tail(statistic / COMPONENTS, COMPONENTS, freedom),
        statistic=statistic,
        noise_hz=noise_hz,
        offset_hz=offset_hz,
        scatter_hz=scatter_hz,
        discriminates=fixed > (math.sqrt(limit) + SURE_DISTANCE) ** 2,
    )


def judge_many(
    ends: Sequence[int] | NDArray[np.int64],
    times_s: Floats,
    residual_hz: Floats,
    slope_hz_s: Floats,
    predicted_hz: Floats,
    frequency_hz: float,
    *,
    time_error_s: float = TIME_ERROR_S,
) -> Floats:
    """Return float64[windows, 7] of ``kernels.judge_windows`` for windows that end before the samples ``ends``."""
    from agent.health.transmitter import kernels

    limits = np.ascontiguousarray(ends, dtype=np.int64)
    out = np.empty((len(limits), kernels.COLUMNS))
    kernels.judge_windows(
        limits,
        *(np.ascontiguousarray(v, dtype=np.float64) for v in (times_s, residual_hz, slope_hz_s, predicted_hz)),
        time_error_s,
        DRIFT_PPB_S * 1e-9 * frequency_hz,
        MODEL_PPB * 1e-9 * frequency_hz,
        LEAST_NOISE_PPB * 1e-9 * frequency_hz,
        out,
    )
    return out


def threshold(freedom: float, false_alarm: float = FALSE_ALARM) -> float:
    """Return the statistic that the satellite itself exceeds with this probability, by bisection."""
    low, high = 0.0, 1.0
    while fisher_tail(high / COMPONENTS, COMPONENTS, freedom) > false_alarm:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if fisher_tail(middle / COMPONENTS, COMPONENTS, freedom) > false_alarm:
            low = middle
        else:
            high = middle
    return high


def fisher_tail(ratio: float, above: float, below: float) -> float:
    """Return the probability that an F variable of these degrees of freedom exceeds a ratio.

    Source: NIST Digital Library of Mathematical Functions §8.17: incomplete beta function, 8.17.22 its continued
    fraction.
    """
    if ratio <= 0.0:
        return 1.0
    x = below / (below + above * ratio)
    a, b = below / 2.0, above / 2.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(1.0 - x, b, a)
    return _incomplete_beta(x, a, b)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    if x <= 0.0:
        return 0.0
    front = (
        math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    )
    tiny = 1e-300
    # Evaluated forwards as quotients of successive convergents.
    upper, lower, value = 1.0, 1.0 - (a + b) * x / (a + 1.0), 1.0
    lower = 1.0 / (lower if abs(lower) > tiny else tiny)
    value = lower
    for m in range(1, 400):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for step in (even, odd):
            lower = 1.0 + step * lower
            lower = 1.0 / (lower if abs(lower) > tiny else tiny)
            upper = 1.0 + step / upper
            upper = upper if abs(upper) > tiny else tiny
            change = lower * upper
            value *= change
        if abs(change - 1.0) < 1e-14:
            break
    return front * value
