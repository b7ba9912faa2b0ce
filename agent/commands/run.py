"""``gsagent run``: the agent, until it is told to stop."""

from __future__ import annotations

import argparse

SUMMARY = "run the agent: sources in, archive, status out over MQTT"
DESCRIPTION = """\
Run the agent with a station file (configs/station.toml when none is named).

It reads every configured source, decodes what belongs to the configured satellites, keeps every frame in the
archive before anything is published, and publishes telemetry, health, alarms and passes to the configured
brokers (to one of its own on loopback when none is configured). Sources and brokers may come and go: the agent
reconnects and says so. It never transmits.

SIGINT or SIGTERM ends it: what was received is kept first, and `online: false` is published. Station and satellite
files are read again when they change, or at SIGHUP; a file that is wrong changes nothing, and the reason is told.
"""
EPILOG = """\
A first station file is written by `gsagent init`; `gsagent check FILE` says what is wrong with one.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("config", nargs="?", default="configs/station.toml", help="station file (%(default)s)")
    parser.add_argument("--http-port", type=int, metavar="N", help="serve the dashboard on 127.0.0.1:N")


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal."""
    import asyncio
    import signal

    from agent.config import load_station_config
    from agent.runtime import Agent
    from agent.runtime.service_manager import ServiceManager
    from agent.runtime.station import run_agent

    config = load_station_config(arguments.config)

    async def work() -> None:
        agent = Agent(config, http_port=arguments.http_port, service=ServiceManager())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, agent.stop.set)
        loop.add_signal_handler(signal.SIGHUP, agent.reload.ask)
        await run_agent(agent)

    asyncio.run(work())
    return 0
