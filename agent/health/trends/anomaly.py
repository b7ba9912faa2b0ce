"""What is unusual about a parameter, learnt from itself: spikes, steps, noise, a value that is stuck, a drift.

Knows one packet's parameters over time: a local line with robust noise (median of absolute residuals), runs of
equal values, and the means of each phase of the orbit against the same phase of earlier orbits. Needs no training
and no limits, and stands beside the limits: a score is no alarm. Bounded: about 3 kB a parameter. Times are
arguments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agent.health.trends.windows import NS_PER_S, NumericParameters
from agent.records import Anomaly, AnomalyKind, UtcNs

CYCLES, PHASES = 6, 48
"""So many earlier orbits are kept, each in so many phases."""
GAP_FACTOR = 10.0
"""After a gap of so many usual intervals the local line begins anew."""
FREE_PHASE_S = 120.0
"""Without a period, means over so long (or 16 samples) are compared with all that are kept."""
DRIFT_SIGMAS = 6.0
MIN_PHASE_SHARE, MIN_SAMPLE_SHARE = 0.85, 0.4
"""So much of a phase must lie between the first and the last sample heard of it, and so many of its samples."""
HOLD_NS = 60 * NS_PER_S
"""An anomaly is told for so long after it was last seen."""

KINDS: tuple[AnomalyKind | None, ...] = (None, "spike", "step", "noise", "stuck", "drift")
"""What the kernels' numbers mean."""
DRIFT = KINDS.index("drift")


class AnomalyWatch:
    """How unusual each sample of one packet is, and what was unusual lately."""

    def __init__(self, numbers: NumericParameters) -> None:
        count = len(numbers)
        self.numbers = numbers
        self.scores = np.zeros(count, np.float32)
        self.kinds = np.zeros(count, np.uint8)
        self.found: dict[int, Anomaly] = {}
        self._watched = np.array([one.anomaly for one in numbers.watches], bool)
        self._thresholds = np.array([one.threshold for one in numbers.watches], np.float64)
        self._state = np.zeros((count, 21))
        self._ring = np.zeros((count, 64), np.float32)
        self._blocks = np.zeros((count, 32), np.float32)
        self._season = np.full((count, CYCLES, PHASES), np.nan, np.float32)
        self._past = np.zeros((count, 64), np.float32)
        self._scratch = np.zeros(CYCLES * PHASES, np.float32)
        self._drifts = np.zeros(count, np.float32)
        self._last_ns: UtcNs | None = None
        self._usual_s = 0.0
        self._place: tuple[int, int] | None = None
        self._phase_from_ns = self._phase_to_ns = 0
        self._laps = [0] * PHASES
        self._period_s: float | None = None

    def feed(self, values: NDArray[np.float64], measured_utc_ns: UtcNs, period_s: float | None) -> None:
        """Judge a sample of every parameter; ``period_s`` is the orbit's, ``None`` when it is not known."""
        from agent.health.trends import kernels

        dt_s = 0.0 if self._last_ns is None else (measured_utc_ns - self._last_ns) / NS_PER_S
        if self._last_ns is not None and dt_s <= 0.0:
            return  # the same packet by another way, or an older one
        restart = self._last_ns is None or (self._usual_s > 0.0 and dt_s > GAP_FACTOR * self._usual_s)
        if dt_s > 0.0 and not restart:
            self._usual_s = dt_s if self._usual_s == 0.0 else self._usual_s + 0.1 * (dt_s - self._usual_s)
        self._last_ns = measured_utc_ns
        place = self._place_of(measured_utc_ns, period_s)
        closing, periodic = self._place, self._period_s is not None
        heard_s = (self._phase_to_ns - self._phase_from_ns) / NS_PER_S
        if closing != place:
            self._phase_from_ns = measured_utc_ns
        self._phase_to_ns = measured_utc_ns
        if self._period_s != period_s:
            # Another period makes other phases: what was learnt of them does not fit.
            self._period_s, self._season[:], self._state[:, 18:20], closing = period_s, np.nan, 0.0, None
        self._place = place
        ended = closing is not None and closing != place
        if closing is not None and ended:
            # Before the new sample, which belongs to another phase.
            phase = closing[1]
            kernels.close_phase(
                self._laps[phase],
                phase,
                periodic,
                DRIFT_SIGMAS,
                self._enough(heard_s, period_s),
                self._state,
                self._season,
                self._past,
                self._scratch,
                self._drifts,
            )
            self._laps[phase] += 1
        kernels.watch(
            values,
            dt_s,
            restart,
            self._thresholds,
            self._state,
            self._ring,
            self._blocks,
            self._scratch,
            self.scores,
            self.kinds,
        )
        if ended:
            drifting = (self._drifts >= 1.0) & (self.kinds == 0)
            self.kinds[drifting] = DRIFT
            self.scores[drifting] = self._drifts[drifting]
        self.kinds[~self._watched] = 0
        for index in np.flatnonzero(self.kinds).tolist():
            self._note(index, measured_utc_ns)

    def restart(self) -> None:
        """Begin the local line and the phase anew: the station's clock was set back."""
        self._last_ns = self._place = None

    def _place_of(self, at_utc_ns: UtcNs, period_s: float | None) -> tuple[int, int]:
        if period_s is None:
            number = int(at_utc_ns // (self._phase_s(None) * NS_PER_S))
            return divmod(number, PHASES)
        cycle, inside = divmod(at_utc_ns / NS_PER_S, period_s)
        return int(cycle), min(int(inside / period_s * PHASES), PHASES - 1)

    def _phase_s(self, period_s: float | None) -> float:
        return max(FREE_PHASE_S, 16.0 * self._usual_s) if period_s is None else period_s / PHASES

    def _enough(self, heard_s: float, period_s: float | None) -> float:
        """Return how many samples of a phase say what it was: infinitely many where too little of it was heard."""
        phase_s = self._phase_s(period_s)
        if heard_s + 2.0 * self._usual_s < MIN_PHASE_SHARE * phase_s:
            return math.inf
        return max(1.0, MIN_SAMPLE_SHARE * phase_s / max(self._usual_s, 1e-3))

    def _note(self, index: int, at_utc_ns: UtcNs) -> None:
        kind, score = KINDS[self.kinds[index]], round(float(self.scores[index]), 2)
        if kind is None:
            return
        before = self.found.get(index)
        if before is not None and before.kind in (kind, "spike") and at_utc_ns - before.last_utc_ns <= HOLD_NS:
            since_utc_ns, score = before.since_utc_ns, max(before.score, score)
        else:
            since_utc_ns = at_utc_ns
        self.found[index] = Anomaly(self.numbers.names[index], kind, score, since_utc_ns, at_utc_ns)

    def current(self, now_utc_ns: UtcNs) -> tuple[Anomaly, ...]:
        """Return what was unusual lately, and forget what was so longer ago."""
        hold_ns = max(HOLD_NS, round(3 * self._usual_s * NS_PER_S))
        self.found = {index: one for index, one in self.found.items() if now_utc_ns - one.last_utc_ns <= hold_ns}
        return tuple(self.found.values())
