"""How fast limits are evaluated: ten thousand parameters, every feature on, beside plain Python and NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from agent.definitions import Change, Limits, Range
from agent.health import kernels
from agent.health.limits import PacketMemory, RuleTable
from tests.reference.alarms import Alarm

PARAMETERS = 10_000
DISTINCT_RULES = 1_000
ASKED_PER_S = 20e6
ASKED_OVER_PYTHON = 50
ASKED_OVER_NUMPY = 5

RULE = Limits(
    warning=Range(min=-2.0, max=2.0),
    critical=Range(min=-3.0, max=3.0, min_exclusive=True),
    change=Change(warning=Range(min=-50.0, max=50.0)),
    hysteresis=0.1,
    min_violations=3,
    min_conformance=2,
)


def best_s(work: Callable[[int], None], rounds: int) -> float:
    """Return the least processor time of one round: other work on the machine does not count."""
    best = float("inf")
    for number in range(rounds):
        began = time.thread_time()
        work(number)
        best = min(best, time.thread_time() - began)
    return best


class VectorisedNumpy:
    """The same tables, inputs and outputs, as good NumPy as we can write: no loop over parameters.

    Contexts may give a parameter another rule with every sample, so each step gathers the rules that hold. Every
    rule has as many ranges as the richest; what the benchmark's rules do not use (multi-ranges, changes per sample
    or in percent, disabled rules) is left out, in favour of NumPy.
    """

    def __init__(self, tables: tuple[np.ndarray, ...], count: int) -> None:
        rules, reals, bounds, flags = tables
        ranges = int((rules[:, 1] - rules[:, 0]).max())
        index = rules[:, 0, None] + np.arange(ranges)
        self.low, self.high = bounds[index, 0].T.copy(), bounds[index, 1].T.copy()
        self.low_open = (flags[index, 0] & 1).astype(bool).T.copy()
        self.high_open = (flags[index, 0] & 2).astype(bool).T.copy()
        self.inside = flags[index, 1].astype(bool).T.copy()
        self.level = flags[index, 2].T.copy()
        self.on_change = (flags[index, 3] == 2).T.copy()
        self.rules, self.reals = rules.T.copy(), reals.T.copy()
        self.violations = np.zeros(count, np.int32)
        self.conformances = np.zeros(count, np.int32)
        self.state = np.zeros(count, np.uint8)
        self.worst = np.zeros(count, np.uint8)
        self.past, self.change = np.full(count, np.nan), np.full(count, np.nan)
        self.since_ns, self.samples = np.zeros(count, np.int64), np.zeros(count, np.int32)

    def _levels(
        self, values: np.ndarray, rows: np.ndarray, margin: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        found, sides = np.zeros(len(values), np.uint8), np.zeros(len(values), np.int8)
        for k in range(len(self.low)):
            on_change, inside = self.on_change[k][rows], self.inside[k][rows]
            x = np.where(on_change, self.change, values)
            keep = np.where(on_change, 0.0, np.where(inside, -margin, margin))
            low, high = self.low[k][rows] + keep, self.high[k][rows] - keep
            below = (x < low) | (self.low_open[k][rows] & (x == low))
            above = (x > high) | (self.high_open[k][rows] & (x == high))
            outside = below | above
            level = np.where((outside != inside) & ~np.isnan(x), self.level[k][rows], 0)
            worse = level > found
            found = np.where(worse, level, found)
            sides = np.where(worse, np.where(outside, np.where(below, -1, 1), 0), sides)
        return found, sides

    def step(
        self, values: np.ndarray, given: np.ndarray, rows: np.ndarray, now_ns: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            missing, nan = given == -2, np.isnan(values)
            nothing = missing | nan
            fresh = np.isnan(self.past) & ~nothing
            self.samples = np.where(nothing, self.samples, self.samples + 1)
            elapsed_ns = now_ns - self.since_ns
            due = ~fresh & ~nothing & (self.samples >= self.rules[6][rows]) & (elapsed_ns >= self.reals[1][rows])
            self.change = np.where(due, (values - self.past) / (elapsed_ns * 1e-9), self.change)
            moved = due | fresh
            self.past = np.where(nan & ~missing, np.nan, np.where(moved, values, self.past))
            self.since_ns = np.where(moved, now_ns, self.since_ns)
            self.samples = np.where(moved, 0, self.samples)
            level, sides = self._levels(values, rows, 0.0)
            held, _ = self._levels(values, rows, self.reals[0][rows])
        bad = (level > 0) & ~nothing
        good = ~bad & ~nothing
        active, pending = self.state == 2, self.state == 1
        self.violations = np.where(bad, self.violations + 1, self.violations)
        triggered = bad & ~active & (self.violations >= self.rules[3][rows])
        begun = bad & (self.state == 0) & ~triggered
        more = bad & active & (level > self.worst)
        counted = np.where(active & good & (held == 0), self.conformances + 1, 0)
        self.conformances = np.where(nothing, self.conformances, counted)
        returned = good & active & (self.conformances >= self.rules[4][rows])
        dropped = good & pending
        over = returned | dropped
        self.state = np.where(over, 0, np.where(triggered, 2, np.where(begun, 1, self.state)))
        self.worst = np.where(over, 0, np.where(bad, np.maximum(self.worst, level), self.worst))
        self.violations = np.where(over, 0, self.violations)
        self.conformances = np.where(over, 0, self.conformances)
        events = np.where(
            triggered, 2, np.where(more, 3, np.where(begun, 1, np.where(returned, 4, np.where(dropped, 5, 0))))
        )
        results = np.where(missing, 7, np.where(nan, 6, level))
        return results, np.where(nothing, 0, sides), events


@pytest.mark.benchmark
def test_limits_are_evaluated_many_times_faster_than_python_and_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    table = RuleTable()
    random = np.random.default_rng(7)
    distinct = np.array([table.add(RULE) for _ in range(DISTINCT_RULES)], np.int64)
    rows = distinct[random.integers(0, DISTINCT_RULES, PARAMETERS)]
    rules, reals, bounds, flags = table.arrays()
    memory = PacketMemory(PARAMETERS)
    results, sides = np.zeros(PARAMETERS, np.uint8), np.zeros(PARAMETERS, np.int8)
    samples = random.normal(0.0, 1.2, (64, PARAMETERS))
    samples[random.random(samples.shape) < 0.001] = np.nan
    given = np.where(random.random(PARAMETERS) < 0.001, -2, -1).astype(np.int8)

    def kernel(number: int) -> None:
        kernels.step(
            samples[number % 64],
            given,
            rows,
            (number + 1) * 10**9,
            rules,
            reals,
            bounds,
            flags,
            memory.counts,
            memory.since,
            memory.past,
            results,
            sides,
            memory.events,
        )

    numpy_version = VectorisedNumpy((rules, reals, bounds, flags), PARAMETERS)
    alarms = [Alarm(RULE) for _ in range(PARAMETERS)]

    def python(number: int) -> None:
        for alarm, value in zip(alarms, samples[number % 64].tolist(), strict=True):
            alarm.feed((number + 1) * 10**9, value)

    for number in range(64):
        kernel(number)
        expected = numpy_version.step(samples[number], given, rows, (number + 1) * 10**9)
        for ours, theirs in zip((results, sides, memory.events), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    kernel_s = best_s(kernel, 200)
    numpy_s = best_s(
        lambda number: void(numpy_version.step(samples[number % 64], given, rows, (number + 1) * 10**9)), 100
    )
    python_s = best_s(python, 3)
    with capsys.disabled():
        print(
            f"\nlimits of {PARAMETERS} parameters, all features: {PARAMETERS / kernel_s / 1e6:.0f} million/s, "
            f"{python_s / kernel_s:.0f} x plain Python, {numpy_s / kernel_s:.1f} x vectorised NumPy"
        )
    assert PARAMETERS / kernel_s >= ASKED_PER_S
    assert python_s / kernel_s >= ASKED_OVER_PYTHON
    assert numpy_s / kernel_s >= ASKED_OVER_NUMPY


def void(_: object) -> None:
    """Drop a result."""
