"""Faults on the air: interference of four kinds, and three who transmit in a satellite's place.

``jammer_of`` is pure, and serves recordings as well as the play.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.simulator.fault import Fault, Happening, Kind, Scene
from agent.simulator.impostors import FixedCarrier, Impostor, OtherOrbit, Replay
from agent.simulator.jammers import Jammer, JammerKind

JAMMERS: dict[str, JammerKind] = {
    "jam_tone": "tone",
    "jam_sweep": "sweep",
    "jam_pulse": "pulse",
    "jam_noise": "noise",
}


def jammer_of(fault: Fault, center_hz: float, noise_power: float, begin_s: float | None = None) -> Jammer | None:
    """Return the jammer that a fault puts on the air of a receiver there, ``None`` for a fault of another kind."""
    kind = JAMMERS.get(fault.kind)
    if kind is None:
        return None
    power = noise_power * 10 ** (fault.level_db / 10)
    begin_s = fault.at_s if begin_s is None else begin_s
    return Jammer(kind, center_hz + fault.offset_hz, power, begin_s, begin_s + fault.for_s)


@asynccontextmanager
async def _jammed(scene: Scene, fault: Fault) -> AsyncIterator[None]:
    name = fault.target or ""
    jammer = jammer_of(fault, scene.center_hz(name), scene.noise_power(name), scene.scene_s(fault.at_s))
    if jammer is not None:
        scene.air(name).jam(jammer)
    yield


def _impersonated(impostor_of: type[FixedCarrier] | type[OtherOrbit] | type[Replay]) -> Happening:
    @asynccontextmanager
    async def happen(scene: Scene, fault: Fault) -> AsyncIterator[None]:
        impostor: Impostor = impostor_of(fault.offset_hz, fault.over_satellite_db)
        async with scene.impersonate(fault.target or "", impostor):
            yield

    return happen


KINDS = {
    "jam_tone": Kind("sdr", "an unmodulated carrier at offset_hz", _jammed),
    "jam_sweep": Kind("sdr", "a carrier that sweeps 20 kHz about offset_hz each second", _jammed),
    "jam_pulse": Kind("sdr", "a carrier on a quarter of the time, 20 times a second", _jammed),
    "jam_noise": Kind("sdr", "noise over everything the receiver samples", _jammed),
    "replay": Kind(
        "satellite",
        "what was heard since the beginning of the play is sent again, as it was received then",
        _impersonated(Replay),
        spoils=True,
    ),
    "spoof_carrier": Kind(
        "satellite",
        "a transmitter on the ground in its place: new frames, no Doppler",
        _impersonated(FixedCarrier),
        spoils=True,
    ),
    "wrong_satellite": Kind(
        "satellite",
        "a satellite on another orbit in its place: new frames, another Doppler",
        _impersonated(OtherOrbit),
        spoils=True,
    ),
}
