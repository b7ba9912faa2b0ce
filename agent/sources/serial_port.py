"""Octets from a serial line: a TNC on ``/dev/serial/by-id/…``, a pty, or ``socket://host:port``.

Knows how a line is opened, shared, lost and found again; what the octets mean is the framing's business: ``kiss``,
``slip``, ``fixed_length`` behind an ASM, ``text_lines``, any protocol that eats octets.
Never writes, and leaves the line's signals alone: whatever hangs on DTR or RTS (a PTT, a reset) is not ours.
Opening asserts both, as the kernel does for any program; HUPCL is cleared, so that neither moves again when
the port is closed and reopened.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from msgspec import Meta

from agent.errors import ConfigError, SourceLost
from agent.records import OctetBlock
from agent.sources import OctetTable, Signal
from agent.sources.connection import Connection, connect, readable

SIGNAL: Signal = "octets"

READ_OCTETS = 4096
"""A Linux terminal holds no more than this (N_TTY_BUF_SIZE)."""

BY_ID = "/dev/serial/by-id"
"""Where udev keeps names that survive unplugging."""


class Options(OctetTable, frozen=True, kw_only=True):
    """A serial port and its setting.

    Without flow control 0x11 and 0x13 are data, as a TNC needs it. ``rts_cts`` lets the kernel hold the far end by
    RTS, ``xon_xoff`` by octets: the only thing this source can ever cause to be sent.
    """

    port: Annotated[str, Meta(min_length=1, max_length=4096)]
    baudrate_bd: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    flow_control: Literal["none", "rts_cts", "xon_xoff"] = "none"


def check_options(options: Options, where: str) -> None:
    """Refuse an address that can be no serial port; raises ``ConfigError``."""
    if "://" not in options.port:
        return
    try:
        _socket_address(options.port)
    except ValueError as exc:
        raise ConfigError(
            str(exc), where=f"{where}.port", mend="a device such as /dev/serial/by-id/…, or socket://host:port"
        ) from exc


class Source:
    """A serial line, or the TCP socket of a serial server."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._line: _Line | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        if "://" in self.options.port:
            host, port = _socket_address(self.options.port)
            self._connection = await connect(host, port, what="serial server", mend="is the serial server running?")
        else:
            self._line = _Line(self.options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def read(self) -> OctetBlock:
        """Wait for octets."""
        if self._line is not None:
            return OctetBlock(await self._line.read(), time.time_ns())
        if self._connection is not None:
            return OctetBlock(await self._connection.read(), time.time_ns())
        raise SourceLost(f"source {self.options.id} is not open")


class _Line:
    """An open terminal, read as the loop says it is readable."""

    def __init__(self, options: Options) -> None:
        self._path = options.port
        self._port = _open(options)
        self._descriptor: int = self._port.fileno()

    async def read(self) -> bytes:
        """Wait for octets; raises ``SourceLost`` when the line is gone."""
        await asyncio.sleep(0)  # a line that never rests must not starve the loop
        while True:
            try:
                octets = os.read(self._descriptor, READ_OCTETS)
            except BlockingIOError:
                await readable(self._descriptor)
                continue
            except OSError as exc:
                raise SourceLost(f"{self._path} was unplugged ({exc.strerror})") from exc
            if not octets:
                raise SourceLost(f"{self._path} was unplugged")
            return octets

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def _open(options: Options) -> Any:
    """Open the port for this program alone and make an end of file tell itself from a pause."""
    import serial

    port = serial.Serial()
    port.port = options.port
    port.baudrate = options.baudrate_bd
    port.parity = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}[options.parity]
    port.stopbits = options.stop_bits
    port.bytesize = options.data_bits
    port.rtscts = options.flow_control == "rts_cts"
    port.xonxoff = options.flow_control == "xon_xoff"
    port.timeout = 0
    port.exclusive = True
    try:
        port.open()
        _settle(port.fileno())
    except (OSError, ValueError) as exc:  # SerialException is an OSError
        port.close()
        raise SourceLost(_why_not(options.port, exc)) from exc
    return port


def _settle(descriptor: int) -> None:
    """Set VMIN to 1, so that a read of nothing is EAGAIN and only a hang-up reads as empty; clear HUPCL."""
    import termios

    try:
        settings = termios.tcgetattr(descriptor)
        settings[2] &= ~termios.HUPCL
        settings[6][termios.VMIN] = 1
        settings[6][termios.VTIME] = 0
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    except termios.error as exc:
        raise OSError(*exc.args) from exc


def _why_not(path: str, error: OSError | ValueError) -> str:
    """Say in one line why a port cannot be opened, and what to do."""
    number = _number(error)
    if number in (errno.EACCES, errno.EPERM):
        return f"no permission to read {path} ({_permission_mend(path)})"
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return f"{path} is not there ({_ports_mend()})"
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"{path} is in use by another program (stop it, or `fuser {path}` names it)"
    if number in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return f"{path} is no serial port ({_ports_mend()})"
    return f"{path} cannot be opened: {error}"


def _number(error: BaseException) -> int | None:
    """Find the errno; pyserial leaves it in the error that caused its own."""
    number = getattr(error, "errno", None)
    if number is None and error.__context__ is not None and error.__context__.args:
        number = error.__context__.args[0]
    return number if isinstance(number, int) else None


def _permission_mend(path: str) -> str:
    import grp

    try:
        owner = Path(path).stat().st_gid
        group = grp.getgrgid(owner).gr_name
    except (OSError, KeyError):
        return "a directory above it is closed to this user"
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"its group is {group}: sudo usermod -aG {group} {user}, then log in again"


def _ports_mend() -> str:
    found = ports_found()
    return f"ports found: {', '.join(found)}" if found else "no serial port is found on this machine"


def ports_found() -> tuple[str, ...]:
    """List the serial ports of this machine, by the name that survives unplugging where there is one."""
    from serial.tools import list_ports

    stable = {os.path.realpath(entry): str(entry) for entry in sorted(Path(BY_ID).glob("*"))}
    devices = sorted(port.device for port in list_ports.comports())
    return tuple(stable.get(os.path.realpath(device), device) for device in devices)[:16]


def _socket_address(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    if parts.scheme != "socket":
        raise ValueError(f"{parts.scheme}:// is no address this source opens")
    port = parts.port  # raises ValueError when it is no port
    if not parts.hostname or port is None:
        raise ValueError(f"{address} names no host and port")
    return parts.hostname, port
