"""What was asked of a recording and what its header told: the values between ``Recording`` and the file formats."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.records import UtcNs
from agent.sources.samples import Converter


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller said about a recording; ``name`` is how sentences about it begin."""

    name: str
    as_: str | None = None
    sample_rate_hz: float | None = None
    sample_format: str | None = None

    @property
    def octets(self) -> bool:
        """Tell whether octets are asked for."""
        return self.as_ in ("kiss", "octets")


@dataclass(slots=True)
class Found:
    """Samples to come: how to read them, at what rate, how many octets (``None``: until the end)."""

    converter: Converter
    sample_rate_hz: float
    data_octets: int | None = None
    center_frequency_hz: float | None = None
    start_utc_ns: UtcNs | None = None
    notes: list[str] = field(default_factory=list)
