"""A scenario played together with a real agent, a real broker and a client that writes down what is published.

The agent is ``gsagent run`` as a process of its own with a station file made for the scenario. It has two brokers'
tables: ``ops`` leads through a link that faults may break, ``observer`` leads straight to the broker, so that what
happens can be seen while it happens. Whatever way this process ends, its children end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.commands.demo import station_text
from agent.commands.observer import DESTINATIONS, STATION, Looks, Observer, observing
from agent.errors import AgentError
from agent.sinks.embedded_broker import EmbeddedBroker

if TYPE_CHECKING:
    from agent.records import Frame
    from agent.simulator.fault import Fault
    from agent.simulator.ledger import Books, Ledger
    from agent.simulator.scenario import Scenario
    from agent.simulator.surroundings import StationClock

READY_S: Final = 60.0
"""Kernels may have to be compiled."""
STEADY_S: Final = 1.0
SETTLE_S: Final = 20.0
QUIET_S: Final = 2.0
"""Longer than a group commit and the way to a broker take."""
ENDED_S: Final = 10.0
PLACE: Final = {"latitude_deg": 36.372, "longitude_deg": 127.363, "altitude_m": 80.0}


@dataclass(slots=True)
class Trial:
    """How a trial went."""

    ledger: Ledger
    books: Books
    played_s: float
    agent_cpu_s: float
    agent_memory_mb: float
    exit_code: int
    received: int
    started_s: float
    looks: Looks

    @property
    def good(self) -> bool:
        """Say whether the ledger is good and the agent ended as it should."""
        return self.ledger.good and self.exit_code == 0

    def figures(self) -> dict[str, float]:
        """Return what was measured beside the ledger."""
        return {
            "played_s": round(self.played_s, 2),
            "received": self.received,
            "agent_started_s": round(self.started_s, 2),
            "agent_cpu_s": round(self.agent_cpu_s, 2),
            "agent_memory_mb": round(self.agent_memory_mb, 1),
            "agent_exit_code": self.exit_code,
        }


class _AgentEnded(Exception):
    """The agent is gone before it was told to end."""


async def judge(
    scenario: Scenario,
    seconds: float,
    *,
    tell: Callable[[Books, float, str], None],
    clock: StationClock,
    speed: float = 1.0,
    log: Path | None = None,
) -> Trial:
    """Play a scenario with an agent, and balance the books; ``tell`` hears of progress.

    Raises ``AgentError`` when it cannot be played.
    """
    from agent.simulator.ledger import Books, SentFrame, balance
    from agent.simulator.play import Playing
    from agent.simulator.proxy import Link
    from agent.simulator.surroundings import ElementFile, FaultyDisk, Surroundings

    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if this is not None:
            loop.add_signal_handler(number, this.cancel)
    faults = [fault for fault in scenario.file.faults if fault.at_s < seconds]
    books = Books(seconds, faults, allowed=scenario.file.alarms)
    books.published = {name: [] for name in DESTINATIONS}

    def say(words: str) -> None:
        tell(books, playing.played_s(), words)

    def happened(fault: Fault, begins: bool) -> None:
        say(f"{fault.kind} {'begins' if begins else 'is over'}")

    with tempfile.TemporaryDirectory(prefix="gsagent-trial-") as name:
        folder = Path(name)
        async with EmbeddedBroker(0) as broker, Link(broker.port) as link:
            disk = FaultyDisk()
            async with Playing(
                scenario,
                sent=lambda *frame: books.sent.append(SentFrame(*frame)),
                impersonated=lambda *frame: books.impersonated.append(SentFrame(*frame)),
                happened=happened,
            ) as playing:
                elements = ElementFile(folder / "elements.json", playing.elements(), time.time_ns())
                playing.surround(Surroundings(clock, elements, link, disk))
                await playing.prepare()
                station = folder / "station.toml"
                station.write_text(_station(playing.ready(), link.port, broker.port), encoding="utf-8")
                observer = Observer(books, playing.played_s)
                async with observing(broker.port, observer), _agent(clock.path, station, log) as agent:
                    disk.process = agent.pid
                    say("the agent starts")
                    began_s = time.monotonic()
                    try:
                        await _until(lambda: _ready(observer, playing.ready()), READY_S, agent)
                    except TimeoutError:
                        raise AgentError(f"the agent was not at work within {READY_S:.0f} s") from None
                    started_s = time.monotonic() - began_s
                    await asyncio.sleep(STEADY_S)
                    await observer.ask_for_spectra(seconds)
                    say(f"the play begins: {seconds:g} s")
                    # Only the play goes faster: what starts before and settles after takes as long as it takes.
                    clock.hasten(speed)
                    play_utc_ns = time.time_ns()
                    await _while_it_lives(playing.play(seconds=seconds), agent)
                    clock.hasten(1.0)
                    say("what is on its way arrives")
                    with contextlib.suppress(TimeoutError):
                        await _until(_settled(books), SETTLE_S, agent)
                    played_s = playing.played_s()
                    used = _used(agent.pid)
                    code = await _end(agent)
            kept = await asyncio.to_thread(_archived, folder / "archive")
            books.archived = [frame.link_frame.data for frame in kept]
            observer.looks.measure(kept, play_utc_ns)
    received = sum(int(link["frames"]) for link in observer.links.values())
    return Trial(balance(books), books, played_s, *used, code, received, started_s, observer.looks)


def _station(served: dict[str, Any], ops_port: int, observer_port: int) -> str:
    text = station_text(served | {"station": served["station"] or PLACE}, ops_port, name=STATION, broker="ops")
    if not served["elements"]:
        text = text.replace('elements = ["elements.json"]', "elements = []")
    prefix = DESTINATIONS["observer"]
    return f'{text}[[broker]]\nname = "observer"\nport = {observer_port}\ntopic_prefix = "{prefix}"\n'


def _ready(observer: Observer, served: dict[str, Any]) -> bool:
    """Say whether the agent is at work; a serial port is online with its first octets, which come with the play."""
    return observer.online and all(observer.sources.get(name) for name in served["rtl_tcp"])


def _settled(books: Books) -> Callable[[], bool]:
    """Give a condition: both destinations have the same frames, and for a while no more have come."""
    seen: tuple[list[int], float] = ([], 0.0)

    def settled() -> bool:
        nonlocal seen
        now = [len(frames) for frames in books.published.values()]
        if now != seen[0]:
            seen = (now, time.monotonic())
        quiet = time.monotonic() - seen[1] >= QUIET_S
        # One destination may have some twice: what is sent again after a cut.
        return quiet and len({frozenset(frames) for frames in books.published.values()}) == 1

    return settled


async def _while_it_lives(work: Coroutine[Any, Any, None], agent: asyncio.subprocess.Process) -> None:
    """Do work unless the agent ends."""
    working, ending = asyncio.create_task(work), asyncio.create_task(agent.wait())
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done() and not working.done():
            raise _AgentEnded
        await working
    finally:
        for task in (working, ending):
            task.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)


async def _until(condition: Callable[[], bool], seconds: float, agent: asyncio.subprocess.Process) -> None:
    """Wait until a condition holds; raises ``TimeoutError``."""
    async with asyncio.timeout(seconds):
        while not condition():
            if agent.returncode is not None:
                raise _AgentEnded
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _agent(page: Path, station: Path, log: Path | None) -> AsyncIterator[asyncio.subprocess.Process]:
    import os

    words = (log or station.with_name("agent.log")).open("wb")
    with words:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.under_trial", str(page), str(os.getpid())),
            *("run", str(station)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
    try:
        yield process
    except _AgentEnded:
        last = await asyncio.to_thread(_last_line, Path(words.name))
        raise AgentError(f"the agent ended by itself (exit code {process.returncode}): {last}") from None
    finally:
        await _end(process)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip("| +-")]
    return lines[-1].strip("| ") if lines else "it said nothing"


async def _end(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDED_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    return process.returncode or 0


def _used(process: int) -> tuple[float, float]:
    """Return the CPU seconds and the most MiB of memory that a process has used; zeros when it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0, 0.0
    import os

    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return cpu_s, int(peak.split()[1]) / 1024


def _archived(directory: Path) -> list[Frame]:
    from agent.records import Frame
    from agent.sinks.archived import unpack
    from agent.sinks.segments import Segments

    frames: list[Frame] = []
    segments = Segments.open(directory, STATION)
    try:
        seq = 0
        while rows := segments.read_after(seq, 1000):
            seq = rows[-1].seq
            records = (unpack(row).record for row in rows)
            frames += [record for record in records if isinstance(record, Frame)]
    finally:
        segments.close()
    return frames
