"""The bounded channel: order, closing, dropping and its count."""

from __future__ import annotations

import asyncio

import pytest

from agent.channel import Backoff, Channel, Closed, Overflow


async def test_items_come_out_in_the_order_they_went_in() -> None:
    channel: Channel[int] = Channel(10)
    for number in range(5):
        await channel.send(number)
    assert [await channel.receive() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_a_full_waiting_channel_makes_the_sender_wait() -> None:
    channel: Channel[int] = Channel(1)
    await channel.send(1)
    sender = asyncio.create_task(channel.send(2))
    await asyncio.sleep(0)
    assert not sender.done()
    assert await channel.receive() == 1
    await sender
    assert await channel.receive() == 2
    assert channel.dropped == 0


async def test_a_full_dropping_channel_gives_back_the_oldest_and_counts_it() -> None:
    channel: Channel[int] = Channel(2, Overflow.DROP_OLDEST)
    pushed_out = [await channel.send(number) for number in range(4)]
    assert pushed_out == [None, None, 0, 1]
    assert channel.dropped == 2
    assert [await channel.receive(), await channel.receive()] == [2, 3]


async def test_a_closed_channel_gives_what_is_left_and_then_says_so() -> None:
    channel: Channel[int] = Channel(2)
    await channel.send(1)
    await channel.close()
    assert await channel.receive() == 1
    with pytest.raises(Closed):
        await channel.receive()
    with pytest.raises(Closed):
        await channel.send(2)


async def test_closing_wakes_a_waiting_receiver() -> None:
    channel: Channel[int] = Channel(2)
    receiver = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(Closed):
        await receiver


def test_backoff_doubles_with_jitter_up_to_its_maximum() -> None:
    backoff = Backoff(first_s=1.0, max_s=8.0)
    for nominal_s in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert nominal_s / 2 <= backoff.next_s() <= nominal_s
    backoff.reset()
    assert backoff.next_s() <= 1.0
