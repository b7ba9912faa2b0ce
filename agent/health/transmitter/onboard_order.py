"""Whether what a satellite counts, and its clock, run forwards: a recording begins where they have long been.

A count (of packets, of frames) and an on-board time may stand still, jump ahead, wrap around, and begin anew
after a reset; only going back to somewhere in the past is what no satellite does by itself. Knows one count or
clock; whose it is, and what follows, ``authenticity`` knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.records import UtcNs

NS_PER_S = 1_000_000_000
CLOCK_TOLERANCE_NS = 10 * NS_PER_S
"""Clocks are set back by so much when somebody sets them right."""
RESET_MARGIN = 32
MOST_PER_S = 1e4
ABANDONED_NS = 300 * NS_PER_S
"""A train that nobody has continued for so long is over: the other one is what there is."""
SLOWEST_S = 3600.0
LONGEST_REPLAY_NS = 30 * 86_400 * NS_PER_S


@dataclass(slots=True)
class CountOrder:
    """One counter that wraps at ``modulus``."""

    modulus: int
    count: int | None = None
    at_utc_ns: UtcNs = 0
    rate_hz: float = 1.0

    def follow(self, count: int, at_utc_ns: UtcNs) -> int | None:
        """Take a count; return by how much it went back, ``None`` when it is in order or began anew."""
        if self.count is None:
            self.count, self.at_utc_ns = count, at_utc_ns
            return None
        elapsed_s = max(at_utc_ns - self.at_utc_ns, 0) / NS_PER_S
        ahead = (count - self.count) % self.modulus
        behind = self.modulus - ahead
        # Between two that were heard it may have counted on by this much, twice its usual rate and a bit.
        possible = 2.0 * self.rate_hz * elapsed_s + RESET_MARGIN
        in_order = ahead <= possible or possible >= self.modulus / 2
        began_anew = count <= possible
        if ahead and in_order and elapsed_s > 0.0:
            self.rate_hz = (
                max(self.rate_hz, min(ahead / elapsed_s, 1e4)) if ahead < self.modulus // 2 else self.rate_hz
            )
        # A second receiver hears the same a little later, or a frame was held up on its way.
        late = behind <= RESET_MARGIN + self.rate_hz * CLOCK_TOLERANCE_NS / NS_PER_S
        if late and not in_order:
            return None
        if in_order or began_anew or elapsed_s * NS_PER_S > ABANDONED_NS or behind > self.modulus // 2:
            self.count, self.at_utc_ns = count, at_utc_ns
            return None
        return behind


@dataclass(slots=True)
class ClockOrder:
    """One on-board clock. ``began_utc_ns`` is what it shows when it has just begun (its epoch), if that is
    known."""

    began_utc_ns: UtcNs | None = None
    shown_utc_ns: UtcNs | None = None
    at_utc_ns: UtcNs = 0

    def follow(self, shown_utc_ns: UtcNs, at_utc_ns: UtcNs) -> int | None:
        """Take an on-board time; return the nanoseconds it went back, ``None`` when it is in order or began
        anew."""
        before = self.shown_utc_ns
        if before is None or at_utc_ns - self.at_utc_ns > ABANDONED_NS:
            # What comes first after a long pause is judged, and believed from then on.
            back = 0 if before is None else before - shown_utc_ns
            elapsed_s = max((at_utc_ns - self.at_utc_ns) / NS_PER_S, SLOWEST_S)
            wrong = back > CLOCK_TOLERANCE_NS and not self._began_anew(shown_utc_ns, elapsed_s)
            self.shown_utc_ns, self.at_utc_ns = shown_utc_ns, at_utc_ns
            return back if wrong else None
        back = before - shown_utc_ns
        if back > CLOCK_TOLERANCE_NS and not self._began_anew(
            shown_utc_ns, (at_utc_ns - self.at_utc_ns) / NS_PER_S + RESET_MARGIN
        ):
            return back
        self.shown_utc_ns, self.at_utc_ns = shown_utc_ns, at_utc_ns
        return None

    def _began_anew(self, shown_utc_ns: UtcNs, elapsed_s: float) -> bool:
        """Say whether the clock can have begun again since it was read last: it shows no more than that time."""
        if self.began_utc_ns is None:
            # Nobody knows where it begins: farther back than any recording is taken for that.
            return self.shown_utc_ns is not None and self.shown_utc_ns - shown_utc_ns > LONGEST_REPLAY_NS
        return 0 <= shown_utc_ns - self.began_utc_ns <= elapsed_s * NS_PER_S
