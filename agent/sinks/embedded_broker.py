"""A private MQTT broker for this machine: for the demo, for tests, for a station without one.

A child process that listens on loopback only, keeps nothing, and dies with its parent, even with one that is killed
(``PR_SET_PDEATHSIG``). mosquitto when it is installed, else amqtt (pure Python, an optional dependency). Its
configuration is never a file on disk, so that nothing is left behind.

Run as a module it is the child's first moment: it binds its life to the parent's, then becomes the broker.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from agent.errors import SinkUnavailable

log = logging.getLogger(__name__)

READY_S: Final = 15.0
STOP_S: Final = 2.0
ATTEMPTS: Final = 5
_OTHER_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/bin")
_PR_SET_PDEATHSIG: Final = 1
_MAX_WORDS: Final = 4096

Kind = Literal["mosquitto", "amqtt"]

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 10000
max_inflight_messages 200
max_packet_size 2097152
log_dest stderr
log_type error
log_type warning
"""


def find_mosquitto() -> str | None:
    """Return where mosquitto is installed; Debian puts it where only root's PATH leads."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_OTHER_PLACES))


class EmbeddedBroker:
    """A broker on ``127.0.0.1``; ``async with`` starts it, ``port`` says where (0 asks for a free one).

    Raises ``SinkUnavailable`` when there is none to start, or when it does not start.
    """

    def __init__(self, port: int = 0, *, kind: Kind | None = None) -> None:
        self.port = port
        self.kind: Kind = kind or ("mosquitto" if find_mosquitto() else "amqtt")
        self._wanted_port = port
        self._process: asyncio.subprocess.Process | None = None
        self._words = bytearray()
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self.kind == "mosquitto" and find_mosquitto() is None:
            raise SinkUnavailable("no MQTT broker to start: mosquitto is not installed (apt install mosquitto)")
        if self.kind == "amqtt" and importlib.util.find_spec("amqtt") is None:
            raise SinkUnavailable(
                "no MQTT broker to start (apt install mosquitto, or pip install 'gsagent[broker]', or name one)"
            )
        for attempt in range(ATTEMPTS):
            self.port = self._wanted_port or _free_port()
            try:
                await self._start()
            except SinkUnavailable:
                await self._stop()
                if self._wanted_port or attempt == ATTEMPTS - 1:
                    raise
            except BaseException:
                await self._stop()
                raise
            else:
                return self
        raise SinkUnavailable("no free port for the broker")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        if not await asyncio.to_thread(_is_free, self.port):
            raise SinkUnavailable(f"port {self.port} on 127.0.0.1 is taken (name another one, or 0)")
        self._words.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent.sinks.embedded_broker",
            self.kind,
            str(self.port),
            str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C on the terminal is the agent's: it stops the broker last
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self._listener = asyncio.create_task(self._listen(self._process), name="broker's words")
        try:
            async with asyncio.timeout(READY_S):
                while not await _answers(self.port):
                    if self._process.returncode is not None:
                        raise SinkUnavailable(f"{self.kind} did not start: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError as exc:
            raise SinkUnavailable(f"{self.kind} does not answer: {self._last_words()}") from exc
        log.info("broker: %s on 127.0.0.1:%d", self.kind, self.port)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._listener is not None:
            await self._listener
            self._listener = None

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last of what the broker says; its pipe must not fill."""
        if process.stderr is None:
            return
        while words := await process.stderr.read(4096):
            self._words += words
            del self._words[:-_MAX_WORDS]

    def _last_words(self) -> str:
        lines = self._words.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# -- in the child -----------------------------------------------------------------------------------------


def _become(kind: str, port: int, parent: int) -> None:
    """Bind this process's life to its parent's, and become the broker."""
    if kind == "mosquitto":
        _give_up_root()  # before the death signal is asked for: a change of user clears it
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise SystemExit("this system cannot bind a child's life to its parent's")
    if os.getppid() != parent:
        return  # it died before the signal was set
    if kind == "mosquitto":
        _become_mosquitto(port)
    else:
        asyncio.run(_serve_amqtt(port))


def _give_up_root() -> None:
    """Become nobody: mosquitto started by root would change its user itself, and then outlive its parent."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)


def _become_mosquitto(port: int) -> None:
    program = find_mosquitto()
    if program is None:
        raise SystemExit("mosquitto is not installed")
    reading, writing = os.pipe()
    os.write(writing, _MOSQUITTO.format(port=port).encode())  # far below a pipe's capacity
    os.close(writing)
    os.dup2(reading, 0)
    os.execv(program, [program, "-c", "/dev/stdin"])


async def _serve_amqtt(port: int) -> None:
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await broker.start()
    await stopped.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    _become(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
