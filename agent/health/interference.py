"""Steps of a noise floor, found within seconds and without false alarms over days.

A cumulative sum of how far the floor stands above a slow, robust baseline. Each reading counts for no more than
``MOST_DB``, so that a short burst, however strong, is not a step; what is below ``SLACK_DB`` counts against it, so
that noise, and the slow rise of an antenna that turns towards the ground, add up to nothing. The baseline stands
still while a step lasts, and a step that lasts half an hour is the new baseline.

Knows readings in decibels and their times. Source: E. S. Page, "Continuous inspection schemes", Biometrika 41
(1954).
"""

from __future__ import annotations

from collections import deque
from statistics import median

from agent.records import UtcNs

NS_PER_S = 1_000_000_000
SLACK_DB, MOST_DB, DECISION_DB = 1.7, 6.0, 44.0
"""With ten readings a second: a step of 6 dB is found in 1.1 s, one of 3 dB in 3.4 s."""
READINGS_PER_S = 10.0
BASELINE_S = 60
SETTLED_S = 5
"""Seconds of readings from which on there is a baseline."""
OVER_WHEN_DB = 1.5
OVER_AFTER_NS = 3 * NS_PER_S
ACCEPTED_AFTER_NS = 1800 * NS_PER_S
COLLAPSE_DB = 8.0
COLLAPSE_AFTER_NS = NS_PER_S


class StepDetector:
    """Watches one noise floor. ``step_db`` is how high it stands above the baseline while a step lasts."""

    def __init__(self) -> None:
        self.peak_db = 0.0
        self.step_db: float | None = None
        self.since_utc_ns: UtcNs | None = None
        self.collapsed_db: float | None = None
        """How far the floor has fallen below the baseline: no antenna hears less noise than it did."""
        self.floor_db: float | None = None
        self._second: list[float] = []
        self._second_utc_ns: UtcNs = 0
        self._seconds: deque[float] = deque(maxlen=BASELINE_S)
        self._baseline: float | None = None
        self._sum_db = 0.0
        self._rose_utc_ns: UtcNs = 0
        self._calm_utc_ns: UtcNs | None = None
        self._low_utc_ns: UtcNs | None = None
        self._last_utc_ns: UtcNs | None = None
        self._recent: deque[float] = deque(maxlen=10)

    @property
    def baseline_db(self) -> float | None:
        """What is usual, or ``None`` for the first seconds."""
        return self._baseline

    def feed(self, at_utc_ns: UtcNs, floor_db: float) -> None:
        """Take one reading; times ascend."""
        seconds = 0.0 if self._last_utc_ns is None else (at_utc_ns - self._last_utc_ns) / NS_PER_S
        self._last_utc_ns = at_utc_ns
        self._recent.append(floor_db)
        self.floor_db = floor_db
        if self._baseline is not None:
            above = floor_db - self._baseline
            # A reading after a pause counts once.
            weight = min(seconds, 2.0 / READINGS_PER_S) * READINGS_PER_S
            before = self._sum_db
            self._sum_db = max(0.0, before + weight * (min(above, MOST_DB) - SLACK_DB))
            if not before and self._sum_db:
                self._rose_utc_ns = at_utc_ns
            self._judge_step(at_utc_ns, above)
            self._judge_collapse(at_utc_ns, above)
        if self.step_db is None and self.collapsed_db is None:
            self._learn(at_utc_ns, floor_db)

    def _judge_step(self, at_utc_ns: UtcNs, above: float) -> None:
        if self.step_db is None:
            if self._sum_db >= DECISION_DB:
                self.step_db = median(self._recent) - (self._baseline or 0.0)
                self.peak_db = self.step_db
                self.since_utc_ns = self._rose_utc_ns
                self._calm_utc_ns = None
            return
        self.step_db = max(median(self._recent) - (self._baseline or 0.0), 0.0)
        self.peak_db = max(self.peak_db, self.step_db)
        if above > OVER_WHEN_DB:
            self._calm_utc_ns = None
        elif self._calm_utc_ns is None:
            self._calm_utc_ns = at_utc_ns
        over = self._calm_utc_ns is not None and at_utc_ns - self._calm_utc_ns >= OVER_AFTER_NS
        accepted = self.since_utc_ns is not None and at_utc_ns - self.since_utc_ns >= ACCEPTED_AFTER_NS
        if over or accepted:
            self.step_db = self.since_utc_ns = self._calm_utc_ns = None
            self._sum_db = 0.0
            if accepted:
                self._relearn()

    def _judge_collapse(self, at_utc_ns: UtcNs, above: float) -> None:
        if above > -COLLAPSE_DB:
            self._low_utc_ns = None
            self.collapsed_db = None
            return
        if self._low_utc_ns is None:
            self._low_utc_ns = at_utc_ns
        low_ns = at_utc_ns - self._low_utc_ns
        if low_ns >= COLLAPSE_AFTER_NS:
            self.collapsed_db = -above
        if low_ns >= ACCEPTED_AFTER_NS:
            self.collapsed_db = self._low_utc_ns = None
            self._relearn()

    def _relearn(self) -> None:
        """Take what is now for what is usual."""
        self._seconds.clear()
        self._seconds.extend([median(self._recent)] * SETTLED_S)
        self._baseline = median(self._seconds)

    def _learn(self, at_utc_ns: UtcNs, floor_db: float) -> None:
        if not self._second:
            self._second_utc_ns = at_utc_ns
        self._second.append(floor_db)
        if at_utc_ns - self._second_utc_ns < NS_PER_S:
            return
        self._seconds.append(median(self._second))
        self._second.clear()
        if len(self._seconds) >= SETTLED_S:
            self._baseline = median(self._seconds)
