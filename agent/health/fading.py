"""Whether a signal fades: weaker than is usual in this pass, the distance taken out, or more rarely than expected.

Knows strengths and counts of one downlink; when they mean something (in view, high enough) it is told.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from agent.records import UtcNs

NS_PER_S = 1_000_000_000
WINDOW_NS = 30 * NS_PER_S
FEWEST_EXPECTED, LEAST_SHARE = 5.0, 0.5
WEAKER_DB = 6.0
NEWEST_FRAMES, USUAL_FRAMES = 5, 60
AFTER_NS = OVER_NS = 20 * NS_PER_S
GAIN_SHARE = 0.5


class Fading:
    """Watches one downlink through one pass after another."""

    def __init__(self) -> None:
        self._strengths: deque[tuple[UtcNs, float]] = deque(maxlen=USUAL_FRAMES)
        self._progress: deque[tuple[UtcNs, float, int]] = deque(maxlen=256)
        self._text: str | None = None
        self._since_utc_ns: UtcNs | None = None
        self._seen_utc_ns: UtcNs | None = None

    def begin_pass(self) -> None:
        """Forget what was usual: another pass has another geometry."""
        self._strengths.clear()
        self._progress.clear()

    def observe(self, at_utc_ns: UtcNs, snr_db: float, range_km: float | None) -> None:
        """Take a frame's SNR, and how far it came."""
        farther_db = 20.0 * math.log10(range_km / 1000.0) if range_km else 0.0
        self._strengths.append((at_utc_ns, snr_db + farther_db))

    def tick(self, now_utc_ns: UtcNs, expected: float | None, received: int, *, usable: bool) -> None:
        """Let time pass; ``expected`` and ``received`` count packets from the beginning, where they are known."""
        if expected is not None and usable:
            self._progress.append((now_utc_ns, expected, received))
        found = self._weaker() or self._rarer(now_utc_ns)
        if found is not None and usable:
            if self._since_utc_ns is None:
                self._since_utc_ns = now_utc_ns
            self._text, self._seen_utc_ns = found, now_utc_ns
        elif not usable or self._seen_utc_ns is None or now_utc_ns - self._seen_utc_ns >= OVER_NS:
            self._text = self._since_utc_ns = self._seen_utc_ns = None

    def evidence(self, now_utc_ns: UtcNs) -> str | None:
        """Say in words that it fades, and has for a while; ``None`` when it does not."""
        if self._since_utc_ns is None or now_utc_ns - self._since_utc_ns < AFTER_NS:
            return None
        return self._text

    def only_louder(self, step_db: float, since_utc_ns: UtcNs) -> bool:
        """Say whether frames have come since a step of noise as strong over it as before: it was the gain.

        The weaker half of those since has no say: a frame into which the step itself fell is among them.
        """
        since = sorted(strength for at, strength in self._strengths if at > since_utc_ns)
        since = since[len(since) // 2 :]
        before = [strength for at, strength in self._strengths if at <= since_utc_ns]
        return bool(since and before) and median(before) - median(since) < GAIN_SHARE * step_db

    def _weaker(self) -> str | None:
        if len(self._strengths) < 2 * NEWEST_FRAMES:
            return None
        strengths = [strength for _, strength in self._strengths]
        usual_db = sorted(strengths)[3 * len(strengths) // 4]
        now_db = median(strengths[-NEWEST_FRAMES:])
        if usual_db - now_db < WEAKER_DB:
            return None
        return f"SNR {usual_db - now_db:.0f} dB below what is usual at this distance"

    def _rarer(self, now_utc_ns: UtcNs) -> str | None:
        while self._progress and now_utc_ns - self._progress[0][0] > WINDOW_NS:
            self._progress.popleft()
        if not self._progress:
            return None
        expected = self._progress[-1][1] - self._progress[0][1]
        received = self._progress[-1][2] - self._progress[0][2]
        if expected < FEWEST_EXPECTED or not 0 < received < LEAST_SHARE * expected:
            return None
        return f"{received} of {expected:.0f} expected packets in {WINDOW_NS // NS_PER_S} s"
