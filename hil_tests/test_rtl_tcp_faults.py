"""An SDR behind rtl_tcp that stalls, disconnects, overruns and is jammed: the agent reads on (catalogue F12)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from agent.simulator.play import Playing
from agent.simulator.scenario import load_scenario
from hil_tests.rigs.listening import listening
from tests.sinks.proxy import Link

pytestmark = [pytest.mark.hil, pytest.mark.timeout(120)]

STALL_TOLD_S = 5.0
RECONNECT_S = 5.0
FIRST_FRAME_S = 20.0  # kernels may have to be compiled


@contextlib.asynccontextmanager
async def playing() -> AsyncIterator[Playing]:
    """Play the demo's transmitters without its sky: DEMOSAT's beacon every 2.5 s over rtl_tcp, always up."""
    scenario = load_scenario("demo")
    at_rest = scenario._replace(file=msgspec.structs.replace(scenario.file, station=None))
    async with Playing(at_rest) as scene:
        task = asyncio.create_task(scene.play())
        try:
            yield scene
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def table(scene: Playing, **more: object) -> dict[str, object]:
    return {
        "id": "dongle",
        "kind": "rtl_tcp",
        "satellites": ["demosat"],
        **scene.ready()["rtl_tcp"]["dongle"],
        **more,
    }


async def test_beacons_on_the_air_become_frames_at_wire_speed() -> None:
    async with playing() as scene, listening(table(scene), ["demosat"]) as listener:
        await listener.wait_for_frames(4, FIRST_FRAME_S + 10)
        first, last = listener.frames[0], listener.frames[-1]
        assert all(item.satellite == "demosat" for item in listener.frames)
        spacing_s = (last.received_utc_ns - first.received_utc_ns) / 1e9 / (len(listener.frames) - 1)
        assert spacing_s == pytest.approx(2.5, abs=0.02)
        # The frame's time is that of the signal, not of the computer's leisure.
        assert abs(time.time_ns() - last.received_utc_ns) < 1.5e9
        assert listener.feed.state.dropped == 0


async def test_a_stall_is_told_within_five_seconds_and_survived() -> None:
    async with playing() as scene, listening(table(scene), ["demosat"]) as listener:
        await listener.wait_for_frames(1, FIRST_FRAME_S)
        scene.sdr("dongle").stall(6.0)
        begun = time.monotonic()
        reason = await listener.wait_until_offline(STALL_TOLD_S)
        assert "has stalled" in reason
        assert time.monotonic() - begun < STALL_TOLD_S
        heard = len(listener.frames)
        await listener.wait_for_frames(heard + 1, 6.0 + RECONNECT_S + 2.5)


async def test_a_server_that_was_restarted_is_found_again_within_five_seconds() -> None:
    async with playing() as scene, listening(table(scene), ["demosat"]) as listener:
        await listener.wait_for_frames(1, FIRST_FRAME_S)
        await scene.sdr("dongle").close()
        reason = await listener.wait_until_offline(STALL_TOLD_S)
        assert "closed the connection" in reason or "refuses" in reason or "reset" in reason
        await asyncio.sleep(2.0)
        await scene.sdr("dongle").open()
        heard = len(listener.frames)
        await listener.wait_for_frames(heard + 1, RECONNECT_S + 2.5)
        assert listener.states[-1] == "online"


async def test_lost_samples_are_known_and_the_next_beacon_is_found() -> None:
    async with playing() as scene, listening(table(scene), ["demosat"]) as listener:
        await listener.wait_for_frames(1, FIRST_FRAME_S)
        scene.sdr("dongle").overrun(1.0)
        heard = len(listener.frames)
        await listener.wait_for_frames(heard + 2, 12.0)
        assert listener.feed.receiver.lost == pytest.approx(250_000, rel=0.15)
        last = listener.frames[-1]
        assert abs(time.time_ns() - last.received_utc_ns) < 1.5e9


async def test_a_link_that_swallows_everything_is_given_up() -> None:
    async with (
        playing() as scene,
        Link(scene.sdr("dongle").port) as link,
        listening(table(scene, port=link.port), ["demosat"]) as listener,
    ):
        await listener.wait_for_frames(1, FIRST_FRAME_S)
        link.swallow()
        reason = await listener.wait_until_offline(STALL_TOLD_S)
        assert "has stalled" in reason
        link.heal()
        heard = len(listener.frames)
        await listener.wait_for_frames(heard + 1, RECONNECT_S + 2.5)


async def test_after_a_step_of_the_gain_the_next_beacon_is_found() -> None:
    async with playing() as scene, listening(table(scene), ["demosat"]) as listener:
        await listener.wait_for_frames(1, FIRST_FRAME_S)
        for step_db in (12.0, -12.0, 0.0):
            scene.sdr("dongle").gain_step_db = step_db
            heard = len(listener.frames)
            await listener.wait_for_frames(heard + 2, 7.0)
