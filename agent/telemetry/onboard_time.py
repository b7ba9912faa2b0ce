"""Times as satellites count them: ticks since an epoch, to nanoseconds of UTC and to ISO 8601, and back.

Knows arithmetic on integers only, so that no tick is lost in a float. Does not know leap seconds: an on-board
count that ignores them is shown as if it were UTC, which is what its operators print.
"""

from __future__ import annotations

import datetime
import re

from agent.errors import ConfigError

NS_PER_S = 1_000_000_000
_UNIX = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ISO = re.compile(r"^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?(?:Z|\+00:00)?$")

MS_PER_LEAP_DAY = 86_401_000

MIN_UTC_NS = -62_135_596_800 * NS_PER_S
MAX_UTC_NS = 253_402_300_800 * NS_PER_S
"""Years 1 to 9999: ISO 8601 without agreement on more digits ends there."""


def parse_utc(text: str, where: str = "") -> int:
    """Return nanoseconds of UTC for an ISO 8601 time in UTC; raises ``ConfigError``."""
    match = _ISO.match(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        moment = datetime.datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00:00'}+00:00")
    except ValueError as exc:
        raise ConfigError(f"not a UTC time: {text!r}", where=where, mend="2000-01-01T00:00:00Z") from exc
    delta = moment - _UNIX
    return (delta.days * 86400 + delta.seconds) * NS_PER_S + int((match[3] or "0").ljust(9, "0"))


def format_utc(utc_ns: int) -> str | None:
    """Return ISO 8601 with as many decimals as are not zero; ``None`` outside years 1 to 9999."""
    if not MIN_UTC_NS <= utc_ns < MAX_UTC_NS:
        return None
    seconds, ns = divmod(utc_ns, NS_PER_S)
    text = (_UNIX + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{ns:09d}".rstrip("0") + "Z" if ns else f"{text}Z"


def ticks_to_utc_ns(ticks: float, epoch_utc_ns: int, ticks_per_s: float) -> int | None:
    """Return the moment of a tick count; exact for integers with an integer rate, ``None`` for NaN or infinity."""
    if isinstance(ticks, int) and float(ticks_per_s).is_integer():
        return epoch_utc_ns + ticks * NS_PER_S // int(ticks_per_s)
    offset_ns = ticks * NS_PER_S / ticks_per_s
    if offset_ns != offset_ns or abs(offset_ns) > MAX_UTC_NS:  # noqa: PLR0124
        return None
    return epoch_utc_ns + round(offset_ns)


def utc_ns_to_ticks(utc_ns: int, epoch_utc_ns: int, ticks_per_s: float) -> int:
    """Return the tick count of a moment, rounded to the nearest."""
    numerator, denominator = float(ticks_per_s).as_integer_ratio()
    scaled = (utc_ns - epoch_utc_ns) * numerator
    divisor = NS_PER_S * denominator
    return (2 * scaled + divisor) // (2 * divisor)


def cds_to_utc_ns(raw: int, epoch_utc_ns: int, microseconds: bool) -> int | None:
    """Return the moment of a day-segmented time code; ``None`` when it counts more than a day of milliseconds.

    Source: CCSDS 301.0-B-4 §3.3.
    """
    raw, sub = (raw >> 16, raw & 0xFFFF) if microseconds else (raw, 0)
    days, ms = raw >> 32, raw & 0xFFFF_FFFF
    if ms >= MS_PER_LEAP_DAY or sub > 999 or days > 0xFFFF:
        return None
    return epoch_utc_ns + (days * 86_400_000 + ms) * 1_000_000 + sub * 1000


def utc_ns_to_cds(utc_ns: int, epoch_utc_ns: int, microseconds: bool) -> int:
    """Return the day-segmented time code of a moment."""
    days, rest_ns = divmod(utc_ns - epoch_utc_ns, 86_400 * NS_PER_S)
    ms, sub_ns = divmod(rest_ns, 1_000_000)
    raw = days << 32 | ms
    return raw << 16 | sub_ns // 1000 if microseconds else raw
