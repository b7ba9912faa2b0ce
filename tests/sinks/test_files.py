"""Files by CFDP: from frames to the disk, whole or listed with what they lack, whatever a satellite calls them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.health.monitor import Monitor
from agent.records import PacketRecord
from agent.runtime.announcer import Announcer
from agent.runtime.record_flow import RecordFlow
from agent.sinks.files import LISTING, FileStore, is_file, plain_name
from firmware_protocols import ccsds_tm, cfdp, space_packet
from firmware_protocols.interface import Packet

SATELLITE = """
name = "FILESAT"
norad = 99003

[[downlink]]
name = "s-band"
frequency_hz = 2_200_000_000
modulation = "bpsk"
baudrate_bd = 8192
framing = { protocol = "ccsds_tm_sync", options = { frame_octets = 223 } }
extract = [
    { protocol = "ccsds_tm", options = { scid = 5, fecf = true } },
    { protocol = "space_packet" },
    { protocol = "cfdp", options = { skip_octets = 6 }, only = { apid = 200 } },
]

[[packet]]
name = "status"
header = { apid = 100 }
parameter = [{ name = "header", type = "bytes", octets = 6 }, { name = "number", type = "u16" }]
"""
OPTIONS = ccsds_tm.Options(scid=5, fecf=True)
IMAGE = bytes(range(256)) * 4


def frames(pdus: list[bytes], *, without: int | None = None) -> bytes:
    """Lay each PDU into a frame behind a status packet; leave one frame out."""
    out = []
    for number, pdu in enumerate(pdus):
        status = space_packet.build(100, number, number.to_bytes(2, "big"))
        packets = status + space_packet.build(200, number, pdu)
        frame = ccsds_tm.build(5, 0, (number, number), 0, packets.ljust(213 + 2, b"\0"), OPTIONS)
        out.append(frame)
    octets = max(len(frame) for frame in out)
    assert {len(frame) for frame in out} == {octets}
    return b"".join(frame for number, frame in enumerate(out) if number != without)


def decoded(
    tmp_path: Path, stream: bytes, capsys: pytest.CaptureFixture[str]
) -> tuple[list[dict[str, object]], Path]:
    (tmp_path / "filesat.toml").write_text(SATELLITE)
    (tmp_path / "frames.bin").write_bytes(stream)
    arguments = ["decode", str(tmp_path / "frames.bin"), "--as", "tm-frames", "--frame-octets", "223"]
    arguments += ["--satellite", str(tmp_path / "filesat.toml"), "--format", "jsonl"]
    assert main([*arguments, "--files", str(tmp_path / "files")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return lines, tmp_path / "files"


@pytest.mark.parametrize("checksum", [cfdp.MODULAR, cfdp.PROXIMITY_1, cfdp.CASTAGNOLI, cfdp.IEEE, cfdp.NULL])
def test_a_file_arrives_whole_beside_the_telemetry(
    checksum: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pdus = cfdp.build_file(
        IMAGE, source=3, transaction=7, name="/img/moon 1.raw", piece_octets=160, checksum=checksum
    )
    lines, folder = decoded(tmp_path, frames(pdus), capsys)
    assert (folder / "filesat" / "3-7-moon_1.raw").read_bytes() == IMAGE
    (entry,) = [json.loads(line) for line in (folder / LISTING).read_text().splitlines()]
    assert (entry["complete"], entry["octets"]) == (True, len(IMAGE))
    assert entry["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    assert [line["protocol"] for line in lines if line["record"] == "packet"].count("cfdp") == 1
    assert sum(line["record"] == "report" for line in lines) == len(pdus)
    assert set(lines[-1]["rejected"]) <= {"fill_octets"}


def test_a_file_that_lacks_a_piece_is_listed_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pdus = cfdp.build_file(IMAGE, source=3, transaction=8, name="moon.raw", piece_octets=160)
    lines, folder = decoded(tmp_path, frames(pdus, without=3), capsys)
    (entry,) = [json.loads(line) for line in (folder / LISTING).read_text().splitlines()]
    assert (entry["complete"], entry["missing"]) == (False, ["320-479"])
    assert not (folder / "filesat").exists() or not list((folder / "filesat").iterdir())
    assert lines[-1]["rejected"]["incomplete_file"] == 1


def record(data: bytes, transaction: int, name: str = "f.bin") -> PacketRecord:
    header = {"source_entity": 1, "transaction": transaction, "source_name": name, "complete": True}
    return PacketRecord("filesat", "s-band", "cfdp", Packet(data, {**header, "file_octets": len(data)}), 0)


def test_the_oldest_files_go_when_the_disk_is_full(tmp_path: Path) -> None:
    store = FileStore(tmp_path, max_octets=250)
    for number in range(5):
        store.put(record(bytes(100), number))
    assert sorted(path.name for path in (tmp_path / "filesat").iterdir()) == ["1-3-f.bin", "1-4-f.bin"]
    assert store.kept == 5


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        ("C:\\data\\x y.txt", "x_y.txt"),
        (".hidden", "hidden"),
        ("a" * 300, "a" * 64),
        ("한국.jpg", "_.jpg"),
    ],
)
def test_no_name_leads_out_of_the_folder(sent: str, kept: str, tmp_path: Path) -> None:
    assert plain_name(sent) == kept
    entry = FileStore(tmp_path).put(record(b"x", 1, sent))
    assert Path(entry["path"]) == tmp_path / "filesat" / f"1-1-{kept}"


def test_other_packets_are_no_files() -> None:
    assert not is_file(PacketRecord("filesat", "s-band", "space_packet", Packet(b"x"), 0))


async def test_the_agent_keeps_files_beside_its_archive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flow = RecordFlow(Monitor({}), Announcer())
    flow.files = FileStore(tmp_path)
    caplog.set_level("INFO", logger="agent")
    await flow.take([record(b"image", 7, "moon.raw")])
    assert (tmp_path / "filesat" / "1-7-moon.raw").read_bytes() == b"image"
    assert "file received: 'moon.raw' of filesat, 5 octets" in caplog.text
