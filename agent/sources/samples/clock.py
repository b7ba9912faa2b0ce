"""When a sample was taken, judged from when octets arrive and from how many samples they hold.

Samples come in lumps and late, never early. So the earliest arrival is the best witness of the time: the clock
counts samples and is pulled back at once when a block arrives before its count says it can; it creeps forward no
faster than a crystal can be wrong. A count that stays far behind the arrivals means that samples are missing.
Pure: the monotonic and UTC time are arguments.
"""

from __future__ import annotations

from agent.records import UtcNs

CREEP_PPM = 200
"""The worst crystal of a cheap dongle, with margin."""

LOSS_S = 0.2
"""A count this far behind the arrivals, through a whole ``WITNESS_S``, is a loss."""

WITNESS_S = 1.0


class SampleClock:
    """Stamps blocks of one continuous stream."""

    def __init__(self, sample_rate_hz: float) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._next_ns: int | None = None
        self._late_since_ns: int | None = None
        self._least_late_ns = 0

    def stamp(self, samples: int, monotonic_ns: int, utc_ns: UtcNs) -> tuple[UtcNs, int]:
        """Take a block that has just arrived; return the time of its first sample and how many were lost before.

        Both times are of the same moment; only the monotonic one measures intervals, so that a step of the
        clock is no loss.
        """
        span_ns = round(samples * 1e9 / self._sample_rate_hz)
        arrived_ns = monotonic_ns - span_ns
        lost_ns = 0
        if self._next_ns is None or arrived_ns <= self._next_ns:
            start_ns = arrived_ns
            self._late_since_ns = None
        else:
            late_ns = arrived_ns - self._next_ns
            lost_ns = self._lost_ns(late_ns, monotonic_ns)
            creep_ns = 0 if self._late_since_ns is not None else span_ns * CREEP_PPM // 1_000_000
            start_ns = self._next_ns + (lost_ns or min(late_ns, creep_ns))
        self._next_ns = start_ns + span_ns
        return start_ns + (utc_ns - monotonic_ns), round(lost_ns * self._sample_rate_hz / 1e9)

    def _lost_ns(self, late_ns: int, monotonic_ns: int) -> int:
        """Judge a late arrival: a loss once even the least late block of ``WITNESS_S`` was ``LOSS_S`` late."""
        if late_ns < LOSS_S * 1e9:
            self._late_since_ns = None
            return 0
        if self._late_since_ns is None:
            self._late_since_ns, self._least_late_ns = monotonic_ns, late_ns
        self._least_late_ns = min(self._least_late_ns, late_ns)
        if monotonic_ns - self._late_since_ns < WITNESS_S * 1e9:
            return 0
        self._late_since_ns = None
        return self._least_late_ns
