"""The life of alarms after ISA-18.2: triggered, acknowledged, returned to normal, cleared; shelved, latched.

Knows the instances there are now and turns what the kernels and people say into transitions. Does not judge
values. An alarm is cleared only when its process is normal again *and* it has been acknowledged (and, if it
latches, reset); an acknowledgement must name the instance, so that a stale one is refused. Times are arguments.

Source: ANSI/ISA-18.2-2016 §5.2 (alarm state model), with the names of Yamcs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from agent.errors import AgentError
from agent.records import CONCERN_LEVELS, Alarm, AlarmState, ConcernLevel, EngineeringValue, UtcNs

FOR_EVER_NS = 1 << 62
MAX_USER = 64


class AlarmRefused(AgentError):
    """An acknowledgement, shelving or reset that names no alarm there is now."""


@dataclass(slots=True)
class _Instance:
    """One alarm that is not yet cleared; ``shown`` is its last transition that was told."""

    shown: Alarm
    process_normal: bool
    acknowledged_by: str | None
    auto_acknowledge: bool
    latching: bool
    pending: bool
    shelved_until_utc_ns: UtcNs | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """What made an alarm move: the value that violates (or conforms again), its level, and which limit it met."""

    level: ConcernLevel
    value: EngineeringValue
    unit: str
    limit: str
    violations: int


class AlarmBook:
    """The alarms of all satellites that are not cleared."""

    def __init__(self) -> None:
        self._instances: dict[tuple[str, str], _Instance] = {}

    def active(self) -> tuple[Alarm, ...]:
        """Return the last transition of every alarm that is not cleared."""
        return tuple(instance.shown for instance in self._instances.values())

    def worst_level(self, satellite: str) -> ConcernLevel:
        """Return the most severe level among a satellite's alarms that have triggered."""
        levels = [
            CONCERN_LEVELS.index(instance.shown.level)
            for (name, _), instance in self._instances.items()
            if name == satellite and not instance.pending and not instance.process_normal
        ]
        return CONCERN_LEVELS[max(levels, default=0)]

    # -- what the process does -----------------------------------------------------------------------------

    def violate(
        self,
        satellite: str,
        parameter: str,
        violation: Violation,
        now_utc_ns: UtcNs,
        *,
        pending: bool = False,
        auto_acknowledge: bool = False,
        latching: bool = False,
        marking: str = "U",
    ) -> list[Alarm]:
        """Start an alarm, let a pending one trigger, an old one begin again, or an active one grow more severe."""
        key = satellite, parameter
        instance = self._instances.get(key)
        state: AlarmState = "pending" if pending else "triggered"
        if instance is None:
            shown = Alarm(
                satellite=satellite,
                parameter=parameter,
                alarm_id=f"{now_utc_ns:x}",
                state=state,
                level=violation.level,
                as_of_utc_ns=now_utc_ns,
                triggered_utc_ns=None if pending else now_utc_ns,
                value=violation.value,
                unit=violation.unit,
                limit=violation.limit,
                violations=violation.violations,
                marking=marking,
            )
            self._instances[key] = _Instance(shown, False, None, auto_acknowledge, latching, pending)
            return [shown]
        if pending and not instance.pending:
            return []
        again = instance.process_normal
        grown = CONCERN_LEVELS.index(violation.level) > CONCERN_LEVELS.index(instance.shown.level)
        if not (again or instance.pending or grown):
            # It was as severe before it returned and came again: nothing that was not told.
            self.refresh(satellite, parameter, violation.value, violation.violations)
            return []
        instance.process_normal = False
        instance.pending = pending
        if again:
            instance.acknowledged_by = None
        elif not instance.shown.triggered_utc_ns:
            instance.shown = replace(instance.shown, triggered_utc_ns=now_utc_ns)
        acknowledged = instance.acknowledged_by is not None
        return self._tell(
            instance,
            "acknowledged" if acknowledged else state,
            now_utc_ns,
            level=violation.level,
            value=violation.value,
            limit=violation.limit,
            violations=violation.violations,
        )

    def conform(
        self,
        satellite: str,
        parameter: str,
        value: EngineeringValue,
        now_utc_ns: UtcNs,
        *,
        limit: str | None = None,
    ) -> list[Alarm]:
        """Let an alarm's process return to normal; a pending one goes without trace but its clearing.

        ``limit`` replaces what the alarm says of its limit: the evidence that a condition is over.
        """
        instance = self._instances.get((satellite, parameter))
        if instance is None or instance.process_normal:
            return []
        instance.process_normal = True
        if limit is not None:
            instance.shown = replace(instance.shown, limit=limit)
        if instance.pending:
            return self._clear(instance, now_utc_ns, value)
        if instance.auto_acknowledge and instance.acknowledged_by is None:
            instance.acknowledged_by = "auto"
        if instance.acknowledged_by is not None and not instance.latching:
            return self._clear(instance, now_utc_ns, value)
        if instance.latching:
            return []
        return self._tell(instance, "returned_to_normal", now_utc_ns, value=value)

    def refresh(
        self, satellite: str, parameter: str, value: EngineeringValue, violations: int, *, limit: str | None = None
    ) -> None:
        """Keep the newest value (and evidence) of an alarm that goes on, without telling."""
        instance = self._instances.get((satellite, parameter))
        if instance is not None and not instance.process_normal:
            old = instance.shown
            instance.shown = replace(
                old, value=value, violations=violations, limit=old.limit if limit is None else limit
            )

    # -- what people do ------------------------------------------------------------------------------------

    def acknowledge(
        self, satellite: str, parameter: str, alarm_id: str, user: str, now_utc_ns: UtcNs
    ) -> list[Alarm]:
        """Acknowledge one instance; raises ``AlarmRefused`` when it is not the one there is now."""
        instance = self._find(satellite, parameter, alarm_id)
        if instance.pending:
            raise AlarmRefused(f"{satellite}/{parameter}: the alarm has not triggered yet")
        if instance.acknowledged_by is not None:
            return []
        instance.acknowledged_by = user[:MAX_USER]
        if instance.process_normal and not instance.latching:
            return self._clear(instance, now_utc_ns, instance.shown.value)
        # A shelved alarm stays so; who acknowledged it is told all the same, to be kept.
        told = self._tell(instance, "acknowledged", now_utc_ns)
        return told or [instance.shown]

    def reset(self, satellite: str, parameter: str, alarm_id: str, user: str, now_utc_ns: UtcNs) -> list[Alarm]:
        """Clear a latched alarm whose process is normal again; raises ``AlarmRefused`` when it is not."""
        instance = self._find(satellite, parameter, alarm_id)
        if not instance.process_normal:
            raise AlarmRefused(f"{satellite}/{parameter}: still out of limits, it cannot be reset")
        if instance.acknowledged_by is None:
            instance.acknowledged_by = user[:MAX_USER]
        return self._clear(instance, now_utc_ns, instance.shown.value)

    def shelve(
        self,
        satellite: str,
        parameter: str,
        alarm_id: str,
        user: str,
        now_utc_ns: UtcNs,
        *,
        duration_s: float | None,
    ) -> list[Alarm]:
        """Silence an alarm for a while (``None``: until it is unshelved or cleared)."""
        instance = self._find(satellite, parameter, alarm_id)
        if duration_s is not None and not 0 < duration_s <= 1e9:
            raise AlarmRefused(f"a duration of {duration_s} s")
        until = None if duration_s is None else now_utc_ns + round(duration_s * 1e9)
        instance.shown = replace(instance.shown, shelved_by=user[:MAX_USER], shelved_until_utc_ns=until)
        instance.shelved_until_utc_ns = None
        told = self._tell(instance, "shelved", now_utc_ns)
        instance.shelved_until_utc_ns = FOR_EVER_NS if until is None else until
        return told

    def unshelve(self, satellite: str, parameter: str, alarm_id: str, now_utc_ns: UtcNs) -> list[Alarm]:
        """End shelving: the alarm's state is told again."""
        instance = self._find(satellite, parameter, alarm_id)
        if instance.shelved_until_utc_ns is None:
            return []
        return self._unshelve(instance, now_utc_ns)

    def tick(self, now_utc_ns: UtcNs) -> list[Alarm]:
        """End the shelving that has run out."""
        told: list[Alarm] = []
        for instance in list(self._instances.values()):
            until = instance.shelved_until_utc_ns
            if until is not None and now_utc_ns >= until:
                told += self._unshelve(instance, now_utc_ns)
        return told

    # -- after a restart -----------------------------------------------------------------------------------

    def restore(
        self, transitions: Iterable[Alarm], flags: Callable[[str, str], tuple[bool, bool] | None]
    ) -> tuple[list[Alarm], list[Alarm]]:
        """Take up the alarms of an earlier run from their transitions, oldest first.

        ``flags`` gives auto-acknowledge and latching by satellite and parameter, ``None`` where no limit can raise
        that alarm any more. Returns those still open, and those that are dropped for that: their topics still hold
        them, so that their clearing is to be told.
        """
        last: dict[tuple[str, str], Alarm] = {}
        acknowledged: dict[tuple[str, str], str | None] = {}
        for alarm in transitions:
            key = alarm.satellite, alarm.parameter
            last[key] = alarm
            if alarm.state == "acknowledged" or (alarm.shelved_by and alarm.acknowledged_by):
                acknowledged[key] = alarm.acknowledged_by
            elif alarm.state in ("cleared", "pending", "triggered"):
                acknowledged.pop(key, None)
        dropped: list[Alarm] = []
        for key, alarm in last.items():
            if alarm.state in ("cleared", "pending"):
                continue
            found = flags(*key)
            if found is None:
                dropped.append(alarm)
                continue
            auto, latching = found
            shelved_until = FOR_EVER_NS if alarm.shelved_until_utc_ns is None else alarm.shelved_until_utc_ns
            self._instances[key] = _Instance(
                alarm,
                alarm.state == "returned_to_normal",
                acknowledged.get(key),
                auto,
                latching,
                pending=False,
                shelved_until_utc_ns=shelved_until if alarm.state == "shelved" else None,
            )
        return [instance.shown for instance in self._instances.values()], dropped

    def adopt(self, other: AlarmBook, satellites: Collection[str]) -> None:
        """Take over another book's alarms of some satellites whole, with shelving and who acknowledged them."""
        self._instances.update(
            (key, instance) for key, instance in other._instances.items() if key[0] in satellites
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _find(self, satellite: str, parameter: str, alarm_id: str) -> _Instance:
        instance = self._instances.get((satellite, parameter))
        if instance is None:
            raise AlarmRefused(f"{satellite}/{parameter}: there is no alarm")
        if instance.shown.alarm_id != alarm_id:
            raise AlarmRefused(
                f"{satellite}/{parameter}: alarm {alarm_id} is over, now there is {instance.shown.alarm_id}"
            )
        return instance

    def _tell(
        self,
        instance: _Instance,
        state: AlarmState,
        now_utc_ns: UtcNs,
        *,
        level: ConcernLevel | None = None,
        value: EngineeringValue = None,
        limit: str | None = None,
        violations: int | None = None,
    ) -> list[Alarm]:
        """Record a transition; it is told unless the alarm is shelved."""
        old = instance.shown
        instance.shown = replace(
            old,
            state=old.state if instance.shelved_until_utc_ns is not None else state,
            as_of_utc_ns=now_utc_ns,
            level=max(old.level, level or old.level, key=CONCERN_LEVELS.index),
            value=old.value if value is None else value,
            limit=old.limit if limit is None else limit,
            violations=old.violations if violations is None else violations,
            acknowledged_by=instance.acknowledged_by,
        )
        return [] if instance.shelved_until_utc_ns is not None else [instance.shown]

    def _clear(self, instance: _Instance, now_utc_ns: UtcNs, value: EngineeringValue) -> list[Alarm]:
        """Clear an alarm; that is told even of a shelved one, for its last message would stay otherwise."""
        self._end_shelving(instance)
        told = self._tell(instance, "cleared", now_utc_ns, value=value)
        del self._instances[instance.shown.satellite, instance.shown.parameter]
        return told

    @staticmethod
    def _end_shelving(instance: _Instance) -> None:
        instance.shelved_until_utc_ns = None
        instance.shown = replace(instance.shown, shelved_by=None, shelved_until_utc_ns=None)

    def _unshelve(self, instance: _Instance, now_utc_ns: UtcNs) -> list[Alarm]:
        self._end_shelving(instance)
        state: AlarmState = "triggered"
        if instance.process_normal and not instance.latching:
            state = "returned_to_normal"
        elif instance.acknowledged_by is not None:
            state = "acknowledged"
        elif instance.pending:
            state = "pending"
        return self._tell(instance, state, now_utc_ns)
