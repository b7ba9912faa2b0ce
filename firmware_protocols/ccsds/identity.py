"""Whose frames these are, where nobody has said it.

A code word that was corrected into another one passes every check and names a spacecraft that is not there. So a
spacecraft that is not configured is believed only when a second frame names it; until then its one frame waits.
Knows identifiers, not frames. The bound is one frame for each identifier, of which there are few.
"""

from __future__ import annotations

MAX_WAITING = 64


class Witnesses:
    """Believes what is expected, or what has been named twice."""

    def __init__(self, expected: int | None) -> None:
        self._believed = set() if expected is None else {expected}
        self._fixed = expected is not None
        self._waiting: dict[int, bytes] = {}

    def hear(self, identifier: int, frame: bytes) -> list[bytes] | None:
        """Return the frames that may now be opened, in order; ``None`` for one that is not expected."""
        if identifier in self._believed:
            return [frame]
        if self._fixed:
            return None
        earlier = self._waiting.pop(identifier, None)
        if earlier is not None:
            self._believed.add(identifier)
            return [earlier, frame]
        if len(self._waiting) >= MAX_WAITING:
            return None
        self._waiting[identifier] = frame
        return []

    def rest(self) -> tuple[list[bytes], int]:
        """End the stream: the frames to open after all, when nobody was believed; and how many are not."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return ([], len(waiting)) if self._believed else (waiting, 0)
