"""Faults of the clock, as the agent reads it: stepped, running too fast or slow, disciplined by nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Kind, Scene

DRIFT_EVERY_S = 0.05


@asynccontextmanager
async def _stepped(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    clock = scene.surroundings.clock
    clock.offset_s += fault.step_s
    try:
        yield
    finally:
        clock.offset_s -= fault.step_s


@asynccontextmanager
async def _drifting(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    clock = scene.surroundings.clock

    async def drift() -> None:
        loop = asyncio.get_running_loop()
        began_s, before_s = loop.time(), clock.offset_s
        while True:
            clock.offset_s = before_s + (loop.time() - began_s) * fault.drift_ppm * 1e-6
            await asyncio.sleep(DRIFT_EVERY_S)

    drifting = asyncio.create_task(drift(), name="clock drift")
    try:
        yield
    finally:
        drifting.cancel()
        await asyncio.gather(drifting, return_exceptions=True)
        clock.offset_s = 0.0


@asynccontextmanager
async def _undisciplined(scene: Scene, _: Fault) -> AsyncIterator[None]:
    clock = scene.surroundings.clock
    clock.synchronised = False
    try:
        yield
    finally:
        clock.synchronised = True


KINDS = {
    "clock_step": Kind(
        "clock", "UTC jumps by step_s and back, the monotonic clock does not", _stepped, loses=False
    ),
    "clock_drift": Kind("clock", "UTC runs drift_ppm too fast, then is set right", _drifting, loses=False),
    "clock_not_synchronised": Kind("clock", "the kernel says nothing disciplines it", _undisciplined, loses=False),
}
