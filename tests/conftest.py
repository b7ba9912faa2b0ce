"""What every test gets: a leaked task fails its test, and the reference data are found or named as missing."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

DATA_VARIABLE = "GSAGENT_TEST_DATA"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of recordings, frames and orbits to compare against; skips where it is not there."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        pytest.skip(f"{DATA_VARIABLE} is not set: no reference recordings here")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"{DATA_VARIABLE} names {folder}, which is no folder")
    return path


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    """Undo what a command's logging set-up did, so that no test hears of another."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that leaves a task running."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task() and not task.done()]
    assert not left, f"tasks left behind: {[task.get_name() for task in left]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Watch every asynchronous test for leaked tasks."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "no_task_is_left_behind")
