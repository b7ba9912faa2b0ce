"""Faults between the agent and its broker: refused, swallowed, cut again and again, slowed down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Kind, Scene

FLAP_EVERY_S = 2.0


@asynccontextmanager
async def _refused(scene: Scene, _: Fault) -> AsyncIterator[None]:
    link = scene.surroundings.broker
    await link.refuse()
    try:
        yield
    finally:
        await link.listen()


@asynccontextmanager
async def _swallowed(scene: Scene, _: Fault) -> AsyncIterator[None]:
    link = scene.surroundings.broker
    link.swallow()
    try:
        yield
    finally:
        # What was held back is late, not lost: as after a route that was gone. The connection may live or not.
        link.heal()


@asynccontextmanager
async def _flapping(scene: Scene, _: Fault) -> AsyncIterator[None]:
    link = scene.surroundings.broker

    async def flap() -> None:
        while True:
            link.cut()
            await asyncio.sleep(FLAP_EVERY_S)

    flapping = asyncio.create_task(flap(), name="flapping broker")
    try:
        yield
    finally:
        flapping.cancel()
        await asyncio.gather(flapping, return_exceptions=True)


@asynccontextmanager
async def _slowed(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    link = scene.surroundings.broker
    link.octets_per_s = fault.rate_bit_s / 8
    try:
        yield
    finally:
        link.octets_per_s = None


KINDS = {
    "broker_refuse": Kind("broker", "connections end, new ones are refused", _refused, loses=False),
    "broker_black_hole": Kind("broker", "the connection stays, nothing comes through", _swallowed, loses=False),
    "broker_flap": Kind("broker", "the connection is cut every 2 s", _flapping, loses=False),
    "broker_slow": Kind("broker", "rate_bit_s to the broker and back", _slowed, loses=False),
}
