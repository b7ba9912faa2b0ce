"""The same watch over tasks and data as the tests have."""

from tests.conftest import no_task_is_left_behind, pytest_collection_modifyitems, test_data

__all__ = ["no_task_is_left_behind", "pytest_collection_modifyitems", "test_data"]
