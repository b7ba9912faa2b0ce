"""The numeric parameters of one packet over time: their newest sample, and statistics over a window.

Knows which parameters of a definition are numbers and which may roll over, and keeps a bounded number of bins of
each, whatever the rate. Does not know limits (``forecast``) nor what is unusual (``anomaly``). Times are arguments.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.definitions import Derived, Enumeration, Packet, Parameter, Time, Watch, named_values, roll_over_of
from agent.records import ParameterReport, UtcNs, WindowStatistics

BINS = 32
"""A window is as many bins: statistics are exact over them, and the window's end moves by a bin at a time."""
MIN_BINS = 6
MAX_PARAMETERS = 4096
NEVER = -(1 << 62)
NS_PER_S = 1_000_000_000

Fits: TypeAlias = NDArray[np.float64]
"""What ``kernels.fit`` found, one row a parameter; the columns by their names below."""
SAMPLES, MEAN, MINIMUM, MAXIMUM, SLOPE, SLOPE_ERROR, NOW, NOW_VARIANCE, FREEDOM, LEVER = range(10)


class NumericParameters:
    """The numeric parameters of one packet, in the order of its file, and where each stands in the arrays."""

    def __init__(self, packet: Packet) -> None:
        self.units: dict[str, str] = {}
        self.watches: list[Watch] = []
        modulo: list[float] = []
        for name, value, _ in named_values(packet):
            if "*" in name or name in self.units or len(self.units) >= MAX_PARAMETERS or not _is_number(value):
                continue
            self.units[name] = value.unit
            self.watches.append(value.watch)
            modulo.append(roll_over_of(value))
        self.names = tuple(self.units)
        self.modulo = np.array(modulo, np.float64)
        self.places = {name: index for index, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def load(self, report: ParameterReport, into: NDArray[np.float64]) -> None:
        """Put a report's numbers in their places; what is missing is NaN."""
        into.fill(math.nan)
        places = self.places
        for value in report.values:
            number = value.value
            if type(number) is float or type(number) is int:
                place = places.get(value.name)
                if place is not None:
                    into[place] = number


def _is_number(value: Parameter | Derived) -> bool:
    if isinstance(value, Derived):
        return True
    if value.type.split(".")[0] in ("bytes", "text", "flag", "group"):
        return False
    return not isinstance(value.calibration, Enumeration | Time)


class Windows:
    """The last ``window_s`` seconds of every numeric parameter of one packet."""

    def __init__(self, numbers: NumericParameters, window_s: float) -> None:
        self.numbers = numbers
        self.window_s = window_s
        self.values = np.full(len(numbers), np.nan)
        self._counters = np.zeros((len(numbers), 4))
        self._counters[:, 0] = np.nan
        self._bin_ns = round(window_s / BINS * NS_PER_S)
        self._bins = np.zeros((len(numbers), BINS, 5))
        self._bin_numbers = np.full(BINS, NEVER, np.int64)
        self._newest = NEVER
        self._fits = np.full((len(numbers), 10), np.nan)

    def feed(self, report: ParameterReport, measured_utc_ns: UtcNs) -> NDArray[np.float64]:
        """Take a report; returns its numbers with the roll-overs of counters added up."""
        from agent.health.trends import kernels

        self.numbers.load(report, self.values)
        kernels.unroll(self.values, self.numbers.modulo, self._counters)
        number, inside_ns = divmod(measured_utc_ns, self._bin_ns)
        if number > self._newest - BINS:
            kernels.fold(self.values, number, inside_ns / NS_PER_S, self._bin_numbers, self._bins)
            self._newest = max(self._newest, number)
        return self.values

    def forget(self) -> None:
        """Begin anew: the station's clock was set back, and what is in the bins lies in its future."""
        self._bin_numbers[:] = self._newest = NEVER

    def fit(self, now_utc_ns: UtcNs) -> Fits:
        """Fit every parameter's window; the array is the same one at every call."""
        from agent.health.trends import kernels

        bin_s = self._bin_ns / NS_PER_S
        now_s = (now_utc_ns - self._newest * self._bin_ns) / NS_PER_S
        kernels.fit(self._newest, bin_s, now_s, self._bin_numbers, self._bins, MIN_BINS, self._fits)
        return self._fits

    def statistics(self, fits: Fits) -> tuple[WindowStatistics, ...]:
        """Put fits into words, for the parameters that have a sample in the window."""
        return tuple(
            [
                WindowStatistics(name, unit, int(n), mean, low, high, None if math.isnan(slope) else slope)
                for (name, unit), (n, mean, low, high, slope) in zip(
                    self.numbers.units.items(), fits[:, :5].tolist(), strict=True
                )
                if n > 0
            ]
        )
