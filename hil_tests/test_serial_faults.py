"""A serial TNC that is unplugged, garbled, cut off and silent: the agent reads on (catalogue F10, F11)."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections.abc import Iterator

import pytest

from agent.simulator.line_faults import at_wrong_baud_rate, cut_off, garble
from agent.simulator.pty_tnc import PtyTnc
from firmware_protocols import ax25, kiss
from hil_tests.rigs.listening import Listening, listening

pytestmark = [pytest.mark.hil, pytest.mark.timeout(180)]

READ_AGAIN_S = 2.0
RESYNC_FRAMES = 2


@pytest.fixture
def tnc() -> Iterator[PtyTnc]:
    tnc = PtyTnc()
    tnc.plug()
    yield tnc
    tnc.close()


def frame(number: int) -> bytes:
    return ax25.build_ui_frame(
        "CQ", "SIMSAT", b"frame %05d " % number + bytes([kiss.FEND, kiss.FESC, number % 256])
    )


def on_the_line(number: int) -> bytes:
    return kiss.encode(frame(number), kiss.Options())


def table(tnc: PtyTnc) -> dict[str, object]:
    return {"id": "tnc", "kind": "serial_port", "port": tnc.path}


async def opened(tnc: PtyTnc, seconds: float = READ_AGAIN_S) -> float:
    """Wait until the agent has the port open; returns how long that took."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while not tnc.listened_to:  # noqa: ASYNC110 - the kernel knows, and tells no event
            await asyncio.sleep(0.01)
    # The port is read once it is set up: a moment after it is open.
    await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def sent_and_heard(tnc: PtyTnc, listener: Listening, octets: bytes) -> None:
    for at in range(0, len(octets), 2000):
        part = octets[at : at + 2000]
        async with asyncio.timeout(20):
            while part:
                part = part[tnc.write(part) :]
                await asyncio.sleep(0.001)


async def test_a_hundred_times_unplugged_it_is_read_again_within_two_seconds(tnc: PtyTnc) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    async with listening(table(tnc), []) as listener:
        slowest_s = 0.0
        for number in range(100):
            slowest_s = max(slowest_s, await opened(tnc))
            await sent_and_heard(tnc, listener, on_the_line(number))
            await listener.wait_for_frames(number + 1, 2)
            if number % 3 == 0:  # in the middle of a frame
                tnc.write(on_the_line(99_999)[:9])
            tnc.unplug()
            await asyncio.sleep(0.02 if number % 2 else 0.3)
            tnc.plug()
        assert listener.data == [frame(number) for number in range(100)]
        assert slowest_s < READ_AGAIN_S
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 4
    print(f"slowest return to reading: {slowest_s:.2f} s")


async def test_a_tnc_plugged_in_after_the_agent_started_is_found(tnc: PtyTnc) -> None:
    name = table(tnc)
    tnc.unplug()
    async with listening(name, []) as listener:
        reason = await listener.wait_until_offline(2)
        assert "is not there" in reason
        await asyncio.sleep(1.0)
        tnc.plug()
        await opened(tnc)
        await sent_and_heard(tnc, listener, on_the_line(1))
        await listener.wait_for_frames(1, 2)


ALL_SYNC_WORDS = bytes.fromhex("1acffc1d930b51de7e7e7e7ec0c0dbdbdbdcdbdd352ef853") * 4000

GARBAGE = {
    "random octets": random.Random(1).randbytes(1_000_000),
    "nothing but FEND": bytes([kiss.FEND]) * 1_000_000,
    "nothing but FESC": bytes([kiss.FESC]) * 1_000_000,
    "sync words of other protocols": ALL_SYNC_WORDS,
    "one endless frame": b"\xc0\x00" + bytes(500_000),
    "XON and XOFF": bytes([0x11, 0x13]) * 100_000,
    "partial frames": b"".join(cut_off(on_the_line(n), random.Random(n)) for n in range(5000)),
    "a tenth of the octets wrong": garble(b"".join(map(on_the_line, range(1500))), 0.1, random.Random(2)),
    "half of the octets wrong": garble(b"".join(map(on_the_line, range(1500))), 0.5, random.Random(3)),
    "the wrong baud rate": at_wrong_baud_rate(b"".join(map(on_the_line, range(1200))), 9600, 38_400),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_after_garbage_the_frames_are_found_again(tnc: PtyTnc, garbage: bytes) -> None:
    async with listening(table(tnc), []) as listener:
        await opened(tnc)
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        await sent_and_heard(tnc, listener, garbage)
        clean = [frame(50_000 + number) for number in range(20)]
        await sent_and_heard(tnc, listener, b"".join(kiss.encode(one, kiss.Options()) for one in clean))
        while clean[-1] not in listener.data:
            await listener.wait_for_frames(len(listener.data) + 1, 20)
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu_s
        found = [one for one in listener.data if one in clean]
        assert len(found) >= len(clean) - RESYNC_FRAMES
        assert found == clean[-len(found) :]
        assert listener.states == ["online"], "garbage is no reason to lose the port"
    print(f"{cpu_s * 1e6 / len(garbage):.2f} s of CPU per MB")


async def test_a_silent_tnc_is_no_lost_tnc(tnc: PtyTnc) -> None:
    async with listening(table(tnc), []) as listener:
        await opened(tnc)
        await asyncio.sleep(3.0)
        await sent_and_heard(tnc, listener, on_the_line(1))
        await listener.wait_for_frames(1, 2)
        assert listener.states == ["online"]


async def test_the_rate_of_frames_is_far_above_any_serial_line(tnc: PtyTnc) -> None:
    octets = b"".join(map(on_the_line, range(5000)))
    async with listening(table(tnc), []) as listener:
        await opened(tnc)
        begun = time.monotonic()
        await asyncio.to_thread(_write_all, tnc, octets)
        await listener.wait_for_frames(5000, 60)
        rate = len(octets) * 10 / (time.monotonic() - begun)
    print(f"{rate / 1e6:.1f} Mbit/s of line, {5000 / (time.monotonic() - begun):.0f} frames/s")
    assert rate > 921_600


def _write_all(tnc: PtyTnc, octets: bytes) -> None:
    while octets:
        octets = octets[tnc.write(octets[:4000]) :]
        time.sleep(0.0005)
