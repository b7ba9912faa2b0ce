"""A recording played as if it were being received: WAV, raw IQ, SigMF or KISS octets.

Knows pace: that of the recording (so that everything after it behaves as in a pass) or as fast as it is taken.
What the file holds is told by ``agent.sources.recordings``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Annotated, Literal, Self

from msgspec import Meta, field

from agent.errors import EndOfStream, SourceLost
from agent.records import Block, OctetBlock
from agent.sources import Signal, SourceTable
from agent.sources.recordings import Recording, open_recording
from agent.sources.samples import IqFormat, SampleFormat

__all__ = ["SIGNAL", "Options", "Recording", "Source", "open_recording"]

SIGNAL: Signal = "file"

BLOCK_S = 0.05


class Options(SourceTable, frozen=True, kw_only=True):
    """A file, what it holds where it does not say so itself, and its pace."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    pace: Literal["recording", "fast"] = "recording"
    as_: Literal["audio", "iq", "kiss"] | None = field(name="as", default=None)
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e8)] | None = None
    sample_format: IqFormat | SampleFormat | None = None
    frequency_hz: Annotated[float, Meta(gt=0)] | None = None
    repeat: bool = False


class Source:
    """A recording being played."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._recording: Recording | None = None
        self._blocks: Iterator[Block] = iter(())
        self._next: asyncio.Task[Block | None] | None = None
        self._began_s = 0.0
        self._began_utc_ns = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what there is to say about the recording so far."""
        return tuple(self._recording.notes) if self._recording is not None else ()

    @property
    def timed(self) -> bool:
        """Whether the recording says when it was made."""
        return self._recording is not None and self._recording.start_utc_ns is not None

    async def __aenter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        options = self.options
        self._recording = open_recording(
            options.path,
            as_=options.as_,
            sample_rate_hz=options.sample_rate_hz,
            center_frequency_hz=options.frequency_hz,
            sample_format=options.sample_format,
        )
        self._began_s = time.monotonic()
        self._began_utc_ns = time.time_ns()
        self._blocks = self._recording.blocks(BLOCK_S, start_utc_ns=self._began_utc_ns)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._next is not None:
            await asyncio.wait([self._next])
            self._next = None
        if self._recording is not None:
            self._recording.close()

    async def read(self) -> Block:
        """Wait for the next block; raises ``EndOfStream`` at the end of the recording."""
        if self._recording is None:
            raise SourceLost(f"source {self.options.id} is not open")
        while True:
            block = await self._read_ahead()
            if block is not None:
                await self._keep_pace(block)
                self._next = None
                return block
            self._next = None
            if not self.options.repeat or not self._recording.samples_read:
                raise EndOfStream(f"{self._recording.name} has come to its end")
            self._recording.close()
            self._open()

    async def _read_ahead(self) -> Block | None:
        """Read in a thread (a card may be slow); a cancelled read leaves the block for the next one."""
        if self._next is None:
            self._next = asyncio.create_task(asyncio.to_thread(next, self._blocks, None))
        return await asyncio.shield(self._next)

    async def _keep_pace(self, block: Block) -> None:
        """Wait until the block's last sample would have been received."""
        recording = self._recording
        if recording is None or isinstance(block, OctetBlock) or self.options.pace == "fast":
            return
        due_s = self._began_s + recording.samples_read / block.sample_rate_hz
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
