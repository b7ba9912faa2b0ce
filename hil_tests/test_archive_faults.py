"""The archive on a medium that fails: killed at every system call, full, read-only, with errors (F2, F13)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.records import Frame
from agent.sinks.archive import Archive
from agent.sinks.archived import unpack
from agent.sinks.segments import Segments
from agent.sinks.waiting_records import HELD_OCTETS
from hil_tests.rigs.custody import numbered_frame
from tests.sinks.listening import until

pytestmark = [pytest.mark.hil]

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
BATCHES = int(os.environ.get("GSAGENT_WRITER_BATCHES", "4"))
DEGRADED_S = 2.0
RECOVERED_S = 10.0

CALLS = {"fdatasync": 1, "fsync": 1, "pwrite64": 3, "unlink": 1, "rename": 1, "ftruncate": 1}
"""System calls at which the writer is killed: at every one, or every third."""


def writer(*arguments: str, strace: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*strace, sys.executable, "-m", "hil_tests.rigs.archive_writer", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def promised(said: str) -> set[int]:
    """The numbers a writer said were kept; a line cut short by its death counts for nothing."""
    whole = said[: said.rfind("\n") + 1]
    return {int(word) for line in whole.splitlines() if re.fullmatch(r"[\d ]+", line) for word in line.split()}


def numbers_in(directory: Path) -> list[int]:
    segments = Segments.open(directory, "here")
    numbers = []
    seq = 0
    while rows := segments.read_after(seq, 1000):
        seq = rows[-1].seq
        for row in rows:
            record = unpack(row).record
            assert isinstance(record, Frame)
            numbers.append(int.from_bytes(record.link_frame.data[:8], "big"))
    assert segments.counters["quarantined"] == 0
    assert segments.counters["damaged"] == 0
    segments.close()
    return numbers


@needs_strace
@pytest.mark.timeout(900)
def test_killed_at_every_write_and_sync_it_keeps_what_it_promised(tmp_path: Path) -> None:
    counted = writer(
        "plain",
        str(tmp_path / "count"),
        "0",
        str(BATCHES),
        strace=("strace", "-f", "-c", "-o", str(tmp_path / "c")),
    )
    assert counted.returncode == 0, counted.stderr
    table = (tmp_path / "c").read_text()
    runs = 0
    promises = 0
    for call, step in CALLS.items():
        found = re.search(rf"^.*?(\d+)(?:\s+\d+)?\s+{call}$", table, re.M)
        for when in range(1, int(found[1]) + 1 if found else 1, step):
            directory = tmp_path / f"{call}-{when}"
            inject = f"inject={call}:signal=SIGKILL:when={when}"
            killed = writer(
                "plain", str(directory), "0", str(BATCHES),
                strace=("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject),
            )  # fmt: skip
            said = promised(killed.stdout)
            kept = numbers_in(directory)
            assert said <= set(kept), f"killed at {call} {when}: lost {sorted(said - set(kept))}"
            assert len(kept) == len(set(kept)), f"killed at {call} {when}: kept twice"
            runs += 1
            promises += len(said)
            shutil.rmtree(directory)
    assert runs > 50
    print(f"killed at {runs} system calls: {promises} frames promised, 0 lost, 0 twice, 0 unopenable")


@needs_strace
@pytest.mark.timeout(120)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
@pytest.mark.parametrize(("call", "when"), [("fdatasync", "30..33"), ("pwrite64", "60..66")])
def test_a_medium_with_errors_is_said_and_nothing_promised_is_lost(
    tmp_path: Path, error: str, call: str, when: str
) -> None:
    strace = (
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:error={error}:when={when}",
    )
    done = writer("shell", str(tmp_path / "archive"), "0", "200", strace=strace)
    assert done.returncode == 0, done.stderr
    assert "degraded" in done.stdout
    stats = json.loads(done.stdout.splitlines()[-1])
    assert stats["degraded"] == ""
    assert stats["lost"] == 0
    kept = numbers_in(tmp_path / "archive")
    assert sorted(kept) == list(range(1200))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.timeout(120)
async def test_a_full_disk_is_said_within_two_seconds_and_left_within_ten(small_disk: Path) -> None:
    filler = small_disk / "filler"
    loop = asyncio.get_running_loop()
    async with Archive(small_disk / "archive", "here", commit_interval_s=0.05, min_free_mb=0) as archive:
        await archive.write([numbered_frame(number) for number in range(100)])
        free = shutil.disk_usage(small_disk).free
        await asyncio.to_thread(filler.write_bytes, bytes(free - 100_000))
        full_s = loop.time()
        number = 100
        while archive.degraded != "full":
            await archive.write([numbered_frame(number, 1000)])
            number += 1
        assert loop.time() - full_s < DEGRADED_S + number * 0.05
        for _ in range(500):
            archive.submit([numbered_frame(number, 1000)])
            number += 1
        await asyncio.sleep(1.5)
        assert archive.degraded == "full"
        assert len(await archive.read_after(0, 100)) == 100, "what is kept can still be read"
        filler.unlink()
        mended_s = loop.time()
        await until(lambda: not archive.degraded, RECOVERED_S)
        recovered_s = loop.time() - mended_s
        stats = await archive.stats()
    kept = numbers_in(small_disk / "archive")
    assert sorted(kept) == list(range(number))
    assert stats.lost == 0
    print(f"full disk: {number} frames, 0 lost, writing again {recovered_s:.1f} s after there was room")


@pytest.mark.timeout(120)
async def test_what_does_not_fit_the_ring_is_counted_exactly(small_disk: Path) -> None:
    async with Archive(small_disk / "archive", "here", commit_interval_s=0.05, min_free_mb=0) as archive:
        await archive.write([numbered_frame(0)])
        free = shutil.disk_usage(small_disk).free
        filler = small_disk / "filler"
        await asyncio.to_thread(filler.write_bytes, bytes(free - 8192))
        number = 1
        while not archive.degraded:
            await archive.write([numbered_frame(number, 30_000)])
            number += 1
        for _ in range(3 * HELD_OCTETS // 30_000):
            archive.submit([numbered_frame(number, 30_000)])
            number += 1
        lost = (await archive.stats()).lost
        assert lost > 1000
        filler.unlink()
        await until(lambda: not archive.degraded, RECOVERED_S)
    segments = Segments.open(small_disk / "archive", "here")
    held = segments.count_after(0) + segments.counters["evicted_acked"] + segments.counters["evicted_unacked"]
    assert held + segments.counters["lost"] == number
    segments.close()
