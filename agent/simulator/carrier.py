"""A carrier as a station receives it."""

from __future__ import annotations

from typing import NamedTuple


class Carrier(NamedTuple):
    """A carrier as the station receives it: its shift now, how that changes, its level beside the stated one."""

    shift_hz: float
    drift_hz_s: float
    level_db: float = 0.0
