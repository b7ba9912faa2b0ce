"""A source's reader and receiver: reconnection, drops that are counted and carried on, an orderly end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from agent.errors import EndOfStream, SourceLost
from agent.receiver import Receiver
from agent.records import Block, Frame, IqBlock, OctetBlock, Record
from agent.runtime.feed import Feed
from agent.sources import SourceTable
from firmware_protocols import kiss
from tests import signals


class FaultySource:
    """Gives what it was told to give; an exception in the list is raised."""

    options = SourceTable(id="faulty", kind="faulty")

    def __init__(self, script: list[Block | Exception]) -> None:
        self.script = script
        self.opened = 0

    async def __aenter__(self) -> Self:
        self.opened += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def read(self) -> Block:
        step = self.script.pop(0) if self.script else EndOfStream("the script is over")
        if isinstance(step, Exception):
            raise step
        return step


class Taken:
    """Collects records; may be slow."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def __call__(self, records: Sequence[Record]) -> None:
        self.records += records

    @property
    def frames(self) -> list[bytes]:
        return [record.link_frame.data for record in self.records if isinstance(record, Frame)]


def octets(count: int) -> OctetBlock:
    return OctetBlock(kiss.encode(signals.frame(count), kiss.Options()), 1_795_000_000_000_000_000)


def make_feed(source: FaultySource, taken: Taken, changed: Callable[[Feed], None] = lambda _: None) -> Feed:
    receiver = Receiver("faulty", [signals.TRANSMITTER])
    return Feed("faulty", lambda: source, receiver, taken, changed=changed, octets=True)


async def run(feed: Feed) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(feed.read())
        group.create_task(feed.receive())


async def test_a_lost_source_is_opened_again_and_nothing_read_is_lost() -> None:
    source = FaultySource(
        [octets(1), SourceLost("unplugged"), octets(2), OSError(5, "Input/output error"), octets(3)]
    )
    taken = Taken()
    feed = make_feed(source, taken)
    await run(feed)
    assert taken.frames == [signals.frame(1), signals.frame(2), signals.frame(3)]
    assert source.opened == 3
    assert feed.state.ended
    assert feed.state.frames == 3


async def test_each_change_of_state_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    states: list[tuple[bool, str | None]] = []
    script: list[Block | Exception] = [SourceLost("no such port"), SourceLost("no such port"), octets(1)]
    with caplog.at_level(logging.INFO, logger="agent.source"):
        await run(
            make_feed(
                FaultySource(script), Taken(), lambda feed: states.append((feed.state.online, feed.state.error))
            )
        )
    assert [record.message for record in caplog.records] == [
        "faulty: no such port",
        "faulty: receiving",
        "faulty: the script is over",
    ]
    assert states[-1] == (False, None)


async def test_an_unexpected_error_is_not_hidden() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run(make_feed(FaultySource([octets(1), ZeroDivisionError("a bug")]), Taken()))
    assert caught.group_contains(ZeroDivisionError)


async def test_blocks_that_were_dropped_are_counted_and_carried_to_the_next() -> None:
    blocks = [OctetBlock(bytes([0xC0, n % 256]), n) for n in range(2500)]
    source = FaultySource([*blocks])
    seen: list[Block] = []
    receiver = Receiver("faulty", [])
    feed = Feed("faulty", lambda: source, receiver, Taken(), changed=lambda _: None, octets=True)
    await feed.read()
    original = receiver.feed

    def watched(block: Block) -> list[Record]:
        seen.append(block)
        return original(block)

    receiver.feed = watched  # type: ignore[method-assign]  # to see what reaches it
    await feed.receive()
    assert len(seen) == 2000
    assert feed.state.dropped == 500 * 2
    assert seen[0].lost_before == 500 * 2
    assert {block.lost_before for block in seen[1:]} == {0}
    assert receiver.lost == 500 * 2


class Witness(Receiver):
    """Notes of each block when it begins and how much is missing before."""

    def __init__(self) -> None:
        super().__init__("faulty", [])
        self.seen: list[tuple[int, int]] = []

    def feed(self, block: Block) -> list[Record]:
        assert isinstance(block, IqBlock)
        self.seen.append((block.start_utc_ns, block.lost_before))
        return []


@pytest.mark.parametrize(
    ("gap_s", "lost"),
    [(0.0, 0), (0.01, 0), (6.0, 6000), (-3600.0, 1)],
    ids=["none", "a clock's creep", "six seconds", "the clock was set back"],
)
async def test_samples_that_do_not_follow_on_are_said_to_be_missing(gap_s: float, lost: int) -> None:
    begin_ns = 1_795_000_000_000_000_000

    def block(at_s: float) -> IqBlock:
        return IqBlock(np.zeros(50, np.complex64), 1000.0, 437e6, begin_ns + round(at_s * 1e9))

    source = FaultySource([block(0.0), block(0.05), SourceLost("stalled"), block(0.1 + gap_s), block(0.15 + gap_s)])
    receiver = Witness()
    feed = Feed("faulty", lambda: source, receiver, Taken(), changed=lambda _: None, lossless=True)
    await run(feed)
    assert [missing for _, missing in receiver.seen] == [0, 0, lost, 0]
