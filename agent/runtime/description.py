"""What the station says of itself: its own telemetry, flat, and the whole state for the page's ``/status.json``.

Reads what the parts say and the host; changes nothing. What is not known is ``None``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agent import __version__
from agent.config import StationConfig
from agent.runtime import host
from agent.runtime.announcer import source_values
from agent.runtime.feed import Feed
from agent.runtime.passes import PassWatch, Sky
from agent.sinks import payloads
from agent.sinks.archive_stats import ArchiveStats
from agent.sinks.publisher import Publisher

Value: TypeAlias = "int | float | bool | str | None"


@dataclass(slots=True)
class Condition:
    """How the station is; the agent keeps ``archive`` and ``outbox`` up to date."""

    config: StationConfig
    boot: str
    feeds: Sequence[Feed] = ()
    watch: PassWatch | None = None
    archive: ArchiveStats | None = None
    outbox: int | None = None
    configuration: str = ""
    """Why the files are not what the station works by; empty when they are."""
    started_s: float = field(default_factory=time.monotonic)

    def values(self) -> dict[str, Value]:
        """Say the station's own telemetry, flat, units at the end of the keys."""
        place = self.config.file.station
        age_d = self.watch.sky.oldest_element_age_d(time.time_ns()) if self.watch is not None else None
        return {
            "boot": self.boot,
            "version": __version__,
            "latitude_deg": place.latitude_deg,
            "longitude_deg": place.longitude_deg,
            "altitude_m": place.altitude_m,
            "outbox": self.outbox,
            "uptime_s": round(time.monotonic() - self.started_s, 1),
            "clock": host.clock_state(),
            "cpu_temp_c": host.cpu_temperature_c(),
            "disk_free_mb": _rounded(host.disk_free_mb(self.config.resolve(self.config.file.archive.directory)), 1),
            "memory_mb": _rounded(host.resident_mb(), 1),
            "frames": sum(feed.state.frames for feed in self.feeds),
            "dropped": sum(feed.state.dropped for feed in self.feeds),
            "sources_online": sum(feed.state.online for feed in self.feeds),
            "sources": len(self.feeds),
            "satellites": len(self.config.satellites),
            "satellites_with_elements": len(self.watch.sky.elements) if self.watch is not None else 0,
            "oldest_element_age_d": _rounded(age_d, 2),
            "configuration": self.configuration or "good",
            **_archive_values(self.archive),
        }

    def whole(self, frames: Mapping[str, int], publishers: Sequence[Publisher]) -> dict[str, Any]:
        """Say everything, nested, with every source, broker and coming pass."""
        sky = self.watch.sky if self.watch is not None else Sky()
        return {
            "station": self.config.file.station.name,
            "ts": time.time_ns() // 1_000_000,
            **self.values(),
            "frames_by_satellite": dict(frames),
            "sources": {feed.source_id: source_values(feed) for feed in self.feeds},
            "brokers": {
                item.broker.name: {**item.counters, "connected": item.connected, "trouble": item.failure or None}
                for item in publishers
            },
            "next_passes": [payloads.pass_object(item) for item in sky.passes[:20]],
            "no_passes": dict(sky.notes),
        }


def _archive_values(stats: ArchiveStats | None) -> dict[str, Value]:
    if stats is None:
        return {}
    return {
        "archive": stats.archive,
        "newest_seq": stats.newest_seq,
        "archive_mb": stats.megabytes,
        "commit_lag_ms": stats.commit_lag_ms,
        "lost": stats.lost,
        "evicted_unacked": stats.evicted_unacked,
        "quarantined": stats.quarantined,
        "storage": stats.degraded or "good",
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
