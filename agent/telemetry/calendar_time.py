"""Times that a satellite sends as a calendar does: year, month or day of the year, hour, minute, second, fraction.

Knows how such parts lie side by side in one raw number, as bits (``packed``, as real-time clocks and flight
computers hold them) or as decimal digits (``digits``, packed decimal among them), and the way back. Integers only.
Does not know leap seconds: second 60 is the next minute's first, as ``onboard_time`` counts everywhere.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent.errors import ConfigError
from agent.telemetry.onboard_time import MAX_UTC_NS, MIN_UTC_NS, NS_PER_S

Code: TypeAlias = Literal["packed", "digits"]

_UNIX = datetime.date(1970, 1, 1)
_LARGEST = {
    "hour": 23,
    "minute": 59,
    "second": 60,
    "two_seconds": 30,
    "millisecond": 999,
    "microsecond": 999_999,
}
_STEP_NS = {
    "hour": 3600 * NS_PER_S,
    "minute": 60 * NS_PER_S,
    "second": NS_PER_S,
    "two_seconds": 2 * NS_PER_S,
    "millisecond": 1_000_000,
    "microsecond": 1_000,
}
_RIVALS = (
    ("second", "two_seconds"),
    ("millisecond", "microsecond"),
    ("day_of_year", "month"),
    ("day_of_year", "day"),
)
_YEARS = ("year", "years")
MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class CalendarTime:
    """A compiled time code; ``sizes`` are bits or decimal digits, the first part the most significant."""

    code: Code
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    epoch_year: int

    @property
    def size(self) -> int:
        """How many bits or digits the raw number has."""
        return sum(self.sizes)

    def utc_ns(self, raw: int) -> int | None:
        """Return the moment; ``None`` when a part is beyond what a calendar has."""
        parts = self._parts(raw)
        if parts is None or any(parts[name] > largest for name, largest in _LARGEST.items() if name in parts):
            return None
        year = parts["year"] if "year" in parts else self.epoch_year + parts["years"]
        if not datetime.MINYEAR <= year <= datetime.MAXYEAR:
            return None
        if "day_of_year" in parts:
            day = parts["day_of_year"]
            if not 1 <= day <= 365 + calendar.isleap(year):
                return None
            days = (datetime.date(year, 1, 1) - _UNIX).days + day - 1
        else:
            try:
                days = (datetime.date(year, parts["month"], parts["day"]) - _UNIX).days
            except ValueError:
                return None
        utc_ns = days * 86_400 * NS_PER_S + sum(parts.get(name, 0) * step for name, step in _STEP_NS.items())
        return utc_ns if MIN_UTC_NS <= utc_ns < MAX_UTC_NS else None

    def raw(self, utc_ns: int) -> int | None:
        """Return the raw number of a moment, what it cannot say cut off; ``None`` when a part does not fit."""
        days, rest_ns = divmod(utc_ns, 86_400 * NS_PER_S)
        date = _UNIX + datetime.timedelta(days=days)
        values = {
            "year": date.year,
            "years": date.year - self.epoch_year,
            "month": date.month,
            "day": date.day,
            "day_of_year": date.timetuple().tm_yday,
        }
        for name, step_ns in _STEP_NS.items():
            if name in self.names:
                values[name], rest_ns = divmod(rest_ns, step_ns)
        raw = 0
        for name, size in zip(self.names, self.sizes, strict=True):
            limit = 1 << size if self.code == "packed" else 10**size
            value = values.get(name, 0)
            if not 0 <= value < limit:
                return None
            raw = raw * limit + value
        return raw

    def _parts(self, raw: int) -> dict[str, int] | None:
        parts: dict[str, int] = {}
        for name, size in zip(reversed(self.names), reversed(self.sizes), strict=True):
            raw, parts[name] = divmod(raw, 1 << size if self.code == "packed" else 10**size)
        return parts if raw == 0 else None


def compile_calendar(code: Code, parts: Sequence[str], epoch_year: int, where: str) -> CalendarTime:
    """Compile ``name:size`` parts; raises ``ConfigError`` when they make no moment."""
    named = [part.split(":") for part in parts]
    names = tuple(name for name, _ in named)
    sizes = tuple(int(size) for _, size in named)
    known = [name for name in names if name != "unused"]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice!r} stands twice", where=where)
    whole_day = "day_of_year" in known or {"month", "day"} <= set(known)
    if sum(name in known for name in _YEARS) != 1 or not whole_day:
        raise ConfigError(
            "a moment needs its year and its day",
            where=where,
            mend='one of "year" and "years" (since that of `epoch`), and "day_of_year" or "month" and "day"',
        )
    for pair in _RIVALS:
        if set(pair) <= set(known):
            raise ConfigError(f"{pair[0]!r} and {pair[1]!r} say the same", where=where)
    if code == "digits" and sum(sizes) > MAX_DIGITS:
        raise ConfigError(f"more than {MAX_DIGITS} digits", where=where)
    return CalendarTime(code, names, sizes, epoch_year)
