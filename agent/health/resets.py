"""On-board resets: an uptime that begins again, a boot counter that moves on, a clock that begins at its epoch.

Knows which parameters of a satellite's file count these, and tells a reset from a counter that rolls over and from
frames that are sent again. What runs backwards otherwise is no reset here (an uptime that falls to what it was an
hour ago comes from an old frame); whether it is the satellite at all, ``transmitter`` says. Times are arguments.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from agent.definitions import Packet, Parameter, Satellite, Time, named_values, roll_over_of
from agent.records import ParameterReport, UtcNs

NS_PER_S = 1_000_000_000
HOLD_NS = 60 * NS_PER_S
"""The condition holds for so long after the newest reset."""
SLACK_S = 60.0
"""A satellite that was reset since the last report has run for less than the time since then, and so much."""
FALL_S = 2.0
MAX_BOOTS = 16

_UPTIME = re.compile(r"(^|_)up_?time(_s|_ms|_min|_h)?$")
_BOOTS = re.compile(r"(^|_)(boot|reboot|reset|restart)s?(_?(count|counter|cnt|number|nr))$|(^|_)boots$")
_UNITS_S = {"": 1.0, "s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(slots=True)
class _Watched:
    """What one packet says of resets, and what it said last."""

    uptime: str | None
    uptime_unit_s: float
    uptime_modulo_s: float
    boots: str | None
    boots_modulo: float
    epoch_utc_ns: UtcNs | None
    last_received_utc_ns: UtcNs | None = None
    last_uptime_s: float | None = None
    last_boots: int | None = None
    last_generated_utc_ns: UtcNs | None = None


class ResetWatch:
    """The resets of one satellite."""

    def __init__(self, satellite: Satellite) -> None:
        self.last_reset_utc_ns: UtcNs | None = None
        self.evidence = ""
        self._packets = {
            packet.name: watched for packet in satellite.packets if (watched := _watched(packet)) is not None
        }

    def observe(self, report: ParameterReport) -> str | None:
        """Take a report; returns the evidence of a reset since the packet's last report, if there is any."""
        packet = self._packets.get(report.packet)
        if packet is None:
            return None
        values = {value.name: value.value for value in report.values if value.name in (packet.uptime, packet.boots)}
        uptime, boots = values.get(packet.uptime or ""), values.get(packet.boots or "")
        uptime_s = float(uptime) * packet.uptime_unit_s if isinstance(uptime, int | float) else None
        before_ns = packet.last_received_utc_ns
        elapsed_s = 0.0 if before_ns is None else (report.received_utc_ns - before_ns) / NS_PER_S
        if before_ns is not None and elapsed_s < 0:
            return None
        found: list[str] = []
        boots_same = False
        if isinstance(boots, int) and not isinstance(boots, bool):
            if packet.last_boots is not None:
                grown = boots - packet.last_boots
                grown = grown % int(packet.boots_modulo) if packet.boots_modulo else grown
                boots_same = grown == 0
                if 1 <= grown <= MAX_BOOTS:
                    found.append(f"{packet.boots} {packet.last_boots} → {boots}")
            packet.last_boots = boots
        last_uptime_s = packet.last_uptime_s
        fell = uptime_s is not None and last_uptime_s is not None and uptime_s < last_uptime_s - FALL_S
        if uptime_s is not None and last_uptime_s is not None and fell and not boots_same:
            rolled = packet.uptime_modulo_s and (
                abs(uptime_s + packet.uptime_modulo_s - last_uptime_s - elapsed_s) <= SLACK_S + 0.05 * elapsed_s
            )
            if uptime_s <= 1.1 * elapsed_s + SLACK_S and not rolled:
                found.append(f"{packet.uptime} fell from {last_uptime_s:.0f} s to {uptime_s:.0f} s")
        generated_ns, last_ns = report.generated_utc_ns, packet.last_generated_utc_ns
        if generated_ns is not None and last_ns is not None and packet.epoch_utc_ns is not None and not boots_same:
            since_epoch_s = (generated_ns - packet.epoch_utc_ns) / NS_PER_S
            if generated_ns < last_ns - FALL_S * NS_PER_S and since_epoch_s <= 1.1 * elapsed_s + SLACK_S:
                found.append("the on-board clock began at its epoch again")
        if fell and not found:
            return None  # an old frame: it says nothing of now
        packet.last_received_utc_ns = report.received_utc_ns
        packet.last_uptime_s = uptime_s if uptime_s is not None else last_uptime_s
        packet.last_generated_utc_ns = generated_ns if generated_ns is not None else last_ns
        if not found:
            return None
        self.last_reset_utc_ns = report.received_utc_ns
        self.evidence = "; ".join(found)
        return self.evidence

    def holds(self, now_utc_ns: UtcNs) -> bool:
        """Say whether there was a reset lately."""
        return self.last_reset_utc_ns is not None and now_utc_ns - self.last_reset_utc_ns < HOLD_NS


def uptimes(satellite: Satellite) -> frozenset[str]:
    """List the parameters of a satellite that count its uptime."""
    found = [_watched(packet) for packet in satellite.packets]
    return frozenset(one.uptime for one in found if one is not None and one.uptime is not None)


def boot_counters(satellite: Satellite) -> frozenset[str]:
    """List the parameters of a satellite that count its boots."""
    found = [_watched(packet) for packet in satellite.packets]
    return frozenset(one.boots for one in found if one is not None and one.boots is not None)


def _watched(packet: Packet) -> _Watched | None:
    watched = _Watched(None, 1.0, 0.0, None, 0.0, None)
    for name, value, _ in named_values(packet):
        role, unit_s = value.watch.role, _UNITS_S.get(value.unit)
        if "*" in name or role == "none":
            continue
        if role == "uptime" or (role == "auto" and watched.uptime is None and _UPTIME.search(name) and unit_s):
            watched.uptime, watched.uptime_unit_s = name, unit_s or 1.0
            watched.uptime_modulo_s = roll_over_of(value) * watched.uptime_unit_s
        elif role == "boot_count" or (role == "auto" and watched.boots is None and _BOOTS.search(name)):
            watched.boots, watched.boots_modulo = name, roll_over_of(value)
        if isinstance(value, Parameter) and value.generated and isinstance(value.calibration, Time):
            epoch = datetime.datetime.fromisoformat(value.calibration.epoch)
            epoch = epoch if epoch.tzinfo else epoch.replace(tzinfo=datetime.UTC)
            watched.epoch_utc_ns = round(epoch.timestamp()) * NS_PER_S
    if watched.uptime is None and watched.boots is None and watched.epoch_utc_ns is None:
        return None
    return watched
