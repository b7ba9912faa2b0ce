"""The archive keeps what it said it keeps, in order, exactly once, over restarts and bounded disks."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SinkUnavailable
from agent.records import Frame, HealthStatus, ParameterReport, ParameterValue
from agent.sinks.archive import Archive
from agent.sinks.archived import Archivable, ArchivedRecord, pack, unpack
from agent.sinks.segments import Segments
from tests.sinks.samples import ALARM, PASS_EVENT, REPORT, frame, number_of

STATE = HealthStatus(satellite="link", as_of_utc_ns=1, worst_level="normal", parameters=())


def frames_of(records: list[ArchivedRecord]) -> list[int]:
    return [number_of(record.record) for record in records if isinstance(record.record, Frame)]


@pytest.mark.parametrize("record", [frame(), frame(satellite=None), REPORT, ALARM, PASS_EVENT])
def test_a_record_comes_back_as_it_was_kept(record: Archivable) -> None:
    row = pack(record, "b007").row(9)
    assert row.intact
    assert unpack(row) == ArchivedRecord(9, "b007", record)


@given(
    raw=st.one_of(
        st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.booleans(), st.text(), st.binary()
    ),
    unit=st.text(max_size=8),
)
def test_every_kind_of_value_comes_back_as_it_was_kept(raw: int | float | bool | str | bytes, unit: str) -> None:
    report = ParameterReport("link", "beacon", 5, (ParameterValue("p", raw, raw, unit),))
    assert unpack(pack(report, "").row(1)).record == report


@given(at=st.integers(0), bit=st.integers(0, 7), field=st.sampled_from(["body", "octets"]))
def test_a_flipped_bit_in_a_row_is_found_by_its_crc(at: int, bit: int, field: str) -> None:
    row = pack(frame(3), "b").row(1)
    octets = bytearray(getattr(row, field))
    octets[at % len(octets)] ^= 1 << bit
    assert not row._replace(**{field: bytes(octets)}).intact


async def test_records_are_read_in_the_order_they_were_written_with_rising_seq(tmp_path: Path) -> None:
    async with Archive(tmp_path / "a", "here", commit_interval_s=0.01, boot="b1") as archive:
        await archive.write([frame(0), REPORT, STATE, ALARM])
        await archive.write([PASS_EVENT, frame(1)])
        found = await archive.read_after(0)
    assert [record.seq for record in found] == [1, 2, 3, 4, 5]
    assert [record.record for record in found] == [frame(0), REPORT, ALARM, PASS_EVENT, frame(1)]


async def test_write_returns_only_after_the_commit(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.05) as archive:
        await archive.write([frame(1)])
        database = sqlite3.connect(archive_files(tmp_path)[0])
        assert database.execute("SELECT count(*) FROM record").fetchone() == (1,)
        database.close()


async def test_many_writers_share_one_commit(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.1) as archive:
        told: list[int] = []
        archive.listen(lambda records: told.append(len(records)))
        await asyncio.gather(*(archive.write([frame(number)]) for number in range(50)))
    assert told == [50]


async def test_what_is_pending_is_committed_at_the_end(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=10) as archive:
        archive.submit([frame(number) for number in range(7)])
    async with Archive(tmp_path, "here") as archive:
        assert frames_of(await archive.read_after(0)) == list(range(7))


async def test_sequence_cursors_and_id_outlive_a_restart(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        await archive.write([frame(1), frame(2)])
        first_id = archive.archive_id
        archive.advance("local", 1)
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        assert archive.archive_id == first_id
        assert archive.cursor("local") == 1
        await archive.write([frame(3)])
        assert [record.seq for record in await archive.read_after(archive.cursor("local"))] == [2, 3]


def test_after_a_crash_no_sequence_number_is_given_twice(tmp_path: Path) -> None:
    crashed = Segments.open(tmp_path, "here")
    used = {row.seq for row in crashed.append([pack(frame(n), "") for n in range(3)], {}, now_utc_ns=0)}
    crashed.abandon()
    for log in tmp_path.glob("*-wal"):  # the power cut took the last rows, and SQLite sees nothing wrong
        log.write_bytes(b"")
    again = Segments.open(tmp_path, "here")
    rows = again.append([pack(frame(9), "")], {}, now_utc_ns=0)
    assert used.isdisjoint(row.seq for row in rows)
    again.close()


async def test_a_new_directory_is_a_new_archive(tmp_path: Path) -> None:
    async with Archive(tmp_path / "one", "here") as one, Archive(tmp_path / "two", "here") as two:
        assert one.archive_id != two.archive_id


async def test_a_second_agent_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here"):
        with pytest.raises(SinkUnavailable, match="in use by another gsagent"):
            await Archive(tmp_path, "here").__aenter__()


async def test_another_stations_archive_is_refused(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here"):
        pass
    with pytest.raises(SinkUnavailable, match="belongs to station 'here', not 'there'"):
        await Archive(tmp_path, "there").__aenter__()


async def test_an_archive_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        await archive.write([frame(1)])
    path = archive_files(tmp_path)[0]
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=2")
    database.close()
    before = path.read_bytes()
    with pytest.raises(SinkUnavailable, match="written by a later gsagent"):
        await Archive(tmp_path, "here").__aenter__()
    assert path.read_bytes() == before


async def test_waiting_for_records_ends_with_the_next_commit(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        waiting = asyncio.create_task(archive.wait_after(0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await archive.write([frame(1)])
        await waiting


def test_a_new_day_begins_a_new_segment(tmp_path: Path) -> None:
    day_ns = 86_400 * 1_000_000_000
    segments = Segments.open(tmp_path, "here")
    for day in range(3):
        segments.append([pack(frame(day), "")], {}, now_utc_ns=day * day_ns)
    assert [path.name for _, path in segments.paths()] == [
        "segment-0000000000000001-19700101.sqlite",
        "segment-0000000000000002-19700102.sqlite",
        "segment-0000000000000003-19700103.sqlite",
    ]
    assert [row.seq for row in segments.read_after(0, 10)] == [1, 2, 3]
    assert [row.seq for row in segments.read_after(1, 1)] == [2]
    assert [row.seq for row in segments.read_before(3, 10)] == [2, 1]
    segments.close()


async def test_an_alarm_is_found_however_much_was_kept_since(tmp_path: Path) -> None:
    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        await archive.write([ALARM, PASS_EVENT])
        for _ in range(25):
            await archive.write([frame(number) for number in range(1000)])
        found = await archive.read_before(archive.newest_seq + 1, 10, "alarm")
        assert [(item.seq, item.record) for item in found] == [(1, ALARM)]
        newest = await archive.read_before(archive.newest_seq + 1, 2, "frame")
        assert frames_of(newest) == [999, 998]
        database = sqlite3.connect(archive_files(tmp_path)[0])
        query = "EXPLAIN QUERY PLAN SELECT * FROM record WHERE seq < 9 AND seq > 0 AND kind = 2 ORDER BY seq DESC"
        assert "INDEX alarm" in database.execute(query).fetchone()[3]
        database.close()


def test_the_disk_is_bounded_and_every_eviction_is_counted(tmp_path: Path) -> None:
    segments = Segments.open(tmp_path, "here", max_mb=16, min_free_mb=0)
    segments.destinations = {"local"}
    total = 0
    for start in range(0, 20_000, 500):
        batch = [pack(frame(start + n, octets=1000), "") for n in range(500)]
        total += len(segments.append(batch, {"local": 5_000}, now_utc_ns=0))
        assert segments.octets() < 18 << 20
    kept = segments.count_after(0)
    evicted = segments.counters["evicted_acked"] + segments.counters["evicted_unacked"]
    assert kept + evicted == total
    assert segments.counters["evicted_acked"] == 5_000
    oldest = segments.oldest_seq()
    assert oldest == evicted + 1
    segments.close()
    again = Segments.open(tmp_path, "here", max_mb=16)
    assert again.counters["evicted_acked"] == 5_000
    again.close()


def test_frames_of_nobody_go_before_what_a_destination_waits_for(tmp_path: Path) -> None:
    segments = Segments.open(tmp_path, "here", max_mb=16, min_free_mb=0)
    segments.destinations = {"local"}
    total = 0
    for start in range(0, 24_000, 500):
        batch = [pack(frame(start + n, octets=1000, satellite="link" if n % 2 else None), "") for n in range(500)]
        total += len(segments.append(batch, {"local": 0}, now_utc_ns=0))
        assert segments.octets() < 20 << 20
    rows = segments.read_after(0, total)
    of_nobody = sum(row.satellite == "" for row in rows)
    counters = segments.counters
    assert counters["evicted_low_priority"] > 4_000
    assert len(rows) + counters["evicted_unacked"] == total
    assert counters["damaged"] == counters["quarantined"] == 0, "what was thinned is not damage"
    assert of_nobody < len(rows) / 3
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    segments.close()
    again = Segments.open(tmp_path, "here", max_mb=16, min_free_mb=0)
    assert [row.seq for row in again.read_after(0, total)] == [row.seq for row in rows]
    assert again.counters["quarantined"] == 0
    assert all(verdict.good for verdict in again.verify())
    again.close()


def test_segments_that_are_full_are_not_kept_open(tmp_path: Path) -> None:
    segments = Segments.open(tmp_path, "here")
    counts = []
    for day in range(6):
        rows = segments.append([pack(frame(day), "")], {}, now_utc_ns=day * 86_400 * 10**9)
        segments.read_after(rows[0].seq - 1, 10)
        counts.append(len(os.listdir("/proc/self/fd")))
    segments.close()
    assert counts[1:] == [counts[0]] * 5


def test_reading_a_thousand_rows_over_segments_misses_none(tmp_path: Path) -> None:
    segments = Segments.open(tmp_path, "here")
    for day in range(10):
        segments.append([pack(frame(day * 100 + n), "") for n in range(100)], {}, now_utc_ns=day * 86_400 * 10**9)
    seen: list[int] = []
    while rows := segments.read_after(seen[-1] if seen else 0, 37):
        seen += [row.seq for row in rows]
    assert seen == list(range(1, 1001))
    assert segments.count_after(0) == 1000
    assert segments.count_after(950) == 50
    segments.close()


async def test_the_event_loop_is_not_held_while_the_archive_writes(tmp_path: Path) -> None:
    longest = 0.0
    stop = asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    async with Archive(tmp_path, "here", commit_interval_s=0.01) as archive:
        watcher = asyncio.create_task(watch())
        for start in range(0, 4000, 100):
            await archive.write([frame(start + n, octets=1115) for n in range(100)])
        stop.set()
        await watcher
    assert longest < 0.5


def archive_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.sqlite"))


OPENER_BYTE = 128
"""Of the index: every process that has it open holds this one; who gets it alone may cut the index off.

Source: SQLite's ``os_unix.c``, UNIX_SHM_DMS.
"""


def may_be_cut_off(index: Path) -> bool:
    """Ask in another process whether nobody holds an index open."""
    asking = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as index:\n"
        "    try:\n"
        f"        fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, {OPENER_BYTE})\n"
        "    except OSError:\n"
        "        sys.exit(3)\n"
    )
    return subprocess.run([sys.executable, "-c", asking, str(index)], check=False).returncode == 0


async def test_an_archive_with_a_log_left_behind_keeps_its_locks(tmp_path: Path) -> None:
    """Without them the next process that looks into the archive would cut the index off under the writer."""
    begun = "import asyncio, os, sys\nfrom pathlib import Path\nfrom agent.sinks.archive import Archive\n" + (
        "from tests.sinks.samples import frame\n"
        "async def write():\n"
        "    async with Archive(Path(sys.argv[1]), 'here', commit_interval_s=0.01, boot='b') as archive:\n"
        "        await archive.write([frame(n) for n in range(20)])\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(write())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", begun, str(tmp_path / "a"), cwd=Path(__file__).parents[2]
    )
    assert await process.wait() == -signal.SIGKILL
    async with Archive(tmp_path / "a", "here", commit_interval_s=0.01, boot="b") as archive:
        await archive.write([frame(20)])
        (segment,) = (tmp_path / "a").glob("segment-*.sqlite")
        assert not await asyncio.to_thread(may_be_cut_off, Path(f"{segment}-shm"))
        assert len(await archive.read_after(0)) == 21
