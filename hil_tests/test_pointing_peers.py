"""What the agent says of a pass, followed by Hamlib's rotator and radio daemons.

The agent itself moves nothing and tunes no radio: it publishes where a satellite stands and what its Doppler is.
That a rotator and a radio can be driven by it is tested here, against Debian's daemons with their dummy models.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.orbit.look import look_angles
from agent.orbit.passes import predict_passes
from agent.records import LookAngles, Station
from agent.simulator.overhead import elements_over
from agent.sinks import payloads
from hil_tests.rigs.hamlib import HamlibDaemon, find_hamlib

pytestmark = [
    pytest.mark.hil,
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        not find_hamlib(), reason="rotctld and rigctld are not installed (apt install libhamlib-utils)"
    ),
]

STATION = Station("bench", 36.372, 127.363, 80.0)
OVER_UTC_NS = 1_795_000_000 * 1_000_000_000
FREQUENCY_HZ = 437_500_000.0
STEPS = 12
ARRIVED_DEG = 0.1
ARRIVED_S = 20.0
STEP_DEG = 12.0
"""A dummy rotator moves 6 degrees a second: a pass is walked through in smaller steps, faster than it lasts."""


def look(at_utc_ns: int) -> LookAngles:
    elements = elements_over(STATION, OVER_UTC_NS, name="DEMOSAT", norad=99999)
    return look_angles(elements, STATION, at_utc_ns, {"9k6-fsk": FREQUENCY_HZ})


def a_pass() -> list[LookAngles]:
    elements = elements_over(STATION, OVER_UTC_NS, name="DEMOSAT", norad=99999)
    half_ns = 1200 * 1_000_000_000
    (found,) = predict_passes([elements], STATION, OVER_UTC_NS - half_ns, OVER_UTC_NS + half_ns).passes
    assert found.aos_utc_ns is not None
    assert found.los_utc_ns is not None
    span_ns = found.los_utc_ns - found.aos_utc_ns
    return [look(found.aos_utc_ns + round(span_ns * (step + 0.5) / STEPS)) for step in range(STEPS)]


async def test_a_rotator_takes_every_direction_of_a_pass_and_points_there() -> None:
    looks = a_pass()
    async with HamlibDaemon("rotctld") as rotator:
        for at in looks:
            await rotator.order(f"P {at.azimuth_deg:.2f} {at.elevation_deg:.2f}")
        await rotator.order("S")
        start = [float(value) for value in await rotator.ask("p", 2)]
        target = [start[0] + STEP_DEG, start[1]]
        await rotator.order(f"P {target[0]:.2f} {target[1]:.2f}")
        async with asyncio.timeout(ARRIVED_S):
            while True:
                azimuth, elevation = (float(value) for value in await rotator.ask("p", 2))
                if max(abs(azimuth - target[0]), abs(elevation - target[1])) < ARRIVED_DEG:
                    break
                await asyncio.sleep(0.2)
    highest = max(at.elevation_deg for at in looks)
    print(f"{len(looks)} directions of a pass up to {highest:.0f}° taken, pointed within {ARRIVED_DEG}°")


async def test_a_radio_is_tuned_by_the_published_doppler() -> None:
    async with HamlibDaemon("rigctld") as radio:
        tuned = []
        for at in a_pass():
            (message,) = payloads.state_messages(at)
            doppler_hz = json.loads(message.payload)["doppler_hz"]
            await radio.order(f"F {FREQUENCY_HZ + doppler_hz:.0f}")
            (answer,) = await radio.ask("f", 1)
            tuned.append(float(answer) - FREQUENCY_HZ)
            assert tuned[-1] == pytest.approx(doppler_hz, abs=1.0)
    assert tuned == sorted(tuned, reverse=True), "the carrier falls through a pass"
    print(f"tuned from {tuned[0]:+.0f} Hz to {tuned[-1]:+.0f} Hz through a pass")
