"""The rtl_tcp server against a client written here from the wire format alone."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from agent.simulator.air import Air
from agent.simulator.jammers import Jammer
from agent.simulator.rtl_tcp_server import FrontEnd, RtlTcpServer

RATE = 250_000
CENTER_HZ = 437_450_000


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.dropped = 0

    def send(self, command: int, argument: int) -> None:
        self.writer.write(struct.pack(">BI", command, argument & 0xFFFFFFFF))

    async def iq(self, seconds: float, rate: int = RATE) -> np.ndarray:
        octets = await self.reader.readexactly(2 * int(seconds * rate))
        pairs = (np.frombuffer(octets, np.uint8).astype(np.float64) - 127.5) / 127.5
        return pairs[::2] + 1j * pairs[1::2]


@contextlib.asynccontextmanager
async def served(air: Air, front_end: FrontEnd | None = None) -> AsyncIterator[RtlTcpServer]:
    begun = time.monotonic()
    server = RtlTcpServer(air, lambda: time.monotonic() - begun, front_end=front_end)
    await server.open()
    try:
        yield server
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def tuned(server: RtlTcpServer, frequency_hz: int = CENTER_HZ, rate: int = RATE) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    try:
        header = await client.reader.readexactly(12)
        assert header == b"RTL0" + struct.pack(">II", 5, 29)
        client.send(2, rate)
        client.send(1, frequency_hz)
        # What was sampled before the commands were heard is at another rate.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.15):
                while True:
                    client.dropped += len(await client.reader.read(1 << 20))
        await client.reader.readexactly(client.dropped % 2)
        yield client
    finally:
        client.writer.transport.abort()
        await asyncio.sleep(0.01)


def air_with_a_tone(frequency_hz: float) -> Air:
    air = Air(0.1**2 / RATE)
    air.jam(Jammer("tone", frequency_hz, 0.09))
    return air


def strongest_hz(iq: np.ndarray, rate: int = RATE) -> float:
    spectrum = np.abs(np.fft.fft(iq * np.hanning(len(iq))))
    return float(np.fft.fftfreq(len(iq), 1 / rate)[np.argmax(spectrum)])


async def test_samples_come_at_wire_speed() -> None:
    async with served(Air(1e-8)) as server, tuned(server) as client:
        await client.iq(0.1)
        begun = time.monotonic()
        await client.iq(1.0)
        assert time.monotonic() - begun == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("tune_hz", "rate"), [(CENTER_HZ, RATE), (CENTER_HZ + 30_000, RATE), (CENTER_HZ, 1_024_000)]
)
async def test_the_commands_are_obeyed(tune_hz: int, rate: int) -> None:
    async with served(air_with_a_tone(CENTER_HZ + 50_000)) as server, tuned(server, tune_hz, rate) as client:
        await client.iq(0.2, rate)
        assert strongest_hz(await client.iq(0.1, rate), rate) == pytest.approx(CENTER_HZ + 50_000 - tune_hz, abs=30)


async def test_retuning_is_heard_without_reconnecting() -> None:
    async with served(air_with_a_tone(CENTER_HZ)) as server, tuned(server) as client:
        client.send(1, CENTER_HZ - 70_000)
        await client.iq(0.3)
        assert strongest_hz(await client.iq(0.1)) == pytest.approx(70_000, abs=30)


async def test_gain_makes_it_louder_until_it_clips() -> None:
    async with served(air_with_a_tone(CENTER_HZ)) as server, tuned(server) as client:
        client.send(3, 1)
        client.send(4, 240)
        await client.iq(0.3)
        soft = np.mean(np.abs(await client.iq(0.1)) ** 2)
        client.send(4, 300)
        await client.iq(0.3)
        loud = np.mean(np.abs(await client.iq(0.1)) ** 2)
        assert 10 * np.log10(loud / soft) == pytest.approx(6.0, abs=0.3)
        client.send(4, 600)
        await client.iq(0.3)
        clipped = await client.iq(0.1)
        assert np.mean(np.abs(clipped.real) == 1.0) > 0.5


async def test_the_crystals_error_moves_the_signal_and_ppm_moves_it_back() -> None:
    async with (
        served(air_with_a_tone(CENTER_HZ + 10_000), FrontEnd(crystal_ppm=20.0)) as server,
        tuned(server) as client,
    ):
        await client.iq(0.2)
        off_hz = CENTER_HZ * 20e-6
        assert strongest_hz(await client.iq(0.1)) == pytest.approx(10_000 - off_hz, abs=30)
        client.send(5, 20)
        await client.iq(0.3)
        assert strongest_hz(await client.iq(0.1)) == pytest.approx(10_000, abs=30)


def test_the_front_end_adds_what_it_is_told_to() -> None:
    tone = (0.5 * np.exp(2j * np.pi * 0.05 * np.arange(20_000))).astype(np.complex64)

    def heard(front_end: FrontEnd) -> np.ndarray:
        octets = front_end.distort(tone, 30.0).astype(np.float64)
        return (octets[::2] - 127.5) / 127.5 + 1j * (octets[1::2] - 127.5) / 127.5

    def line(iq: np.ndarray, cycles: float) -> float:
        return float(abs(np.mean(iq * np.exp(-2j * np.pi * cycles * np.arange(len(iq))))))

    assert line(heard(FrontEnd()), 0.05) == pytest.approx(0.5, abs=0.002)
    assert line(heard(FrontEnd()), -0.05) < 0.002
    assert line(heard(FrontEnd(dc_offset=0.1)), 0.0) == pytest.approx(0.1, abs=0.005)
    # An imbalance of g and φ leaves an image of about |g·exp(jφ) - 1|/2 of the signal.
    image = abs(10 ** (1 / 20) * np.exp(1j * np.deg2rad(5)) - 1) / 2 * 0.5
    assert line(heard(FrontEnd(iq_gain_db=1.0, iq_phase_deg=5.0)), -0.05) == pytest.approx(image, rel=0.1)


async def test_a_stall_sends_nothing_and_then_the_present() -> None:
    async with served(Air(1e-8)) as server, tuned(server) as client:
        await client.iq(0.1)
        server.stall(0.5)
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await client.iq(0.2)
        assert 0.3 < time.monotonic() - begun < 1.0


async def test_a_disconnected_client_may_come_again() -> None:
    async with served(Air(1e-8)) as server:
        for _ in range(3):
            async with tuned(server) as client:
                await client.iq(0.05)
                await server.disconnect()
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await client.iq(10.0)
        assert server.clients == 3


async def test_a_client_that_does_not_read_loses_samples_and_nobody_elses() -> None:
    async with served(Air(1e-8)) as server, tuned(server, rate=3_200_000), tuned(server) as reader:
        for _ in range(25):
            await reader.iq(0.1)
        assert server.samples_dropped > 0


async def test_more_clients_than_a_demonstration_needs_are_turned_away() -> None:
    async with served(Air(1e-8)) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(tuned(server))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(12)
        writer.transport.abort()
        await asyncio.sleep(0.01)
