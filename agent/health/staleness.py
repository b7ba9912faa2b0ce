"""Which packets of a satellite should have come by now: only while it can be heard does silence say anything.

Knows when each packet came last and how often it is expected. Does not know where a satellite is nor which sources
listen: it is told. Times are arguments.
"""

from __future__ import annotations

from typing import NamedTuple

from agent.definitions import Packet, Satellite
from agent.health.conditions import condition_name
from agent.records import UtcNs

EXPIRATION_TOLERANCE = 1.9
"""A packet is stale after this many of its expected intervals (as Yamcs' ``expirationTolerance``)."""


class Change(NamedTuple):
    """A packet that is stale from now on, or no longer."""

    packet: Packet
    stale: bool
    evidence: str


class Staleness:
    """The packets of one satellite; ``packets`` names those that are stale, in the order of the file."""

    def __init__(self, satellite: Satellite) -> None:
        self.packets: tuple[str, ...] = ()
        self._satellite = satellite
        self._last_by_packet: dict[str, UtcNs] = {}

    def heard(self, name: str, now_utc_ns: UtcNs) -> list[Change]:
        """Take a packet that came."""
        self._last_by_packet[name] = now_utc_ns
        if name not in self.packets:
            return []
        return self._become({one for one in self.packets if one != name}, now_utc_ns)

    def tick(
        self,
        now_utc_ns: UtcNs,
        in_view: bool | None,
        *,
        in_view_since_utc_ns: UtcNs | None,
        deaf: bool,
        hears_since_utc_ns: UtcNs | None,
    ) -> list[Change]:
        """Let time pass; ``deaf`` says that no source could hear the satellite now: all stays as it is."""
        if deaf:
            return []
        satellite = self._satellite
        # A simulated satellite flies nowhere, unless there are elements that say where.
        always = satellite.orbit == "geo" or (satellite.simulated and in_view is None)
        stale = set() if not always and in_view is False else set(self.packets)
        for packet in satellite.packets if always or in_view else ():
            last_utc_ns = self._last_by_packet.get(packet.name)
            if packet.expected_every_s is None or last_utc_ns is None:
                continue
            since_utc_ns = max(
                last_utc_ns,
                last_utc_ns if always else in_view_since_utc_ns or last_utc_ns,
                hears_since_utc_ns or last_utc_ns,
            )
            if now_utc_ns - since_utc_ns > EXPIRATION_TOLERANCE * packet.expected_every_s * 1e9:
                stale.add(packet.name)
        return self._become(stale, now_utc_ns) if stale != set(self.packets) else []

    def resume(self, condition: str) -> None:
        """Take up a packet that an earlier run left stale, by the name of its condition."""
        for packet in self._satellite.packets:
            if condition_name(packet.name, "stale") == condition and packet.name not in self.packets:
                self.packets = (*self.packets, packet.name)

    def _become(self, stale: set[str], now_utc_ns: UtcNs) -> list[Change]:
        changes = [
            Change(packet, packet.name in stale, self._evidence(packet, packet.name in stale, now_utc_ns))
            for packet in self._satellite.packets
            if (packet.name in stale) != (packet.name in self.packets)
        ]
        self.packets = tuple(packet.name for packet in self._satellite.packets if packet.name in stale)
        return changes

    def _evidence(self, packet: Packet, stale: bool, now_utc_ns: UtcNs) -> str:
        last_utc_ns = self._last_by_packet.get(packet.name)
        if not stale:
            return "received again" if last_utc_ns == now_utc_ns else "out of contact"
        last = (
            "not received" if last_utc_ns is None else f"last received {(now_utc_ns - last_utc_ns) / 1e9:.0f} s ago"
        )
        return f"{last}; expected every {packet.expected_every_s:g} s"
