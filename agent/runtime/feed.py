"""One source at work: a reader that never waits for anything but the source, and a receiver that takes its blocks.

Knows reconnection, drops and their count, and that samples are worked on in a thread while octets are cheap
enough to take inline. Does not know what a record means or where it goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from agent.channel import Backoff, Channel, Closed, Overflow
from agent.dsp.spectrum import power_spectrum_db
from agent.errors import AgentError, EndOfStream, SourceLost, SourceStalled
from agent.receiver import Receiver
from agent.records import AudioBlock, Block, IqBlock, OctetBlock, Record
from agent.sources import ConfiguredSource

log = logging.getLogger("agent.source")

SAMPLE_BLOCKS = 40
"""A block of samples is at most 50 ms: two seconds of band wait for the receiver, then the oldest is dropped."""

OCTET_BLOCKS = 2000

SPECTRUM_EVERY_S = 0.2
SPECTRUM_BINS = 512

GAP_NS = 100_000_000
"""Samples this far from where they should be are not the next ones; a clock's creep is a thousand times less."""

Take = Callable[[Sequence[Record]], Awaitable[None]]


@dataclass(slots=True)
class FeedState:
    """What can be said about a source now; ``error`` is why it is not online, ``stalled`` whether it is there."""

    online: bool = False
    last_utc_ns: int | None = None
    blocks: int = 0
    units: int = 0
    dropped: int = 0
    frames: int = 0
    error: str | None = None
    stalled: bool = False
    ended: bool = False
    timed: bool = True


class Feed:
    """A source with its receiver.

    ``changed`` is called when the state changed in a way worth telling at once (online, offline, ended);
    ``working`` is entered for the time that a block takes from the receiver to whoever takes its records.
    """

    def __init__(
        self,
        source_id: str,
        make: Callable[[], ConfiguredSource],
        receiver: Receiver,
        take: Take,
        *,
        changed: Callable[[Feed], None],
        spectrum: Callable[[Feed, IqBlock | AudioBlock, list[float]], None] | None = None,
        lossless: bool = False,
        octets: bool = False,
        longest_wait_s: float = 5.0,
        working: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.source_id = source_id
        self.receiver = receiver
        self.state = FeedState()
        self._make = make
        self._take = take
        self._changed = changed
        self._spectrum = spectrum
        self._spectrum_until_s = 0.0
        self._spectrum_due_s = 0.0
        self._longest_wait_s = longest_wait_s
        self._working = working
        self._at_work = asyncio.Lock()
        self._lost = 0
        self._end_utc_ns: int | None = None
        self.octets = octets
        self._channel: Channel[Block] = Channel(
            OCTET_BLOCKS if octets else SAMPLE_BLOCKS, Overflow.WAIT if lossless else Overflow.DROP_OLDEST
        )

    async def read(self) -> None:
        """Read until the source is exhausted, reopening it whenever it is lost; cancelled at shutdown."""
        backoff = Backoff(first_s=0.25, max_s=self._longest_wait_s)
        try:
            while True:
                try:
                    async with self._make() as source:
                        backoff.reset()
                        # A recording may not say when it was made: its times are then those of playing it.
                        self.state.timed = getattr(source, "timed", True)
                        await self._read_open(source)
                except EndOfStream as exc:
                    self._ended(str(exc))
                    return
                except (SourceLost, AgentError, OSError) as exc:
                    self._offline(str(exc), stalled=isinstance(exc, SourceStalled))
                await asyncio.sleep(backoff.next_s())
        finally:
            await self._channel.close()

    async def _read_open(self, source: ConfiguredSource) -> None:
        while True:
            block = self._joined(await source.read())
            if not self.state.online:
                self._online()
            self.state.last_utc_ns = time.time_ns()
            self.state.blocks += 1
            self.state.units += _units(block)
            pushed_out = await self._channel.send(block)
            if pushed_out is not None:
                self._lost += _units(pushed_out) + pushed_out.lost_before
                self.state.dropped += _units(pushed_out)

    def _joined(self, block: Block) -> Block:
        """Say of samples that do not follow on those before them how many are missing, if the source did not.

        A source opened again, or a clock that was set, knows nothing of it; the chain would go on counting.
        """
        if isinstance(block, OctetBlock):
            return block
        length_ns = round(len(block.samples) / block.sample_rate_hz * 1e9)
        before_ns, self._end_utc_ns = self._end_utc_ns, block.start_utc_ns + length_ns
        gap_ns = 0 if before_ns is None else block.start_utc_ns - before_ns
        if block.lost_before or abs(gap_ns) < GAP_NS:
            return block
        return replace(block, lost_before=max(1, round(gap_ns / 1e9 * block.sample_rate_hz)))

    def show_spectrum(self, seconds: float) -> None:
        """Give the spectrum of this source's samples to whoever asked, for some seconds."""
        self._spectrum_until_s = max(self._spectrum_until_s, time.monotonic() + seconds)

    async def _look_at_spectrum(self, block: IqBlock | AudioBlock) -> None:
        now_s = time.monotonic()
        if self._spectrum is None or not self._spectrum_due_s <= now_s < self._spectrum_until_s:
            return
        self._spectrum_due_s = now_s + SPECTRUM_EVERY_S
        line = await asyncio.to_thread(power_spectrum_db, block.samples, SPECTRUM_BINS)
        self._spectrum(self, block, [round(float(value), 1) for value in line])

    async def receive(self) -> None:
        """Take blocks until the channel is closed and empty, then what is still inside the chain."""
        while True:
            try:
                block = await self._channel.receive()
            except Closed:
                break
            # What was dropped was older than this block and younger than the one before it.
            if self._lost:
                block = replace(block, lost_before=block.lost_before + self._lost)
                self._lost = 0
            async with self._at_work:
                with self._working():
                    await self._receive_block(block)
        records = await asyncio.to_thread(self.receiver.flush)
        self.state.frames = self.receiver.frames
        if records:
            await self._take(records)

    async def change_receiver(self, receiver: Receiver) -> None:
        """Let another receiver go on between two blocks, with what the one before holds."""
        async with self._at_work:
            records = receiver.continue_from(self.receiver)
            self.receiver = receiver
            if records:
                await self._take(records)

    async def _receive_block(self, block: Block) -> None:
        if isinstance(block, OctetBlock):
            records = self.receiver.feed(block)
        else:
            await self._look_at_spectrum(block)
            records = await asyncio.to_thread(self.receiver.feed, block)
        if records:
            self.state.frames = self.receiver.frames
            await self._take(records)

    def _online(self) -> None:
        log.info("%s: receiving", self.source_id)
        self.state.online = True
        self.state.error = None
        self.state.stalled = False
        self._changed(self)

    def _offline(self, reason: str, *, stalled: bool) -> None:
        # One line per change of state, not one per attempt.
        if self.state.online or self.state.error != reason:
            log.warning("%s: %s", self.source_id, reason)
        self.state.online = False
        self.state.error = reason
        self.state.stalled = stalled
        self._changed(self)

    def _ended(self, reason: str) -> None:
        log.info("%s: %s", self.source_id, reason or "has nothing more to give")
        self.state.online = False
        self.state.ended = True
        self.state.error = None
        self._changed(self)


def _units(block: Block) -> int:
    return len(block.data) if isinstance(block, OctetBlock) else len(block.samples)
