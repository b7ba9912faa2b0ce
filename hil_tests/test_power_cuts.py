"""The archive after power cuts: images of what the medium may hold, and of cuts during a recovery (F3, F4)."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sinks.archived import pack
from agent.sinks.segments import Segments
from hil_tests.rigs.custody import numbered_frame
from hil_tests.rigs.power_cut import Operation, images, materialise, record

pytestmark = [
    pytest.mark.hil,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

IMAGES = int(os.environ.get("GSAGENT_POWER_CUTS", "400"))
"""10,000 in `make faults`; a tenth as many again are cuts during the recovery of one."""

BATCHES = 260
"""More than the write-ahead log's 1,000 pages: what was synced is copied into the database in between."""

RECOVERED_S = 5.0


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: images need no real sync."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def writer(folder: Path, first: int, batches: int) -> list[str]:
    return [
        sys.executable, "-m", "hil_tests.rigs.archive_writer", "plain", str(folder), str(first), str(batches),
    ]  # fmt: skip


def numbers(said: bytes) -> set[int]:
    return {int(word) for word in said[: said.rfind(b"\n") + 1].split()}


class Checked:
    """What opening images has shown."""

    def __init__(self) -> None:
        self.images = 0
        self.promised = 0
        self.set_aside = 0
        self.slowest_s = 0.0

    def check(self, folder: Path, promised: set[int], what: str) -> set[int]:
        """Open an image as the agent does: all that was promised is there, and it can be written to."""
        began_s = time.monotonic()
        segments = Segments.open(folder, "here")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        rows = segments.read_after(0, 10_000)
        # A numbered frame's time of reception holds its number; each row was compared with its CRC as it was read.
        kept = [row.at_utc_ns - numbered_frame(0).received_utc_ns for row in rows]
        assert promised <= set(kept), f"{what}: lost {sorted(promised - set(kept))[:10]}"
        assert len(kept) == len(set(kept)), f"{what}: kept twice"
        assert segments.counters["damaged"] == 0, f"{what}: records called damaged"
        self.set_aside += segments.counters["quarantined"]
        (new,) = segments.append(
            [pack(numbered_frame(10_000_000), "b")], {}, now_utc_ns=86_400_000_000_000 * 20_001
        )
        assert not rows or new.seq > rows[-1].seq, f"{what}: a number given twice"
        segments.close()
        self.images += 1
        self.promised += len(promised)
        return set(kept)


def test_no_power_cut_loses_what_was_promised_or_leaves_what_cannot_be_opened(memory: Path) -> None:
    operations = record(writer(memory / "run", 0, BATCHES), memory / "run", memory / "log")
    assert sum(item.kind == "sync" for item in operations) > BATCHES
    checked = Checked()
    chance = random.Random(20_261_122)
    for moment, said, files in images(operations, IMAGES, chance):
        folder = memory / "image"
        materialise(files, folder)
        checked.check(folder, numbers(said), f"cut after operation {moment}")
        shutil.rmtree(folder)
    print(
        f"{checked.images} power cuts of {len(operations)} operations: {checked.promised} promises, 0 lost, "
        f"0 unopenable, {checked.set_aside} segments set aside; opened within {checked.slowest_s:.2f} s"
    )
    assert checked.images == IMAGES
    assert checked.set_aside == 0
    assert checked.slowest_s < RECOVERED_S


def test_no_power_cut_during_recovery_does_either(memory: Path) -> None:
    operations = record(writer(memory / "run", 0, BATCHES), memory / "run", memory / "log")
    chance = random.Random(7)
    checked = Checked()
    cuts = max(4, min(20, IMAGES // 100))
    for cut, (moment, said, files) in enumerate(images(operations, cuts, chance)):
        folder = memory / f"recovered-{cut}"
        materialise(files, folder)
        recovery: list[Operation] = record(writer(folder, 1_000_000, 3), folder, memory / "log")
        for again, more, left in images(recovery, IMAGES // 10 // cuts, chance, before=files):
            image = memory / "image"
            materialise(left, image)
            checked.check(image, numbers(said) | numbers(more), f"cut at {moment}, then at {again} of recovery")
            shutil.rmtree(image)
        shutil.rmtree(folder)
    print(
        f"{checked.images} power cuts during the recovery from {cuts} others: {checked.promised} promises, 0 lost, "
        f"0 unopenable, {checked.set_aside} segments set aside"
    )
    assert checked.images >= IMAGES // 10 - cuts
    assert checked.set_aside == 0


def test_the_method_finds_what_a_program_that_does_not_sync_would_lose(memory: Path) -> None:
    """The same images of the same run without its syncs: if nothing is lost then, the method shows nothing."""
    operations = [
        item
        for item in record(writer(memory / "run", 0, 60), memory / "run", memory / "log")
        if item.kind != "sync"
    ]
    harmed = 0
    for _, said, files in images(operations, 40, random.Random(1)):
        folder = memory / "image"
        materialise(files, folder)
        try:
            Checked().check(folder, numbers(said), "without syncs")
        except Exception:  # noqa: BLE001 - whatever goes wrong is what is looked for
            harmed += 1
        shutil.rmtree(folder)
    assert harmed > 20
