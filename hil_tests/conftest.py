"""The same watch over tasks and data as the tests have."""

from tests.conftest import (
    logging_is_left_as_it_was,
    no_task_is_left_behind,
    pytest_collection_modifyitems,
    test_data,
)

__all__ = ["logging_is_left_as_it_was", "no_task_is_left_behind", "pytest_collection_modifyitems", "test_data"]
