"""Altered, cut and emptied archives: every one opens, every intact record is read, no altered one is believed."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from agent.errors import SinkUnavailable
from agent.sinks.archived import Row, pack
from agent.sinks.salvage import PAGE_OCTETS, salvage_rows
from agent.sinks.segment_reading import ReadableSegments
from agent.sinks.segments import Segments
from tests.sinks.samples import REPORT, frame

RECORDS = 2000
READY_S = 10.0
ROWS_OF_TWO_PAGES = 2 * (PAGE_OCTETS // 200)
"""More rows than two pages can hold: what one altered octet may cost."""

DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two segments, left as a crash leaves it: the newest one's last rows are in its log only."""
    directory = tmp_path_factory.mktemp("whole") / "archive"
    segments = Segments.open(directory, "here")
    for start in range(0, RECORDS, 100):
        batch = [pack(frame(n, octets=100 + 5000 * (n % 50 == 0)), "b") for n in range(start, start + 100)]
        segments.append(batch, {"local": start}, now_utc_ns=DAY_NS * (start // 1000))
    copy = tmp_path_factory.mktemp("copy") / "archive"
    shutil.copytree(directory, copy)
    segments.close()
    return copy


@pytest.fixture(scope="module")
def rows(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Row]:
    copy = tmp_path_factory.mktemp("read") / "archive"
    shutil.copytree(whole, copy)
    segments = Segments.open(copy, "here")
    found = {row.seq: row for row in segments.read_after(0, RECORDS * 2)}
    segments.close()
    assert len(found) == RECORDS
    return found


def check(directory: Path, rows: dict[int, Row], *, may_lose: int) -> int:
    """Open an archive, read all of it, write to it; returns how many records are gone."""
    began_s = time.monotonic()
    segments = Segments.open(directory, "here")
    assert time.monotonic() - began_s < READY_S
    found = segments.read_after(0, RECORDS * 2)
    altered = [row.seq for row in found if rows.get(row.seq) != row]
    assert altered == []
    assert [row.seq for row in found] == sorted({row.seq for row in found})
    lost = RECORDS - len(found)
    assert lost <= may_lose
    new = segments.append([pack(REPORT, "b")], {}, now_utc_ns=DAY_NS)
    assert new[0].seq not in rows
    assert segments.read_after(new[0].seq - 1, 10) == new
    segments.close()
    again = Segments.open(directory, "here")
    assert len(again.read_after(0, RECORDS * 2)) == len(found) + 1
    again.close()
    return lost


def flip(directory: Path, chance: random.Random) -> str:
    """Flip one bit somewhere in the segments or their logs."""
    files = [path for path in sorted(directory.glob("segment-*")) if not path.name.endswith("-shm")]
    path = chance.choices(files, weights=[path.stat().st_size for path in files])[0]
    octets = bytearray(path.read_bytes())
    at = chance.randrange(len(octets))
    octets[at] ^= 1 << chance.randrange(8)
    path.write_bytes(octets)
    return f"{path.name} octet {at}"


def flips(whole: Path, rows: dict[int, Row], tmp_path: Path, seeds: range) -> tuple[int, int]:
    lost = 0
    for seed in seeds:
        directory = tmp_path / str(seed)
        shutil.copytree(whole, directory)
        where = flip(directory, random.Random(seed))
        try:
            lost += check(directory, rows, may_lose=ROWS_OF_TWO_PAGES)
        except (AssertionError, SinkUnavailable) as exc:
            raise AssertionError(f"seed {seed}, {where}") from exc
        shutil.rmtree(directory)
    return len(seeds), lost


def test_a_flipped_bit_never_gives_an_altered_record(whole: Path, rows: dict[int, Row], tmp_path: Path) -> None:
    flips(whole, rows, tmp_path, range(12))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_1024_flipped_bits_never_give_an_altered_record(whole: Path, rows: dict[int, Row], tmp_path: Path) -> None:
    runs, lost = flips(whole, rows, tmp_path, range(1000, 2024))
    print(f"{runs} flipped bits: 0 altered records believed, {lost} of {runs * RECORDS} records lost")


@pytest.mark.parametrize("cut", [0, 1, 99, 100, 4095, 4096, 100_000, 250_000])
def test_a_truncated_segment_is_set_aside_and_what_is_left_is_read(
    whole: Path, rows: dict[int, Row], tmp_path: Path, cut: int
) -> None:
    directory = tmp_path / "archive"
    shutil.copytree(whole, directory)
    newest = sorted(directory.glob("*.sqlite"))[-1]
    newest.write_bytes(newest.read_bytes()[:cut])
    lost = check(directory, rows, may_lose=1000)
    print(f"cut at {cut}: {lost} records lost")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_100_truncations_all_open(whole: Path, rows: dict[int, Row], tmp_path: Path) -> None:
    for seed in range(100):
        chance = random.Random(seed)
        directory = tmp_path / str(seed)
        shutil.copytree(whole, directory)
        path = chance.choice([path for path in directory.glob("segment-*") if not path.name.endswith("-shm")])
        path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size + 1)])
        check(directory, rows, may_lose=1000)
        shutil.rmtree(directory)


def test_a_log_of_zeros_costs_its_rows_and_nothing_else(whole: Path, rows: dict[int, Row], tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    shutil.copytree(whole, directory)
    for log in directory.glob("*-wal"):
        log.write_bytes(bytes(log.stat().st_size))
    check(directory, rows, may_lose=1000)


@pytest.mark.parametrize("name", ["archive.json", "sequence"])
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 64, b"{"])
def test_a_lost_small_file_changes_neither_identity_nor_numbering(
    whole: Path, rows: dict[int, Row], tmp_path: Path, name: str, content: bytes | None
) -> None:
    directory = tmp_path / "archive"
    shutil.copytree(whole, directory)
    before = ReadableSegments.look(directory)
    identity = before.identity
    before.abandon()
    if content is None:
        (directory / name).unlink()
    else:
        (directory / name).write_bytes(content)
    check(directory, rows, may_lose=0)
    after = Segments.open(directory, "here")
    assert after.identity == identity
    after.close()


def test_cursors_survive_the_loss_of_the_newest_segment(whole: Path, rows: dict[int, Row], tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    shutil.copytree(whole, directory)
    newest = sorted(directory.glob("*.sqlite"))[-1]
    newest.write_bytes(b"no database at all")
    segments = Segments.open(directory, "here")
    assert segments.cursors["local"] >= 900  # the older segment's: some records will be sent again
    assert segments.counters["quarantined"] == 1
    assert list((directory / "quarantine").iterdir())
    assert len(segments.read_after(0, RECORDS * 2)) == RECORDS  # its rows were still in its log
    segments.close()


def test_rows_that_sqlite_no_longer_shows_are_missed_and_salvaged(
    whole: Path, rows: dict[int, Row], tmp_path: Path
) -> None:
    directory = tmp_path / "archive"
    shutil.copytree(whole, directory)
    oldest = sorted(directory.glob("*.sqlite"))[0]
    octets = bytearray(oldest.read_bytes())
    leaf = next(at for at in range(PAGE_OCTETS * 20, len(octets), PAGE_OCTETS) if octets[at] == 0x0D)
    octets[leaf + 4] -= 3  # the leaf says that it holds three rows less
    oldest.write_bytes(octets)
    segments = Segments.open(directory, "here")
    found = segments.read_after(0, RECORDS * 2)
    segments.close()
    assert segments.counters["quarantined"] == 1
    assert segments.counters["damaged"] == RECORDS - len(found) <= 3


def test_salvage_finds_every_row_when_the_header_and_schema_are_gone(whole: Path, rows: dict[int, Row]) -> None:
    oldest = sorted(whole.glob("*.sqlite"))[0]
    octets = bytearray(oldest.read_bytes())
    octets[:PAGE_OCTETS] = bytes(PAGE_OCTETS)
    found = salvage_rows(bytes(octets))
    assert {row.seq: row for row in found} == {seq: row for seq, row in rows.items() if seq <= 1000}


def test_salvage_of_noise_finds_nothing_and_ends() -> None:
    chance = random.Random(1)
    noise = b"".join(b"\x0d" + chance.randbytes(PAGE_OCTETS - 1) for _ in range(200))
    assert salvage_rows(noise, noise) == []
