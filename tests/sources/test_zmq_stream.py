"""The ZeroMQ source against a publisher written here from RFC 23, and against pyzmq where that is installed."""

import asyncio

import numpy as np
import pytest

from agent.errors import SourceLost
from agent.records import IqBlock
from agent.sources.zmq_stream import GREETING, Options, Source
from tests.sources.peers import serving

RATE = 48_000.0
WANTED = np.exp(1j * np.arange(2400)).astype(np.complex64)


def options(port: int, **more: object) -> Options:
    table = {"id": "gnuradio", "kind": "zmq_stream", "port": port, "sample_rate_hz": RATE, "frequency_hz": 437e6}
    return Options(**(table | more))  # type: ignore[arg-type]  # tables are loose


def frame(body: bytes, flags: int = 0) -> bytes:
    """Build a frame, long where it must be."""
    if len(body) > 255:
        return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


async def test_messages_of_any_size_become_blocks() -> None:
    subscribed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
        writer.write(greeting)
        assert await reader.readexactly(64) == GREETING
        ready = await reader.readexactly(2)
        assert ready[0] == 4
        assert b"Socket-Type\x00\x00\x00\x03SUB" in await reader.readexactly(ready[1])
        writer.write(frame(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB", 4))
        subscribed.set_result(await reader.readexactly(3))
        octets = WANTED.tobytes()
        pieces = [octets[:8], octets[8:248], octets[248:10_000], octets[10_000:]]
        whole = b"".join(frame(piece) for piece in pieces) + frame(b"\x04PING\x00\x00", 4)
        for at in range(0, len(whole), 777):
            writer.write(whole[at : at + 777])
            await asyncio.sleep(0)
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port, stall_s=0.5)) as source:
        block = await source.read()
        assert isinstance(block, IqBlock)
        assert np.array_equal(block.samples, WANTED)
        assert await subscribed == b"\x00\x01\x01"
        with pytest.raises(SourceLost, match="has stalled"):
            await source.read()


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2".ljust(64, b" "), "does not speak ZMTP 3"),
        (b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32), "wants credentials"),
        (b"\xff", "does not finish its greeting"),
    ],
)
async def test_what_is_no_open_publisher_is_recognised(greeting: bytes, says: str) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await asyncio.sleep(10)

    async with serving(serve) as port:
        with pytest.raises(SourceLost, match=says):
            async with Source(options(port, stall_s=0.5)):
                pass


async def test_a_frame_that_is_too_long_is_no_frame() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING + b"\x02" + b"\xff" * 8)
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port)) as source:
        with pytest.raises(SourceLost, match="none of ZMTP's"):
            await source.read()


async def test_a_real_publisher_is_heard() -> None:
    zmq = pytest.importorskip("zmq", reason="pyzmq is not installed")
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        async with Source(options(port)) as source:
            reading = asyncio.create_task(source.read())
            while not reading.done():
                publisher.send(WANTED.tobytes())
                await asyncio.sleep(0.05)
            block = await reading
    assert np.array_equal(block.samples, WANTED)
