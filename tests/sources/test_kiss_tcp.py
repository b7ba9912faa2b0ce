"""KISS over TCP against real sockets that send, stop, close, reset and refuse."""

import asyncio
import socket

import pytest

from agent.errors import SourceLost
from agent.sources.kiss_tcp import Options, Source
from tests.sources.peers import serving


def options(port: int) -> Options:
    return Options(id="tnc", kind="kiss_tcp", port=port)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_octets_arrive_with_the_time_of_their_reception() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xc0\x00frame\xc0")
        await writer.drain()

    async with serving(serve) as port, Source(options(port)) as source:
        block = await source.read()
    assert block.data == b"\xc0\x00frame\xc0"
    assert block.received_utc_ns > 1_700_000_000 * 10**9


async def test_nothing_is_ever_sent_to_the_tnc() -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        try:
            heard.set_result(await reader.read())
        except ConnectionResetError:
            heard.set_result(b"")

    async with serving(serve) as port:
        async with Source(options(port)) as source:
            await source.read()
        assert await asyncio.wait_for(heard, 5) == b""


async def test_a_tnc_that_is_not_running_is_named_with_the_mend() -> None:
    port = unused_port()
    with pytest.raises(
        SourceLost, match=rf"TNC at 127\.0\.0\.1:{port} refuses the connection \(is the TNC running"
    ):
        async with Source(options(port)):
            pass


async def test_a_host_with_two_addresses_gives_one_reason() -> None:
    with pytest.raises(SourceLost, match=r"TNC at localhost:[0-9]+ refuses the connection"):
        async with Source(Options(id="tnc", kind="kiss_tcp", host="localhost", port=unused_port())):
            pass


async def test_an_unknown_host_is_said_to_be_unknown() -> None:
    with pytest.raises(SourceLost, match="check the host's name"):
        async with Source(Options(id="tnc", kind="kiss_tcp", host="no-such-host.invalid")):
            pass


async def test_a_reset_connection_is_a_lost_source() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(serve) as port, Source(options(port)) as source:
        with pytest.raises(SourceLost, match="TNC at 127"):
            await source.read()


async def test_a_cancelled_read_loses_nothing() -> None:
    go = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(b"kept")
        await writer.drain()

    async with serving(serve) as port, Source(options(port)) as source:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await source.read()
        go.set()
        assert (await source.read()).data == b"kept"
