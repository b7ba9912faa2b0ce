"""The serial source against real pseudo-terminals, and against what refuses to be one."""

import asyncio
import os
import pty
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ConfigError, SourceLost
from agent.sources import serial_port
from agent.sources.serial_port import Options, Source
from tests.sources.peers import serving

EVERY_OCTET = bytes(range(256))


class Tnc:
    """The far end of a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave

    def write(self, octets: bytes) -> None:
        os.write(self.master, octets)

    def unplug(self) -> None:
        for descriptor in (self._slave, self.master):
            if descriptor >= 0:
                os.close(descriptor)
        self.master = self._slave = -1

    def what_was_written_to_it(self) -> bytes:
        os.set_blocking(self.master, False)
        try:
            return os.read(self.master, 4096)
        except BlockingIOError:
            return b""


@pytest.fixture
def tnc() -> Iterator[Tnc]:
    tnc = Tnc()
    yield tnc
    tnc.unplug()


def options(port: str, **more: object) -> Options:
    return Options(id="tnc", kind="serial_port", port=port, **more)  # type: ignore[arg-type]  # tables are loose


async def read_octets(source: Source, count: int) -> bytes:
    octets = b""
    async with asyncio.timeout(5):
        while len(octets) < count:
            octets += (await source.read()).data
    return octets


async def test_every_octet_passes_unchanged_flow_control_included(tnc: Tnc) -> None:
    async with Source(options(tnc.path)) as source:
        tnc.write(EVERY_OCTET)
        assert await read_octets(source, 256) == EVERY_OCTET


async def test_octets_written_one_at_a_time_all_arrive(tnc: Tnc) -> None:
    async with Source(options(tnc.path)) as source:
        reading = asyncio.create_task(read_octets(source, 64))
        for octet in EVERY_OCTET[:64]:
            tnc.write(bytes([octet]))
            await asyncio.sleep(0.001)
        assert await reading == EVERY_OCTET[:64]


async def test_a_burst_larger_than_the_terminals_buffer_all_arrives(tnc: Tnc) -> None:
    sent = EVERY_OCTET * 400
    async with Source(options(tnc.path, baudrate_bd=115_200)) as source:
        writing = asyncio.create_task(asyncio.to_thread(tnc.write, sent))
        assert await read_octets(source, len(sent)) == sent
        await writing


async def test_nothing_is_ever_written_to_the_line(tnc: Tnc) -> None:
    async with Source(options(tnc.path)) as source:
        tnc.write(b"\xc0\x00abc\xc0")
        await read_octets(source, 6)
    assert tnc.what_was_written_to_it() == b""


async def test_the_modem_lines_are_left_as_they_are_when_the_port_is_closed(tnc: Tnc) -> None:
    async with Source(options(tnc.path)):
        pass
    assert not termios.tcgetattr(tnc._slave)[2] & termios.HUPCL


async def test_a_pause_is_no_end(tnc: Tnc) -> None:
    async with Source(options(tnc.path)) as source:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await source.read()
        tnc.write(b"later")
        assert await read_octets(source, 5) == b"later"


async def test_unplugging_is_told_at_once(tnc: Tnc) -> None:
    async with Source(options(tnc.path)) as source:
        reading = asyncio.create_task(source.read())
        await asyncio.sleep(0.05)
        tnc.unplug()
        with pytest.raises(SourceLost, match="was unplugged"):
            async with asyncio.timeout(2):
                await reading


async def test_the_same_name_is_read_again_after_it_was_plugged_in_again(tmp_path: Path) -> None:
    by_id = tmp_path / "usb-TNC-if00-port0"
    for attempt in range(20):
        tnc = Tnc()
        by_id.unlink(missing_ok=True)
        by_id.symlink_to(tnc.path)
        async with Source(options(str(by_id))) as source:
            tnc.write(bytes([attempt]) * 10)
            assert await read_octets(source, 10) == bytes([attempt]) * 10
            tnc.unplug()
            with pytest.raises(SourceLost):
                await read_octets(source, 1)


async def test_a_port_that_another_program_holds_is_said_to_be_in_use(tnc: Tnc) -> None:
    async with Source(options(tnc.path)):
        with pytest.raises(SourceLost, match="in use by another program"):
            async with Source(options(tnc.path)):
                pass


async def test_an_absent_port_lists_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "ports_found", lambda: ("/dev/ttyUSB7",))
    with pytest.raises(SourceLost, match=r"/dev/ttyUSB0 is not there \(ports found: /dev/ttyUSB7\)"):
        async with Source(options("/dev/ttyUSB0")):
            pass


async def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    with pytest.raises(SourceLost, match="no serial port"):
        async with Source(options(str(file))):
            pass


def test_a_refused_port_names_the_group_that_may_read_it(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    group = device.group()
    message = serial_port._why_not(str(device), PermissionError(13, "Permission denied"))
    assert f"its group is {group}: sudo usermod -aG {group}" in message
    assert "\n" not in message


async def test_a_serial_server_is_read_over_tcp() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EVERY_OCTET)
        await writer.drain()
        writer.close()

    async with serving(serve) as port, Source(options(f"socket://127.0.0.1:{port}")) as source:
        assert await read_octets(source, 256) == EVERY_OCTET
        with pytest.raises(SourceLost, match="closed the connection"):
            await source.read()


@pytest.mark.parametrize("port", ["socket://host", "socket://:4001", "rfc2217://host:1", "socket://host:99999"])
def test_an_address_that_is_none_is_refused_before_anything_is_opened(port: str) -> None:
    with pytest.raises(ConfigError, match=r"source\[0\]\.port"):
        serial_port.check_options(options(port), "station.toml: source[0]")
