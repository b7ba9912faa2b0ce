"""The shipped fault scenarios, played against the agent's reader and receiver, with their ledger.

Sent and heard are compared frame by frame: what is sent while nothing is broken is heard, once; what is heard was
sent. What a fault costs while it lasts is printed, not judged.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from agent.simulator.play import Playing
from agent.simulator.scenario import load_scenario
from hil_tests.rigs.listening import listening

pytestmark = [pytest.mark.hil, pytest.mark.timeout(150)]

WARM_S = 3.0
"""Kernels are loaded and the port is found: frames before are not counted."""

LATE_S = 1.5

RECOVERY_S = {
    "tnc_garble": 0.5,
    "tnc_partial": 1.0,  # the first whole frame ends the last broken one
    "tnc_wrong_baud": 1.0,
    "tnc_stall": 0.5,
    "tnc_unplug": 2.0,
    "sdr_stall": 5.0,
    "sdr_overrun": 1.0,
    "sdr_gain_step": 1.0,
    "sdr_disconnect": 5.0,
    "sdr_absent": 5.0,
    "jam_tone": 1.0,
    "jam_sweep": 1.0,
    "jam_pulse": 1.0,
    "jam_noise": 1.0,
}
BEFORE_S = 0.6
"""A frame is still on its way when a fault begins so much later."""

SPOILS_DATA = {"tnc_garble", "tnc_partial", "tnc_wrong_baud"}
"""KISS carries no check: these may give frames that were never sent."""


@pytest.mark.parametrize(
    ("name", "kind", "satellite", "seconds"),
    [
        ("serial-faults", "serial_port", "demosat", 25.0),
        ("sdr-faults", "rtl_tcp", "demosat", 45.0),
        ("jamming", "rtl_tcp", "demosat", 33.0),
    ],
)
async def test_what_is_sent_outside_the_faults_is_heard(
    name: str, kind: str, satellite: str, seconds: float
) -> None:
    scenario = load_scenario(name)
    sent: list[tuple[float, bytes]] = []
    async with Playing(scenario, sent=lambda at_s, _, frame: sent.append((at_s, frame))) as scene:
        ((source_id, where),) = scene.ready()[kind].items()
        table = {"id": source_id, "kind": kind, "satellites": [satellite], **where}
        async with listening(table, [satellite]) as listener:
            await scene.play(seconds=seconds)
            await asyncio.sleep(LATE_S)
        states = listener.states
    heard = Counter(listener.data)
    faults = scenario.file.faults

    def broken(at_s: float) -> bool:
        return any(
            fault.at_s - BEFORE_S <= at_s <= fault.at_s + fault.for_s + RECOVERY_S[fault.kind] for fault in faults
        )

    clean = Counter(frame for at_s, frame in sent if WARM_S <= at_s < seconds - LATE_S and not broken(at_s))
    lost = clean - heard
    for fault in faults:
        during = [frame for at_s, frame in sent if fault.at_s <= at_s < fault.at_s + fault.for_s]
        print(f"{fault.kind}: sent {len(during)} meanwhile, heard {sum(frame in heard for frame in during)}")
    print(f"{name}: sent {len(sent)}, heard {sum(heard.values())}, source {states}")
    assert clean, "the scenario leaves no clean air"
    assert not lost, f"{lost.total()} frames sent on clean air were not heard"
    if not SPOILS_DATA & {fault.kind for fault in faults}:
        assert not heard - Counter(frame for _, frame in sent), "a frame was heard that was not sent, or twice"
