"""``gsagent archive``: what goes in comes out, in each form, and damage is found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.sinks.archived import Archivable, pack
from agent.sinks.embedded_broker import EmbeddedBroker
from agent.sinks.segments import Segments
from firmware_protocols import kiss
from tests.sinks.listening import listening
from tests.sinks.samples import ALARM, PASS_EVENT, REPORT, frame

RECORDS: list[Archivable] = [frame(1), REPORT, ALARM, frame(2, satellite="other"), PASS_EVENT, frame(3)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    directory = tmp_path / "archive"
    segments = Segments.open(directory, "here")
    segments.append([pack(record, "b007") for record in RECORDS], {"local": 4, "local:sent": 4}, now_utc_ns=0)
    segments.close()
    return directory


def test_stats_say_what_is_held_and_what_waits(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "stats", str(archive)]) == 0
    told = capsys.readouterr().out
    assert "of station here" in told
    assert "records    6" in told
    assert "delivered  local: through 4, 2 waiting" in told
    assert ":sent" not in told


def test_json_lines_hold_every_record_with_its_raw_values(
    archive: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["archive", "export", str(archive)]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["record"] for line in lines] == ["frame", "report", "alarm", "frame", "pass_event", "frame"]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[1]["battery_voltage_v"] == 7.41
    assert lines[1]["raw"]["battery_voltage"] == 1482


def test_a_selection_leaves_out_the_rest(archive: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    asked = ["--satellite", "link", "--kind", "frame", "--after", "1"]
    assert main(["archive", "export", str(archive), *asked]) == 0
    assert [json.loads(line)["seq"] for line in capfdbinary.readouterr().out.splitlines()] == [6]
    assert main(["archive", "export", str(archive), "--from", "2030-01-01T00:00:00Z"]) == 0
    assert capfdbinary.readouterr().out == b""


def test_csv_has_a_line_for_each_parameter(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main(["archive", "export", str(archive), "--format", "csv", "--output", str(out)]) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["parameter"] for row in rows] == [value.name for value in REPORT.values]
    assert (rows[0]["raw"], rows[0]["value"], rows[0]["unit"]) == ("1482", "7.41", "V")
    assert list(tmp_path.glob("*.part")) == []


def test_kiss_gives_the_frames_to_any_tnc_client(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.kss"
    assert main(["archive", "export", str(archive), "--format", "kiss", "--output", str(out)]) == 0
    found = kiss.Deframer(kiss.Options()).feed(out.read_bytes())
    assert [item.data for item in found] == [frame(n).link_frame.data for n in (1, 2, 3)]


def test_plain_frames_follow_one_another_without_a_gap(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    assert main(["archive", "export", str(archive), "--format", "ccsds", "--output", str(out)]) == 0
    assert out.read_bytes() == b"".join(frame(n).link_frame.data for n in (1, 2, 3))


def test_a_table_of_alarms_is_refused(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "export", str(archive), "--format", "csv", "--kind", "alarm"]) == 2
    assert "--kind frame or --kind report" in capsys.readouterr().err


def test_verify_finds_nothing_wrong_with_a_whole_archive(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "verify", str(archive)]) == 0
    assert capsys.readouterr().out == "6 records intact in 1 segments\n"


def test_verify_finds_one_altered_octet_and_changes_nothing(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = archive.glob("*.sqlite")
    octets = bytearray(path.read_bytes())
    at = octets.index(frame(2).link_frame.data) + 20
    octets[at] ^= 0x10
    path.write_bytes(octets)
    assert main(["archive", "verify", str(archive)]) == 1
    assert "1 records altered" in capsys.readouterr().out
    assert path.read_bytes() == bytes(octets)


def test_an_archive_that_is_not_there_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "stats", str(tmp_path / "nothing")]) == 1
    assert "no such archive" in capsys.readouterr().err
    assert main(["archive", "stats", str(tmp_path)]) == 1
    assert "holds no archive" in capsys.readouterr().err


async def test_replay_publishes_the_records_again_with_their_identity(archive: Path) -> None:
    import asyncio

    async with EmbeddedBroker() as broker, listening(broker.port) as heard:
        code = await asyncio.to_thread(
            main, ["archive", "replay", str(archive), "--broker", f"127.0.0.1:{broker.port}", "--kind", "frame"]
        )
        assert code == 0
        await heard.until(lambda heard: len(heard.messages) == 3)
    assert heard.seqs() == [1, 4, 6]
    assert not any(retained for _, _, retained in heard.messages)


def test_replay_without_a_broker_is_one_line(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "replay", str(archive), "--broker", "127.0.0.1:1"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_parquet_holds_every_value_in_one_type(archive: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    reports, frames = tmp_path / "reports.parquet", tmp_path / "frames.parquet"
    assert main(["archive", "export", str(archive), "--format", "parquet", "--output", str(reports)]) == 0
    table = parquet.read_table(reports).to_pylist()
    (voltage,) = [row for row in table if row["parameter"] == "battery_voltage"]
    assert (voltage["raw"], voltage["value"], voltage["number"], voltage["unit"]) == ("1482", "7.41", 7.41, "V")
    asked = ["--kind", "frame", "--format", "parquet", "--output", str(frames)]
    assert main(["archive", "export", str(archive), *asked]) == 0
    table = parquet.read_table(frames).to_pylist()
    assert [row["seq"] for row in table] == [1, 4, 6]
    assert bytes.fromhex(table[0]["hex"]) == frame(1).link_frame.data


def test_an_export_to_parquet_holds_one_batch_in_memory_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    from agent.sinks import export
    from agent.sinks.archived import ArchivedRecord

    held = most = 0

    def records() -> Iterator[ArchivedRecord]:
        nonlocal held, most
        for seq in range(1, 30_001):
            held += 1
            most = max(most, held)
            yield ArchivedRecord(seq, "b", frame(seq % 256))

    class Counting(io.BytesIO):
        def write(self, octets: Any) -> int:
            nonlocal held
            held = 0
            return super().write(octets)

    export.write_parquet(records(), "frame", Counting())
    assert most < 25_000
