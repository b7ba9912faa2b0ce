"""One agent with 130 satellites over seven days compressed in time: its CPU, its memory, and nothing lost.

UTC runs a thousand times as fast as the world, intervals fifty times (a broker's keep-alive must still be kept):
the agent sees every pass, every frame and each day's end, and does its per-second work every 20 s of the week. What
that work costs in real time is measured before, at the world's pace.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.simulator.surroundings import StationClock
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.segments import Segments
from hil_tests.reporting import keep_for_report
from hil_tests.rigs.fleet import FleetTnc, beacons, walker, write_station

pytestmark = [pytest.mark.hil, pytest.mark.slow, pytest.mark.timeout(1800)]

SATELLITES = 130
DAYS = float(os.environ.get("GSAGENT_FLEET_DAYS", "7"))
UTC_SPEED, SPEED = 1000.0, 50.0
BEACON_EVERY_S = 60.0
REAL_TIME_S = 60.0
LIMIT_MB = 256.0
SETTLE_S = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def agent(folder: Path, clock: StationClock, station: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "agent.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.under_trial", str(clock.path), str(os.getpid())),
            *("--log-level", "warning", "run", str(station)),
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(process: int, key: str = "VmRSS") -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{key}:"))


async def test_its_work_in_real_time_leaves_most_of_a_core(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    elements = walker(SATELLITES, now_ns)
    frames = beacons(elements, now_ns, REAL_TIME_S + 60, BEACON_EVERY_S)
    async with EmbeddedBroker(0) as broker, FleetTnc(frames, time.time_ns) as tnc:
        station = write_station(tmp_path, elements, tnc.port, broker.port)
        clock = StationClock(tmp_path / "clock")
        async with agent(tmp_path, clock, station) as process:
            sending = asyncio.create_task(tnc.send_all())
            await asyncio.sleep(20)
            before_s = cpu_s(process.pid)
            await asyncio.sleep(REAL_TIME_S)
            share = (cpu_s(process.pid) - before_s) / REAL_TIME_S
            figures = {"share": share, "memory_mb": memory_mb(process.pid), "satellites": SATELLITES}
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    keep_for_report("fleet-real-time", figures)
    print(f"{SATELLITES} satellites in real time: {share:.1%} of one core, {figures['memory_mb']:.0f} MiB")
    assert share < 0.5


async def test_a_week_of_a_fleet_fits_in_memory_and_nothing_is_lost(tmp_path: Path) -> None:
    begin_ns = time.time_ns()
    elements = walker(SATELLITES, begin_ns)
    # The agent starts while its clock already runs: what is up in the first two hours is left out.
    lead_s = 7200.0
    frames = [
        beacon
        for beacon in beacons(elements, begin_ns, DAYS * 86_400, BEACON_EVERY_S)
        if beacon.utc_ns > begin_ns + round(lead_s * 1e9)
    ]
    async with EmbeddedBroker(0) as broker:
        clock = StationClock(tmp_path / "clock", SPEED, UTC_SPEED)
        async with FleetTnc(frames, clock.utc_ns) as tnc:
            station = write_station(tmp_path, elements, tnc.port, broker.port)
            async with agent(tmp_path, clock, station) as process:
                sending = asyncio.create_task(tnc.send_all())
                days: list[float] = []
                while not sending.done():
                    assert process.returncode is None, (tmp_path / "agent.log").read_text()[-3000:]
                    day = (clock.utc_ns() - begin_ns) / 86_400e9
                    if day >= len(days) + 1:
                        days.append(memory_mb(process.pid))
                    await asyncio.sleep(0.2)
                await sending
                await asyncio.sleep(SETTLE_S)
                used_s, peak_mb = cpu_s(process.pid), memory_mb(process.pid, "VmHWM")
                descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
                threads = len(os.listdir(f"/proc/{process.pid}/task"))
    archived = await asyncio.to_thread(count_frames, tmp_path / "archive")
    figures = {
        "satellites": SATELLITES, "days": DAYS, "frames": tnc.sent, "archived": archived, "cpu_s": used_s,
        "peak_mb": peak_mb, "memory_by_day_mb": days, "descriptors": descriptors, "threads": threads,
    }  # fmt: skip
    keep_for_report("fleet-week", figures)
    print(
        f"{SATELLITES} satellites, {DAYS:g} days: {tnc.sent} frames sent, {archived} archived, {used_s:.0f} s CPU,"
        f" at most {peak_mb:.0f} MiB (by day {', '.join(f'{day:.0f}' for day in days)}), {descriptors} descriptors,"
        f" {threads} threads"
    )
    assert archived == tnc.sent
    assert peak_mb <= LIMIT_MB


def count_frames(directory: Path) -> int:
    from agent.records import Frame
    from agent.sinks.archived import unpack

    segments = Segments.open(directory, "fleet")
    count = seq = 0
    while rows := segments.read_after(seq, 1000):
        seq = rows[-1].seq
        count += sum(isinstance(unpack(row).record, Frame) for row in rows)
    segments.close()
    return count
