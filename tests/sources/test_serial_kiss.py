"""KISS frames through a real pseudo-terminal: every intact frame comes out, however the line treats them."""

import asyncio
import os
import pty
import random
import tty
from collections.abc import Iterator

import pytest

from agent.sources.serial_port import Options, Source
from firmware_protocols import kiss

FRAMES = [random.Random(number).randbytes(20 + 17 * number) for number in range(12)]
FRAMES[3] = bytes([kiss.FEND, kiss.FESC]) * 40
ENCODED = [kiss.encode(frame, kiss.Options()) for frame in FRAMES]


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


async def frames_from(path: str, wanted: int, feeding: asyncio.Task[None]) -> list[bytes]:
    deframer, frames = kiss.Deframer(kiss.Options()), []
    async with Source(Options(id="tnc", kind="serial_port", port=path)) as source, asyncio.timeout(20):
        while len(frames) < wanted:
            frames += [frame.data for frame in deframer.feed((await source.read()).data)]
    await feeding
    return frames


async def test_frames_one_octet_at_a_time(terminal: tuple[int, str]) -> None:
    master, path = terminal

    async def feed() -> None:
        for octet in b"".join(ENCODED):
            os.write(master, bytes([octet]))
            await asyncio.sleep(0)

    assert await frames_from(path, len(FRAMES), asyncio.create_task(feed())) == FRAMES


async def test_frames_in_bursts_that_end_anywhere(terminal: tuple[int, str]) -> None:
    master, path = terminal
    octets, cut = b"".join(ENCODED * 20), random.Random(7)

    def write() -> None:
        at = 0
        while at < len(octets):
            size = cut.randrange(1, 3000)
            os.write(master, octets[at : at + size])
            at += size

    feeding = asyncio.create_task(asyncio.to_thread(write))
    assert await frames_from(path, 20 * len(FRAMES), feeding) == FRAMES * 20


async def test_frames_between_line_noise(terminal: tuple[int, str]) -> None:
    master, path = terminal
    noise = random.Random(11)

    async def feed() -> None:
        for octets in ENCODED:
            os.write(master, noise.randbytes(noise.randrange(1, 200)))
            os.write(master, octets)
            await asyncio.sleep(0)
        os.write(master, ENCODED[0])

    deframer, frames = kiss.Deframer(kiss.Options()), []
    async with Source(Options(id="tnc", kind="serial_port", port=path)) as source, asyncio.timeout(20):
        feeding = asyncio.create_task(feed())
        while FRAMES[-1] not in frames:
            frames += [frame.data for frame in deframer.feed((await source.read()).data)]
        await feeding
    assert [frame for frame in frames if frame in FRAMES] == FRAMES
