"""`gsagent run` as a process to be killed, on a serial line with numbered frames, and a consumer for what it sends.

``python -m hil_tests.rigs.whole_agent DATABASE PORT`` is the consumer: it keeps the identity of every record of
station ``here`` and, for a frame, its octets. Everything else here belongs to the test's own process: the line's
far end, the station's files, and the socket on which the agent says that it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.simulator.pty_tnc import PtyTnc
from agent.sinks.consumer import Consumer, Delivery
from firmware_protocols import ax25, kiss

CONSUMER = "ops"
TICK_S = 0.01
READY_S = 180.0

SATELLITE = """\
name = "TESTSAT"
norad = 99001

[[downlink]]
name = "9k6"
frequency_hz = 437_500_000
modulation = "fsk"
baudrate_bd = 9600
framing = { protocol = "ax25", options = { scrambler = "g3ruh" } }
extract = [{ protocol = "ax25" }]

[[packet]]
name = "beacon"

[[packet.parameter]]
name = "number"
type = "u64"

[[packet.parameter]]
name = "check"
type = "u32"
"""

STATION = """\
satellites = ["testsat"]
satellite_directories = ["satellites"]

[station]
name = "here"
latitude_deg = 36.372
longitude_deg = 127.363

[archive]
directory = "archive"

[[broker]]
port = {port}
keepalive_s = 5
consumers = [{consumers}]

[[source]]
id = "tnc"
kind = "serial_port"
port = "{tnc}"
"""


def numbered(number: int, octets: int = 0) -> bytes:
    """Make a frame that carries its number and the number's CRC, with zeros up to a length."""
    told = number.to_bytes(8, "big")
    frame = ax25.build_ui_frame("GROUND", "TSTSAT", told + zlib.crc32(told).to_bytes(4, "big"))
    return frame + bytes(max(0, octets - len(frame)))


def number_of(frame: bytes) -> int | None:
    """Read a frame's number; ``None`` for a frame that was cut by its reader's death."""
    told = frame[16:24]
    return int.from_bytes(told, "big") if zlib.crc32(told).to_bytes(4, "big") == frame[24:28] else None


class Line:
    """The serial line: sends numbered frames at a pace; ``heard`` counts those an open port has taken."""

    def __init__(self, rate_hz: float, octets: int = 0) -> None:
        self.tnc = PtyTnc()
        self.tnc.plug()
        self.number = 0
        self.heard = 0
        self._rate_hz = rate_hz
        self._octets = octets

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self.send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        self.tnc.close()

    async def stop(self) -> None:
        """Send no more."""
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)

    async def send(self) -> None:
        """Send until cancelled."""
        due = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            while due < time.monotonic():
                due += 1 / self._rate_hz
                await self.send_one()

    async def send_one(self) -> None:
        """Send one frame whole, or as much as the port takes before its reader dies."""
        octets = kiss.encode(numbered(self.number, self._octets), kiss.Options())
        self.number += 1
        while octets:
            taken = self.tnc.write(octets)
            octets = octets[taken:]
            if octets and not self.tnc.listened_to:
                return
            if octets:
                await asyncio.sleep(0.001)
        self.heard += 1


class Agent:
    """`gsagent run` with a station file, and the socket on which it says that it is ready."""

    def __init__(self, file: Path) -> None:
        folder = file.parent
        self.file = file
        self.archive = folder / "archive"
        self.log = folder / "agent.log"
        self.ready_s: list[float] = []
        self.ready_cpu_s: list[float] = []
        self.pid = 0
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.setblocking(False)
        self._environment = os.environ | {"NOTIFY_SOCKET": str(folder / "notify")}
        self._process: asyncio.subprocess.Process | None = None
        self._began_s = 0.0

    async def start(self) -> None:
        """Start the agent; ``ready`` waits until it says so."""
        with self.log.open("ab") as words:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent", "run", str(self.file), stdout=words, stderr=words,
                env=self._environment,
            )  # fmt: skip
        self.pid = self._process.pid
        self._began_s = time.monotonic()

    async def ready(self, seconds: float = READY_S) -> bool:
        """Wait until it is ready, for so long; says whether it is."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    if b"READY=1" in await loop.sock_recv(self._notify, 4096):
                        self.ready_s.append(time.monotonic() - self._began_s)
                        self.ready_cpu_s.append(cpu_s(self.pid))
                        return True
        return False

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(9)

    async def stop(self) -> None:
        """Ask it to end."""
        await self._end(15)

    async def _end(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        with contextlib.suppress(BlockingIOError):
            while True:
                self._notify.recv(4096)

    @property
    def ended(self) -> int | None:
        """How it ended, or ``None`` while it runs."""
        return self._process.returncode if self._process is not None else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.kill()
        self._notify.close()


class Station(Agent):
    """An agent on a line, with a station file made for it."""

    def __init__(self, folder: Path, line: Line, port: int, *, consumers: tuple[str, ...] = (CONSUMER,)) -> None:
        (folder / "satellites").mkdir()
        (folder / "satellites" / "testsat.toml").write_text(SATELLITE, encoding="utf-8")
        names = ", ".join(f'"{name}"' for name in consumers)
        file = folder / "station.toml"
        file.write_text(STATION.format(port=port, tnc=line.tnc.path, consumers=names), encoding="utf-8")
        super().__init__(file)


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used, as its kernel counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ConsumerProcess:
    """The consumer; started, killed and started again on the same store."""

    def __init__(self, database: Path, port: int) -> None:
        self.database = database
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hil_tests.rigs.whole_agent", str(self.database), str(self._port)
        )

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.kill()

    def kept(self) -> list[tuple[str, int, bytes]]:
        """List what took effect: archive, number, and a frame's octets."""
        with contextlib.closing(sqlite3.connect(self.database)) as store:
            try:
                return [(archive, seq, bytes(data)) for archive, seq, data in store.execute("SELECT * FROM kept")]
            except sqlite3.OperationalError:
                return []

    def chain(self) -> int:
        """Return the number through which it has everything; state that overtakes a backlog does not move it."""
        with contextlib.closing(sqlite3.connect(self.database)) as store:
            try:
                return int(store.execute("SELECT coalesce(max(seq), 0) FROM chain").fetchone()[0])
            except sqlite3.OperationalError:
                return 0


def keep(store: sqlite3.Connection, delivery: Delivery) -> None:
    """Keep a record's identity and a frame's octets, once for each time the effect is done."""
    store.execute("CREATE TABLE IF NOT EXISTS kept (archive TEXT, seq INTEGER, data BLOB)")
    data = bytes.fromhex(delivery.values.get("hex", ""))
    store.execute("INSERT INTO kept VALUES (?, ?, ?)", (delivery.archive, delivery.seq, data))


def main() -> None:
    """Consume until killed."""
    database, port = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Consumer(CONSUMER, "here", Path(database), keep, port=int(port)).run())


if __name__ == "__main__":
    main()
