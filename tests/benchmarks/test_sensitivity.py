"""How little signal the receiver needs, beside the theory and the peer.

Each sensitivity is the Eb/N0 at which half and nine tenths of a hundred frames come out, by the definitions of
``waveforms.py``; the peer's figures (gr-satellites 4.4.0 with GNU Radio 3.10.5) were measured by the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from tests.benchmarks import waveforms as air
from tests.benchmarks.cases import CASES, COHERENT, DOCS, both, measure, write_docs
from tests.benchmarks.curves import Curve, crossing_db, drawing, stacked

PANELS: tuple[tuple[str, tuple[str, ...], dict[str, Callable[[float], float]]], ...] = (
    ("Shifted frequency: share of frames received", ("GFSK", "the same as FM", "AFSK"),
     {"coherent": COHERENT, "non-coherent": air.noncoherent_frame_rate}),
    ("Shifted phase: share of frames received", ("BPSK", "DBPSK", "QPSK", "OQPSK", "PCM"),
     {"coherent": COHERENT, "differential": air.differential_frame_rate}),
    ("Coded: share of frames received", ("CCSDS",), {}),
)  # fmt: skip
"""Title, which curves by the beginnings of their names, and what theory goes with them."""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def test_sensitivity_beside_theory_and_the_peer() -> None:
    rows = ["| signal | here 50 / 90 % | target | gr-satellites | theory, hard decisions |"]
    rows.append("|---|---|---|---|---|")
    curves: dict[str, Curve] = {}
    missed = []
    for case in CASES:
        curve, _ = measure(case)
        reached = (crossing_db(curve, 0.5), crossing_db(curve, 0.9))
        grid = np.arange(0.0, 16.0, 0.1)
        bound = None
        if case.theory is not None:
            ideal: Curve = [(float(x), case.theory(float(x))) for x in grid]
            bound = (crossing_db(ideal, 0.5), crossing_db(ideal, 0.9))
        rows.append(
            f"| {case.name} | {both(reached)} | {both(case.target_db)} | {both(case.peer_db)} | {both(bound)} |"
        )
        print(rows[-1], flush=True)
        curves[case.name] = curve
        if case.target_db and (reached[0] > case.target_db[0] or reached[1] > case.target_db[1]):
            missed.append(case.name)
    write_docs("sensitivity", "\n".join(rows) + "\n")
    if "GSAGENT_WRITE_DOCS" in os.environ:
        panels = [drawing(title, _panel(curves, begins, theory)) for title, begins, theory in PANELS]
        (DOCS / "modems-sensitivity.svg").write_text(stacked(panels), encoding="utf-8")
    assert not missed


def _panel(
    curves: dict[str, Curve], begins: tuple[str, ...], theory: dict[str, Callable[[float], float]]
) -> dict[str, Curve]:
    """Choose the curves of one panel, and the theory beside them."""
    shown = {name: curve for name, curve in curves.items() if name.startswith(begins)}
    lowest = min((curve[0][0] for curve in shown.values()), default=0.0)
    highest = max((curve[-1][0] for curve in shown.values()), default=0.0)
    grid = np.arange(lowest, highest + 0.01, 0.1).tolist()
    return shown | {f"theory: {name}": [(x, rate(x)) for x in grid] for name, rate in theory.items()}
