"""The rtl_tcp source against a server written here from the wire format alone."""

import asyncio
import struct

import numpy as np
import pytest

from agent.errors import ConfigError, SourceLost
from agent.sources.rtl_tcp import SETTLE_S, Options, Source, check_options
from tests.sources.peers import serving

HEADER = b"RTL0" + (5).to_bytes(4, "big") + (29).to_bytes(4, "big")
RATE = 250_000


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the header, take the commands of a source without a fixed gain, and let the source settle."""
    writer.write(HEADER)
    await reader.readexactly(6 * 5)
    await asyncio.sleep(SETTLE_S + 0.05)


def options(port: int, **more: object) -> Options:
    table = {"id": "dongle", "kind": "rtl_tcp", "port": port, "frequency_hz": 436.5e6, "sample_rate_hz": RATE}
    return Options(**(table | more))  # type: ignore[arg-type]  # tables are loose


async def test_octets_become_complex_samples_in_blocks_of_50_ms() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        writer.write(bytes([255, 0]) * (RATE // 20))
        writer.write(bytes([127, 128]) * (RATE // 20))
        await writer.drain()
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port)) as source:
        first, second = await source.read(), await source.read()
        assert source.tuner == "R820T"
    assert first.samples.dtype == np.complex64
    assert first.samples.size == second.samples.size == RATE // 20
    assert first.sample_rate_hz == RATE
    assert first.center_frequency_hz == 436.5e6
    assert np.allclose(first.samples, 1 - 1j)
    assert np.allclose(second.samples, (-0.5 + 0.5j) / 127.5)


async def test_the_tuner_is_set_as_configured() -> None:
    commands: asyncio.Future[dict[int, int]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER)
        octets = await reader.readexactly(7 * 5)
        commands.set_result(dict(struct.unpack_from(">BI", octets, at) for at in range(0, 35, 5)))

    wanted = {"gain_db": 49.6, "ppm": -12, "agc": True, "bias_tee": True, "frequency_hz": 437_185_000.0}
    async with serving(serve) as port, Source(options(port, **wanted)):
        got = await asyncio.wait_for(commands, 5)
    assert got == {1: 437_185_000, 2: RATE, 3: 1, 4: 496, 5: 2**32 - 12, 8: 1, 14: 1}


async def test_without_a_gain_the_tuner_sets_its_own() -> None:
    commands: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER)
        commands.set_result(await reader.readexactly(6 * 5))

    async with serving(serve) as port, Source(options(port)):
        got = await asyncio.wait_for(commands, 5)
    pairs = dict(struct.unpack_from(">BI", got, at) for at in range(0, 30, 5))
    assert pairs[3] == 0
    assert 4 not in pairs


async def test_a_header_and_samples_that_drip_are_put_together() -> None:
    octets = bytes([10, 20]) * (RATE // 20)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octet in HEADER:
            writer.write(bytes([octet]))
            await asyncio.sleep(0)
        await reader.readexactly(6 * 5)
        await asyncio.sleep(SETTLE_S + 0.05)
        for at in range(0, len(octets), 997):
            writer.write(octets[at : at + 997])
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port)) as source:
        block = await source.read()
    assert np.allclose(block.samples, ((10 - 127.5) + 1j * (20 - 127.5)) / 127.5)


async def test_what_was_sampled_before_the_tuner_obeyed_is_dropped_in_whole_pairs() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER + bytes([0, 0]) * 5000 + b"\x00")  # the old tuning, cut within a pair
        await reader.readexactly(6 * 5)
        await asyncio.sleep(SETTLE_S + 0.05)
        writer.write(b"\x00" + bytes([255, 127]) * (RATE // 20))
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port)) as source:
        block = await source.read()
    assert np.allclose(block.samples, 1.0 - 0.5j / 127.5)


async def test_another_kind_of_server_is_recognised() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP ready\r\n")
        await writer.drain()
        await asyncio.sleep(10)

    async with serving(serve) as port:
        with pytest.raises(SourceLost, match="is no rtl_tcp server"):
            async with Source(options(port)):
                pass


async def test_a_server_that_stalls_is_given_up_within_the_time_set() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER)
        await asyncio.sleep(30)

    async with serving(serve) as port, Source(options(port, stall_s=0.5)) as source:
        with pytest.raises(SourceLost, match=r"has stalled for 0\.5 s"):
            async with asyncio.timeout(2):
                await source.read()


async def test_a_server_that_only_drips_is_a_stall_too() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while True:
            writer.write(b"\x80")
            await asyncio.sleep(0.05)

    async with serving(serve) as port, Source(options(port, stall_s=0.5)) as source:
        with pytest.raises(SourceLost, match="has stalled"):
            async with asyncio.timeout(2):
                await source.read()


async def test_a_server_that_goes_away_is_a_lost_source() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        writer.close()

    async with serving(serve) as port, Source(options(port)) as source:
        with pytest.raises(SourceLost):
            await source.read()


async def test_a_cancelled_read_keeps_what_it_had() -> None:
    halves = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        writer.write(bytes([200, 100]) * (RATE // 40))
        await writer.drain()
        await halves.wait()
        writer.write(bytes([200, 100]) * (RATE // 40))
        await asyncio.sleep(10)

    async with serving(serve) as port, Source(options(port)) as source:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await source.read()
        halves.set()
        assert (await source.read()).samples.size == RATE // 20


def test_a_rate_that_no_dongle_can_make_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"source\[2\]\.sample_rate_hz.*cannot sample at 500000 Hz"):
        check_options(options(1234, sample_rate_hz=500_000), "station.toml: source[2]")
