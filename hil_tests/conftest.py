"""The same watch over tasks and data as the tests have, and what runs beside what.

With several workers (``--dist loadgroup``) a file stays on one of them, since its tests may share a fixture; the
judged scenarios, which share nothing and mostly wait, are spread one by one. What works on samples in real time is
marked ``alone``: ``make hil`` runs it after the rest, when nothing else takes the processor.
"""

import tomllib
from pathlib import Path

import pytest

from tests.conftest import (
    logging_is_left_as_it_was,
    no_task_is_left_behind,
    test_data,
)
from tests.conftest import pytest_collection_modifyitems as watch_tasks

SPREAD = ("test_judged_scenarios", "test_fault_rates")
ALONE = ("test_rtl_tcp_faults", "test_demo")
SAMPLED = {
    path.stem
    for path in (Path(__file__).parents[1] / "configs" / "scenarios").glob("*.toml")
    if "sdr" in tomllib.loads(path.read_text(encoding="utf-8"))
}

__all__ = ["logging_is_left_as_it_was", "no_task_is_left_behind", "test_data"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: works on samples in real time; run by `make hil` after the rest")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    watch_tasks(items)
    for item in items:
        option = item.name.partition("[")[2].rstrip("]")
        if item.path.stem in ALONE or (item.path.stem in SPREAD and option in SAMPLED):
            item.add_marker(pytest.mark.alone)
        if item.path.stem not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
