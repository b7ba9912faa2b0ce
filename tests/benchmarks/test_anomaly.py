"""How well anomalies are found: faults put into real and simulated telemetry; the table goes to docs/health.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.definitions import Packet
from agent.health.trends.anomaly import KINDS, AnomalyWatch
from agent.health.trends.windows import NumericParameters
from tests.benchmarks import anomaly_series as series
from tests.conftest import DATA_VARIABLE

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "health.md"
BEGIN, END = "<!-- anomalies: begin -->\n", "<!-- anomalies: end -->"
TRIALS = 4
START_NS = 1_790_000_000 * 10**9
EVENT_S = 60.0
"""Samples nearer than that belong to one false alarm."""
AFTER = 10
"""So many samples after a fault's end still belong to it."""


def judge(values: NDArray[np.float64], data: series.Data) -> NDArray[np.uint8]:
    """Return what is said of each sample, uint8[samples, parameters]."""
    parameters = [{"name": f"p{i}", "type": "f64"} for i in range(values.shape[1])]
    table = msgspec.convert({"name": "p", "parameter": parameters}, Packet)
    watch = AnomalyWatch(NumericParameters(table))
    said = np.zeros(values.shape, np.uint8)
    for index, row in enumerate(np.ascontiguousarray(values)):
        if not np.isnan(row).all():
            watch.feed(row, START_NS + round(index * data.interval_s * 1e9), data.period_s)
            said[index] = watch.kinds
    return said


def events(said: NDArray[np.uint8], interval_s: float) -> int:
    """Count runs of samples that are called unusual."""
    return sum(
        1 + int((np.diff(places) * interval_s > EVENT_S).sum())
        for places in (np.flatnonzero(column) for column in said.T)
        if len(places)
    )


def found(
    data: series.Data, kind: str, clean: NDArray[np.float64], before: NDArray[np.uint8]
) -> tuple[float, float]:
    """Return the shares of faults that are found at all and that are called what they are."""
    random = np.random.default_rng(3)
    hits = named = count = 0
    for _ in range(TRIALS):
        broken = clean.copy()
        spans = []
        for index in range(clean.shape[1]):
            at = next(
                at
                for at in random.integers(int(0.45 * len(clean)), int(0.7 * len(clean)), 10_000)
                if not np.isnan(clean[at : at + 3, index]).any()
            )
            broken[:, index], end = series.with_fault(clean[:, index], kind, int(at), random)
            spans.append((int(at), end + (0 if kind == "drift" else AFTER)))
        said = judge(broken, data)
        for index, (at, end) in enumerate(spans):
            new = said[at:end, index][(said[at:end, index] > 0) & (before[at:end, index] == 0)]
            count += 1
            hits += len(new) > 0
            named += kind in {KINDS[one] for one in new}
    return hits / count, named / count


def lines(datas: list[series.Data]) -> Iterator[str]:
    yield "| data | parameters × samples | " + " | ".join(series.FAULTS) + " | false alarms a parameter and day |"
    yield "|---|---|" + "---|" * len(series.FAULTS) + "---|"
    for data in datas:
        clean = np.array(list(data.series.values())).T
        said = judge(clean, data)
        days = (~np.isnan(clean)).sum() * data.interval_s / 86_400
        cells = []
        for kind in series.FAULTS:
            if kind == "drift" and data.period_s is None:
                cells.append("–")
                continue
            any_, named = found(data, kind, clean, said)
            cells.append(f"{100 * any_:.0f} % ({100 * named:.0f} %)")
        false = events(said, data.interval_s)
        cells.append(f"{false / days:.1f} ({false} in all)")
        yield f"| {data.name} | {clean.shape[1]} × {len(clean)} | {' | '.join(cells)} |"


@pytest.mark.benchmark
@pytest.mark.timeout(300)
def test_detection_and_false_alarms_are_measured_and_written_down(capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get(DATA_VARIABLE)
    datas = [series.power_system(), series.power_system(60, passes_only=True)]
    if folder:
        real = [series.noaa_20(Path(folder)), series.yamcs(Path(folder))]
        datas = [*real, *(series.as_small_satellite(one) for one in real), *datas]
    table = list(lines(datas))
    with capsys.disabled():
        print("\n" + "\n".join(table))
    quiet = [line for line in table if line.startswith("| power system")]
    assert all(float(line.rsplit("|", 2)[1].split()[0]) < 5 for line in quiet)
    assert all("100 % (100 %)" in line for line in quiet)
    if folder:
        text = DOCUMENT.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN)
        DOCUMENT.write_text(head + BEGIN + "\n".join(table) + "\n" + END + rest.split(END)[1], encoding="utf-8")
