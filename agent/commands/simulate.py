"""``gsagent simulate``: the transmitter's side, played in real time on simulated hardware."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from agent.simulator.scenario import Scenario
    from agent.simulator.surroundings import StationClock

SUMMARY = "play the transmitter's side, faults included; with --judge together with an agent, and judge it"

DESCRIPTION = """\
Play a scenario: simulated satellites send frames built from their own satellite files, modulated into IQ that an
rtl_tcp server on loopback serves, or as KISS octets on a pseudo-terminal that looks like a TNC.

SCENARIO is a file, or the name of a shipped one (`demo`). When everything is served, one line of JSON on
standard output says where: hosts, ports, the serial port's path. At the end another one counts what was sent.
Ctrl-C ends it. With --record the scenario is written into a file instead, faster than it would be played.

With --judge an agent runs with the scenario (`gsagent run` with a station file made for it, and a broker), a client
writes down what is published, and in the end the ledger is printed: frames sent, archived and published, alarms
expected and raised, and the verdict. Faults of the agent's clock, elements, broker and disk are played only then.
"""

MAX_SPEED = 10_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario file, or the name of a shipped one")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="SDR=PORT",
        help="let an SDR of the scenario listen on this port instead of its own (0: any free one)",
    )
    parser.add_argument(
        "--follow-stdin",
        action="store_true",
        help="end when standard input is closed, as it is when the program that started this one is gone",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write --seconds of the scenario into a recording instead, as fast as possible:"
        " .wav .cu8 .cs16 .cf32 .sigmf-data (the first SDR), or .kss (the TNCs)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="other noise and chance than the scenario's own")
    parser.add_argument("--check", action="store_true", help="only check the scenario")
    parser.add_argument(
        "--judge",
        action="store_true",
        help="run an agent with it and print the ledger; exit code 1 when it is faulty",
    )
    parser.add_argument("--json", action="store_true", help="with --judge: the ledger as one line of JSON")
    parser.add_argument("--figures", metavar="FILE", help="with --judge: spectra, symbols, SNR and Doppler as JSON")
    parser.add_argument("--log", metavar="FILE", help="with --judge: where the agent's log goes")
    parser.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="play N times as fast as real time; with --judge the agent too (without N as the scenario says)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the scenario until it is told to end."""
    import asyncio
    import atexit
    import gc

    from agent.errors import ConfigError
    from agent.simulator.scenario import load_scenario

    ports = _ports(arguments.listen)
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise ConfigError("--seconds must be more than 0")
    scenario = load_scenario(arguments.scenario)
    if arguments.seed is not None:
        import msgspec

        scenario = scenario._replace(file=msgspec.structs.replace(scenario.file, seed=arguments.seed))
    unknown = set(ports) - {sdr.id for sdr in scenario.file.sdrs}
    if unknown:
        raise ConfigError(
            f"--listen: the scenario has no SDR {min(unknown)!r}",
            mend=f"there are: {', '.join(sdr.id for sdr in scenario.file.sdrs) or 'none'}",
        )
    if arguments.check:
        return 0
    if arguments.record is not None:
        return _record(scenario, arguments.record, arguments.seconds)
    speed = arguments.speed if arguments.speed is not None else scenario.file.speed if arguments.judge else 1.0
    if not 0.1 <= speed <= MAX_SPEED:
        raise ConfigError(f"--speed is between 0.1 and {MAX_SPEED:.0f}")
    if arguments.judge:
        return _judge(scenario, arguments, speed)
    if speed != 1.0:
        with _clock() as clock:
            clock.hasten(speed)
    # All that matters is closed by then, and the interpreter's last collection takes up to a second.
    atexit.register(gc.freeze)
    asyncio.run(_play(scenario, ports, arguments.seconds, arguments.follow_stdin))
    return 0


@contextlib.contextmanager
def _clock() -> Iterator[StationClock]:
    """Let this process live by a clock of its own, as fast as the world's at first."""
    import tempfile
    from pathlib import Path

    from agent.simulator.surroundings import StationClock
    from agent.simulator.warp import Warp

    with tempfile.TemporaryDirectory(prefix="gsagent-clock-") as folder:
        clock = StationClock(Path(folder) / "clock")
        Warp(clock.path, true=True).install()
        yield clock


def _judge(scenario: Scenario, arguments: argparse.Namespace, speed: float) -> int:
    with _clock() as clock:  # before anything is imported that keeps a clock's function for itself
        return _judged(scenario, arguments, speed, clock)


def _judged(scenario: Scenario, arguments: argparse.Namespace, speed: float, clock: StationClock) -> int:
    import asyncio
    from pathlib import Path

    from agent.commands.judging import judge
    from agent.commands.ledger_text import Progress, ledger_text
    from agent.errors import AgentError, ConfigError

    seconds = arguments.seconds or scenario.file.seconds
    if seconds is None:
        raise ConfigError(
            f"scenario {scenario.name} has no end", mend="--seconds S, or `seconds` at the beginning of its file"
        )
    log = Path(arguments.log) if arguments.log else None
    with Progress(scenario.name, seconds) as progress:
        try:
            trial = asyncio.run(judge(scenario, seconds, clock=clock, speed=speed, tell=progress.tell, log=log))
        except asyncio.CancelledError:
            raise AgentError(f"scenario {scenario.name} was told to end before it was over: no verdict") from None
    if arguments.figures:
        import dataclasses

        Path(arguments.figures).write_text(json.dumps(dataclasses.asdict(trial.looks)), encoding="utf-8")
    if arguments.json:
        _say(trial.ledger.as_dict() | {"scenario": scenario.name, **trial.figures()})
    else:
        print(ledger_text(scenario, trial))
    return 0 if trial.good else 1


def _record(scenario: Scenario, path: str, seconds: float | None) -> int:
    import time
    from pathlib import Path

    from agent.errors import ConfigError
    from agent.simulator.recorder import record

    if seconds is None:
        raise ConfigError("--record needs to know how long", mend="--seconds S")
    _say(record(scenario, Path(path), seconds, time.time_ns()))
    return 0


def _ports(listen: list[str]) -> dict[str, int]:
    from agent.errors import ConfigError

    ports = {}
    for text in listen:
        name, _, port = text.partition("=")
        if not name or not port.isdecimal() or int(port) > 65_535:
            raise ConfigError(f"--listen {text!r} is not SDR=PORT")
        ports[name] = int(port)
    return ports


async def _play(scenario: Scenario, ports: dict[str, int], seconds: float | None, follow_stdin: bool) -> None:
    import asyncio
    import signal

    from agent.simulator.play import Playing

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, stop.set)
    if follow_stdin:
        _follow(loop, stop)
    async with Playing(scenario, ports=ports) as playing:
        _say(playing.ready())
        played = asyncio.create_task(playing.play(seconds=seconds))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({played, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (played, stopped):
            if not task.done():
                task.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):  # told to end
            await played
        _say(playing.summary())


def _follow(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    import os

    def heard() -> None:
        try:
            over = not os.read(sys.stdin.fileno(), 4096)
        except OSError:
            over = True
        if over:
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), heard)


def _say(record: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody reads any more
        print(json.dumps(record, ensure_ascii=False), flush=True)
