"""Which of several objects a signal comes from: the measured Doppler fitted to the prediction for each.

After a launch a dozen objects fly on nearly one orbit and nobody knows which is which; each has its own curve
over the station. A candidate's residual is weighed with everything that may be wrong with a right one:
measurement noise, a constant offset of both oscillators, their drift, an error of the elements along the track.
Equal prior probabilities; where no candidate is likely enough the answer is "undecided", and where none fits,
none.

Pure: predictions are arguments. Source of the likelihood with marginalised linear parameters: C. E. Rasmussen, C.
K. I. Williams, "Gaussian Processes for Machine Learning" (2006), §2.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.health.transmitter.doppler_test import DRIFT_PPB_S, LEAST_NOISE_PPB, TIME_ERROR_S, judge

Floats: TypeAlias = NDArray[np.float64]

DECIDED = 0.95
FEWEST = 8
OFFSET_PPM = 20.0
"""Standard deviation of the constant offset: wide enough to be no evidence."""
UNLIKELY = 1e-6
"""A best candidate that fits as badly as this is not the one either."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One object: its predicted Doppler and the change of it a second, at the times of the measurements."""

    name: str
    norad: int
    predicted_hz: Floats
    slope_hz_s: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one candidate explains the measurements; ``p_value`` is how often it would look this bad if
    right."""

    name: str
    norad: int
    probability: float
    offset_hz: float
    scatter_hz: float
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Identification:
    """All fits, the most probable first, and the one that is meant, if any is."""

    fits: tuple[Fit, ...]
    decided: Fit | None
    samples: int
    noise_hz: float
    reason: str

    @property
    def words(self) -> str:
        """Say it in a line: ``object 66653 with probability 0.97``."""
        if self.decided is not None:
            return f"object {self.decided.norad} with probability {self.decided.probability:.2f}"
        return f"undecided: {self.reason}"


def identify(
    times_s: Floats,
    measured_hz: Floats,
    candidates: Sequence[Candidate],
    frequency_hz: float,
    *,
    noise_hz: float | None = None,
    time_error_s: float = TIME_ERROR_S,
) -> Identification:
    """Weigh candidates by measured carrier offsets (Hz from the nominal frequency, Doppler included).

    ``noise_hz`` is the standard deviation of one measurement; without it the least that any candidate leaves,
    judged by second differences, is taken.
    """
    n = len(times_s)
    if n < FEWEST or not candidates:
        reason = f"{n} measurements" if candidates else "no candidate"
        return Identification((), None, n, noise_hz or 0.0, reason)
    order = np.argsort(times_s, kind="stable")
    times = times_s[order]
    verdicts = [
        judge(
            times,
            measured_hz[order],
            one.predicted_hz[order],
            one.slope_hz_s[order],
            frequency_hz,
            time_error_s=time_error_s,
        )
        for one in candidates
    ]
    found = [verdict.noise_hz for verdict in verdicts if verdict is not None]
    if noise_hz is None:
        if not found:
            return Identification((), None, n, 0.0, "all measurements at one time")
        noise_hz = min(found)
    noise_hz = max(noise_hz, LEAST_NOISE_PPB * 1e-9 * frequency_hz)
    logs = []
    for one in candidates:
        residual = (measured_hz - one.predicted_hz)[order]
        logs.append(_log_likelihood(times, residual, one.slope_hz_s[order], frequency_hz, noise_hz, time_error_s))
    best = max(logs)
    weights = [math.exp(log - best) for log in logs]
    fits = []
    for one, weight, verdict in zip(candidates, weights, verdicts, strict=True):
        residual = measured_hz - one.predicted_hz
        fits.append(
            Fit(
                one.name,
                one.norad,
                weight / sum(weights),
                float(residual.mean()),
                float(residual.std()),
                None if verdict is None else verdict.p_value,
            )
        )
    fits.sort(key=lambda fit: -fit.probability)
    first = fits[0]
    reason = ""
    if first.p_value is not None and first.p_value < UNLIKELY:
        reason = f"none fits; the nearest is {first.norad}, scatter {first.scatter_hz:.0f} Hz"
    elif first.probability < DECIDED:
        likely = [f"{fit.norad} ({fit.probability:.2f})" for fit in fits if fit.probability >= 0.05][:4]
        reason = ", ".join(likely)
    return Identification(tuple(fits), None if reason else first, n, noise_hz, reason)


def _log_likelihood(
    times_s: Floats,
    residual_hz: Floats,
    slope_hz_s: Floats,
    frequency_hz: float,
    noise_hz: float,
    time_error_s: float,
) -> float:
    """Return the logarithm of the residual's density: white noise and three linear parameters of known spread."""
    scale = np.array([OFFSET_PPM * 1e-6 * frequency_hz, DRIFT_PPB_S * 1e-9 * frequency_hz, time_error_s])
    effects = np.stack([np.ones_like(times_s), times_s - times_s.mean(), slope_hz_s]) * scale[:, None] / noise_hz
    whitened = residual_hz / noise_hz
    # Woodbury's identity: three by three instead of n by n.
    inner = np.eye(3) + effects @ effects.T
    projected = effects @ whitened
    energy = float(whitened @ whitened - projected @ np.linalg.solve(inner, projected))
    _, volume = np.linalg.slogdet(inner)
    return -0.5 * (energy + float(volume)) - len(times_s) * math.log(noise_hz)
