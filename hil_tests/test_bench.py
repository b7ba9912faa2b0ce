"""Real hardware on a bench, as a rig description names it (``make hil RIG=my-rig.toml``); the rest is skipped."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.config import load_satellite
from agent.simulator.rig import BenchTransmitter, Rig, load_rig
from agent.sources import make_source
from hil_tests.rigs.listening import listening

pytestmark = [pytest.mark.hil, pytest.mark.timeout(300)]

RATE_ERROR = 0.01
LISTEN_S = 5.0
FRAMES = 10
HEARD_SHARE = 0.9
SETTLE_S = 3.0


@pytest.fixture(scope="module")
def rig() -> Rig:
    path = os.environ.get("GSAGENT_RIG")
    if not path:
        pytest.skip("no rig is described: make hil RIG=my-rig.toml (configs/rig.toml shows how)")
    return load_rig(Path(path))


def need(rig: Rig, *names: str) -> None:
    for name in names:
        if not rig.has(name):
            pytest.skip(rig.why_not(name))


def sdr_table(rig: Rig) -> dict[str, Any]:
    sdr = rig.file.rtl_sdr
    assert sdr is not None
    table: dict[str, Any] = {
        "id": "bench-sdr", "kind": "rtl_tcp", "host": sdr.host, "port": sdr.port,
        "frequency_hz": sdr.frequency_hz, "sample_rate_hz": sdr.sample_rate_hz,
    }  # fmt: skip
    return table if sdr.gain_db is None else table | {"gain_db": sdr.gain_db}


async def test_the_serial_tnc_gives_frames(rig: Rig) -> None:
    need(rig, "serial_tnc")
    tnc = rig.file.serial_tnc
    assert tnc is not None
    table = {"id": "bench-tnc", "kind": "serial_port", "port": tnc.port, "baudrate_bd": tnc.baudrate_bd}
    async with listening(table, [tnc.satellite]) as listener:
        await listener.wait_for_frames(1, tnc.frames_within_s)
        print(f"{len(listener.frames)} frames within {tnc.frames_within_s:g} s, no check but the TNC's own")


async def test_the_dongle_gives_samples_at_its_rate_and_loses_none(rig: Rig) -> None:
    need(rig, "rtl_sdr")
    _, source = make_source(sdr_table(rig), "rig: rtl_sdr")
    count, lost = 0, 0
    async with source:
        await source.read()
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < LISTEN_S:
            block = await source.read()
            count += len(getattr(block, "samples", ()))
            lost += block.lost_before
    assert rig.file.rtl_sdr is not None
    rate_hz = count / passed_s
    print(f"{rate_hz / 1e3:.1f} kS/s over {passed_s:.0f} s, {lost} samples lost")
    assert rate_hz == pytest.approx(rig.file.rtl_sdr.sample_rate_hz, rel=RATE_ERROR)
    assert lost == 0


async def test_what_the_attenuated_transmitter_sends_the_dongle_hears(rig: Rig, tmp_path: Path) -> None:
    need(rig, "rtl_sdr", "bench_transmitter")
    sender = rig.file.bench_transmitter
    assert sender is not None
    recording = tmp_path / f"frames{sender.format}"
    downlink_hz = await asyncio.to_thread(record_frames, sender, recording, tmp_path)
    words = {"recording": recording, "frequency_hz": downlink_hz, "sample_rate_hz": sender.sample_rate_hz}
    command = [part.format(**words) for part in sender.command]
    async with listening(sdr_table(rig), [sender.satellite]) as listener:
        await asyncio.sleep(SETTLE_S)
        process = await asyncio.create_subprocess_exec(*command)
        async with asyncio.timeout(120):
            assert await process.wait() == 0
        await asyncio.sleep(SETTLE_S)
    heard = len(listener.frames)
    print(f"{heard} of {FRAMES} frames heard through {sender.attenuation_db:g} dB")
    assert heard >= HEARD_SHARE * FRAMES


def record_frames(sender: BenchTransmitter, recording: Path, folder: Path) -> int:
    """Write the frames to be sent; returns the downlink's frequency."""
    _, satellite = load_satellite(sender.satellite)
    downlink = next(item for item in satellite.downlinks if item.name == sender.downlink)
    scenario = folder / "bench.toml"
    scenario.write_text(
        f'[[sdr]]\nid = "sender"\nfrequency_hz = {downlink.frequency_hz}\n'
        f"sample_rate_hz = {sender.sample_rate_hz}\n"
        f'noise_level = 0.001\n[[transmitter]]\nsatellite = "{sender.satellite}"\ndownlink = "{sender.downlink}"\n'
        f'packet = "{satellite.packets[0].name}"\nevery_s = 1\nebn0_db = 40\n'
    )
    subprocess.run(
        [
            *(sys.executable, "-m", "agent", "simulate", str(scenario)),
            *("--record", str(recording), "--seconds", str(FRAMES)),
        ],
        check=True,
        capture_output=True,
    )
    return round(downlink.frequency_hz)
