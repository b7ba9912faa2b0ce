"""Who else may transmit in a satellite's place, and how their signal gives them away.

Pure: an impostor is asked what it sends when the satellite would send a frame, and with what motion that arrives.
Nothing here can send anything: it makes numbers for the simulated air.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from agent.simulator.carrier import Carrier

Motion: TypeAlias = Callable[[], "Carrier | None"]
"""How a carrier is received now, ``None`` below the horizon."""


class Sent(NamedTuple):
    """A frame and how its carrier arrives."""

    frame: bytes
    carrier: Carrier


class Turn(NamedTuple):
    """The satellite's turn to send: what it would send, how it moves, how an object on another orbit does.

    ``heard`` is what it has sent since the beginning of the play, oldest first.
    """

    frame: bytes
    motion: Motion
    other_motion: Motion
    heard: deque[Sent]


class Impostor(Protocol):
    """``send`` gives what arrives in place of the satellite's frame, ``None`` for nothing.

    ``level_db`` is how much stronger than the satellite it is received.
    """

    level_db: float

    def send(self, turn: Turn) -> Sent | None:
        """Send in the satellite's place."""


@dataclass(slots=True)
class FixedCarrier:
    """Stands still: its carrier is what the satellite's was when it began, and ``offset_hz`` beside."""

    offset_hz: float
    level_db: float
    _carrier: Carrier | None = field(default=None, init=False)

    def send(self, turn: Turn) -> Sent | None:
        """Send a new frame on the carrier chosen at the beginning."""
        if self._carrier is None:
            now = turn.motion() or Carrier(0.0, 0.0)
            self._carrier = Carrier(now.shift_hz + self.offset_hz, 0.0)
        return Sent(turn.frame, self._carrier)


@dataclass(slots=True)
class OtherOrbit:
    """Flies elsewhere, and sends what the satellite would."""

    offset_hz: float
    level_db: float

    def send(self, turn: Turn) -> Sent | None:
        """Send a new frame with the motion of the other object."""
        carrier = turn.other_motion()
        if carrier is None:
            return None
        return Sent(turn.frame, Carrier(carrier.shift_hz + self.offset_hz, carrier.drift_hz_s))


@dataclass(slots=True)
class Replay:
    """Has recorded what the satellite sent and sends it again, each frame with the shift it had then."""

    offset_hz: float
    level_db: float
    _next: int = field(default=0, init=False)

    def send(self, turn: Turn) -> Sent | None:
        """Send the oldest recorded frame that was not yet sent again; nothing when there is none."""
        if self._next >= len(turn.heard):
            return None
        old = turn.heard[self._next]
        self._next += 1
        return Sent(old.frame, Carrier(old.carrier.shift_hz + self.offset_hz, old.carrier.drift_hz_s))
