"""Alarms of the station itself: what is wrong with its sources, brokers, archive, clock, elements and files.

Looks at the parts and says for each condition whether it holds now and what the evidence is; how long something
must last before it counts stands beside it. What an alarm is, health knows. Names and mends: docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.definitions import Satellite
from agent.health.conditions import condition_name
from agent.records import ConcernLevel
from agent.runtime.feed import Feed
from agent.runtime.host import ClockState
from agent.runtime.passes import Sky
from agent.sinks.publisher import Publisher

LOST_S: Final = 3.0
"""A port that was drawn and plugged in again is read within two seconds: no alarm."""

OVERRUN_S: Final = 60.0
"""An overrun is over when nothing was dropped for so long."""

UNREACHABLE_S: Final = 10.0
"""With the keep-alive of 10 s a black hole is noticed after 15 s; the alarm comes within 30 s."""

CLOCK_S: Final = 120.0
"""A machine that has just started may take so long to find the time."""

ELEMENTS_D: Final = {"leo": 7.0}
ELEMENTS_ELSEWHERE_D: Final = 30.0


@dataclass(frozen=True, slots=True)
class Sign:
    """Whether one condition holds at this moment; it counts when it has held for ``after_s``."""

    name: str
    holds: bool
    level: ConcernLevel
    evidence: str
    after_s: float = 0.0


@dataclass(slots=True)
class StationAlarms:
    """Remembers since when conditions hold; times are of the monotonic clock."""

    _since_s: dict[str, float] = field(default_factory=dict)
    _dropped: dict[str, tuple[int, float]] = field(default_factory=dict)
    _named: set[str] = field(default_factory=set)

    def lasting(self, signs: Iterable[Sign], now_s: float) -> Iterator[Sign]:
        """Give each sign with what counts; one that is looked at no more (a source taken out) is over."""
        named: set[str] = set()
        for sign in signs:
            named.add(sign.name)
            if not sign.holds:
                self._since_s.pop(sign.name, None)
                yield sign
            elif now_s - self._since_s.setdefault(sign.name, now_s) >= sign.after_s:
                yield sign
        for name in self._named - named:
            self._since_s.pop(name, None)
            yield Sign(name, False, "normal", "no longer configured")
        self._named = named

    def sources(self, feeds: Sequence[Feed], now_s: float) -> Iterator[Sign]:
        """Say which sources are gone, stand still, or give more than is worked on."""
        for feed in feeds:
            state, name = feed.state, feed.source_id
            why = state.error or ""
            lost = bool(why) and not state.stalled
            yield Sign(condition_name("source", name, "lost"), lost, "warning", why or "back", LOST_S)
            yield Sign(
                condition_name("source", name, "stalled"), bool(why) and state.stalled, "warning", why or "back"
            )
            count, since_s = self._dropped.get(name, (0, -OVERRUN_S))
            if state.dropped != count:
                count, since_s = state.dropped, now_s
            self._dropped[name] = count, since_s
            over = now_s - since_s < OVERRUN_S
            evidence = f"{count} {'octets' if feed.octets else 'samples'} dropped since it began"
            yield Sign(condition_name("source", name, "overrun"), over, "warning", evidence)

    def brokers(self, publishers: Sequence[Publisher]) -> Iterator[Sign]:
        """Say which brokers take no records."""
        for item in publishers:
            yield Sign(
                condition_name("broker", item.broker.name, "unreachable"),
                not item.connected,
                "warning",
                "connected" if item.connected else item.failure or "no answer yet",
                UNREACHABLE_S,
            )

    def machine(self, clock: ClockState, archive_degraded: str, configuration: str) -> Iterator[Sign]:
        """Say what is wrong with the clock, the archive's medium, the files."""
        unsynchronised = clock == "not_synchronised"
        evidence = "nothing disciplines the clock" if unsynchronised else clock
        yield Sign("clock_not_synchronised", unsynchronised, "watch", evidence, CLOCK_S)
        yield Sign("archive_degraded", archive_degraded != "", "critical", archive_degraded or "writing")
        yield Sign("configuration_refused", configuration != "", "warning", configuration or "taken up")

    def elements(self, sky: Sky, satellites: Mapping[str, Satellite], now_utc_ns: int) -> Iterator[Sign]:
        """Say whether elements are so old that passes and Doppler cannot be trusted."""
        old = {}
        for slug, elements in sky.elements.items():
            age_d = abs(elements.age_d(now_utc_ns))
            orbit = satellites[slug].orbit if slug in satellites else "leo"
            if age_d > ELEMENTS_D.get(orbit, ELEMENTS_ELSEWHERE_D):
                old[slug] = age_d
        told = ", ".join(f"{slug} {age_d:.1f} d" for slug, age_d in sorted(old.items(), key=lambda item: -item[1]))
        yield Sign("elements_too_old", bool(old), "watch", told or "young enough")
