"""The newest value of every retained topic, and which of them the broker has not been told.

Pure. State that the agent sets (health, link, passes, the station) and state that records make (telemetry, alarms)
stand side by side. A topic's messages are made when they are sent, not when they are set: what waits is never old.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.sinks import payloads
from agent.sinks.archived import ArchivedRecord
from agent.sinks.payloads import Envelope, Message


class LiveState:
    """Topics, their newest values, and which are due to be sent."""

    def __init__(self) -> None:
        self._set: dict[str, Message] = {}
        self._made: dict[str, ArchivedRecord] = {}
        self._told: dict[str, ArchivedRecord] = {}
        self._due: dict[str, None] = {}

    def __bool__(self) -> bool:
        """Whether anything is due."""
        return bool(self._due)

    def messages(self) -> list[Message]:
        """List what was set, each topic's newest."""
        return list(self._set.values())

    def set(self, message: Message) -> None:
        """Set a topic's newest value."""
        self._set[message.topic] = message
        self._due[message.topic] = None

    def restore(self, newest_first: Sequence[ArchivedRecord]) -> None:
        """Take the newest records of the last run; what is known already is newer."""
        for item in newest_first:
            topic = payloads.retained_topic(item.record)
            if topic is not None:
                self._made.setdefault(topic, item)

    def note(self, records: Sequence[ArchivedRecord]) -> None:
        """Note new records in their order; ``seq`` 0 stands for one that could not be kept."""
        for item in records:
            topic = payloads.retained_topic(item.record)
            if topic is not None:
                self._made[topic] = item

    def is_newest(self, item: ArchivedRecord) -> bool:
        """Whether nothing newer is known for a record's topic."""
        topic = payloads.retained_topic(item.record)
        known = self._made.get(topic) if topic is not None else None
        return known is None or known.seq == item.seq

    def overtake(self, handed_out: int) -> None:
        """Make due what stands behind a backlog: every newest record that has not yet been handed out."""
        for topic, item in self._made.items():
            if self._told.get(topic) is not item and (item.seq == 0 or item.seq > handed_out):
                self._told[topic] = item
                self._due[topic] = None

    def all_due(self, handed_out: int) -> None:
        """Make everything retained due: a broker that was away may have forgotten it.

        Records that are still to be handed out bring their topics up to date themselves.
        """
        self._due.update(dict.fromkeys(topic for topic, message in self._set.items() if message.retain))
        self._due.update(dict.fromkeys(topic for topic, item in self._made.items() if item.seq <= handed_out))

    def take(self, limit: int, archive: str) -> list[Message]:
        """Take the messages of up to ``limit`` due topics, each as new as it is at this moment."""
        messages: list[Message] = []
        for topic in list(self._due)[:limit]:
            del self._due[topic]
            item = self._made.get(topic)
            if item is None:
                messages.append(self._set[topic])
                continue
            envelope = Envelope(archive, item.seq, None, item.boot) if item.seq else None
            made = payloads.archived_messages(item.record, envelope, newest=True)
            messages += [message for message in made if message.retain]
        return messages
