"""Several element sets of several objects: which one to use for a time, and which object is meant by a word.

Knows sets and their epochs; knows no orbit. A set is used where its epoch is the nearest: an older set serves the
past, the newest the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from agent.orbit.elements import MeanElements
from agent.records import UtcNs


class Catalogue:
    """Element sets by catalogue number, each object's in order of epoch; of two with one epoch the last wins."""

    def __init__(self, sets: Iterable[MeanElements]) -> None:
        by_object: dict[int, dict[UtcNs, MeanElements]] = {}
        for elements in sets:
            by_object.setdefault(elements.norad, {})[elements.epoch_utc_ns] = elements
        self._history = {
            norad: tuple(epochs[epoch] for epoch in sorted(epochs)) for norad, epochs in by_object.items()
        }

    def __len__(self) -> int:
        return len(self._history)

    def __contains__(self, norad: int) -> bool:
        return norad in self._history

    def __iter__(self) -> Iterator[int]:
        return iter(self._history)

    def history(self, norad: int) -> tuple[MeanElements, ...]:
        """Return every set of an object, oldest first; empty when there is none."""
        return self._history.get(norad, ())

    def nearest(self, norad: int, at_utc_ns: UtcNs) -> MeanElements | None:
        """Return the set whose epoch lies nearest to a time."""
        return min(self.history(norad), key=lambda s: abs(s.epoch_utc_ns - at_utc_ns), default=None)

    def spans(
        self, norad: int, start_utc_ns: UtcNs, end_utc_ns: UtcNs
    ) -> tuple[tuple[MeanElements, UtcNs, UtcNs], ...]:
        """Cut a window into the spans in which one set after another is the nearest."""
        history = self.history(norad)
        middles = [(a.epoch_utc_ns + b.epoch_utc_ns) // 2 for a, b in pairwise(history)]
        starts, ends = [start_utc_ns, *middles], [*middles, end_utc_ns]
        return tuple(
            (elements, max(start, start_utc_ns), min(end, end_utc_ns))
            for elements, start, end in zip(history, starts, ends, strict=True)
            if max(start, start_utc_ns) < min(end, end_utc_ns)
        )

    def newest(self) -> tuple[MeanElements, ...]:
        """Return each object's newest set."""
        return tuple(history[-1] for history in self._history.values())

    def names(self) -> dict[str, int]:
        """Return the objects' newest names, case folded, and launch designators, with their numbers."""
        found: dict[str, int] = {}
        for elements in self.newest():
            found.setdefault(elements.name.casefold(), elements.norad)
            if elements.cospar:
                found.setdefault(elements.cospar.casefold(), elements.norad)
        return found

    def find(self, word: str) -> tuple[int, ...]:
        """Find objects by number, name or launch designator; failing that, all whose name contains the word."""
        wanted = word.strip().casefold()
        if wanted.isdecimal() and len(wanted) <= 9:
            return (int(wanted),) if int(wanted) in self._history else ()
        names = self.names()
        if wanted in names:
            return (names[wanted],)
        return tuple(s.norad for s in self.newest() if wanted and wanted in s.name.casefold())
