"""``gsagent demo``: broker, simulated station, agent and status page on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agent.errors import AgentError

SUMMARY = "a simulated station on this machine: broker, satellites, agent, status page"
DESCRIPTION = """\
Show all of it without any hardware.

Starts an MQTT broker on loopback, a simulator that transmits five satellites (two modulated into IQ behind an
rtl_tcp server, one as KISS octets on a pseudo-terminal, one as CCSDS frames in UDP datagrams, a geostationary one
as CCSDS frames over TCP), and the agent with a station file for them. One parameter drifts out of its limits and
returns, so that an alarm rises and clears by itself within two minutes.

Everything listens on 127.0.0.1 only; nothing stays behind. Ctrl-C ends it.
"""

STATION_NAME = "demo"
MQTT_PORT, HTTP_PORT = 1883, 8080
READY_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument(
        "--mqtt-port",
        type=int,
        metavar="N",
        help=f"port of the broker ({MQTT_PORT}, or a free one when it is taken)",
    )
    parser.add_argument(
        "--http-port", type=int, metavar="N", help=f"port of the page ({HTTP_PORT}, or a free one when it is taken)"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument("--scenario", default="demo", metavar="FILE", help="what the simulator plays (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal, or for some seconds."""
    with tempfile.TemporaryDirectory(prefix="gsagent-demo-") as folder:
        asyncio.run(_demo(arguments, Path(folder)))
    return 0


async def _demo(arguments: argparse.Namespace, folder: Path) -> None:
    import signal

    from agent.config import load_station_config
    from agent.runtime import Agent
    from agent.runtime.station import run_agent
    from agent.sinks.embedded_broker import EmbeddedBroker

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    http_port = _port(arguments.http_port, HTTP_PORT)
    mqtt_port = _port(arguments.mqtt_port, MQTT_PORT)
    async with EmbeddedBroker(mqtt_port) as broker, _simulator(arguments.scenario) as served:
        station = folder / "station.toml"
        station.write_text(station_text(served, broker.port), encoding="utf-8")
        (folder / "elements.json").write_text(json.dumps(served["elements"]), encoding="utf-8")
        agent = Agent(load_station_config(station), http_port=http_port)
        _tell(served, broker, http_port)
        ending = loop.create_task(_end(stop, arguments.seconds, agent))
        try:
            await run_agent(agent)
        finally:
            ending.cancel()
    print("demo: ended")


async def _end(stop: asyncio.Event, seconds: float | None, agent: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    agent.stop.set()


def _port(wanted: int | None, usual: int) -> int:
    """Return the wanted port, the usual one when it is free, or any free one."""
    import socket

    if wanted is not None:
        return wanted
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise AgentError("no free port on 127.0.0.1")


@contextlib.asynccontextmanager
async def _simulator(scenario: str) -> AsyncIterator[dict[str, Any]]:
    """Run the simulator as a process of its own that ends with this one; gives what it says it serves.

    Its standard input is a pipe from here: when this process is gone, however it went, the pipe closes and the
    simulator ends. A session of its own keeps a terminal's Ctrl-C for the agent, which ends the simulator in order.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "--log-level", "warning", "simulate", scenario, "--follow-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline() if process.stdout else b""
        if not line:
            raise AgentError(f"the simulator did not start (exit code {await process.wait()})")
        yield json.loads(line)
    except TimeoutError:
        raise AgentError(f"the simulator was not ready within {READY_S:.0f} s") from None
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            async with asyncio.timeout(1.5):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()


def station_text(served: dict[str, Any], mqtt_port: int, *, name: str = STATION_NAME, broker: str = "demo") -> str:
    """Write a station file for what the simulator serves."""
    satellites = list(dict.fromkeys(item["satellite"] for item in served["transmitters"]))
    place = served["station"]
    lines = [
        f"satellites = {json.dumps(satellites)}",
        f"satellite_directories = {json.dumps(served['satellite_directories'])}",
        "[station]",
        f'name = "{name}"',
        *(f"{key} = {place[key]}" for key in ("latitude_deg", "longitude_deg", "altitude_m")),
        '[archive]\ndirectory = "archive"\nmax_mb = 64',
        '[passes]\nelements = ["elements.json"]\nahead_h = 24',
        f'[[broker]]\nname = "{broker}"\nport = {mqtt_port}\ncommands = true',
    ]
    for source, sdr in served["rtl_tcp"].items():
        lines += [
            "[[source]]",
            f'id = "{source}"',
            'kind = "rtl_tcp"',
            f'host = "{sdr["host"]}"',
            f"port = {sdr['port']}",
        ]
        lines += [f"frequency_hz = {sdr['frequency_hz']}", f"sample_rate_hz = {sdr['sample_rate_hz']}"]
        lines += [f"satellites = {json.dumps(_heard(served, 'air'))}"]
    for source, tnc in served["serial_port"].items():
        lines += ["[[source]]", f'id = "{source}"', 'kind = "serial_port"', f'port = "{tnc["port"]}"']
        lines += [f"baudrate_bd = {tnc['baudrate_bd']}", f"satellites = {json.dumps(_heard(served, source))}"]
    for source, radio in served["radio"].items():
        lines += ["[[source]]", f'id = "{source}"', 'kind = "udp"']
        lines += [*(f"{key} = {_toml(value)}" for key, value in radio.items())]
        lines += [f"satellites = {json.dumps(_heard(served, 'air'))}"]
    for source, gateway in served["gateway"].items():
        lines += ["[[source]]", f'id = "{source}"', *(f"{key} = {_toml(value)}" for key, value in gateway.items())]
        lines += [f"satellites = {json.dumps(_heard(served, source))}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a value of a station file: JSON says numbers, words and lists as TOML does, tables otherwise."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }" if value else "{}"
    return json.dumps(value)


def _heard(served: dict[str, Any], through: str) -> list[str]:
    return list(dict.fromkeys(item["satellite"] for item in served["transmitters"] if item["through"] == through))


def _tell(served: dict[str, Any], broker: Any, http_port: int) -> None:
    on_air = ", ".join(
        f"{item['satellite']} ({item['downlink']} by {item['through']})" for item in served["transmitters"]
    )
    print(f"demo: simulated satellites: {on_air}")
    print(f"demo: MQTT broker ({broker.kind}) on 127.0.0.1:{broker.port}; watch it with:")
    print(f"        mosquitto_sub -h 127.0.0.1 -p {broker.port} -v -t 'gs/{STATION_NAME}/#'")
    print(f"demo: page http://127.0.0.1:{http_port}/  (Ctrl-C ends everything)", flush=True)
