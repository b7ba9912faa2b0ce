"""What each downlink does: frames, refusals, signal, and a verdict with its evidence.

Knows counts, readings and times of one downlink. Where the satellite stands it is told (``View``); without that,
silence is no evidence of anything. Every state but ``unknown`` has its evidence in words, and those that somebody
should hear of are conditions, which hold until the opposite has held for a while. Times are arguments.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from statistics import median
from typing import Final, Literal, NamedTuple, TypeAlias

from agent.health.fading import Fading
from agent.health.interference import StepDetector
from agent.records import ChannelNoise, ConcernLevel, Frame, LinkStatus, UtcNs

LinkState: TypeAlias = Literal[
    "nominal", "fading", "interference", "out_of_view", "silent", "receiver_fault", "unknown"
]

NS_PER_S = 1_000_000_000
RECENT_NS = 60 * NS_PER_S
"""A frame younger than this shows that the link works now."""
SILENT_AFTER_NS = 300 * NS_PER_S
"""In view this long without a frame is called silent."""
USABLE_ELEVATION_DEG = 5.0
"""Below this nothing is expected: terrain, and the longest way."""
MAX_REASONS = 64
MAX_COUNTERS = 64
MAX_RECENT_FRAMES = 4096

CARRIER_DB = 6.0
CARRIER_AFTER_NS, CARRIER_OVER_NS = 8 * NS_PER_S, 2 * NS_PER_S
"""Something in the channel for so long, and none of the frames that should come: it is not the satellite."""
INTERVALS_WITHOUT = 2.5
BURSTS_NEEDED, BURST_CARRIER_DB, BURST_AFTER_NS = 5, 3.0, NS_PER_S
"""Frames that came while the channel was mostly empty: then what stays is sooner known to be another's."""
DECLARED_AFTER_NS = 3 * NS_PER_S // 2
"""A frame that came meanwhile may show that only the gain was turned up."""
STEADY_READINGS, STEADY_RANK = 15, 2
"""What is in the channel nearly all of the time: the third lowest of a second and a half."""

FAULT_AFTER_NS, FAULT_OVER_NS = NS_PER_S, 3 * NS_PER_S
PAUSE_INTERVALS, LONGEST_PAUSE_NS = 3.5, 300 * NS_PER_S
INTERVALS = 32

BY_TOO_STRONG: Final = ("samples clipped",)
"""What is wrong with samples when the gain is too high, or a signal too strong for it."""

LEVELS: Final[Mapping[str, ConcernLevel]] = {
    "interference": "warning",
    "receiver_fault": "critical",
    "silent": "warning",
    "fading": "watch",
}
"""How bad each state is, for those that raise an alarm."""


class View(NamedTuple):
    """What is known about where the satellite stands, and whether anything could hear it."""

    in_view: bool | None = None
    in_view_since_utc_ns: UtcNs | None = None
    elevation_deg: float | None = None
    range_km: float | None = None
    hears: bool = True


class LinkCondition(NamedTuple):
    """Whether a state holds that somebody should hear of."""

    state: str
    active: bool
    evidence: str


class LinkWatch:
    """The books of one downlink. ``expected_per_s`` is how often its packets should come, if that is known."""

    def __init__(
        self,
        satellite: str,
        downlink: str,
        marking: str,
        *,
        expected_per_s: float | None = None,
        supervised: bool = True,
    ) -> None:
        self.satellite = satellite
        self.downlink = downlink
        self.marking = marking
        self.frames = 0
        self.corrected = 0
        self.rejected: Counter[str] = Counter()
        self.missing: dict[str, int] = {}
        self.sync_losses = 0
        self.last: Frame | None = None
        self.frequency_error_hz: float | None = None
        self._expected_per_s = expected_per_s
        self._supervised = supervised
        self._expected = 0.0
        self._received = 0
        self._ticked_utc_ns: UtcNs | None = None
        self._frame_times: deque[UtcNs] = deque(maxlen=MAX_RECENT_FRAMES)
        self._refusals: deque[tuple[UtcNs, int]] = deque(maxlen=128)
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self._fading = Fading()
        self._noise = StepDetector()
        self._levels: deque[float] = deque(maxlen=STEADY_READINGS)
        self._carrier_since_utc_ns: UtcNs | None = None
        self._carrier_until_utc_ns: UtcNs | None = None
        self._carrier_told: tuple[str, ...] = ()
        self._bursts = 0
        self._noise_utc_ns: UtcNs | None = None
        self._fault: str | None = None
        self._fault_since_utc_ns: UtcNs | None = None
        self._fault_seen_utc_ns: UtcNs | None = None
        self._view = View()
        self._usable_since_utc_ns: UtcNs | None = None
        self._told: tuple[object, ...] | None = None

    # -- what arrives --------------------------------------------------------------------------------------

    def observe(self, frame: Frame) -> None:
        """Count a good frame."""
        self.frames += 1
        self.corrected += frame.link_frame.corrected
        before, self.last = self.last, frame
        self._carrier_until_utc_ns = None
        if self.carrier_db is not None:
            self._bursts = min(self._bursts + 1, 2 * BURSTS_NEEDED) if self.carrier_db < BURST_CARRIER_DB else 0
        self._frame_times.append(frame.received_utc_ns)
        if before is not None:
            self._follow_pace(frame.received_utc_ns - before.received_utc_ns)
        if frame.snr_db is not None:
            self._fading.observe(frame.received_utc_ns, frame.snr_db, self._view.range_km)

    def _follow_pace(self, interval_ns: int) -> None:
        if not 0 < interval_ns < LONGEST_PAUSE_NS:
            return
        interval_s = interval_ns / NS_PER_S
        usual_s = self.usual_interval_s
        if usual_s is not None and interval_s > max(PAUSE_INTERVALS * usual_s, 1.0):
            self.sync_losses += 1
        self._intervals.append(interval_s)

    @property
    def usual_interval_s(self) -> float | None:
        """Return the usual time between frames, once there have been some."""
        return median(self._intervals) if len(self._intervals) >= INTERVALS // 4 else None

    def observe_report(self, usable: bool) -> None:
        """Count a packet of those that are expected."""
        self._received += usable

    def reject(self, reasons: Mapping[str, int], now_utc_ns: UtcNs) -> None:
        """Count refusals; at most ``MAX_REASONS`` reasons are told apart."""
        self._refusals.append((now_utc_ns, sum(reasons.values())))
        for reason, count in reasons.items():
            known = reason in self.rejected or len(self.rejected) < MAX_REASONS
            self.rejected[reason if known else "other"] += count

    def note_missing(self, missing: Mapping[str, int]) -> None:
        """Take what the counters of frames and packets show to be missing, in all."""
        self.missing = dict(list(missing.items())[:MAX_COUNTERS])

    def tuned_anew(self) -> None:
        """Forget what noise was usual: it was another receiver's, or another frequency's."""
        self._noise = StepDetector()
        self._levels.clear()
        self._carrier_since_utc_ns = None

    def observe_noise(self, noise: ChannelNoise) -> None:
        """Take a reading of the channel, in order of time."""
        self._noise.feed(noise.at_utc_ns, noise.floor_dbfs)
        self._noise_utc_ns = noise.at_utc_ns
        self._levels.append(noise.level_over_noise_db)
        if self.carrier_db is None or self.carrier_db < CARRIER_DB:
            self._carrier_since_utc_ns = None
        elif self._carrier_since_utc_ns is None:
            self._carrier_since_utc_ns = noise.at_utc_ns

    @property
    def carrier_db(self) -> float | None:
        """Return how far what is in the channel nearly all of the time stands above the noise."""
        if len(self._levels) < STEADY_READINGS:
            return None
        return sorted(self._levels)[STEADY_RANK]

    def note_fault(self, fault: str | None, now_utc_ns: UtcNs) -> None:
        """Take whether the samples of this downlink's source can be believed."""
        if fault is None:
            if self._fault_seen_utc_ns is not None and now_utc_ns - self._fault_seen_utc_ns >= FAULT_OVER_NS:
                self._fault = self._fault_since_utc_ns = self._fault_seen_utc_ns = None
            return
        if self._fault_since_utc_ns is None:
            self._fault_since_utc_ns = now_utc_ns
        self._fault, self._fault_seen_utc_ns = fault, now_utc_ns

    def tick(self, now_utc_ns: UtcNs, view: View) -> None:
        """Let time pass: what should have come meanwhile, and whether it fades."""
        before, self._ticked_utc_ns = self._ticked_utc_ns, now_utc_ns
        if view.in_view and not self._view.in_view:
            self._fading.begin_pass()
        self._view = view
        if not self.usable:
            self._usable_since_utc_ns = None
        elif self._usable_since_utc_ns is None:
            risen_utc_ns = view.in_view_since_utc_ns if view.elevation_deg is None else None
            self._usable_since_utc_ns = now_utc_ns if risen_utc_ns is None else risen_utc_ns
        if before is None or now_utc_ns <= before:
            return
        if self._expected_per_s is not None and self.usable:
            self._expected += min(now_utc_ns - before, RECENT_NS) / NS_PER_S * self._expected_per_s
        expected = None if self._expected_per_s is None else self._expected
        self._fading.tick(now_utc_ns, expected, self._received, usable=self.usable)

    @property
    def _expected_interval_ns(self) -> float:
        return NS_PER_S / self._expected_per_s if self._expected_per_s else 0.0

    @property
    def usable(self) -> bool:
        """Whether the satellite is where its packets should be heard."""
        view = self._view
        return bool(view.in_view) and view.hears and (view.elevation_deg or 90.0) >= USABLE_ELEVATION_DEG

    # -- the verdict -----------------------------------------------------------------------------------------

    def conditions(self, now_utc_ns: UtcNs) -> list[LinkCondition]:
        """Say of every state that raises an alarm whether it holds."""
        state, evidence = self._judge(now_utc_ns)
        found = [LinkCondition(name, name == state, "; ".join(evidence)) for name in LEVELS]
        # One that was never heard, and of which nothing is expected, may have nothing to say here.
        if state == "silent" and not (self._supervised and (self.frames or self._expected_per_s)):
            found = [item._replace(active=False) for item in found]
        return found

    def status(self, now_utc_ns: UtcNs) -> LinkStatus:
        """Return the state of the link now, with the evidence for it."""
        state, evidence = self._judge(now_utc_ns)
        last = self.last
        self._told = self._telling(state)
        floor_db = self._noise.floor_db
        while self._frame_times and now_utc_ns - self._frame_times[0] > RECENT_NS:
            self._frame_times.popleft()
        return LinkStatus(
            satellite=self.satellite,
            downlink=self.downlink,
            as_of_utc_ns=now_utc_ns,
            state=state,
            frames=self.frames,
            rejected=dict(self.rejected),
            last_frame_utc_ns=None if last is None else last.received_utc_ns,
            snr_db=None if last is None else last.snr_db,
            frequency_offset_hz=None if last is None else last.frequency_offset_hz,
            evidence=evidence,
            marking=self.marking,
            frames_per_min=float(len(self._frame_times)),
            corrected=self.corrected,
            frequency_error_hz=self.frequency_error_hz,
            noise_floor_dbfs=floor_db,
            level_over_noise_db=self._levels[-1] if self._levels else None,
            sync_losses=self.sync_losses,
            missing=self.missing,
            expected=None if self._expected_per_s is None else math.floor(self._expected),
            received=None if self._expected_per_s is None else self._received,
        )

    def changed(self, now_utc_ns: UtcNs) -> bool:
        """Say whether there is anything to tell that was not told."""
        return self._told != self._telling(self._judge(now_utc_ns)[0])

    def _telling(self, state: LinkState) -> tuple[object, ...]:
        floor_db = self._noise.floor_db
        # Noise is told in steps of half a decibel, or every reading would be news.
        noise = None if floor_db is None else round(2.0 * floor_db)
        missing = sum(self.missing.values())
        return state, self.frames, self.rejected.total(), missing, math.floor(self._expected / 10.0), noise

    def _judge(self, now_utc_ns: UtcNs) -> tuple[LinkState, tuple[str, ...]]:
        fault, interference = self._receiver_fault(now_utc_ns), self._interference(now_utc_ns)
        if fault is not None and (interference is None or fault not in BY_TOO_STRONG):
            return "receiver_fault", (fault,)
        view = self._view
        if interference is not None and view.in_view is False:
            return "out_of_view", ("below the horizon by its elements", *interference)
        if interference is not None:
            return "interference", interference if fault is None else (*interference, fault)
        age_ns = None if self.last is None else now_utc_ns - self.last.received_utc_ns
        recent = age_ns is not None and age_ns <= RECENT_NS
        fading = self._fading.evidence(now_utc_ns)
        if fading is not None:
            return "fading", (fading,)
        if recent:
            return "nominal", (f"last frame {(age_ns or 0) // NS_PER_S} s ago", *self._refused_lately(now_utc_ns))
        if view.in_view is False:
            return "out_of_view", ("below the horizon by its elements",)
        if self._usable_since_utc_ns is not None:
            since_ns = now_utc_ns - self._usable_since_utc_ns
            quiet_ns = since_ns if age_ns is None else min(since_ns, age_ns)
            if quiet_ns >= max(SILENT_AFTER_NS, INTERVALS_WITHOUT * self._expected_interval_ns):
                return "silent", (f"in view for {since_ns // NS_PER_S} s", f"no frame for {quiet_ns // NS_PER_S} s")
        return "unknown", ("no frame yet" if age_ns is None else f"last frame {age_ns // NS_PER_S} s ago",)

    def _receiver_fault(self, now_utc_ns: UtcNs) -> str | None:
        since_utc_ns = self._fault_since_utc_ns
        if self._fault is not None and since_utc_ns is not None and now_utc_ns - since_utc_ns >= FAULT_AFTER_NS:
            return self._fault
        collapsed_db = self._noise.collapsed_db
        if collapsed_db is not None:
            return f"noise floor {collapsed_db:.0f} dB below what is usual: antenna, cable or amplifier"
        return None

    def _interference(self, now_utc_ns: UtcNs) -> tuple[str, ...] | None:
        noise = self._noise
        if noise.step_db is not None and noise.since_utc_ns is not None:
            since_utc_ns = noise.since_utc_ns
            for_ns = now_utc_ns - since_utc_ns
            if for_ns < DECLARED_AFTER_NS or self._fading.only_louder(noise.peak_db, since_utc_ns):
                return None
            text = f"noise floor up by {noise.step_db:.1f} dB for {for_ns / NS_PER_S:.0f} s"
            return text, self._frames_since(since_utc_ns)
        began_utc_ns, carrier_db = self._carrier_since_utc_ns, self.carrier_db
        if began_utc_ns is not None and carrier_db is not None and self._lacks_frames(now_utc_ns, began_utc_ns):
            for_s = (now_utc_ns - began_utc_ns) / NS_PER_S
            text = f"{carrier_db:.0f} dB over the noise in the channel for {for_s:.0f} s"
            self._carrier_told = text, self._frames_since(began_utc_ns)
            self._carrier_until_utc_ns = now_utc_ns + CARRIER_OVER_NS
        held = self._carrier_until_utc_ns
        return self._carrier_told if held is not None and now_utc_ns <= held else None

    def _refused_lately(self, now_utc_ns: UtcNs) -> tuple[str, ...]:
        count = sum(count for at, count in self._refusals if now_utc_ns - at <= RECENT_NS)
        return (f"{count} refused in {RECENT_NS // NS_PER_S} s",) if count else ()

    def _frames_since(self, since_utc_ns: UtcNs) -> str:
        count = sum(at > since_utc_ns for at in self._frame_times)
        return f"{count} frames meanwhile" if count else "no frame meanwhile"

    def _lacks_frames(self, now_utc_ns: UtcNs, since_utc_ns: UtcNs) -> bool:
        """Say whether frames should have come since then and none has: then the signal is not the satellite's."""
        usual_s = self.usual_interval_s
        expected_s = 1.0 / self._expected_per_s if self._expected_per_s else None
        interval_s = usual_s if usual_s is not None else expected_s
        if interval_s is None or not self.usable:
            return False
        bursts = usual_s is not None and self._bursts >= BURSTS_NEEDED
        if now_utc_ns - since_utc_ns < (BURST_AFTER_NS if bursts else CARRIER_AFTER_NS):
            return False
        last_utc_ns = since_utc_ns if self.last is None else self.last.received_utc_ns
        if not bursts:
            last_utc_ns = max(last_utc_ns, since_utc_ns)
        return now_utc_ns - last_utc_ns >= INTERVALS_WITHOUT * interval_s * NS_PER_S
