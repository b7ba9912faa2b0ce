"""A recording as a source: its pace, its end, and what a cancelled read keeps."""

import asyncio
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from agent.errors import AgentError, EndOfStream
from agent.records import AudioBlock
from agent.sources.recording import Options, Source

RATE = 8000


@pytest.fixture
def half_a_second(tmp_path: Path) -> Path:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.arange(RATE // 2, dtype="<i2").tobytes())
    return tmp_path / "a.wav"


async def read_all(source: Source) -> list[AudioBlock]:
    blocks: list[AudioBlock] = []
    try:
        while True:
            block = await source.read()
            assert isinstance(block, AudioBlock)
            blocks.append(block)
    except EndOfStream:
        return blocks


def options(path: Path, **more: object) -> Options:
    return Options(id="replay", kind="recording", path=str(path), **more)  # type: ignore[arg-type]  # tables are loose


async def test_at_its_own_pace_a_recording_takes_as_long_as_it_lasts(half_a_second: Path) -> None:
    begun = time.monotonic()
    async with Source(options(half_a_second)) as source:
        blocks = await read_all(source)
    assert 0.45 < time.monotonic() - begun < 1.5
    assert [block.samples.size for block in blocks] == [400] * 10


async def test_fast_it_takes_no_time(half_a_second: Path) -> None:
    begun = time.monotonic()
    async with Source(options(half_a_second, pace="fast")) as source:
        blocks = await read_all(source)
    assert time.monotonic() - begun < 0.4
    got = np.concatenate([block.samples for block in blocks])
    assert np.array_equal(np.round(got * 32768), np.arange(RATE // 2))


async def test_a_cancelled_read_loses_no_block(half_a_second: Path) -> None:
    async with Source(options(half_a_second)) as source:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await source.read()
        blocks = await read_all(source)
    assert sum(block.samples.size for block in blocks) == RATE // 2


async def test_a_repeated_recording_begins_again(half_a_second: Path) -> None:
    async with Source(options(half_a_second, pace="fast", repeat=True)) as source:
        blocks = [await source.read() for _ in range(25)]
    assert sum(block.samples.size for block in blocks if isinstance(block, AudioBlock)) == 25 * 400


async def test_a_recording_that_cannot_be_read_is_said_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="is not there"):
        async with Source(options(tmp_path / "none.wav")):
            pass
