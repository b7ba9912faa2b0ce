"""Publishes to one MQTT broker: the archive's records in order after the destination's cursor, and the live state.

Two streams share a connection. *Records* go out in the order of the
archive at QoS 1 within a window that follows the broker's pace. *State* is the newest value of a topic, retained,
in slots of its own: it never waits behind a backlog, and a backlog never overwrites it. After every reconnection
the birth and all state are sent again. What cannot be sent stays in the archive: this file loses nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
import secrets
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias, TypeVar

import aiomqtt

from agent.definitions import Broker
from agent.errors import ConfigError, SinkUnavailable
from agent.records import HealthStatus, LinkStatus, LookAngles
from agent.security.release import may_go
from agent.sinks import payloads
from agent.sinks.archive import Archive
from agent.sinks.archived import ArchivedRecord
from agent.sinks.broker_connection import (
    STATE_WINDOW,
    Failure,
    Trouble,
    connection,
    explain,
    make_client,
    read_credentials,
    within,
)
from agent.sinks.incoming import read_status
from agent.sinks.live_state import LiveState
from agent.sinks.outlook import OutlookRecord, outlook_message
from agent.sinks.payloads import Message, StateRecord
from agent.sinks.record_stream import PUBACK_S, RecordStream

log = logging.getLogger(__name__)

FAREWELL_S: Final = 1.0
SETTLE_S: Final = 2.0
STABLE_S: Final = 10.0
RETRY_CAP_S: Final = {Trouble.UNREACHABLE: 4.0, Trouble.LOST: 4.0, Trouble.REFUSED: 60.0}
"""Cheap attempts stay frequent, so that a broker that comes back is found within 5 s; a refusal is not repeated."""

TAKEOVER_RETRY_S: Final = 10.0
LIVE_INTERVAL_S: Final = 0.25
RESTORED_RECORDS: Final = 2000
SELF_TEST_S: Final = 5.0
PASSING_MESSAGES: Final = 64
MAX_COMMANDS: Final = 16

OnCommand: TypeAlias = Callable[[str, bytes], Awaitable[Message | None]]
ANOTHER_AGENT_S: Final = 120.0


_SELF_TEST: Final = "ack/self-test"

ErrorT = TypeVar("ErrorT", bound=BaseException)


class _Useless(Exception):
    """The broker lets the agent in and does not do what it says; ``str()`` says what would mend it."""


class Publisher:
    """One broker's publisher; ``run`` it in a task.

    ``counters``: ``connected`` (times), ``published`` (records confirmed by the broker), ``state`` (state messages
    confirmed), ``resent``, ``refused_acks``, ``births``. ``connected`` says whether the broker takes records now.
    """

    def __init__(self, broker: Broker, station: str, archive: Archive, *, boot: str, version: str) -> None:
        self.broker = broker
        self.counters: Counter[str] = Counter()
        self.connected = False
        self.failure = ""
        """Why it is not connected, in words for the operator; empty when all is well."""
        self._base = f"{broker.topic_prefix}/{payloads.level(station)}"
        self._client_id = broker.client_id or f"gs-{payloads.level(station)}-{broker.name}"
        self._archive = archive
        self._boot = boot
        self._version = version
        self._started_utc_ns = time.time_ns()
        self._state = LiveState()
        self._dirtied = asyncio.Event()
        self._nonce = b""
        self._heard_nonce = asyncio.Event()
        self._birth_due = False
        self._degraded: tuple[str, ...] = ()
        self._told_degraded: tuple[str, ...] = ()
        self._foreign_s = -ANOTHER_AGENT_S
        self._stream = RecordStream(broker, self._base, archive, self._state, self.counters)
        self._listening = False
        self._commands = 0
        self._passing: deque[Message] = deque(maxlen=PASSING_MESSAGES)
        self._passing_by = asyncio.Event()
        self.on_command: OnCommand | None = None
        """Carries out a ``cmd/<name>`` and gives the answer; asked only where the broker allows commands."""

    # -- what the agent calls ------------------------------------------------------------------------------------

    def set_state(self, topic_suffix: str, payload: bytes, *, qos: int = 1, retain: bool = True) -> None:
        """Have a topic's newest value published, now or as soon as there is a connection."""
        self.set_message(Message(topic_suffix, payload, qos, retain))

    def set_message(self, message: Message) -> None:
        """Have a message of ``payloads`` published as its topic's newest value."""
        if not self._may_go(message):
            return
        self._state.set(message)
        self._dirtied.set()

    def send(self, message: Message) -> None:
        """Publish a message that is worth nothing later; without a connection it is forgotten."""
        if self.connected and self._may_go(message):
            self._passing.append(message)
            self._passing_by.set()

    def _may_go(self, message: Message) -> bool:
        """Say whether a message's marking lets it go to the community whose broker this is."""
        if self.broker.community is None:
            return True
        try:
            payload = json.loads(message.payload)
        except ValueError:
            return False
        return isinstance(payload, dict) and may_go(payload.get("marking"), self.broker.community)

    def publish_state(self, record: StateRecord | OutlookRecord) -> None:
        """Have a record that is state published as its topics' newest value."""
        if self.broker.satellites and record.satellite not in self.broker.satellites:
            return
        if isinstance(record, HealthStatus | LinkStatus | LookAngles):
            for message in payloads.state_messages(record):
                self.set_message(message)
        else:
            self.set_message(outlook_message(record))

    def continue_from(self, other: Publisher) -> None:
        """Take over the state that another publisher was told, but what is not for this broker."""
        for message in other._state.messages():
            slug = message.topic.split("/")[1] if message.topic.startswith("sat/") else ""
            if not self.broker.satellites or not slug or slug in self.broker.satellites:
                self.set_message(message)

    def end(self) -> None:
        """Leave the archive's listeners, once ``run`` is cancelled and this broker is configured no more."""
        self._archive.unlisten(self._on_records)
        for destination in (self.broker.name, *(f"{self.broker.name}/{one}" for one in self.broker.consumers)):
            self._archive.forget(destination)

    def set_degraded(self, names: Sequence[str]) -> None:
        """Say what works less well than it should; the archive's and the publisher's own troubles are added."""
        self._degraded = tuple(names)

    @property
    def delivery(self) -> str:
        """What the status promises."""
        return payloads.DELIVERY_TO_CONSUMERS if self.broker.consumers else payloads.DELIVERY_TO_BROKER

    @property
    def delivered(self) -> int:
        """The sequence number through which everything is delivered."""
        return self._stream.outbox.delivered

    async def backlog(self) -> int:
        """Count the records not yet delivered; raises ``SinkUnavailable``."""
        return await self._archive.count_after(self._stream.outbox.delivered)

    async def settled(self) -> None:
        """Return when all that the archive holds has been confirmed, the broker is gone, or it takes too long."""
        with suppress(SinkUnavailable):
            for _ in range(int(SETTLE_S / 0.02)):
                if not self.connected or await self._stream.settled():
                    return
                await asyncio.sleep(0.02)

    async def run(self) -> None:
        """Publish until cancelled; then say ``online: false`` and part, within ``FAREWELL_S``."""
        await self._begin()
        failures = 0
        while True:
            began_s = time.monotonic()
            trouble = await self._connect_once()
            failures = 0 if time.monotonic() - began_s > STABLE_S else min(failures + 1, 10)
            delay_s = min(RETRY_CAP_S[trouble], 2.0**failures) * random.uniform(0.75, 1.0)
            if self._another_agent():
                delay_s = max(delay_s, TAKEOVER_RETRY_S)
            await asyncio.sleep(max(1.0, delay_s))

    # -- connections ---------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Take up where the last run ended: the cursors, and the newest value of each topic."""
        self._stream = RecordStream(self.broker, self._base, self._archive, self._state, self.counters)
        if not self._listening:
            self._listening = True
            self._archive.listen(self._on_records)
            with suppress(SinkUnavailable):
                newest = self._archive.newest_seq
                restored = await self._archive.read_before(newest + 1, RESTORED_RECORDS)
                self._state.restore([item for item in restored if self._stream.wants(item.record)])

    async def _connect_once(self) -> Trouble:
        """Connect and publish until the connection ends; returns why."""
        try:
            credentials = await asyncio.to_thread(read_credentials, self.broker)
        except ConfigError as exc:
            return self._fail(Failure(Trouble.REFUSED, f"broker {self.broker.name}: {exc}"))
        will = self._status(online=False)
        client = make_client(
            self.broker,
            credentials,
            client_id=self._client_id,
            will=aiomqtt.Will(f"{self._base}/{will.topic}", will.payload, will.qos, will.retain),
        )
        entered = False
        failures: list[Failure] = []
        try:
            async with connection(client):
                entered = True
                self.counters["connected"] += 1
                await self._session(client)
        except* aiomqtt.MqttError as group:
            failures.append(explain(self.broker, _first(group), connected=entered))
        except* _Useless as group:
            failures.append(Failure(Trouble.REFUSED, str(_first(group))))
        finally:
            self.connected = False
        return self._fail(failures[0] if failures else Failure(Trouble.LOST, "the connection ended"))

    async def _session(self, client: aiomqtt.Client) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client, tasks), name=f"{self.broker.name}: receive")
                await self._greet(client)
                tasks.create_task(self._send_state(client), name=f"{self.broker.name}: state")
                tasks.create_task(self._stream.send(client), name=f"{self.broker.name}: records")
                tasks.create_task(self._send_passing(client), name=f"{self.broker.name}: passing")
                tasks.create_task(self._watch(client), name=f"{self.broker.name}: watch")
        except asyncio.CancelledError:
            with suppress(aiomqtt.MqttError):
                await within(FAREWELL_S, self._publish(client, self._status(online=False)))
            raise

    async def _greet(self, client: aiomqtt.Client) -> None:
        """Say that the station is there, and make sure that the broker does what it says."""
        await within(PUBACK_S, client.subscribe(f"{self._base}/status", qos=1))
        await self._give_birth(client)
        for consumer in self.broker.consumers:
            await within(PUBACK_S, client.subscribe(f"{self._base}/ack/{consumer}", qos=1))
        if self.broker.commands and self.on_command is not None:
            await within(PUBACK_S, client.subscribe(f"{self._base}/cmd/+", qos=1))
        self._nonce = secrets.token_hex(8).encode()
        self._heard_nonce.clear()
        granted = await within(PUBACK_S, client.subscribe(f"{self._base}/{_SELF_TEST}", qos=1))
        if all((code if isinstance(code, int) else code.value) < 128 for code in granted):
            await self._publish(client, Message(_SELF_TEST, self._nonce))
            try:
                async with asyncio.timeout(SELF_TEST_S):
                    await self._heard_nonce.wait()
            except TimeoutError as exc:
                raise _Useless(
                    f"broker {self.broker.name} takes messages for {self._base}/# and throws them away "
                    f"(its access list must let {self.broker.username or self._client_id} write {self._base}/# "
                    f"and read {self._base}/ack/+)"
                ) from exc
            await within(PUBACK_S, client.unsubscribe(f"{self._base}/{_SELF_TEST}"))
        self._stream.begin()
        self._state.all_due(self._stream.outbox.handed_out)
        self.connected = True
        self.failure = ""
        log.info("broker %s (%s:%d): connected", self.broker.name, self.broker.host, self.broker.port)

    async def _give_birth(self, client: aiomqtt.Client) -> None:
        self._birth_due = False
        self._told_degraded = self._all_degraded()
        await self._publish(client, self._status(online=True))
        self.counters["births"] += 1

    def _fail(self, failure: Failure) -> Trouble:
        if failure.text != self.failure:
            log.warning("%s", failure.text)
            self.failure = failure.text
        return failure.trouble

    def _status(self, *, online: bool) -> Message:
        return payloads.status_message(
            online=online,
            at_utc_ns=time.time_ns(),
            boot=self._boot,
            version=self._version,
            delivery=self.delivery,
            degraded=self._all_degraded(),
        )

    def _all_degraded(self) -> tuple[str, ...]:
        """Collect what works less well than it should."""
        own = [f"storage_{self._archive.degraded}"] if self._archive.degraded else []
        if self._another_agent():
            own.append("another_agent")
        return (*self._degraded, *own)

    def _another_agent(self) -> bool:
        """Whether another agent has lately spoken as this station."""
        return time.monotonic() - self._foreign_s < ANOTHER_AGENT_S

    # -- sending -------------------------------------------------------------------------------------------------

    async def _publish(self, client: aiomqtt.Client, message: Message) -> None:
        topic = f"{self._base}/{message.topic}"
        await within(PUBACK_S, client.publish(topic, message.payload, qos=message.qos, retain=message.retain))

    async def _send_state(self, client: aiomqtt.Client) -> None:
        while True:
            if not self._state:
                self._dirtied.clear()
                await self._dirtied.wait()
            async with asyncio.TaskGroup() as tasks:
                for message in self._state.take(STATE_WINDOW, self._archive.archive_id):
                    tasks.create_task(self._publish(client, message))
                    self.counters["state"] += 1

    async def _send_passing(self, client: aiomqtt.Client) -> None:
        self._passing.clear()
        while True:
            self._passing_by.clear()
            while self._passing:
                await self._publish(client, self._passing.popleft())
            await self._passing_by.wait()

    def _on_records(self, records: Sequence[ArchivedRecord]) -> None:
        """Remember the newest value of each topic; those that cannot be kept are shown at once."""
        self._state.note([item for item in records if self._stream.wants(item.record)])

    # -- watching ------------------------------------------------------------------------------------------------

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Let state overtake a backlog, tell changes of the status, send again what nobody acknowledges."""
        for ticks in itertools.count():
            await asyncio.sleep(LIVE_INTERVAL_S)
            self._state.overtake(self._stream.outbox.handed_out)
            if self._state:
                self._dirtied.set()
            if (self._birth_due and ticks % 4 == 0) or self._told_degraded != self._all_degraded():
                await self._give_birth(client)
            self._stream.look_after()

    async def _receive(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        async for message in client.messages:
            payload = message.payload
            topic = message.topic.value.removeprefix(f"{self._base}/")
            if topic == _SELF_TEST:
                if payload == self._nonce:
                    self._heard_nonce.set()
            elif topic == "status":
                self._hear_status(payload, live=not message.retain)
            elif topic.startswith("cmd/"):
                self._hear_command(topic.removeprefix("cmd/"), payload, tasks, stale=message.retain)
            elif topic.startswith("ack/"):
                self._stream.hear_acknowledgement(topic.removeprefix("ack/"), payload)

    def _hear_command(self, name: str, payload: bytes, tasks: asyncio.TaskGroup, *, stale: bool) -> None:
        """Have a command carried out; a retained one is an old one, and too many at once are refused."""
        if self.on_command is None or stale or self._commands >= MAX_COMMANDS:
            self.counters["refused_commands"] += 1
            return
        self.counters["commands"] += 1
        self._commands += 1
        tasks.create_task(self._answer(self.on_command, name, payload), name=f"{self.broker.name}: command")

    async def _answer(self, on_command: OnCommand, name: str, payload: bytes) -> None:
        try:
            answer = await on_command(name, payload)
        finally:
            self._commands -= 1
        if answer is not None:
            self.send(answer)

    def _hear_status(self, payload: bytes, *, live: bool) -> None:
        """Correct a late will, and notice another agent that speaks as this station."""
        status = read_status(payload)
        if status is None:
            return
        if not status.online:
            self._birth_due = self._birth_due or live
        elif status.boot != self._boot and status.ts * 1_000_000 > self._started_utc_ns:
            if not self._another_agent():
                log.error(
                    "broker %s: another agent (boot %s) publishes as %s (stop one of them, or rename its station)",
                    self.broker.name,
                    payloads.level(status.boot),
                    self._base,
                )
            self._foreign_s = time.monotonic()


def _first(group: BaseExceptionGroup[ErrorT]) -> ErrorT:
    """Find the error a group began with."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
