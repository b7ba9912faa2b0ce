"""Publishes archived records once more, with the identity they had, not retained and without ``prev``.

For a consumer that was not there, a new dashboard, an exercise. A consumer that has them already knows them by
``archive`` and ``seq``.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from typing import Final

import aiomqtt

from agent.errors import SinkUnavailable
from agent.records import Alarm, PassEvent
from agent.sinks.archived import Archivable, ArchivedRecord
from agent.sinks.payloads import Envelope, archived_messages, level
from agent.sinks.sequence import Identity

WINDOW: Final = 50
ANSWER_S: Final = 20.0


async def replay(
    records: Iterable[ArchivedRecord], identity: Identity, *, host: str, port: int, prefix: str, speed: float
) -> int:
    """Publish records in order, ``speed`` times as fast as they came (0: as fast as it goes); returns how many.

    Raises ``SinkUnavailable`` when there is no broker, or it goes.
    """
    base = f"{prefix}/{level(identity.station)}"
    sent = 0
    try:
        async with (
            asyncio.timeout(ANSWER_S) as limit,
            aiomqtt.Client(host, port, timeout=math.inf, max_inflight_messages=WINDOW) as client,
        ):
            client.pending_calls_threshold = WINDOW * 2
            under_way: deque[asyncio.Task[None]] = deque()
            before_ns: int | None = None
            for item in records:
                limit.reschedule(None)
                at_ns = _received_utc_ns(item.record)
                if speed > 0 and before_ns is not None:
                    await asyncio.sleep(max(0.0, (at_ns - before_ns) / 1e9 / speed))
                before_ns = at_ns
                limit.reschedule(asyncio.get_running_loop().time() + ANSWER_S)
                envelope = Envelope(identity.archive, item.seq, None, item.boot)
                message = archived_messages(item.record, envelope, newest=False)[0]
                under_way.append(
                    asyncio.create_task(client.publish(f"{base}/{message.topic}", message.payload, qos=1))
                )
                sent += 1
                while len(under_way) >= WINDOW:
                    await under_way.popleft()
            for task in under_way:
                await task
    except aiomqtt.MqttError as exc:
        raise SinkUnavailable(f"broker {host}:{port}: {exc} (after {sent} records)") from exc
    except TimeoutError as exc:
        raise SinkUnavailable(f"broker {host}:{port} does not answer (after {sent} records)") from exc
    return sent


def _received_utc_ns(record: Archivable) -> int:
    match record:
        case Alarm():
            return record.as_of_utc_ns
        case PassEvent():
            return record.at_utc_ns
        case _:
            return record.received_utc_ns
