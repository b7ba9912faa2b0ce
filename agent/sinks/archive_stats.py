"""The archive in numbers, as the station tells them; knows what each means and not where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """The archive in numbers; counters are since the archive was made, except where said otherwise."""

    archive: str
    newest_seq: int
    oldest_seq: int
    megabytes: float
    segments: int
    committed: int
    """Records committed since this start."""
    pending: int
    commit_lag_ms: float
    """From taking the oldest record of the last group until its commit returned."""
    commit_lag_max_ms: float
    lost: int
    evicted_acked: int
    evicted_unacked: int
    damaged: int
    quarantined: int
    salvaged: int
    degraded: str
    """Why the medium refuses (``full``, ``read_only``, ``io_error`` …), or empty."""
