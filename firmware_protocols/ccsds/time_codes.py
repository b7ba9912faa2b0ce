"""CCSDS time codes: a satellite's clock in a packet, to nanoseconds of UTC.

::

    CUC   [P-field 1–2]  whole units 1–4 (7)    fraction 0–3 (10) octets: 1/256 of a unit, 1/65536 …
    CDS   [P-field 1–2]  days 2 or 3            milliseconds of the day 4    sub-milliseconds 0, 2 (µs) or 4 (ps)

A code is described (no P-field is sent) or, with ``p_field``, describes itself. The CCSDS epoch is 1958-01-01 TAI;
leap seconds are added only where ``tai_minus_utc_s`` says how many, for many clocks that name this epoch count UTC.

Source: CCSDS 301.0-B-4 §3.2 (CUC) and §3.3 (CDS), each with its P-field. Knows integers only.
No tick is lost in a float.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

NS_PER_S: Final = 1_000_000_000
MS_PER_LEAP_DAY: Final = 86_401_000
CCSDS_EPOCH: Final = "1958-01-01T00:00:00Z"
_UNIX: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LATEST_UTC_NS: Final = 253_402_300_800 * NS_PER_S
"""The end of year 9999."""


class TimeCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which code, and what a P-field would say if one were sent."""

    code: Literal["cuc", "cds"] = "cuc"
    epoch: str = CCSDS_EPOCH
    p_field: bool = False
    coarse_octets: Annotated[int, Meta(ge=1, le=7)] = 4
    fine_octets: Annotated[int, Meta(ge=0, le=10)] = 2
    unit_s: Annotated[float, Meta(gt=0)] = 1.0
    day_octets: Annotated[int, Meta(ge=2, le=3)] = 2
    submillisecond_octets: Literal[0, 2, 4] = 0
    tai_minus_utc_s: Annotated[int, Meta(ge=0, le=100)] = 0

    def __post_init__(self) -> None:
        epoch_utc_ns(self.epoch)

    @property
    def octets(self) -> int:
        """Return how long the code is without a P-field."""
        if self.code == "cuc":
            return self.coarse_octets + self.fine_octets
        return self.day_octets + 4 + self.submillisecond_octets

    def read(self, data: bytes) -> int | None:
        """Return the moment, nanoseconds of UTC since 1970; ``None`` when it is none."""
        taken = self.take(data)
        return None if taken is None else taken[0]

    def take(self, data: bytes) -> tuple[int, int] | None:
        """Return the moment and how many octets told it."""
        code: TimeCode | None = self
        begin = 0
        if self.p_field:
            code, begin = described(data, self)
        if code is None:
            return None
        field = data[begin : begin + code.octets]
        if len(field) < code.octets:
            return None
        since_ns = code._since_epoch_ns(field)
        if since_ns is None:
            return None
        utc_ns = epoch_utc_ns(code.epoch) + since_ns - code.tai_minus_utc_s * NS_PER_S
        return (utc_ns, begin + code.octets) if utc_ns < LATEST_UTC_NS else None

    def _since_epoch_ns(self, field: bytes) -> int | None:
        if self.code == "cuc":
            numerator, denominator = self.unit_s.as_integer_ratio()
            ticks = int.from_bytes(field, "big")
            return ticks * NS_PER_S * numerator // (denominator << 8 * self.fine_octets)
        days = int.from_bytes(field[: self.day_octets], "big")
        ms = int.from_bytes(field[self.day_octets : self.day_octets + 4], "big")
        sub = int.from_bytes(field[self.day_octets + 4 :], "big")
        if ms >= MS_PER_LEAP_DAY:
            return None
        per_ms = {0: 1, 2: 1000, 4: 1_000_000_000}[self.submillisecond_octets]
        if sub >= per_ms:
            return None
        return (days * 86_400_000 + ms) * 1_000_000 + sub * 1_000_000 // per_ms

    def build(self, utc_ns: int) -> bytes:
        """Write a moment; raises ``ValueError`` outside what the code can say or with a P-field."""
        since_ns = utc_ns - epoch_utc_ns(self.epoch) + self.tai_minus_utc_s * NS_PER_S
        if self.p_field or since_ns < 0:
            raise ValueError("this time cannot be written")
        try:
            if self.code == "cuc":
                numerator, denominator = self.unit_s.as_integer_ratio()
                ticks = (since_ns * denominator << 8 * self.fine_octets) // (NS_PER_S * numerator)
                return ticks.to_bytes(self.octets, "big")
            days, rest_ns = divmod(since_ns, 86_400 * NS_PER_S)
            ms, rest_ns = divmod(rest_ns, 1_000_000)
            per_ms = {0: 1, 2: 1000, 4: 1_000_000_000}[self.submillisecond_octets]
            sub = (rest_ns * per_ms // 1_000_000).to_bytes(self.submillisecond_octets, "big")
            return days.to_bytes(self.day_octets, "big") + ms.to_bytes(4, "big") + sub
        except OverflowError as exc:
            raise ValueError("this time is beyond what the code counts to") from exc


def described(data: bytes, otherwise: TimeCode) -> tuple[TimeCode | None, int]:
    """Read a P-field: the code it describes (``None`` for one not known here) and its own length."""
    if not data or (data[0] & 0x80 and len(data) < 2):
        return None, 0
    first, second = data[0], data[1] if data[0] & 0x80 else 0
    length = 2 if first & 0x80 else 1
    if second & 0x80:
        return None, length
    kind = first >> 4 & 7
    if kind in (0b001, 0b010):
        return TimeCode(
            code="cuc",
            epoch=CCSDS_EPOCH if kind == 0b001 else otherwise.epoch,
            coarse_octets=(first >> 2 & 3) + 1 + (second >> 5 & 3),
            fine_octets=(first & 3) + (second >> 2 & 7),
            tai_minus_utc_s=otherwise.tai_minus_utc_s,
        ), length
    if kind == 0b100 and first & 3 != 3:
        sub: Literal[0, 2, 4] = 2 if first & 3 == 1 else 4 if first & 3 == 2 else 0
        return TimeCode(
            code="cds",
            epoch=otherwise.epoch if first >> 3 & 1 else CCSDS_EPOCH,
            day_octets=3 if first >> 2 & 1 else 2,
            submillisecond_octets=sub,
            tai_minus_utc_s=otherwise.tai_minus_utc_s,
        ), length
    return None, length


def epoch_utc_ns(text: str) -> int:
    """Return the moment of an epoch in ISO 8601; raises ``ValueError``."""
    moment = datetime.datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    delta = moment - _UNIX
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000
