"""What one destination has, what is on its way to it, and what may be sent next.

Pure: no clock, no connection. Sequence numbers go out in order (``hand_out``); a PUBACK frees a slot
(``confirm``) and, where nobody acknowledges end to end, counts as delivery. Where consumers do, delivery is what
the slowest of them has (``acknowledge``), and no more than ``UNACKNOWLEDGED`` records are ever ahead of it, for a
broker drops what it queues beyond 1,000 without a word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

UNACKNOWLEDGED: Final = 900
"""Records sent to a consumer and not yet acknowledged by it: below mosquitto's ``max_queued_messages`` of 1,000."""


class Outbox:
    """One destination's place in the archive.

    ``delivered`` is the sequence number through which everything is delivered, ``delivered_prev`` the last of
    them that was sent (others may have been left out by the destination's filter). ``generation`` changes when
    sending has to begin again from there.
    """

    def __init__(self, delivered: int, delivered_prev: int, consumers: Mapping[str, int]) -> None:
        lowest = min(consumers.values(), default=delivered)
        self.delivered = min(delivered, lowest)
        self.delivered_prev = min(delivered_prev, lowest)
        self.generation = 0
        self.handed_out = self.delivered
        """The last record looked at: sent, or left out."""
        self._prev = self.delivered_prev
        self._claims = dict(consumers)
        self._on_the_way: deque[tuple[int, bool]] = deque()
        self._confirmed: set[int] = set()
        self._unconfirmed = 0

    @property
    def end_to_end(self) -> bool:
        """Whether delivery is what consumers acknowledge."""
        return bool(self._claims)

    @property
    def in_flight(self) -> int:
        """Messages the broker has not confirmed."""
        return self._unconfirmed

    @property
    def may_send(self) -> bool:
        """Whether another record may go out before more is acknowledged."""
        return not self.end_to_end or len(self._on_the_way) < UNACKNOWLEDGED

    @property
    def waiting(self) -> bool:
        """Whether something has been sent and is not yet delivered."""
        return bool(self._on_the_way)

    def claims(self) -> dict[str, int]:
        """Return what each consumer says it has."""
        return dict(self._claims)

    def begin_again(self) -> None:
        """Forget what was on its way: the next record to go out is the one after ``delivered``."""
        self.generation += 1
        self._on_the_way.clear()
        self._confirmed.clear()
        self._unconfirmed = 0
        self.handed_out = self.delivered
        self._prev = self.delivered_prev

    def hand_out(self, seq: int) -> int:
        """Note that a record goes out, and return its ``prev``."""
        prev, self._prev = self._prev, seq
        self.handed_out = seq
        self._on_the_way.append((seq, True))
        self._unconfirmed += 1
        return prev

    def leave_out(self, seq: int) -> None:
        """Note that a record is not for this destination."""
        self.handed_out = seq
        if not self._on_the_way:
            self.delivered = seq
        elif self._on_the_way[-1][1]:
            self._on_the_way.append((seq, False))
        else:
            self._on_the_way[-1] = (seq, False)

    def confirm(self, seq: int, generation: int) -> None:
        """Note a PUBACK."""
        if generation != self.generation:
            return
        self._unconfirmed -= 1
        self._confirmed.add(seq)
        self._settle()

    def acknowledge(self, consumer: str, seq: int, *, newest: int, rewind: bool = False) -> bool:
        """Note that a consumer has everything through ``seq``; ``False`` when that cannot be true.

        A claim beyond what has been sent since this start counts only as far as that; the rest counts when it is
        sent again. A lower claim than before is old news, unless ``rewind`` says that the consumer lost its store.
        """
        if consumer not in self._claims or not 0 <= seq <= newest:
            return False
        if rewind and seq < self._claims[consumer]:
            self._claims[consumer] = seq
            if seq < self.delivered:
                self.delivered = self.delivered_prev = seq
                self.begin_again()
            return True
        self._claims[consumer] = max(self._claims[consumer], seq)
        self._settle()
        return True

    def _settle(self) -> None:
        """Move ``delivered`` over all that is."""
        claimed = min(self._claims.values(), default=0)
        while self._on_the_way:
            seq, was_sent = self._on_the_way[0]
            if was_sent and (seq > claimed if self.end_to_end else seq not in self._confirmed):
                return
            if self.end_to_end and seq not in self._confirmed and was_sent:
                return  # its PUBACK is still to come
            self._on_the_way.popleft()
            self._confirmed.discard(seq)
            self.delivered = seq
            if was_sent:
                self.delivered_prev = seq
