"""What was heard before a restart is known after it: from its file, and from the archive what a crash left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.health.transmitter.replay_memory import ReplayMemory
from agent.records import Frame, HealthStatus
from agent.runtime.announcer import Announcer
from agent.runtime.listening import ReplayFile
from agent.sinks.archive import Archive
from firmware_protocols.interface import LinkFrame

S = 1_000_000_000
BEGAN_NS = 1_790_000_000 * S


def frame(number: int) -> Frame:
    return Frame("sat", "d", LinkFrame(b"frame %d" % number, 0, 8, "fcs"), BEGAN_NS + number * S)


def heard(memory: ReplayMemory, number: int) -> int | None:
    return memory.meet("sat", b"frame %d" % number, BEGAN_NS + 10_000 * S)


async def test_a_memory_is_kept_in_a_file_and_caught_up_from_the_archive(tmp_path: Path) -> None:
    memory = ReplayMemory(4096)
    kept = ReplayFile(tmp_path / "heard.hashes", lambda: memory)
    async with Archive(tmp_path, "here") as archive:
        for number in range(20):
            memory.meet("sat", b"frame %d" % number, BEGAN_NS + number * S)
        kept.save()
        await archive.write([frame(number) for number in range(20, 40)])  # and then the power was cut
        later = ReplayMemory(4096)
        await ReplayFile(tmp_path / "heard.hashes", lambda: later).take_up(archive)
    assert [heard(later, number) for number in (0, 19, 20, 39)] == [BEGAN_NS + n * S for n in (0, 19, 20, 39)]
    assert heard(later, 40) is None


async def test_a_damaged_or_absent_file_leaves_what_the_archive_holds(tmp_path: Path) -> None:
    path = tmp_path / "heard.hashes"
    async with Archive(tmp_path, "here") as archive:
        await archive.write([frame(7)])
        for octets in (None, b"nonsense"):
            if octets is not None:
                path.write_bytes(octets)
            memory = ReplayMemory(4096)
            await ReplayFile(path, lambda memory=memory: memory).take_up(archive)  # type: ignore[misc]
            assert heard(memory, 7) == BEGAN_NS + 7 * S


def test_a_disk_that_refuses_is_no_reason_to_stop(tmp_path: Path) -> None:
    ReplayFile(tmp_path / "absent" / "heard.hashes", lambda: ReplayMemory(64)).save()


class Told:
    """A publisher that writes down what it is told."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def publish_state(self, record: Any) -> None:
        self.records.append(record)


def test_a_health_status_that_waited_for_its_commit_does_not_undo_a_newer_one() -> None:
    announcer, told = Announcer(), Told()
    announcer.publishers.append(told)  # type: ignore[arg-type]
    older, newer = (HealthStatus("sat", BEGAN_NS, "normal", (), order=order) for order in (1, 2))
    announcer.live([newer])
    announcer.live([older])
    assert told.records == [newer]
