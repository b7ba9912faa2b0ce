"""What each downlink does: frames, refusals, signal, and a verdict with its evidence.

Knows counts and times of one downlink. Does not know where the satellite stands unless told (``in_view``): without
that, silence is no evidence of anything. Times are arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal, TypeAlias

from agent.records import Frame, LinkStatus, UtcNs

LinkState: TypeAlias = Literal[
    "nominal", "fading", "interference", "out_of_view", "silent", "receiver_fault", "unknown"
]

NS_PER_S = 1_000_000_000
RECENT_NS = 60 * NS_PER_S
"""A frame younger than this shows that the link works now."""
SILENT_AFTER_NS = 300 * NS_PER_S
"""In view this long without a frame is called silent."""
MAX_REASONS = 64
MAX_REFUSALS_PER_FRAME = 10


class LinkWatch:
    """The books of one downlink."""

    def __init__(self, satellite: str, downlink: str, marking: str) -> None:
        self.satellite = satellite
        self.downlink = downlink
        self.marking = marking
        self.frames = 0
        self.rejected: Counter[str] = Counter()
        self.last: Frame | None = None
        self._recent_frames = 0
        self._recent_rejected = 0
        self._window_began_utc_ns: UtcNs | None = None
        self._told: tuple[LinkState, int, int] | None = None

    def observe(self, frame: Frame) -> None:
        """Count a good frame."""
        self.frames += 1
        self._recent_frames += 1
        self.last = frame

    def reject(self, reasons: Mapping[str, int]) -> None:
        """Count refusals; at most ``MAX_REASONS`` reasons are told apart."""
        for reason, count in reasons.items():
            known = reason in self.rejected or len(self.rejected) < MAX_REASONS
            self.rejected[reason if known else "other"] += count
            self._recent_rejected += count

    def status(self, now_utc_ns: UtcNs, in_view_since_utc_ns: UtcNs | None, in_view: bool | None) -> LinkStatus:
        """Return the state of the link now, with the evidence for it."""
        if self._window_began_utc_ns is None or now_utc_ns - self._window_began_utc_ns >= RECENT_NS:
            self._window_began_utc_ns = now_utc_ns
            self._recent_frames = self._recent_rejected = 0
        state, evidence = self._judge(now_utc_ns, in_view_since_utc_ns, in_view)
        last = self.last
        self._told = state, self.frames, sum(self.rejected.values())
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
        )

    def changed(self, now_utc_ns: UtcNs, in_view_since_utc_ns: UtcNs | None, in_view: bool | None) -> bool:
        """Say whether there is anything to tell that was not told."""
        state, _ = self._judge(now_utc_ns, in_view_since_utc_ns, in_view)
        return self._told != (state, self.frames, sum(self.rejected.values()))

    def _judge(
        self, now_utc_ns: UtcNs, in_view_since_utc_ns: UtcNs | None, in_view: bool | None
    ) -> tuple[LinkState, tuple[str, ...]]:
        age_ns = None if self.last is None else now_utc_ns - self.last.received_utc_ns
        if age_ns is not None and age_ns <= RECENT_NS:
            if self._recent_rejected > MAX_REFUSALS_PER_FRAME * max(self._recent_frames, 1):
                text = f"{self._recent_rejected} refused against {self._recent_frames} good lately"
                return "interference", (text,)
            return "nominal", (f"last frame {age_ns // NS_PER_S} s ago",)
        if in_view is False:
            return "out_of_view", ("below the horizon by its elements",)
        if in_view and in_view_since_utc_ns is not None:
            since_ns = now_utc_ns - in_view_since_utc_ns
            quiet_ns = since_ns if age_ns is None else min(since_ns, age_ns)
            if quiet_ns >= SILENT_AFTER_NS:
                return "silent", (f"in view for {since_ns // NS_PER_S} s", f"no frame for {quiet_ns // NS_PER_S} s")
        return "unknown", ("no frame yet" if age_ns is None else f"last frame {age_ns // NS_PER_S} s ago",)
