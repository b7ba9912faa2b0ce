"""An MQTT client that writes down what it hears, and brokers to hear it from."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import pytest

from agent.definitions import Broker
from agent.sinks.embedded_broker import find_mosquitto

needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@dataclass
class Heard:
    """Messages in the order they came: topic, payload, and whether they were retained."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def on(self, topic: str) -> list[Any]:
        """The payloads of one topic, JSON read; an empty one is None."""
        return [json.loads(payload) if payload else None for at, payload, _ in self.messages if at == topic]

    def seqs(self, topic_end: str = "/frame") -> list[int]:
        return [json.loads(payload)["seq"] for at, payload, _ in self.messages if at.endswith(topic_end)]

    async def until(self, condition: Callable[[Heard], bool], timeout_s: float = 15.0) -> None:
        await until(lambda: condition(self), timeout_s, lambda: f"heard last: {self.messages[-5:]}")


async def until(condition: Callable[[], bool], timeout_s: float = 15.0, say: Callable[[], str] = str) -> None:
    """Wait for something that must come true."""
    end_s = time.monotonic() + timeout_s
    for _ in range(int(timeout_s * 100) + 1):
        if condition():
            return
        if time.monotonic() > end_s:
            break
        await asyncio.sleep(0.02)
    pytest.fail(f"still not so after {timeout_s} s; {say()}")


@asynccontextmanager
async def listening(port: int, topics: str = "gs/#", **options: Any) -> AsyncIterator[Heard]:
    heard = Heard()
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:
        await client.subscribe(topics, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.messages.append((message.topic.value, message.payload, bool(message.retain)))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run a coroutine beside the test; cancelled at the end, its errors raised."""
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def retained(port: int, topics: str = "gs/#", wait_s: float = 0.3) -> dict[str, Any]:
    """What a new client is told at once."""
    async with listening(port, topics) as heard:
        await asyncio.sleep(wait_s)
    return {topic: json.loads(payload) for topic, payload, was_retained in heard.messages if was_retained}


def broker(port: int, **options: Any) -> Broker:
    return Broker(host="127.0.0.1", port=port, **options)
