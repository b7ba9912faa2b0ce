"""The same watch over tasks and data as the tests have, and what runs beside what.

With several workers (``--dist loadgroup``) a file stays on one of them, since its tests may share a fixture; the
judged scenarios, which share nothing and mostly wait, are spread one by one.
"""

import pytest

from tests.conftest import (
    logging_is_left_as_it_was,
    no_task_is_left_behind,
    test_data,
)
from tests.conftest import pytest_collection_modifyitems as watch_tasks

SPREAD = "test_a_scenario_raises_exactly_its_alarms_and_loses_nothing"

__all__ = ["logging_is_left_as_it_was", "no_task_is_left_behind", "test_data"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    watch_tasks(items)
    for item in items:
        if SPREAD not in item.name:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
