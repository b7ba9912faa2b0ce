"""A consumer that loses nothing: stores what a station publishes, exactly once in effect, and says what it has.

For programs that take a station's records into an SQLite database; knows nothing else of the agent: copy this file
if you like. The rules it follows are short, in any language:

1. A message with ``seq`` is a record; ``station/archive/seq`` is its identity. Do its effect once.
2. ``chain`` is the number through which nothing is missing. A message whose ``prev <= chain`` makes it ``seq`` at
   least; one whose ``prev`` is higher came too early and is remembered; one without ``prev`` extends nothing.
3. After the commit that holds effect and chain together, publish ``{"archive": …, "seq": chain}``, retained, QoS 1,
   on ``<prefix>/<station>/ack/<name>``: the station sends again what lies above.
4. If something stays missing, the same with ``"rewind": true`` has the station begin again after ``seq``; with an
   empty ``archive``, not retained, it says "here I am": the station sends again at once what it waits for.

The station's file must name the consumer (``[[broker]] consumers = ["name"]``).
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiomqtt
import msgspec

BATCH: Final = 200
REWIND_S: Final = 10.0
ANSWER_S: Final = 20.0
MAX_PAYLOAD_OCTETS: Final = 1 << 20

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS chain (archive TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ahead (archive TEXT, seq INTEGER, prev INTEGER, PRIMARY KEY (archive, seq))
  WITHOUT ROWID;
"""
_REMEMBER: Final = (
    "INSERT INTO ahead VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET prev = coalesce(excluded.prev, prev)"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record as it arrived: its topic, its payload read, and its identity."""

    topic: str
    values: dict[str, Any]
    archive: str
    seq: int


Effect = Callable[[sqlite3.Connection, Delivery], None]
"""What is to be done with a record, once: writes to the same database, in the same transaction as the chain."""


class Consumer:
    """One consumer of one station; ``duplicates`` counts what came again, ``missing`` the archives with a gap."""

    def __init__(
        self, name: str, station: str, database: Path, effect: Effect, *, prefix: str = "gs", **broker: Any
    ) -> None:
        """``broker`` goes to ``aiomqtt.Client``: ``hostname``, ``port``, ``username``, ``tls_context`` …"""
        self.duplicates = 0
        self.missing = 0
        self._name = name
        self._base = f"{prefix}/{station}"
        self._database = database
        self._effect = effect
        self._broker: dict[str, Any] = {"hostname": "127.0.0.1", "keepalive": 10, "timeout": math.inf} | broker
        self._store: sqlite3.Connection | None = None
        self._gap_since_s: dict[str, float] = {}

    async def run(self) -> None:
        """Consume until cancelled, whatever the broker does."""
        try:
            while True:
                try:
                    async with asyncio.timeout(ANSWER_S) as limit, aiomqtt.Client(**self._broker) as client:
                        limit.reschedule(None)
                        await client.subscribe(f"{self._base}/#", qos=1)
                        await self._acknowledge(client, "", 0, rewind=True)
                        await self._consume(client)
                except (aiomqtt.MqttError, TimeoutError):
                    await asyncio.sleep(random.uniform(0.5, 1.5))
        finally:
            self.close()

    async def _consume(self, client: aiomqtt.Client) -> None:
        messages = client.messages
        while True:
            batch = [await anext(messages)]
            while len(messages) and len(batch) < BATCH:
                batch.append(await anext(messages))
            deliveries = [delivery for message in batch if (delivery := self._read(message)) is not None]
            if deliveries:
                chains, gaps = await asyncio.to_thread(self.take, deliveries)
                self.missing = len(gaps)
                for archive, seq in chains.items():
                    rewind = archive in gaps and self._is_due(archive, seq)
                    await self._acknowledge(client, archive, seq, rewind=rewind)
                self._gap_since_s = {archive: s for archive, s in self._gap_since_s.items() if archive in gaps}

    async def _acknowledge(self, client: aiomqtt.Client, archive: str, seq: int, *, rewind: bool = False) -> None:
        told: dict[str, Any] = {"archive": archive, "seq": seq} | ({"rewind": True} if rewind else {})
        async with asyncio.timeout(ANSWER_S):
            topic = f"{self._base}/ack/{self._name}"
            await client.publish(topic, msgspec.json.encode(told), qos=1, retain=archive != "")

    def _is_due(self, archive: str, chain: int) -> bool:
        """Whether to ask for what is missing: at once by one who has nothing, else when it stays missing."""
        now_s = time.monotonic()
        since_s = self._gap_since_s.setdefault(archive, now_s if chain else now_s - REWIND_S)
        if now_s - since_s < REWIND_S:
            return False
        self._gap_since_s[archive] = now_s
        return True

    def _read(self, message: aiomqtt.Message) -> Delivery | None:
        """Read a message that is a record; the station's state, acknowledgements and anything else is none."""
        payload = message.payload
        if not isinstance(payload, bytes) or not 0 < len(payload) <= MAX_PAYLOAD_OCTETS:
            return None
        try:
            values = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            return None
        match values:
            case {"archive": str(archive), "seq": int(seq), "ts": int()}:
                return Delivery(message.topic.value, values, archive, seq)
        return None

    # -- the store, in a thread ------------------------------------------------------------------------------------

    def take(self, deliveries: Sequence[Delivery]) -> tuple[dict[str, int], set[str]]:
        """Do the effects of what is new and commit; returns each archive's chain, and those that have a gap."""
        if self._store is None:
            self._store = _open(self._database)
        with self._store as store:
            chains: dict[str, int] = {}
            for delivery in deliveries:
                if delivery.archive not in chains:
                    chains[delivery.archive] = _chain(store, delivery.archive)
                chains[delivery.archive] = self._take_one(store, delivery, chains[delivery.archive])
            joined = {archive: _join(store, archive, seq) for archive, seq in chains.items()}
            store.executemany("REPLACE INTO chain VALUES (?, ?)", joined.items())
            query = "SELECT 1 FROM ahead WHERE archive = ? AND prev > ?"
            gaps = {archive for archive, seq in joined.items() if store.execute(query, (archive, seq)).fetchone()}
        return joined, gaps

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _take_one(self, database: sqlite3.Connection, delivery: Delivery, chain: int) -> int:
        prev = delivery.values.get("prev")
        key = (delivery.archive, delivery.seq)
        query = "SELECT 1 FROM ahead WHERE archive = ? AND seq = ?"
        known = delivery.seq <= chain or database.execute(query, key).fetchone() is not None
        if known:
            self.duplicates += 1
        else:
            self._effect(database, delivery)
        if isinstance(prev, int) and prev <= chain:
            return max(chain, delivery.seq)
        if delivery.seq > chain:
            database.execute(_REMEMBER, (*key, prev if isinstance(prev, int) else None))
        return chain


def _open(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, check_same_thread=False)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.executescript(_SCHEMA)
    return store


def _chain(database: sqlite3.Connection, archive: str) -> int:
    found = database.execute("SELECT seq FROM chain WHERE archive = ?", (archive,)).fetchone()
    return int(found[0]) if found else 0


def _join(database: sqlite3.Connection, archive: str, chain: int) -> int:
    """Move the chain over what came too early and fits now, and forget what lies below it."""
    query = "SELECT seq FROM ahead WHERE archive = ? AND seq > ? AND prev <= ? ORDER BY seq DESC LIMIT 1"
    while found := database.execute(query, (archive, chain, chain)).fetchone():
        chain = int(found[0])
    database.execute("DELETE FROM ahead WHERE archive = ? AND seq <= ?", (archive, chain))
    return chain
