"""One Chromium for all browser tests of a run: starting it takes longer than most of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.dashboard.browser import BROWSER_AT, running_chromium


@pytest.fixture(scope="session")
def browser_at() -> Iterator[None]:
    """Run Chromium and say where it is."""
    with running_chromium() as address:
        os.environ[BROWSER_AT] = address
        yield
        del os.environ[BROWSER_AT]
