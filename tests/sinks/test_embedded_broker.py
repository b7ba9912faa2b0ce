"""The private broker: it starts, it is on loopback only, it leaves nothing, it never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from agent.errors import SinkUnavailable
from agent.sinks.embedded_broker import EmbeddedBroker, Kind
from tests.sinks.listening import listening, needs_mosquitto

KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]

PARENT = """
import asyncio, sys
from agent.sinks.embedded_broker import EmbeddedBroker

async def main():
    async with EmbeddedBroker(kind=sys.argv[1]) as broker:
        print(broker.port, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_hears_what_another_publishes(kind: Kind) -> None:
    async with EmbeddedBroker(kind=kind) as broker, listening(broker.port) as heard:
        import aiomqtt

        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("gs/here/status", b'{"online":true}', qos=1, retain=True)
        await heard.until(lambda heard: heard.on("gs/here/status") == [{"online": True}])


@pytest.mark.parametrize("kind", KINDS)
async def test_the_broker_dies_with_a_parent_that_is_killed(kind: Kind, tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, kind, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    assert answers(port)
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    for _ in range(100):
        if not answers(port):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the broker still answers 5 s after its parent was killed")


@pytest.mark.parametrize("kind", KINDS)
async def test_the_broker_is_not_reachable_from_outside(kind: Kind) -> None:
    async with EmbeddedBroker(kind=kind) as broker:
        assert listeners_on(broker.port) == {"0100007F"}  # 127.0.0.1


async def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SinkUnavailable, match="is taken"):
            await EmbeddedBroker(taken.getsockname()[1]).__aenter__()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listeners_on(port: int) -> set[str]:
    """The addresses something listens on at a port, in the kernel's hexadecimal."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            for line in Path(table).read_text().splitlines()[1:]:
                address, number = line.split()[1].split(":")
                if line.split()[3] == "0A" and int(number, 16) == port:
                    found.add(address)
    return found
