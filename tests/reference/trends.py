"""Windows and trends written plainly: the slow twin of ``fold``, ``fit`` and ``unroll`` of health's trends.

From the definition of weighted least squares and what the room says of its bins, not from the kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Window:
    """All samples, put into bins only when asked."""

    bin_s: float
    bins: int
    samples: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at_s: float, value: float) -> None:
        if not math.isnan(value):
            self.samples.append((at_s, value))

    def inside(self) -> list[tuple[float, float]]:
        newest = max(math.floor(at / self.bin_s) for at, _ in self.samples)
        return [(at, x) for at, x in self.samples if math.floor(at / self.bin_s) > newest - self.bins]

    def statistics(self) -> tuple[int, float, float, float]:
        values = [x for _, x in self.inside()]
        return len(values), sum(values) / len(values), min(values), max(values)

    def slope(self) -> float:
        """Fit a line through the means of the bins, weighted by how many samples each has."""
        groups: dict[int, list[tuple[float, float]]] = {}
        for at, x in self.inside():
            groups.setdefault(math.floor(at / self.bin_s), []).append((at, x))
        points = [
            (len(one), sum(at for at, _ in one) / len(one), sum(x for _, x in one) / len(one))
            for one in groups.values()
        ]
        total = sum(n for n, _, _ in points)
        mean_t = sum(n * t for n, t, _ in points) / total
        mean_x = sum(n * x for n, _, x in points) / total
        tt = sum(n * (t - mean_t) ** 2 for n, t, _ in points)
        return sum(n * (t - mean_t) * (x - mean_x) for n, t, x in points) / tt


@dataclass
class Counter:
    """A counter that may roll over at ``modulo``."""

    modulo: float
    last: float = math.nan
    added: float = 0.0
    rises: int = 0
    falls: int = 0

    def feed(self, value: float) -> float:
        if math.isnan(value):
            return value
        if value > self.last:
            self.rises += 1
        elif value < self.last:
            counts = self.rises >= 16 and 16 * self.falls <= self.rises
            if counts and value - self.last + self.modulo < self.modulo / 2:
                self.added += self.modulo
            else:
                self.falls += 1
        self.last = value
        return value + self.added
