"""Gateways against the agent's own sources: every kind, frames of several sizes, clients that come and go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError, ConfigError
from agent.records import OctetBlock
from agent.simulator.gateway import Gateway, PlayedGateway
from agent.simulator.scenario import load_scenario
from agent.sources import make_source
from firmware_protocols import interface

FRAMES = [bytes([n]) * 64 for n in range(20)]
FIXED = {"frame_octets": 64, "asm": "1acffc1d"}


def gateway(kind: str, **more: Any) -> Gateway:
    options = FIXED if kind == "tcp_frames" else {}
    return Gateway(id="gw", kind=kind, framing_options=options, **more)  # type: ignore[arg-type]  # each kind in turn


@pytest.mark.parametrize("kind", ["kiss_tcp", "agwpe", "tcp_frames", "udp_frames"])
async def test_the_agents_source_of_its_kind_receives_every_frame(kind: str) -> None:
    async with PlayedGateway(gateway(kind)) as played:
        table = {"id": "gw", **played.description()}
        _, source = make_source(table, "station.toml: source[0]")
        framing = table.get("framing", "kiss")
        _, deframer = interface.make_deframer(framing, table.get("framing_options", {}))
        found: list[bytes] = []
        async with source, asyncio.timeout(10):
            await asyncio.sleep(0.05)
            for frame in FRAMES:
                played.send(frame)
            while len(found) < len(FRAMES):
                block = await source.read()
                assert isinstance(block, OctetBlock)
                found += [one.data for one in deframer.feed(block.data)]
        assert found == FRAMES
        assert (played.sent, played.unheard) == (len(FRAMES), 0)


async def test_what_nobody_hears_is_lost_and_counted() -> None:
    async with PlayedGateway(gateway("kiss_tcp")) as played:
        played.send(b"nobody is there")
        assert (played.sent, played.unheard) == (0, 1)


async def test_raw_frames_go_only_to_who_asked() -> None:
    async with PlayedGateway(gateway("agwpe")) as played:
        reader, writer = await asyncio.open_connection("127.0.0.1", played.port)
        await asyncio.sleep(0.05)
        played.send(b"frame")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
        await writer.wait_closed()


async def test_a_port_that_is_taken_is_said_to_be() -> None:
    async with PlayedGateway(gateway("kiss_tcp")) as first:
        refused = rf"gateway gw cannot listen on 127\.0\.0\.1:{first.port}: .*any free port"
        with pytest.raises(AgentError, match=refused):
            async with PlayedGateway(gateway("kiss_tcp", port=first.port)):
                pass


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            'framing = "fixed_lenght"',
            r"\.gateway: gateway fep: no protocol is called 'fixed_lenght'",
        ),
        ("framing_options = { frame_octets = 64 }", r"gateway fep: a frame has 64 octets, not 48"),
        ('framing = "ax25"', r"gateway fep: ax25 does not say how a frame becomes octets"),
    ],
)
def test_a_gateway_that_cannot_wrap_the_frame_is_named(lines: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        f'[[gateway]]\nid = "fep"\nkind = "tcp_frames"\n{lines}\n[[transmitter]]\nsatellite = "demosat"\n'
        'downlink = "9k6-fsk"\npacket = "housekeeping"\ngateway = "fep"\n'
    )
    with pytest.raises(ConfigError, match=says):
        load_scenario(str(tmp_path / "bad.toml"))
