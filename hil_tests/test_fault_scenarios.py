"""The shipped fault scenarios, played against the agent's reader and receiver, with their ledger.

Sent and heard are compared frame by frame: what is sent while nothing is broken is heard, once; what is heard was
sent. What a fault costs while it lasts is printed, not judged.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from agent.simulator.faults import KINDS
from agent.simulator.play import Playing
from agent.simulator.scenario import load_scenario
from hil_tests.rigs.listening import listening

pytestmark = [pytest.mark.hil, pytest.mark.timeout(150)]

WARM_S = 3.0
"""Kernels are loaded and the port is found: frames before are not counted."""

LATE_S = 1.5

BEFORE_S = 0.6
"""A frame is still on its way when a fault begins so much later."""


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
        return any(fault.at_s - BEFORE_S <= at_s <= fault.end_s + KINDS[fault.kind].recovery_s for fault in faults)

    clean = Counter(frame for at_s, frame in sent if WARM_S <= at_s < seconds - LATE_S and not broken(at_s))
    lost = clean - heard
    for fault in faults:
        during = [frame for at_s, frame in sent if fault.at_s <= at_s < fault.at_s + fault.for_s]
        print(f"{fault.kind}: sent {len(during)} meanwhile, heard {sum(frame in heard for frame in during)}")
    print(f"{name}: sent {len(sent)}, heard {sum(heard.values())}, source {states}")
    assert clean, "the scenario leaves no clean air"
    assert not lost, f"{lost.total()} frames sent on clean air were not heard"
    if not any(KINDS[fault.kind].spoils for fault in faults):
        assert not heard - Counter(frame for _, frame in sent), "a frame was heard that was not sent, or twice"
