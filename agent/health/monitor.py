"""Health of all satellites of a station: what reports and frames say, and what their absence says.

Joins limits, alarms, staleness and links. Knows no clock (``tick`` is told the time), no broker and no archive:
what it returns is to be archived and published by the caller. Constructing it raises ``ConfigError`` for limits
that contradict themselves.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent import definitions
from agent.health.alarms import AlarmBook, AlarmRefused
from agent.health.conditions import STATION, ConditionBoard, condition_name, condition_names
from agent.health.hearing import Hearing
from agent.health.limits import LimitSet
from agent.health.link import View
from agent.health.packet_alarms import PacketAlarms, packet_alarms
from agent.health.staleness import Change, Staleness
from agent.health.transmitter.authenticity import UNHEARD, Verdict
from agent.health.transmitter.replay_memory import ReplayMemory
from agent.health.transmitter.track import Track
from agent.health.trends.behaviour import SatelliteBehaviour
from agent.records import (
    CONCERN_LEVELS,
    Alarm,
    ChannelNoise,
    ConcernLevel,
    Frame,
    HealthStatus,
    LookAngles,
    PacketRecord,
    ParameterHealth,
    ParameterReport,
    PassEvent,
    Record,
    UtcNs,
)

__all__ = ["AlarmRefused", "Monitor"]


@dataclass(slots=True)
class _SatelliteState:
    """What is known of one satellite."""

    slug: str
    satellite: definitions.Satellite
    hearing: Hearing
    behaviour: SatelliteBehaviour
    packets: dict[str, PacketAlarms]
    staleness: Staleness
    last_report_utc_ns: UtcNs | None = None
    in_view: bool | None = None
    in_view_since_utc_ns: UtcNs | None = None
    deaf_since_utc_ns: UtcNs | None = None
    hears_since_utc_ns: UtcNs | None = None
    verdict: Verdict = UNHEARD

    @property
    def view(self) -> View:
        """What is known about where it stands, but for its elevation."""
        return View(self.in_view, self.in_view_since_utc_ns, hears=self.deaf_since_utc_ns is None)


class Monitor:
    """The health of several satellites, by the names of their files."""

    def __init__(self, satellites: Mapping[str, definitions.Satellite]) -> None:
        self.replay_memory = ReplayMemory()
        """What has been heard, by hash; whoever has a disk keeps it over a restart."""
        self.untimed_sources: set[str] = set()
        """Sources whose times are not those of reception: recordings that do not say when they were made."""
        self._states = {
            slug: _new_state(slug, satellite, self.replay_memory) for slug, satellite in satellites.items()
        }
        self._alarms = AlarmBook()
        self._conditions = ConditionBoard(self._alarms)
        self._dropped: list[Alarm] = []
        self._made = 0
        if any(state.satellite.packets for state in self._states.values()):
            # Loaded now, not with the first report: that would hold everything up in the middle of a pass.
            importlib.import_module("agent.health.kernels")
            importlib.import_module("agent.health.trends.kernels")
        if any(state.satellite.downlinks for state in self._states.values()):
            importlib.import_module("agent.health.transmitter.kernels")

    # -- what arrives --------------------------------------------------------------------------------------

    def observe(self, report: ParameterReport) -> list[Record]:
        """Judge a report: the satellite's health, and every transition of its alarms."""
        state = self._states.get(report.satellite)
        if state is None:
            return []
        now_utc_ns = report.received_utc_ns
        state.last_report_utc_ns = now_utc_ns
        state.hearing.observe_report(report)
        measured_utc_ns, reset = state.behaviour.observe(report)
        records: list[Record] = []
        if reset is not None:
            records += self._reset(state, now_utc_ns, reset)
        records += self._tell_stale(state, state.staleness.heard(report.packet, now_utc_ns), now_utc_ns)
        packet = state.packets.get(report.packet)
        if packet is not None:
            records += packet.judge(report, measured_utc_ns, self._alarms)
        return [self._health(state, now_utc_ns), *records]

    def observe_frame(self, frame: Frame) -> list[Record]:
        """Count a good frame for its downlink, and ask who sent it."""
        state = self._states.get(frame.satellite) if frame.satellite is not None else None
        if state is None:
            return []
        status = state.hearing.observe_frame(frame, timed=frame.source not in self.untimed_sources)
        return [] if status is None else [status]

    def observe_packet(self, packet: PacketRecord) -> None:
        """Take a packet: its count, and whether its octets came before."""
        state = self._states.get(packet.satellite) if packet.satellite is not None else None
        if state is not None:
            state.hearing.observe_packet(packet)

    def observe_look(self, look: LookAngles) -> None:
        """Take where a satellite stands."""
        if look.satellite in self._states:
            self._states[look.satellite].hearing.observe_look(look)

    def observe_pass_event(self, event: PassEvent) -> None:
        """Take an event of a pass: several that end without a frame make a satellite overdue."""
        if event.satellite in self._states:
            self._states[event.satellite].hearing.observe_pass_event(event)

    def observe_noise(
        self,
        satellite: str,
        downlink: str,
        readings: Sequence[ChannelNoise],
        fault: str | None,
        now_utc_ns: UtcNs,
        *,
        first: bool = False,
    ) -> None:
        """Take the noise of a downlink's channel, and what is wrong with its samples; ``first`` since tuning."""
        if satellite in self._states:
            self._states[satellite].hearing.observe_noise(downlink, readings, fault, now_utc_ns, first=first)

    def count_rejected(
        self, satellite: str | None, downlink: str, reasons: Mapping[str, int], now_utc_ns: UtcNs = 0
    ) -> None:
        """Count what a downlink's chain refused, by reason."""
        state = self._states.get(satellite) if satellite is not None else None
        if state is not None:
            state.hearing.count_rejected(downlink, reasons, now_utc_ns)

    def note_missing(self, satellite: str, downlink: str, missing: Mapping[str, int]) -> None:
        """Take what the counters of a downlink's frames and packets show to be missing, in all."""
        if satellite in self._states:
            self._states[satellite].hearing.note_missing(downlink, missing)

    def set_track(self, satellite: str, track: Track | None) -> None:
        """Say where a satellite is predicted to be; ``None`` when there are no elements."""
        if satellite in self._states:
            self._states[satellite].hearing.track = track

    def set_candidates(self, satellite: str, tracks: Mapping[int, Track]) -> None:
        """Say where the objects are predicted to be that a satellite may be, by catalogue number."""
        if satellite in self._states:
            self._states[satellite].hearing.set_candidates(tracks)

    def set_in_view(self, satellite: str, in_view: bool | None, now_utc_ns: UtcNs) -> None:
        """Say whether a satellite is above the horizon; ``None`` when that is not known."""
        state = self._states.get(satellite)
        if state is None or state.in_view == in_view:
            return
        state.in_view = in_view
        state.in_view_since_utc_ns = now_utc_ns if in_view else None

    def set_orbit_period(self, satellite: str, period_s: float | None) -> None:
        """Say how long an orbit takes by the elements; what the satellite's file says of it comes first."""
        state = self._states.get(satellite)
        if state is not None and period_s is not None and state.satellite.behaviour.orbit_period_s is None:
            state.behaviour.period_s = period_s

    def set_hears(self, satellite: str, hears: bool, now_utc_ns: UtcNs) -> None:
        """Say whether any source could hear a satellite now: where none can, its silence says nothing."""
        state = self._states.get(satellite)
        if state is None or hears == (state.deaf_since_utc_ns is None):
            return
        state.deaf_since_utc_ns = None if hears else now_utc_ns
        state.hears_since_utc_ns = now_utc_ns if hears else None

    def condition(
        self,
        satellite: str,
        name: str,
        active: bool,
        now_utc_ns: UtcNs,
        *,
        level: ConcernLevel,
        evidence: str,
        marking: str | None = None,
    ) -> list[Record]:
        """Say whether a condition holds now, as often as is known; returns the transitions of its alarm.

        ``satellite`` is ``station`` for what is wrong with the station itself; one that is not known here has no
        conditions. Nothing is returned when nothing changes; ``evidence`` stands in the alarm's ``limit``.
        """
        state = self._states.get(satellite)
        if state is None and satellite != STATION:
            return []
        if marking is None:
            marking = "U" if state is None else state.satellite.marking
        return list(
            self._conditions.set(
                satellite, name, active, now_utc_ns, level=level, evidence=evidence, marking=marking
            )
        )

    def tick(self, now_utc_ns: UtcNs) -> list[Record]:
        """Let time pass: shelving that runs out, packets that go stale, links that fall silent."""
        records: list[Record] = [*self._alarms.tick(now_utc_ns), *self._conditions.tick(now_utc_ns)]
        records += [replace(alarm, state="cleared", as_of_utc_ns=now_utc_ns) for alarm in self._dropped]
        self._dropped.clear()
        for state in self._states.values():
            records += state.behaviour.tick(now_utc_ns)
            if not state.behaviour.resets.holds(now_utc_ns):
                records += self._reset(state, now_utc_ns, None)
            changes = state.staleness.tick(
                now_utc_ns,
                state.in_view,
                in_view_since_utc_ns=state.in_view_since_utc_ns,
                deaf=state.deaf_since_utc_ns is not None,
                hears_since_utc_ns=state.hears_since_utc_ns,
            )
            if changes:
                records += self._tell_stale(state, changes, now_utc_ns)
                records.append(self._health(state, now_utc_ns))
            records += self._listen(state, now_utc_ns)
        return records

    # -- what people do ------------------------------------------------------------------------------------

    def acknowledge(
        self, satellite: str, parameter: str, alarm_id: str, user: str, now_utc_ns: UtcNs
    ) -> list[Record]:
        """Acknowledge an alarm by its id; raises ``AlarmRefused`` for one that is over."""
        return list(self._alarms.acknowledge(satellite, parameter, alarm_id, user, now_utc_ns))

    def reset(self, satellite: str, parameter: str, alarm_id: str, user: str, now_utc_ns: UtcNs) -> list[Record]:
        """Clear a latched alarm that is normal again; raises ``AlarmRefused`` for one that is not."""
        return list(self._alarms.reset(satellite, parameter, alarm_id, user, now_utc_ns))

    def shelve(
        self,
        satellite: str,
        parameter: str,
        alarm_id: str,
        user: str,
        now_utc_ns: UtcNs,
        *,
        duration_s: float | None,
    ) -> list[Record]:
        """Silence an alarm for a while, or (``None``) until it is unshelved."""
        return list(self._alarms.shelve(satellite, parameter, alarm_id, user, now_utc_ns, duration_s=duration_s))

    def unshelve(self, satellite: str, parameter: str, alarm_id: str, now_utc_ns: UtcNs) -> list[Record]:
        """End the shelving of an alarm."""
        return list(self._alarms.unshelve(satellite, parameter, alarm_id, now_utc_ns))

    def active_alarms(self) -> tuple[Alarm, ...]:
        """Return every alarm that is not cleared."""
        return self._alarms.active()

    def restore(self, transitions: Iterable[Alarm]) -> tuple[Alarm, ...]:
        """Take up the alarms of an earlier run from their archived transitions, oldest first."""
        flags = {
            (state.slug, name): told
            for state in self._states.values()
            for packet in state.packets.values()
            for name, told in packet.flags()
        }
        conditions = {slug: condition_names(state.satellite) for slug, state in self._states.items()}

        def flags_of(satellite: str, name: str) -> tuple[bool, bool] | None:
            if satellite == STATION or name in conditions.get(satellite, ()):
                return False, False
            return flags.get((satellite, name))

        open_, self._dropped = self._alarms.restore(transitions, flags_of)
        for alarm in open_:
            if (alarm.satellite, alarm.parameter) in flags and alarm.state != "returned_to_normal":
                for packet in self._states[alarm.satellite].packets.values():
                    packet.resume(alarm)
        conditions_of = [alarm for alarm in open_ if (alarm.satellite, alarm.parameter) not in flags]
        self._conditions.resume(conditions_of)
        for alarm in conditions_of:
            if alarm.satellite in self._states and alarm.state != "returned_to_normal":
                self._states[alarm.satellite].staleness.resume(alarm.parameter)
        return tuple(open_)

    def continue_from(self, other: Monitor) -> None:
        """Go on where another monitor is: what is the same keeps all it remembers, what is not its alarms."""
        alarms = other.active_alarms()
        self.restore(alarms)
        same = {
            slug
            for slug, state in self._states.items()
            if slug in other._states and other._states[slug].satellite == state.satellite
        }
        self._states.update((slug, other._states[slug]) for slug in same)
        self._made = other._made
        self.replay_memory, self.untimed_sources = other.replay_memory, other.untimed_sources
        for slug, state in self._states.items():
            if slug not in same:
                state.hearing = Hearing(slug, state.satellite, self.replay_memory)
        self._alarms.adopt(other._alarms, {STATION, *same})
        self._dropped += [one for one in alarms if one.state == "pending" and one.satellite not in same]

    # -- inside --------------------------------------------------------------------------------------------

    def _tell_stale(self, state: _SatelliteState, changes: Iterable[Change], now_utc_ns: UtcNs) -> list[Record]:
        """Let packets be stale from now on, and others no longer."""
        records: list[Record] = []
        for change in changes:
            records += self.condition(
                state.slug,
                condition_name(change.packet.name, "stale"),
                change.stale,
                now_utc_ns,
                level=change.packet.stale_level,
                evidence=change.evidence,
            )
        return records

    def _reset(self, state: _SatelliteState, now_utc_ns: UtcNs, evidence: str | None) -> list[Record]:
        """Say whether the satellite was reset lately."""
        return self.condition(
            state.slug,
            "onboard_reset",
            evidence is not None,
            now_utc_ns,
            level=state.satellite.behaviour.reset_level,
            evidence=evidence or "no further reset",
        )

    def _health(self, state: _SatelliteState, now_utc_ns: UtcNs) -> HealthStatus:
        self._made += 1
        parameters: tuple[ParameterHealth, ...] = ()
        for name, packet in state.packets.items():
            stale = name in state.staleness.packets
            parameters += (
                tuple(ParameterHealth(one.parameter, "stale") for one in packet.health) if stale else packet.health
            )
        worst = max((CONCERN_LEVELS.index(one.level) for one in parameters), default=0)
        return HealthStatus(
            satellite=state.slug,
            as_of_utc_ns=now_utc_ns,
            worst_level=CONCERN_LEVELS[worst],
            parameters=parameters,
            stale_packets=state.staleness.packets,
            last_report_utc_ns=state.last_report_utc_ns,
            authenticity=state.verdict.authenticity,
            authenticity_evidence=state.verdict.evidence,
            identity=state.hearing.identity,
            missing=state.hearing.missing,
            order=self._made,
            marking=state.satellite.marking,
        )

    def _listen(self, state: _SatelliteState, now_utc_ns: UtcNs) -> list[Record]:
        """Let time pass for the links, and make alarms of what is wrong with them or with the transmitter."""
        hearing = state.hearing
        records: list[Record] = [*hearing.tick(now_utc_ns, state.view)]
        for one in hearing.conditions(now_utc_ns):
            records += self.condition(
                state.slug, one.name, one.active, now_utc_ns, level=one.level, evidence=one.evidence
            )
        verdict = hearing.verdict(now_utc_ns)
        if verdict != state.verdict:
            state.verdict = verdict
            records.append(self._health(state, now_utc_ns))
        return records


def _new_state(slug: str, satellite: definitions.Satellite, memory: ReplayMemory) -> _SatelliteState:
    limits = LimitSet(satellite, slug)
    return _SatelliteState(
        slug,
        satellite,
        Hearing(slug, satellite, memory),
        SatelliteBehaviour(slug, satellite, limits.packets),
        packet_alarms(slug, satellite, limits),
        Staleness(satellite),
    )
