"""Conditions: what is wrong that no packet says as a parameter of its own, with the life of any other alarm.

A silent packet, a lost source, a signal that is not the satellite's: whoever judges such a thing says, as often as
it likes, whether it holds now, how bad it is and what the evidence is; here it becomes transitions of an alarm, and
only when something changed. Knows names and the alarm book; judges nothing itself, and knows no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.definitions import Satellite
from agent.health.alarms import AlarmBook, Violation
from agent.records import CONCERN_LEVELS, Alarm, ConcernLevel, UtcNs

STATION = "station"
"""What stands where a satellite's name would, in alarms of the station itself."""

MAX_NAME = 64
MAX_EVIDENCE = 256
MAX_CONDITIONS = 4096

LINK_STATES = ("interference", "silent", "receiver_fault", "fading")
SATELLITE_CONDITIONS = ("authenticity", "overdue", "onboard_reset")

UNCONFIRMED_NS = 600 * 1_000_000_000
"""What an earlier run of the station left, and nobody speaks of for so long, is taken to be over."""


def condition_name(*parts: str) -> str:
    """Join what a condition is called by: lower case, digits and underscores, at most 64."""
    return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")[:MAX_NAME]


def condition_names(satellite: Satellite) -> frozenset[str]:
    """List every condition that a satellite's file makes possible."""
    return frozenset(
        (
            *SATELLITE_CONDITIONS,
            *(condition_name(packet.name, "stale") for packet in satellite.packets),
            *(condition_name("link", one.name, state) for one in satellite.downlinks for state in LINK_STATES),
        )
    )


class ConditionBoard:
    """The conditions that hold, by satellite and name, as alarms of one book."""

    def __init__(self, alarms: AlarmBook) -> None:
        self._alarms = alarms
        self._holding: dict[tuple[str, str], ConcernLevel] = {}
        self._unconfirmed: dict[tuple[str, str], UtcNs | None] = {}

    def set(
        self,
        satellite: str,
        name: str,
        active: bool,
        now_utc_ns: UtcNs,
        *,
        level: ConcernLevel,
        evidence: str,
        marking: str,
        auto_acknowledge: bool = False,
    ) -> list[Alarm]:
        """Say whether a condition holds now; returns what changed, which is nothing when nothing did.

        New evidence alone is kept and not told; a level that grows is told once, as with any alarm.
        """
        key = satellite, condition_name(name)
        self._unconfirmed.pop(key, None)
        before = self._holding.get(key)
        evidence = evidence[:MAX_EVIDENCE]
        if not active or level == "normal":
            if before is None:
                return []
            del self._holding[key]
            return self._alarms.conform(*key, None, now_utc_ns, limit=evidence or None)
        if before is not None and CONCERN_LEVELS.index(level) <= CONCERN_LEVELS.index(before):
            self._alarms.refresh(*key, None, 1, limit=evidence)
            return []
        if before is None and len(self._holding) >= MAX_CONDITIONS:
            return []
        self._holding[key] = level
        return self._alarms.violate(
            *key,
            Violation(level=level, value=None, unit="", limit=evidence, violations=1),
            now_utc_ns,
            auto_acknowledge=auto_acknowledge,
            marking=marking,
        )

    def holding(self, satellite: str) -> dict[str, ConcernLevel]:
        """Return the conditions of a satellite that hold now, and how bad each is."""
        return {name: level for (one, name), level in self._holding.items() if one == satellite}

    def resume(self, alarms: Iterable[Alarm]) -> None:
        """Take up the conditions of an earlier run: they hold until somebody says otherwise."""
        for alarm in alarms:
            if alarm.state != "returned_to_normal":
                key = alarm.satellite, alarm.parameter
                self._holding[key] = alarm.level
                if alarm.satellite == STATION:
                    self._unconfirmed[key] = None

    def tick(self, now_utc_ns: UtcNs) -> list[Alarm]:
        """End what an earlier run left and nobody speaks of any more, as of a source no longer configured."""
        told: list[Alarm] = []
        for key, since_utc_ns in list(self._unconfirmed.items()):
            if since_utc_ns is None:
                self._unconfirmed[key] = now_utc_ns
            elif now_utc_ns - since_utc_ns >= UNCONFIRMED_NS:
                del self._unconfirmed[key]
                self._holding.pop(key, None)
                told += self._alarms.conform(*key, None, now_utc_ns, limit="not heard of since the restart")
        return told
