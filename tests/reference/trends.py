"""Windows, trends and anomalies written plainly: the slow twin of the kernels of health's trends.

From the definition of weighted least squares and what the room says of its bins, not from the kernels.
"""

from __future__ import annotations

import math
import statistics
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


class Unusual:
    """How unusual each sample of one parameter is: the slow twin of ``watch``, from what docs/health.md says.

    ``feed`` returns the kind ("" for nothing) of a sample that came ``dt_s`` after the one before.
    """

    def __init__(self, threshold: float = 8.0) -> None:
        self.threshold = threshold
        self.last: float | None = None
        self.level = self.trend = self.scale = self.usual_peak = self.quantum = 0.0
        self.since_restart = 0
        self.run, self.longest_run, self.changes = 1, 0.0, 0
        self.outliers: list[float] = []
        self.last_excursion = 0.0
        self.residuals: list[float] = []
        self.count = 0
        self.noise_blocks: list[float] = []
        self.strange_blocks = 0

    def feed(self, x: float, dt_s: float, restart: bool = False) -> str:
        if restart or self.last is None:
            self.last, self.level, self.trend = x, x, 0.0
            self.since_restart, self.run, self.outliers = 1, 1, []
            return ""
        self.since_restart += 1
        kind = self._run(x - self.last)
        self.last = x
        expected = self.level + self.trend * dt_s
        residual = x - expected
        scale = max(self.scale, 0.6 * self.quantum, 1e-9 * abs(expected))
        known = len(self.residuals) >= 24
        judged = known and self.since_restart > 10 and self.quantum > 0
        if judged and abs(residual) > max(self.threshold * scale, 1.5 * self.usual_peak):
            return self._outlier(x, expected, residual)
        if self.outliers:
            self._excursion_over(abs(self.outliers[-1]))
        return self._follow(residual, expected, scale, known, dt_s) or kind

    def _run(self, step: float) -> str:
        if step == 0:
            self.run += 1
            return "stuck" if self.changes >= 20 and self.run >= max(16, 4 * self.longest_run) else ""
        self.longest_run = max(self.longest_run, min(self.run, 4 * max(self.longest_run, 4)))
        self.run = 1
        self.changes += 1
        self.quantum = min(self.quantum or math.inf, abs(step))
        return ""

    def _outlier(self, x: float, expected: float, residual: float) -> str:
        if self.outliers and self.outliers[-1] * residual < 0:
            self.outliers = []
        self.outliers.append(residual)
        self.level = expected
        if len(self.outliers) < 4:
            return "spike"
        self.level, self.trend, self.since_restart = x, 0.0, 1
        self._excursion_over(abs(residual))
        return "step"

    def _excursion_over(self, size: float) -> None:
        if 0.5 * size < self.last_excursion < 2 * size:
            self.usual_peak = max(self.usual_peak, size)
        self.last_excursion = size
        self.outliers = []

    def _follow(self, residual: float, expected: float, scale: float, known: bool, dt_s: float) -> str:
        k = self.since_restart
        if k <= 10:
            # A line through all samples since the restart: the gains of an expanding-memory filter of first degree.
            self.level = expected + max(0.4, 2 * (2 * k - 1) / (k * (k + 1))) * residual
            self.trend += max(0.05, 6 / (k * (k + 1))) * residual / dt_s
            return ""
        bounded = max(-4 * scale, min(4 * scale, residual)) if known and scale > 0 else residual
        self.level = expected + 0.4 * (residual if abs(residual) > 8 * scale else bounded)
        self.trend += 0.05 * bounded / dt_s
        self.usual_peak = max(0.5 ** (dt_s / 43_200) * self.usual_peak, abs(residual))
        self.residuals = [*self.residuals, abs(residual)][-64:]
        self.count += 1
        if self.count % 8 == 0 or len(self.residuals) <= 8:
            self.scale = 1.4826 * statistics.median(self.residuals)
        return self._noise() if self.count % 32 == 0 else ""

    def _noise(self) -> str:
        assert self.last is not None
        least = max(0.3 * self.quantum, 1e-12 * abs(self.last) + 1e-300)
        noise = math.log(max(statistics.median(self.residuals[-32:]), least))
        told = ""
        strange = False
        if len(self.noise_blocks) >= 8 and self.quantum > 0:
            usual = statistics.median(self.noise_blocks)
            spread = 1.4826 * statistics.median(abs(one - usual) for one in self.noise_blocks)
            strange = abs(noise - usual) >= max(math.log(3), 7 * spread)
            if strange and noise > usual:
                self.strange_blocks += 1
                told = "noise"
        if not strange or self.strange_blocks >= 4:
            self.strange_blocks = self.strange_blocks if strange else 0
            self.noise_blocks = [*self.noise_blocks, noise][-32:]
        return told


class Season:
    """The means of phases against earlier orbits: the slow twin of ``close_phase``, as docs/health.md has it."""

    def __init__(self, *, periodic: bool) -> None:
        self.periodic = periodic
        self.means: dict[int, list[float]] = {}
        self.all: list[float] = []
        self.usual: list[float] = []
        self.smoothed = 0.0

    def close(self, phase: int, lap: int, mean: float) -> float:
        """Return the score of a phase that ended (1 is the threshold); ``lap`` counts the phase's earlier ends."""
        earlier = self.means.setdefault(phase, [])[-5:] if self.periodic else self.all[-287:]
        score = 0.0
        if len(earlier) >= (2 if self.periodic else 16):
            residual = mean - statistics.median(earlier)
            known = len(self.usual)
            if known >= 24:
                sizes = sorted(abs(one) for one in self.usual[-64:])
                least = max(1.4826 * statistics.median(sizes), 1.2e-7 * abs(mean), 0.2 * sizes[-3])
                if least > 0:
                    self.smoothed += 0.5 * (max(-100.0, min(100.0, residual / least)) - self.smoothed)
                    score = abs(self.smoothed) / 6.0
            if score < 1 and (known < 24 or (phase + lap) % 4 == 0):
                self.usual.append(residual)
        self.means.setdefault(phase, []).append(mean)
        self.all.append(mean)
        return score
