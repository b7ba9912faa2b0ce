"""Faults of an SDR: every way in which samples stop coming, and a gain that jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Kind, Scene


@asynccontextmanager
async def _disconnected(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    await scene.sdr(fault.target or "").disconnect()
    yield


@asynccontextmanager
async def _absent(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    server = scene.sdr(fault.target or "")
    await server.close()
    yield
    await server.open()


@asynccontextmanager
async def _stalled(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    scene.sdr(fault.target or "").stall(fault.for_s)
    yield


@asynccontextmanager
async def _overrun(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    scene.sdr(fault.target or "").overrun(fault.for_s)
    yield


@asynccontextmanager
async def _gain_stepped(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    server = scene.sdr(fault.target or "")
    server.gain_step_db = fault.level_db
    try:
        yield
    finally:
        server.gain_step_db = 0.0


KINDS = {
    "sdr_stall": Kind("sdr", "no samples, the connection stays", _stalled, recovery_s=5.0),
    "sdr_overrun": Kind("sdr", "samples lost at once, without a pause", _overrun),
    "sdr_gain_step": Kind("sdr", "the gain jumps by level_db and back, as an AGC does", _gain_stepped),
    "sdr_disconnect": Kind("sdr", "the connection ends; a new one is taken at once", _disconnected, recovery_s=5.0),
    "sdr_absent": Kind("sdr", "the server is gone and comes back", _absent, recovery_s=6.0),
}
