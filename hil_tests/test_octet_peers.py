"""Octet sources against programs that are not ours: Dire Wolf as a TNC, socat as serial line, server and sender."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.definitions import Downlink, ProtocolChoice
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import Frame, OctetBlock
from agent.sources import OctetTable, make_source
from firmware_protocols import ax25, fixed_length, interface, slip, space_packet
from hil_tests.rigs.direwolf import Direwolf, find_direwolf
from hil_tests.rigs.mosquitto import free_port

pytestmark = [pytest.mark.hil, pytest.mark.timeout(90)]

ASM = "1acffc1d"
PACKETS = [space_packet.build(100 + n % 3, n, bytes([n]) * (20 + 7 * n)) for n in range(12)]
FRAMES = [bytes([0x2E, n]) + bytes(range(62)) for n in range(12)]
LINES = [f"$BEACON,{n},7.{n:02d}".encode() for n in range(12)]
UI_FRAMES = [ax25.build_ui_frame("QST", "SIMSAT", b"frame %d" % n) for n in range(6)]

needs_socat = pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed (apt install socat)")
needs_direwolf = pytest.mark.skipif(find_direwolf() is None, reason="direwolf is not installed")

STREAMS: list[Any] = [
    pytest.param("slip", {}, b"".join(slip.encode(one, slip.Options()) for one in PACKETS), PACKETS, id="SLIP"),
    pytest.param(
        "fixed_length",
        {"frame_octets": 64, "asm": ASM},
        b"".join(
            fixed_length.encode(one, fixed_length.Options(frame_octets=64, asm=ASM)) + b"noise"[: n % 4]
            for n, one in enumerate(FRAMES)
        ),
        FRAMES,
        id="ASM and length",
    ),
    pytest.param("text_lines", {"begins_with": "$"}, b"".join(one + b"\r\n" for one in LINES), LINES, id="text"),
    # Without a check or a marker a packet is believed when the next one stands behind it.
    pytest.param("space_packet", {}, b"".join(PACKETS), PACKETS[:-1], id="space packets"),
]


def plain_receiver(framing: str, options: Mapping[str, Any]) -> Receiver:
    downlink = Downlink(
        name="line", frequency_hz=1e9, modulation="fsk", baudrate_bd=9600.0, framing=ProtocolChoice(protocol="ax25")
    )
    return Receiver("line", [Transmitter(None, None, downlink)], octet_framing=framing, octet_options=options)


async def heard(table: dict[str, Any], wanted: int, *, ready: asyncio.Event | None = None) -> list[bytes]:
    """Open a source as a station file does, and read frames until there are enough."""
    _, source = make_source(table, "station.toml: source[0]")
    options = source.options
    assert isinstance(options, OctetTable)
    receiver = plain_receiver(options.framing, options.framing_options)
    frames: list[bytes] = []
    async with source:
        if ready is not None:
            ready.set()
        async with asyncio.timeout(30):
            while len(frames) < wanted:
                block = await source.read()
                assert isinstance(block, OctetBlock)
                frames += [one.link_frame.data for one in receiver.feed(block) if isinstance(one, Frame)]
    return frames


@asynccontextmanager
async def socat(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec("socat", *arguments, stdin=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def write(process: asyncio.subprocess.Process, octets: bytes) -> None:
    assert process.stdin is not None
    for at in range(0, len(octets), 61):
        process.stdin.write(octets[at : at + 61])
        await process.stdin.drain()
        await asyncio.sleep(0.002)


@needs_direwolf
@pytest.mark.parametrize("kind", ["agwpe", "kiss_tcp"])
async def test_frames_that_dire_wolf_heard_come_out_as_they_were_sent(kind: str, tmp_path: Path) -> None:
    async with Direwolf(tmp_path) as tnc:
        port = tnc.agw_port if kind == "agwpe" else tnc.kiss_port
        ready = asyncio.Event()
        listening = asyncio.create_task(heard({"id": "tnc", "kind": kind, "port": port}, 6, ready=ready))
        await ready.wait()
        await asyncio.sleep(2.0)  # its thread looks for a client's requests once a second
        await tnc.hear(UI_FRAMES)
        assert await listening == UI_FRAMES


@needs_socat
@pytest.mark.parametrize(("framing", "options", "stream", "wanted"), STREAMS)
async def test_a_serial_line_that_is_no_kiss(
    framing: str, options: dict[str, Any], stream: bytes, wanted: list[bytes], tmp_path: Path
) -> None:
    port = tmp_path / "tty"
    async with socat("-", f"pty,raw,echo=0,link={port}") as line:
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(os.path.lexists, port):  # noqa: ASYNC110  # socat tells nobody
                await asyncio.sleep(0.05)
        table = {
            "id": "line",
            "kind": "serial_port",
            "port": str(port),
            "baudrate_bd": 115_200,
            "parity": "even",
            "flow_control": "rts_cts",
            "framing": framing,
            "framing_options": options,
        }
        ready = asyncio.Event()
        listening = asyncio.create_task(heard(table, len(wanted), ready=ready))
        await ready.wait()
        await write(line, stream)
        assert await listening == wanted


@needs_socat
@pytest.mark.parametrize(("framing", "options", "stream", "wanted"), STREAMS)
async def test_frames_over_tcp(framing: str, options: dict[str, Any], stream: bytes, wanted: list[bytes]) -> None:
    port = free_port()
    async with socat("-", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr") as server:
        await asyncio.sleep(0.5)
        table = {"id": "fep", "kind": "tcp_frames", "port": port, "framing": framing, "framing_options": options}
        ready = asyncio.Event()
        listening = asyncio.create_task(heard(table, len(wanted), ready=ready))
        await ready.wait()
        await write(server, stream)
        assert await listening == wanted


@needs_socat
async def test_a_frame_in_each_datagram() -> None:
    port = free_port()
    ready = asyncio.Event()
    listening = asyncio.create_task(heard({"id": "gw", "kind": "udp_frames", "port": port}, 12, ready=ready))
    await ready.wait()
    for packet in PACKETS:
        async with socat("-u", "-", f"UDP-SENDTO:127.0.0.1:{port}") as sender:
            await sender.communicate(packet)
    assert await listening == PACKETS


@needs_socat
@pytest.mark.parametrize(("framing", "options", "stream", "wanted"), STREAMS)
async def test_a_stream_cut_into_datagrams(
    framing: str, options: dict[str, Any], stream: bytes, wanted: list[bytes]
) -> None:
    port = free_port()
    table = {"id": "gw", "kind": "udp_frames", "port": port, "datagrams": "stream"}
    ready = asyncio.Event()
    listening = asyncio.create_task(
        heard({**table, "framing": framing, "framing_options": options}, len(wanted), ready=ready)
    )
    await ready.wait()
    async with socat("-u", "-", f"UDP-SENDTO:127.0.0.1:{port}") as sender:
        await write(sender, stream)
        assert await listening == wanted


def test_every_framing_tried_here_eats_octets() -> None:
    assert {interface.load(item.values[0]).INPUT for item in STREAMS} == {"octets"}
