"""Faults of a serial line: the cable, the octets on it, the reader's settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.simulator import line_faults
from agent.simulator.fault import Fault, Happening, Kind, Scene, for_a_while
from agent.simulator.serial_line import Damage, SerialLine

WRONG_BAUD_RATIO = 4.0


@asynccontextmanager
async def _unplugged(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    port = scene.line(fault.target or "").port
    with for_a_while(port.unplug, port.plug):
        yield


@asynccontextmanager
async def _stalled(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    line = scene.line(fault.target or "")
    line.stalled = True
    try:
        yield
    finally:
        line.stalled = False
        line.release()


def _damaged(damage_of: Callable[[Fault, SerialLine], Damage]) -> Happening:
    @asynccontextmanager
    async def happen(scene: Scene, fault: Fault) -> AsyncIterator[None]:
        line = scene.line(fault.target or "")
        line.damage = damage_of(fault, line)
        try:
            yield
        finally:
            line.damage = None

    return happen


def _wrong_baud(_: Fault, line: SerialLine) -> Damage:
    baud = float(line.baudrate_bd)
    return lambda octets, _: line_faults.at_wrong_baud_rate(octets, baud, baud * WRONG_BAUD_RATIO)


KINDS = {
    "tnc_unplug": Kind("tnc", "the port disappears and comes back", _unplugged, recovery_s=2.0),
    "tnc_stall": Kind("tnc", "silence, then everything at once", _stalled, recovery_s=0.5),
    "tnc_garble": Kind(
        "tnc",
        "a share of the octets has one bit wrong",
        _damaged(lambda fault, _: lambda octets, chance: line_faults.garble(octets, fault.share, chance)),
        recovery_s=0.5,
        spoils=True,
    ),
    "tnc_partial": Kind(
        "tnc",
        "frames without their end",
        _damaged(lambda *_: line_faults.cut_off),
        recovery_s=1.0,  # the first whole frame ends the last broken one
        spoils=True,
    ),
    "tnc_wrong_baud": Kind(
        "tnc", "the reader's UART is set to four times the baud rate", _damaged(_wrong_baud), spoils=True
    ),
}
