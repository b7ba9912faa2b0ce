"""The archive's records on their way to one broker: in order, in a window, again when they are not acknowledged.

The asynchronous shell around ``outbox``. Knows the destination's filter, its cursors in the archive, and the pace:
a window that shrinks when PUBACKs come late and grows again, so that state in the same connection is never far
behind. Knows nothing of connecting.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Final

import aiomqtt

from agent.definitions import Broker
from agent.errors import SinkUnavailable
from agent.security.release import may_go
from agent.sinks import payloads
from agent.sinks.archive import Archive
from agent.sinks.archived import Archivable, ArchivedRecord, kind_of
from agent.sinks.broker_connection import hand_over
from agent.sinks.incoming import read_acknowledgement
from agent.sinks.live_state import LiveState
from agent.sinks.outbox import Outbox
from agent.sinks.payloads import Envelope

PUBACK_S: Final = 20.0
"""Without an answer for this long the link is dead, whatever TCP says."""

READ_RECORDS: Final = 500
RESEND_S: Final = 10.0
RESEND_CAP_S: Final = 60.0
HELLO_S: Final = 1.0
SLOW_PUBACK_S: Final = 1.0


class RecordStream:
    """One destination's stream; ``send`` is a connection's task, everything else is called between."""

    def __init__(
        self, broker: Broker, base: str, archive: Archive, state: LiveState, counters: Counter[str]
    ) -> None:
        name = broker.name
        consumers = {consumer: archive.cursor(f"{name}/{consumer}") for consumer in broker.consumers}
        self.outbox = Outbox(archive.cursor(name), archive.note(f"{name}:sent"), consumers)
        self._broker = broker
        self._base = base
        self._archive = archive
        self._state = state
        self._counters = counters
        self._window = float(broker.in_flight)
        self._moved = asyncio.Event()
        """Set whenever the outbox may have changed."""
        self._confirmed_s = 0.0
        self._delivered = (self.outbox.delivered, 0.0)
        self._patience_s = RESEND_S
        self._hello_due = False

    def wants(self, record: Archivable) -> bool:
        """Whether a record is for this destination."""
        broker = self._broker
        return (
            (not broker.satellites or record.satellite in broker.satellites)
            and (not broker.records or kind_of(record) in broker.records)
            and may_go(record.marking, broker.community)
        )

    def begin(self) -> None:
        """Begin a connection: what was on its way is sent again."""
        self.outbox.begin_again()
        self._confirmed_s = time.monotonic()

    async def settled(self) -> bool:
        """Whether all that the archive holds has been confirmed; raises ``SinkUnavailable``."""
        return not (self.outbox.in_flight or await self._archive.read_after(self.outbox.handed_out, 1))

    async def send(self, client: aiomqtt.Client) -> None:
        """Hand out the archive's records in order, as far as the window and the consumers let it."""
        outbox = self.outbox
        while True:
            generation = outbox.generation
            newest = self._archive.newest_seq
            try:
                records = await self._archive.read_after(outbox.handed_out, READ_RECORDS)
            except SinkUnavailable:
                await asyncio.sleep(1.0)
                continue
            for item in records:
                while outbox.generation == generation and not self._may_send():
                    self._moved.clear()
                    await self._moved.wait()
                if outbox.generation != generation:
                    break
                if self.wants(item.record):
                    self._send_one(client, item, outbox.hand_out(item.seq), generation)
                else:
                    outbox.leave_out(item.seq)
            if not records and outbox.generation == generation:
                self._note_delivery()
                await self._wait_for_work(newest, generation)

    def look_after(self) -> None:
        """Notice a dead link (raises ``MqttError``), and send again what consumers do not acknowledge in time."""
        now_s = time.monotonic()
        outbox = self.outbox
        if not outbox.in_flight:
            self._confirmed_s = now_s
        elif now_s - self._confirmed_s > PUBACK_S:
            raise aiomqtt.MqttError("timed out")
        delivered, since_s = self._delivered
        if outbox.delivered != delivered or not outbox.waiting:
            self._delivered, self._patience_s = (outbox.delivered, now_s), RESEND_S
            return
        waited_s = now_s - since_s
        if outbox.end_to_end and waited_s > (HELLO_S if self._hello_due else self._patience_s):
            self._hello_due = False
            self._delivered = (outbox.delivered, now_s)
            self._patience_s = min(RESEND_CAP_S, self._patience_s * 2 * random.uniform(0.8, 1.0))
            self._counters["resent"] += 1
            outbox.begin_again()
            self._moved.set()

    def hear_acknowledgement(self, consumer: str, payload: bytes) -> None:
        """Take what a consumer says it has; what cannot be is refused and counted."""
        ack = read_acknowledgement(payload)
        if ack is not None and not ack.archive and ack.rewind and consumer in self._broker.consumers:
            self._hello_due = True
            return
        if (
            ack is None
            or ack.archive != self._archive.archive_id
            or not self.outbox.acknowledge(consumer, ack.seq, newest=self._archive.newest_seq, rewind=ack.rewind)
        ):
            self._counters["refused_acks"] += 1
            return
        self._archive.advance(f"{self._broker.name}/{consumer}", self.outbox.claims()[consumer])
        self._note_delivery()
        self._moved.set()

    def _send_one(self, client: aiomqtt.Client, item: ArchivedRecord, prev: int, generation: int) -> None:
        sent_s = time.monotonic()

        def confirmed() -> None:
            self._confirmed_s = time.monotonic()
            if self._confirmed_s - sent_s > SLOW_PUBACK_S:
                self._window = max(1.0, self._window * 0.7)
            else:
                self._window = min(float(self._broker.in_flight), self._window + 0.1)
            self.outbox.confirm(item.seq, generation)
            self._counters["published"] += 1
            self._note_delivery()
            self._moved.set()

        event, *removal = payloads.archived_messages(
            item.record,
            Envelope(self._archive.archive_id, item.seq, prev, item.boot),
            newest=self._state.is_newest(item),
        )
        hand_over(client, f"{self._base}/{event.topic}", event, confirmed)
        for message in removal:
            hand_over(client, f"{self._base}/{message.topic}", message, _nothing)

    def _may_send(self) -> bool:
        return self.outbox.in_flight < int(self._window) and self.outbox.may_send

    async def _wait_for_work(self, newest: int, generation: int) -> None:
        """Return when the archive has grown, or when sending begins again."""
        grown = asyncio.create_task(self._archive.wait_after(newest))
        try:
            while not grown.done() and self.outbox.generation == generation:
                self._moved.clear()
                moved = asyncio.create_task(self._moved.wait())
                try:
                    await asyncio.wait((grown, moved), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    moved.cancel()
        finally:
            grown.cancel()

    def _note_delivery(self) -> None:
        name = self._broker.name
        if self.outbox.delivered != self._archive.note(name):
            self._archive.advance(name, self.outbox.delivered)
            self._archive.remember(f"{name}:sent", self.outbox.delivered_prev)


def _nothing() -> None:
    """Take a PUBACK nobody waits for."""
