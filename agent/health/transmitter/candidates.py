"""Which of the objects that a satellite's file names as candidates is the one that is heard, while it passes.

Knows the tracks of the candidates and the carriers measured so far; ``identification`` does the weighing. Until it
is decided nobody can be held against a prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.health.transmitter.identification import Candidate, identify
from agent.health.transmitter.track import Track
from agent.records import UtcNs

Floats: TypeAlias = NDArray[np.float64]

NS_PER_S = 1_000_000_000
EVERY_NS = 10 * NS_PER_S
FEWEST = 12


class CandidateWatch:
    """Weighs candidates as measurements come. ``words`` says what is thought now, ``chosen`` whom it is."""

    def __init__(self) -> None:
        self.tracks: Mapping[int, Track] = {}
        self.words: str | None = None
        self.chosen: Track | None = None
        self._weighed_utc_ns: UtcNs = 0

    def weigh(self, times_utc_ns: NDArray[np.int64], carriers_hz: Floats, frequency_hz: float) -> None:
        """Weigh the candidates by what was measured, now and then."""
        if len(times_utc_ns) < FEWEST or times_utc_ns[-1] - self._weighed_utc_ns < EVERY_NS:
            return
        self._weighed_utc_ns = int(times_utc_ns[-1])
        candidates = []
        for norad, track in self.tracks.items():
            try:
                shift, slope = track.doppler(times_utc_ns)
            except AgentError:
                continue
            candidates.append(Candidate(str(norad), norad, shift * frequency_hz, slope * frequency_hz))
        found = identify((times_utc_ns - times_utc_ns[0]) / NS_PER_S, carriers_hz, candidates, frequency_hz)
        self.words = found.words
        self.chosen = None if found.decided is None else self.tracks[found.decided.norad]
