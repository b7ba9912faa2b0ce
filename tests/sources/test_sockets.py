"""Samples and frames over UDP and TCP, and frames over AGWPE: real sockets."""

import asyncio
import socket
import struct
import time

import numpy as np
import pytest

from agent.errors import ConfigError, SourceLost
from agent.records import AudioBlock, IqBlock
from agent.sources import agwpe, read_table, tcp, udp, udp_frames
from firmware_protocols import kiss
from tests.sources.peers import serving

RATE = 48_000


def unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


async def test_audio_in_datagrams_becomes_blocks_of_50_ms() -> None:
    port = unused_port()
    numbers = np.arange(RATE // 10, dtype="<i2")
    async with udp.Source(udp.Options(id="gqrx", kind="udp", port=port)) as source:
        octets = numbers.tobytes()
        send(port, *(octets[at : at + 1472] for at in range(0, len(octets), 1472)))
        first, second = await source.read(), await source.read()
    assert isinstance(first, AudioBlock)
    got = np.concatenate([first.samples, second.samples])
    assert first.samples.size == RATE // 20
    assert np.array_equal(np.round(got * 32768), numbers)


async def test_iq_in_datagrams_becomes_iq_at_its_frequency() -> None:
    port = unused_port()
    wanted = np.exp(1j * np.arange(RATE // 20)).astype(np.complex64)
    options = udp.Options(id="iq", kind="udp", port=port, sample_format="cf32", frequency_hz=437e6)
    async with udp.Source(options) as source:
        send(port, *(wanted[at : at + 100].tobytes() for at in range(0, wanted.size, 100)))
        block = await source.read()
    assert isinstance(block, IqBlock)
    assert np.array_equal(block.samples, wanted)
    assert block.center_frequency_hz == 437e6


async def test_what_came_before_a_pause_is_given_during_it() -> None:
    port = unused_port()
    async with udp.Source(udp.Options(id="gqrx", kind="udp", port=port)) as source:
        send(port, bytes(2 * 500))
        begun = time.monotonic()
        assert (await source.read()).samples.size == 500
        assert time.monotonic() - begun < 1.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await source.read()
        send(port, bytes(2 * RATE // 10))
        assert (await source.read()).samples.size == RATE // 20


async def test_a_port_that_is_taken_is_said_to_be() -> None:
    port = unused_port()
    async with udp.Source(udp.Options(id="a", kind="udp", port=port)):
        with pytest.raises(SourceLost, match=rf"UDP port {port} on 127\.0\.0\.1 cannot be opened.*another program"):
            async with udp.Source(udp.Options(id="b", kind="udp", port=port)):
                pass


async def test_samples_over_tcp_are_cut_anywhere() -> None:
    numbers = np.arange(RATE // 20, dtype="<i2")

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = numbers.tobytes()
        for at in range(0, len(octets), 333):
            writer.write(octets[at : at + 333])
            await asyncio.sleep(0)
        await asyncio.sleep(10)

    def options(port: int) -> tcp.Options:
        return tcp.Options(id="a", kind="tcp", port=port, stall_s=0.5)

    async with serving(serve) as port, tcp.Source(options(port)) as source:
        block = await source.read()
        assert np.array_equal(np.round(block.samples * 32768), numbers)
        with pytest.raises(SourceLost, match="has stalled"):
            await source.read()


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_iq_without_its_frequency_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"source\[0\]\.frequency_hz.*cu8 needs the frequency"):
        read_table({"id": "a", "kind": kind, "port": 7355, "sample_format": "cu8"}, "station.toml: source[0]")


async def test_each_datagram_is_a_frame() -> None:
    port = unused_port()
    frames = [b"first \xc0 frame", b"second", bytes(1115)]
    deframer, got = kiss.Deframer(kiss.Options()), []
    async with udp_frames.Source(
        udp_frames.Options(id="f", kind="udp_frames", port=port, prefix_octets=2)
    ) as source:
        send(port, b"", b"ab", *(b"ab" + frame for frame in frames))
        while len(got) < 3:
            got += [frame.data for frame in deframer.feed((await source.read()).data)]
    assert got == frames
    assert source.empty == 2


def agw(kind: bytes, data: bytes) -> bytes:
    """Build a message field by field: port, 3 reserved, kind, reserved, PID, reserved, calls, length, user."""
    return bytes([0, 0, 0, 0]) + kind + bytes(3) + bytes(20) + struct.pack("<II", len(data), 0) + data


async def test_raw_frames_are_asked_for_once_and_given_as_kiss() -> None:
    asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    octets = agw(b"R", bytes(8)) + agw(b"K", b"\x00frame one") + agw(b"U", b"text") + agw(b"K", b"\x00two \xc0")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result(await reader.readexactly(36))
        for octet in octets:
            writer.write(bytes([octet]))
            await asyncio.sleep(0)
        await asyncio.sleep(10)

    deframer, got = kiss.Deframer(kiss.Options()), []
    async with serving(serve) as port, agwpe.Source(agwpe.Options(id="agw", kind="agwpe", port=port)) as source:
        while len(got) < 2:
            got += [frame.data for frame in deframer.feed((await source.read()).data)]
    assert got == [b"frame one", b"two \xc0"]
    assert await asked == agw(b"k", b"")


async def test_what_is_no_agwpe_is_recognised() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xc0\x00" + bytes(range(100)) + b"\xc0")
        await asyncio.sleep(10)

    async with serving(serve) as port, agwpe.Source(agwpe.Options(id="agw", kind="agwpe", port=port)) as source:
        with pytest.raises(SourceLost, match="does not speak AGWPE"):
            await source.read()


@pytest.mark.parametrize("kind", ["agwpe", "udp_frames"])
def test_a_source_of_frames_takes_no_other_framing(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"source\[0\]\.framing"):
        read_table({"id": "a", "kind": kind, "port": 8000, "framing": "hdlc"}, "station.toml: source[0]")
