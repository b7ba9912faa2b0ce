"""What a packet's parameters were lately, for expressions that ask: ``mean("battery_voltage", 600)``.

Knows the newest samples of the parameters that expressions name, at most ``MAX_SAMPLES`` of each, and the functions
of them. Does not know a clock: each packet comes with its time, and one older than the newest adds nothing. A
function is over what was received in the time it asks for, the newest packet included; it has no value before the
first sample.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

MAX_SAMPLES = 1024
MAX_WINDOW_S = 86_400.0
NS_PER_S = 1_000_000_000


class WindowFunction(NamedTuple):
    """A function over the last seconds of a parameter, as an expression names it."""

    function: str
    parameter: str
    seconds: float


Samples = deque[tuple[int, float]]


def _mean(samples: list[tuple[int, float]], _: float) -> float:
    return math.fsum(x for _, x in samples) / len(samples)


def _least(samples: list[tuple[int, float]], _: float) -> float:
    return min(x for _, x in samples)


def _most(samples: list[tuple[int, float]], _: float) -> float:
    return max(x for _, x in samples)


def _deviation(samples: list[tuple[int, float]], modulo: float) -> float | None:
    if len(samples) < 2:
        return None
    mean = _mean(samples, modulo)
    return math.sqrt(math.fsum((x - mean) ** 2 for _, x in samples) / (len(samples) - 1))


def _slope(samples: list[tuple[int, float]], modulo: float) -> float | None:
    """Return the least squares slope per second."""
    if len(samples) < 2:
        return None
    first = samples[0][0]
    times = [(at - first) / NS_PER_S for at, _ in samples]
    mean_t, mean_x = math.fsum(times) / len(times), _mean(samples, modulo)
    tt = math.fsum((t - mean_t) ** 2 for t in times)
    if tt <= 0:
        return None
    return math.fsum((t - mean_t) * (x - mean_x) for t, (_, x) in zip(times, samples, strict=True)) / tt


def _increase(samples: list[tuple[int, float]], modulo: float) -> float:
    """Add up what a counter counted: over its roll-overs, and from zero again after a reset."""
    total = 0.0
    usual_per_ns = 0.0
    for (before_ns, before), (at_ns, x) in itertools.pairwise(samples):
        grown, elapsed_ns = x - before, max(at_ns - before_ns, 1)
        if grown < 0:
            rolled = grown + modulo
            # A roll-over counts on at about the pace there was; what would be a leap is a reset.
            grown = rolled if 0 < rolled <= max(8.0 * usual_per_ns * elapsed_ns, 1.0) else x
        else:
            usual_per_ns = max(usual_per_ns, grown / elapsed_ns)
        total += grown
    return total


FUNCTIONS: Mapping[str, Callable[[list[tuple[int, float]], float], float | None]] = {
    "mean": _mean,
    "min": _least,
    "max": _most,
    "std": _deviation,
    "slope": _slope,
    "increase": _increase,
}
"""What may be asked of a window; ``modulo`` is where a counter rolls over."""


class History:
    """The newest samples of one packet's parameters."""

    def __init__(self, wanted: Collection[WindowFunction], modulo: Mapping[str, float]) -> None:
        self._modulo = modulo
        self._longest_ns = {
            name: round(max(one.seconds for one in wanted if one.parameter == name) * NS_PER_S)
            for name in {one.parameter for one in wanted}
        }
        self._samples: dict[str, Samples] = {name: deque() for name in self._longest_ns}

    def add(self, name: str, value: object, at_ns: int) -> None:
        """Take a parameter's newest value; what is no finite number is no sample."""
        samples = self._samples.get(name)
        if samples is None or isinstance(value, bool) or not isinstance(value, int | float):
            return
        if samples and at_ns < samples[-1][0] - self._longest_ns[name]:
            samples.clear()  # the clock was set back: what was before is no past of this
        if not math.isfinite(value) or (samples and at_ns <= samples[-1][0]):
            return
        longest_ns = self._longest_ns[name]
        if len(samples) > 1 and at_ns - samples[-2][0] < longest_ns // MAX_SAMPLES:
            samples.pop()  # in a long window not every sample is kept, but always the newest
        samples.append((at_ns, float(value)))
        while samples[0][0] < at_ns - longest_ns:
            samples.popleft()

    def values(self, asked: Collection[WindowFunction], now_ns: int) -> dict[Any, object]:
        """Compute what is asked, by what asks for it; what nothing is known of is left out."""
        found: dict[Any, object] = {}
        for one in asked:
            since_ns = now_ns - round(one.seconds * NS_PER_S)
            samples = [item for item in self._samples[one.parameter] if since_ns <= item[0] <= now_ns]
            if samples:
                found[one] = FUNCTIONS[one.function](samples, self._modulo.get(one.parameter, 0.0))
        return found
