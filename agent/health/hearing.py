"""Everything that is heard of one satellite: its links, who is really transmitting, and whether it is overdue.

Joins the judges and turns what they say into conditions by name; the monitor makes alarms of them. Where the
satellite stands comes from outside: look angles, pass events, a track. Knows no clock and no alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from agent import definitions
from agent.health.conditions import condition_name
from agent.health.link import LEVELS, LinkWatch, View
from agent.health.transmitter.authenticity import AuthenticityWatch, Verdict
from agent.health.transmitter.replay_memory import ReplayMemory
from agent.health.transmitter.track import Track
from agent.records import (
    ChannelNoise,
    ConcernLevel,
    Frame,
    LinkStatus,
    LookAngles,
    PacketRecord,
    ParameterReport,
    PassEvent,
    UtcNs,
)

NS_PER_S = 1_000_000_000
MAX_DOWNLINKS = 64
LOOK_IS_OLD_NS = 30 * NS_PER_S
PASSES_MISSED = 3
LEAST_CULMINATION_DEG = 10.0
"""A pass lower than this proves nothing."""
NOT_SUPERVISED: Final = ("silent", "decayed")
"""Silence of a satellite that is known to be silent is no news."""


class Condition(NamedTuple):
    """One condition by the name of its alarm."""

    name: str
    active: bool
    level: ConcernLevel
    evidence: str


class Hearing:
    """What is heard of one satellite."""

    def __init__(self, slug: str, satellite: definitions.Satellite, memory: ReplayMemory) -> None:
        self.slug = slug
        self.links: dict[str, LinkWatch] = {}
        self.track: Track | None = None
        self._satellite = satellite
        self._supervised = satellite.status not in NOT_SUPERVISED
        self._always = satellite.orbit == "geo" or satellite.simulated
        self._authenticity = AuthenticityWatch(slug, satellite, memory)
        self._view = View()
        self._look: LookAngles | None = None
        self._culmination_deg: float | None = None
        self._deaf_in_pass = False
        self._missed: list[UtcNs] = []
        self._overdue = False
        self._last_frame_utc_ns: UtcNs | None = None
        self._untimed: set[str] = set()

    # -- what arrives --------------------------------------------------------------------------------------

    def observe_frame(self, frame: Frame, *, timed: bool = True) -> LinkStatus | None:
        """Take a good frame; ``timed`` is false where its time is not that of its reception on the air."""
        link = self.link(frame.downlink)
        if link is None:
            return None
        link.observe(frame)
        self._last_frame_utc_ns = frame.received_utc_ns
        self._missed.clear()
        (self._untimed.discard if timed else self._untimed.add)(frame.downlink)
        if timed:
            self._authenticity.observe_frame(frame, self.track)
        link.frequency_error_hz = self._frequency_error_hz(frame)
        return link.status(frame.received_utc_ns)

    def _frequency_error_hz(self, frame: Frame) -> float | None:
        """Return the carrier measured minus the one predicted; without a prediction or a measurement none."""
        look, offset_hz, corrected_hz = self._look, frame.frequency_offset_hz, frame.doppler_corrected_hz
        if offset_hz is None or corrected_hz is None:
            return None
        if corrected_hz:
            return offset_hz
        if look is None or abs(frame.received_utc_ns - look.at_utc_ns) > 2 * NS_PER_S:
            return None
        predicted_hz = look.doppler_hz.get(frame.downlink)
        return None if predicted_hz is None else offset_hz - predicted_hz

    def observe_report(self, report: ParameterReport) -> None:
        """Take a report: one of the packets that are expected, with an on-board time perhaps."""
        link = self.links.get(report.downlink)
        if link is not None:
            link.observe_report(link.usable)
        if report.downlink not in self._untimed:
            self._authenticity.observe_report(report)

    def observe_packet(self, record: PacketRecord) -> None:
        """Take a packet."""
        if record.downlink not in self._untimed:
            self._authenticity.observe_packet(record)

    def count_rejected(self, downlink: str, reasons: Mapping[str, int], now_utc_ns: UtcNs) -> None:
        """Count what a downlink's chain refused, by reason."""
        link = self.link(downlink)
        if link is not None:
            link.reject(reasons, now_utc_ns)
        self._authenticity.count_rejected(reasons, now_utc_ns)

    def note_missing(self, downlink: str, missing: Mapping[str, int]) -> None:
        """Take what the counters of a downlink show to be missing, in all."""
        link = self.link(downlink)
        if link is not None:
            link.note_missing(missing)

    def observe_noise(
        self,
        downlink: str,
        readings: Iterable[ChannelNoise],
        fault: str | None,
        now_utc_ns: UtcNs,
        *,
        first: bool = False,
    ) -> None:
        """Take the readings of a downlink's channel, and what is wrong with its samples; ``first`` since tuning."""
        link = self.link(downlink)
        if link is None:
            return
        if first:
            link.tuned_anew()
        for reading in readings:
            link.observe_noise(reading)
        link.note_fault(fault, now_utc_ns)

    def observe_look(self, look: LookAngles) -> None:
        """Take where the satellite stands."""
        self._look = look

    def observe_pass_event(self, event: PassEvent) -> None:
        """Take an event of a pass; one that ends without a frame counts if anything could hear it."""
        if event.type == "aos":
            self._deaf_in_pass, self._culmination_deg = False, None
        elif event.type == "tca":
            self._culmination_deg = event.elevation_deg
        elif event.frames:
            self._missed.clear()
        elif not self._deaf_in_pass and (self._culmination_deg or 0.0) >= LEAST_CULMINATION_DEG:
            self._missed = [*self._missed, event.at_utc_ns][-PASSES_MISSED:]

    def tick(self, now_utc_ns: UtcNs, view: View) -> list[LinkStatus]:
        """Let time pass; return the links that have something to tell."""
        look = self._look
        if look is not None and now_utc_ns - look.at_utc_ns < LOOK_IS_OLD_NS:
            view = view._replace(elevation_deg=look.elevation_deg, range_km=look.range_km)
        if view.in_view is None and self._always:
            since = self._view.in_view_since_utc_ns or now_utc_ns
            view = view._replace(in_view=True, in_view_since_utc_ns=since)
        self._view = view
        self._deaf_in_pass = self._deaf_in_pass or not view.hears
        told = []
        for link in self.links.values():
            link.tick(now_utc_ns, view)
            if link.changed(now_utc_ns):
                told.append(link.status(now_utc_ns))
        return told

    def set_candidates(self, tracks: Mapping[int, Track]) -> None:
        """Say where the objects are predicted to be that this satellite may be, by catalogue number."""
        if self._authenticity.candidates is not None:
            self._authenticity.candidates.tracks = tracks

    @property
    def identity(self) -> str | None:
        """Say in words which of the candidates is heard; ``None`` where there are none, or nothing is known."""
        candidates = self._authenticity.candidates
        return None if candidates is None else candidates.words

    @property
    def missing(self) -> int:
        """Count what the counters of all downlinks show to be missing."""
        return sum(sum(link.missing.values()) for link in self.links.values())

    # -- what follows ----------------------------------------------------------------------------------------

    def verdict(self, now_utc_ns: UtcNs) -> Verdict:
        """Say who is taken to transmit."""
        return self._authenticity.judge(now_utc_ns)

    def conditions(self, now_utc_ns: UtcNs) -> list[Condition]:
        """Say of every condition that could be judged whether it holds; what nothing is known of is left out."""
        found = []
        for name, link in self.links.items():
            found += [
                Condition(condition_name("link", name, one.state), one.active, LEVELS[one.state], one.evidence)
                for one in link.conditions(now_utc_ns)
            ]
        verdict = self.verdict(now_utc_ns)
        suspect = verdict.authenticity == "suspect"
        level: ConcernLevel = verdict.level if suspect else "warning"
        if suspect or self._last_frame_utc_ns is not None:
            found.append(Condition("authenticity", suspect, level, "; ".join(verdict.evidence)))
        found += self._overdue_condition()
        return found

    def _overdue_condition(self) -> list[Condition]:
        overdue = len(self._missed) >= PASSES_MISSED and self._supervised
        if not overdue and self._last_frame_utc_ns is None:
            return []
        return [Condition("overdue", overdue, "warning", f"no AOS in {PASSES_MISSED} predicted passes")]

    def link(self, downlink: str) -> LinkWatch | None:
        """Return the books of a downlink, opened when it is named first."""
        link = self.links.get(downlink)
        if link is None and len(self.links) < MAX_DOWNLINKS:
            link = self.links[downlink] = LinkWatch(
                self.slug,
                downlink,
                self._satellite.marking,
                expected_per_s=expected_per_s(self._satellite, downlink),
                supervised=self._supervised,
            )
            link.tick(self._last_frame_utc_ns or 0, self._view)
        return link


def expected_per_s(satellite: definitions.Satellite, downlink: str) -> float | None:
    """Return how many packets a second a downlink should give, by the satellite's file."""
    several = len(satellite.downlinks) > 1
    rates = [
        1.0 / packet.expected_every_s
        for packet in satellite.packets
        if packet.expected_every_s is not None
        and (downlink in packet.downlinks if packet.downlinks else not several)
    ]
    return sum(rates) if rates else None
