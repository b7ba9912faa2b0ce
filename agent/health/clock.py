"""The on-board clock against the station's: a line through pairs of generation and reception, and when to believe
it.

Knows one satellite's pairs of times. A sample far from the line is late (stored telemetry) or the clock was set:
three in a row that agree with each other begin a new epoch, and so does an on-board reset. Knows no packet; times
are arguments, in nanoseconds.

The samples are thinned as an epoch grows old, so that 64 of them span up to an orbit: that is what tells a drift
from the clock's own steps. The offset holds the light time and the delays of reception, which are not taken out.

Source: the idea of Yamcs's time correlation service (least squares, accuracy, validity); the thresholds are ours.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from agent.records import ClockCorrelation, UtcNs

SAMPLES = 64
MIN_SAMPLES = 5
LEAP_AFTER = 3
MAX_SPACING_S = 90.0
DRIFT_AFTER_S = 60.0
"""Over less than this a drift is no more than the clock's resolution."""
MAX_DRIFT = 1e-2
SURE_DRIFT = 1e-5
NS_PER_S = 1_000_000_000


class ClockWatch:
    """One on-board clock."""

    def __init__(self, validity_s: float) -> None:
        self.validity_s = validity_s
        self.epochs = 0
        self.valid = False
        self._since_utc_ns: UtcNs | None = None
        self._pairs: deque[tuple[UtcNs, UtcNs]] = deque()
        self._strangers: deque[tuple[UtcNs, UtcNs]] = deque(maxlen=LEAP_AFTER)
        self._spacing_s = 0.0
        self._offset_s = self._drift = self._rms_s = 0.0
        self._drift_error = float("inf")
        self._center_ns: UtcNs = 0

    def observe(self, generated_utc_ns: UtcNs, received_utc_ns: UtcNs) -> UtcNs:
        """Take a pair of times; returns when the sample was taken by the station's clock, as well as is known."""
        if self._since_utc_ns is None:
            self._begin(received_utc_ns)
        pair = generated_utc_ns, received_utc_ns
        if not self.valid:
            self._keep(pair)
            self._fit()
            return received_utc_ns
        expected_ns = self.station_time(generated_utc_ns)
        if abs(received_utc_ns - expected_ns) <= self.validity_s * NS_PER_S:
            self._strangers.clear()
            self._keep(pair)
            self._fit()
            return min(self.station_time(generated_utc_ns), received_utc_ns)
        self._strangers.append(pair)
        offsets_ns = [received - generated for generated, received in self._strangers]
        if len(offsets_ns) == LEAP_AFTER and max(offsets_ns) - min(offsets_ns) <= self.validity_s * NS_PER_S:
            pairs = list(self._strangers)
            self._begin(received_utc_ns)
            for one in pairs:
                self._keep(one)
            self._fit()
            return received_utc_ns
        # Late by the clock: stored on board, or on its way. One that comes from the future is believed in nothing.
        return expected_ns if expected_ns < received_utc_ns else received_utc_ns

    def reset(self, now_utc_ns: UtcNs) -> None:
        """Begin a new epoch: the satellite was reset, what its clock said before means nothing."""
        if self._since_utc_ns is not None:
            self._begin(now_utc_ns)

    def station_time(self, generated_utc_ns: UtcNs) -> UtcNs:
        """Return what the station's clock shows when the on-board clock shows this."""
        drift_ns = self._drift * (generated_utc_ns - self._center_ns)
        return generated_utc_ns + round(self._offset_s * NS_PER_S + drift_ns)

    def status(self, satellite: str, now_utc_ns: UtcNs, marking: str) -> ClockCorrelation | None:
        """Return what is known, ``None`` before the first sample."""
        if self._since_utc_ns is None:
            return None
        known = self.valid
        newest_ns = self._pairs[-1][0] if self._pairs else 0
        return ClockCorrelation(
            satellite=satellite,
            as_of_utc_ns=now_utc_ns,
            state="valid" if known else "invalid",
            samples=len(self._pairs),
            epochs=self.epochs,
            since_utc_ns=self._since_utc_ns,
            offset_s=(self.station_time(newest_ns) - newest_ns) / NS_PER_S if known else None,
            drift_ppm=self._drift * 1e6 if known and self._drift_error < SURE_DRIFT else None,
            accuracy_s=2.0 * self._rms_s if known else None,
            validity_s=self.validity_s,
            marking=marking,
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _begin(self, now_utc_ns: UtcNs) -> None:
        self.epochs += 1
        self.valid = False
        self._since_utc_ns = now_utc_ns
        self._pairs.clear()
        self._strangers.clear()
        self._spacing_s = 0.0

    def _keep(self, pair: tuple[UtcNs, UtcNs]) -> None:
        pairs = self._pairs
        if len(pairs) >= 2 and 0 <= pair[1] - pairs[-2][1] < self._spacing_s * NS_PER_S:
            pairs[-1] = pair
            return
        pairs.append(pair)
        if len(pairs) <= SAMPLES:
            return
        span_s = (pairs[-1][1] - pairs[0][1]) / NS_PER_S
        if span_s < SAMPLES * MAX_SPACING_S:
            self._pairs = deque(list(pairs)[::2])
            self._spacing_s = min(2.0 * span_s / SAMPLES, MAX_SPACING_S)
        else:
            pairs.popleft()

    def _fit(self) -> None:
        pairs = self._pairs
        while len(pairs) >= MIN_SAMPLES:
            generated = np.array([one[0] - pairs[-1][0] for one in pairs], np.float64) / NS_PER_S
            offset = np.array([one[1] - one[0] for one in pairs], np.int64)
            relative = (offset - offset[-1]) / NS_PER_S
            mean_t, mean_x = generated.mean(), relative.mean()
            t, x = generated - mean_t, relative - mean_x
            tt = float(t @ t)
            drift = float(t @ x) / tt if tt > 0 and np.ptp(generated) >= DRIFT_AFTER_S else 0.0
            residuals = x - drift * t
            rms_s = float(np.sqrt(residuals @ residuals / (len(pairs) - 2)))
            if rms_s <= 0.5 * self.validity_s and abs(drift) <= MAX_DRIFT:
                self._offset_s = (mean_x - drift * mean_t) + int(offset[-1]) / NS_PER_S
                self._drift, self._rms_s = drift, rms_s
                self._drift_error = rms_s / tt**0.5 if tt > 0 else float("inf")
                self._center_ns = pairs[-1][0]
                self.valid = True
                return
            if self.valid:
                return  # the line before is better than this one
            pairs.popleft()
