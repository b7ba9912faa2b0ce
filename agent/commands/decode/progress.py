"""A progress bar on stderr, for work that takes long, where somebody looks on.

Appears after a while and only on a terminal; knows a share done, or only that it goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

PATIENCE_S: Final = 1.5
"""Nothing is shown of what is done sooner."""


class Progress:
    """Shows how far an input has been read; ``done`` tells the share, ``None`` when nobody knows."""

    def __init__(self, name: str, done: Callable[[], float | None], *, wanted: bool) -> None:
        """Show nothing where it is not ``wanted``: what comes out shows the progress there."""
        self._name = name
        self._done = done
        self._due_s = time.monotonic() + PATIENCE_S if wanted and sys.stderr.isatty() else float("inf")
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self) -> None:
        """Bring the bar up to date."""
        if time.monotonic() < self._due_s:
            return
        share = self._done()
        if self._bar is None:
            self._bar = _bar(self._name)
        self._bar.update(0, completed=share or 0.0, total=None if share is None else 1.0)


def _bar(name: str) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task(name, total=1.0)
    bar.start()
    return bar
