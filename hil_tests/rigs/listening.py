"""The agent's own reader and receiver on one source, with everything they heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agent.config import load_satellite
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame, Record
from agent.runtime.feed import Feed
from agent.sources import make_source


class Listening:
    """A source being read by the agent's reconnecting reader; ``frames`` are those that passed their check."""

    def __init__(self, table: Mapping[str, Any], satellites: Sequence[str]) -> None:
        self.frames: list[Frame] = []
        self.states: list[str] = []
        self._news = asyncio.Event()
        transmitters = [
            Transmitter(slug, satellite, downlink)
            for slug, satellite in map(load_satellite, satellites)
            for downlink in satellite.downlinks
        ]
        self.feed = Feed(
            str(table["id"]),
            lambda: make_source(table, "rig: source[0]")[1],
            Receiver(str(table["id"]), transmitters),
            self._take,
            changed=self._changed,
        )

    async def _take(self, records: Sequence[Record]) -> None:
        self.frames += [record for record in records if isinstance(record, Frame)]
        self._news.set()

    def _changed(self, feed: Feed) -> None:
        self.states.append("online" if feed.state.online else feed.state.error or "ended")
        self._news.set()

    @property
    def data(self) -> list[bytes]:
        """Return the frames' octets."""
        return [frame.link_frame.data for frame in self.frames]

    async def wait_for_frames(self, count: int, seconds: float) -> None:
        """Wait until there are so many frames; raises ``TimeoutError``."""
        async with asyncio.timeout(seconds):
            while len(self.frames) < count:
                self._news.clear()
                await self._news.wait()

    async def wait_until_offline(self, seconds: float) -> str:
        """Wait until the source is said to be lost; returns the reason."""
        async with asyncio.timeout(seconds):
            while self.feed.state.error is None:
                self._news.clear()
                await self._news.wait()
        return self.feed.state.error


@contextlib.asynccontextmanager
async def listening(table: Mapping[str, Any], satellites: Sequence[str]) -> AsyncIterator[Listening]:
    """Read a source as the agent does, until the context ends."""
    listener = Listening(table, satellites)
    reading = asyncio.create_task(listener.feed.read())
    receiving = asyncio.create_task(listener.feed.receive())
    try:
        yield listener
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await receiving
