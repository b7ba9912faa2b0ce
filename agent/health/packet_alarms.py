"""The alarms of one packet: its limits, what they remember from report to report, and how their alarms are called.

Turns the kernel's verdicts and events into words and transitions. Does not know what the absence of a packet means
(``staleness``) nor what an alarm's life is (``alarms``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from agent import definitions
from agent.health.alarms import AlarmBook, Violation
from agent.health.conditions import condition_names
from agent.health.limits import LimitedParameter, LimitSet, PacketLimits, PacketMemory, verdicts
from agent.records import (
    CONCERN_LEVELS,
    Alarm,
    ConcernLevel,
    EngineeringValue,
    ParameterHealth,
    ParameterReport,
    UtcNs,
)


class PacketAlarms:
    """The limits of one packet at work; ``health`` is the newest verdict on each of its parameters."""

    def __init__(self, slug: str, limit_set: LimitSet, limits: PacketLimits, names: tuple[str, ...]) -> None:
        self.names = names
        self.health: tuple[ParameterHealth, ...] = ()
        self._slug = slug
        self._limit_set = limit_set
        self._limits = limits
        self._memory = PacketMemory(len(limits.parameters))

    def judge(self, report: ParameterReport, measured_utc_ns: UtcNs, alarms: AlarmBook) -> list[Alarm]:
        """Judge a report measured at a time of the station's clock; returns the transitions of its alarms."""
        from agent.health import kernels

        limits, memory = self._limits, self._memory
        values = limits.load(report)
        self._limit_set.step(limits, memory, measured_utc_ns)
        self.health = verdicts(limits)
        told: list[Alarm] = []
        for index in np.flatnonzero(memory.events).tolist():
            parameter, name = limits.parameters[index], self.names[index]
            event = int(memory.events[index])
            value = values.get(parameter.name)
            if event in (kernels.RETURNED, kernels.DROPPED):
                told += alarms.conform(self._slug, name, value, report.received_utc_ns)
                continue
            told += alarms.violate(
                self._slug,
                name,
                Violation(
                    level=CONCERN_LEVELS[int(memory.counts[index, 3])],
                    value=value,
                    unit=parameter.unit,
                    limit=_limit_text(parameter, values, self.health[index]),
                    violations=int(memory.counts[index, 0]),
                ),
                report.received_utc_ns,
                pending=event == kernels.PENDING,
                auto_acknowledge=parameter.limits.auto_acknowledge,
                latching=parameter.limits.latching,
                marking=report.marking,
            )
        return told

    def flags(self) -> Iterator[tuple[str, tuple[bool, bool]]]:
        """Give each alarm's name, and whether it acknowledges itself and latches."""
        for name, parameter in zip(self.names, self._limits.parameters, strict=True):
            yield name, (parameter.limits.auto_acknowledge, parameter.limits.latching)

    def resume(self, alarm: Alarm) -> None:
        """Let persistence go on where it was: an alarm is active until enough good samples have come."""
        for index, name in enumerate(self.names):
            if name == alarm.parameter:
                self._memory.counts[index] = (alarm.violations, 0, 2, CONCERN_LEVELS.index(alarm.level))


def packet_alarms(slug: str, satellite: definitions.Satellite, limits: LimitSet) -> dict[str, PacketAlarms]:
    """Make the alarms of every packet with limits.

    What several packets carry with limits of their own has an alarm in each; so has a condition's namesake.
    """
    count = Counter(one.name for packet in limits.packets.values() for one in packet.parameters)
    conditions = condition_names(satellite)
    return {
        packet: PacketAlarms(
            slug,
            limits,
            one,
            tuple(
                f"{packet}_{item.name}" if count[item.name] > 1 or item.name in conditions else item.name
                for item in one.parameters
            ),
        )
        for packet, one in limits.packets.items()
    }


def _limit_text(
    parameter: LimitedParameter, values: Mapping[str, EngineeringValue], health: ParameterHealth
) -> str:
    """Say which limit was met: ``warning: 7 … 8.5 V``."""
    compiled = parameter.rule(values)
    if compiled is None or health.level == "normal":
        return ""
    level: ConcernLevel = health.level
    one: definitions.Range | None = getattr(compiled.rule, level)
    if one is None:
        return level
    low = "" if one.min is None else f"{one.min:g}"
    high = "" if one.max is None else f"{one.max:g}"
    unit = f" {parameter.unit}" if parameter.unit else ""
    inside = " (bad inside)" if compiled.rule.form == "inside" else ""
    return f"{level}: {low} … {high}{unit}{inside}"
