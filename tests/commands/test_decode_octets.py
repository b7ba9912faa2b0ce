"""``gsagent decode`` of CCSDS files: small ones made here, and the real ones where they are."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent.commands import decode
from agent.errors import ConfigError
from firmware_protocols import ccsds_aos, ccsds_tm, space_packet

DATA = os.environ.get("GSAGENT_TEST_DATA")
TELEMETRY = Path(DATA or ".") / "telemetry"
real_data = pytest.mark.skipif(DATA is None, reason="GSAGENT_TEST_DATA does not name the reference data")
SPLIT = {393: 40, 394: 39, 1313: 9, 384: 4, 386: 4, 392: 4, 391: 1}
"""CYGNSS packets by APID (published with the file)."""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    parser = argparse.ArgumentParser()
    decode.add_arguments(parser)
    assert decode.run(parser.parse_args([*map(str, arguments), "--format", "jsonl"])) == 0
    *records, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [record for record in records if record["record"] == "packet"], summary


def packets(number: int, apid: int = 100) -> list[bytes]:
    return [space_packet.build(apid, count, bytes([count]) * 20) for count in range(number)]


def test_a_file_of_packets_is_split_and_its_gap_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = packets(30)
    del sent[11:14]
    file = tmp_path / "packets.dat"
    file.write_bytes(b"".join(b"\x12\x34\x56\x78" + packet for packet in sent))
    found, summary = run(capsys, file, "--as", "space-packets", "--prefix-octets", 4)
    assert [bytes.fromhex(packet["data"]) for packet in found] == sent
    assert found[0]["apid"] == 100
    assert [packet["sequence_count"] for packet in found[:3]] == [0, 1, 2]
    assert summary["gaps"] == [{"apid": 100, "after": 10, "before": 14, "missing": 3}]


def test_frames_without_a_satellite_hold_packets_and_the_lost_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = packets(12)
    frames = [
        ccsds_aos.build(44, 3, count, bytes(2) + sent[2 * count] + sent[2 * count + 1] + bytes(30))
        for count in range(6)
    ]
    file = tmp_path / "frames.bin"
    file.write_bytes(b"".join(frames[:2] + frames[3:]))
    found, summary = run(capsys, file, "--as", "aos-frames", "--frame-octets", len(frames[0]))
    assert [bytes.fromhex(packet["data"]) for packet in found] == sent[:4] + sent[6:]
    assert {(packet["scid"], packet["vcid"]) for packet in found} == {(44, 3)}
    assert {"scid": 44, "vcid": 3, "after": 1, "before": 3, "missing": 1} in summary["gaps"]
    assert {"apid": 100, "on_vcid": 3, "after": 3, "before": 6, "missing": 2} in summary["gaps"]
    assert summary["rejected"] == {"fill_octets": 5 * 30}


def test_options_reach_the_protocol_that_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ccsds_tm.Options(fecf=True)
    (packet,) = packets(1)
    frames = [ccsds_tm.build(129, 1, (n, n), 0, space_packet.build(9, n, b"x" * 9), options) for n in range(3)]
    file = tmp_path / "frames.bin"
    file.write_bytes(b"".join(b"\x1a\xcf\xfc\x1d" + frame for frame in frames))
    found, summary = run(
        capsys, file, "--as", "tm-frames", "--frame-octets", len(frames[0]), "--option", "fecf=true",
        "--option", "asm=1acffc1d", "--option", "scid=129", "--option", "cadence={9 = 1}",
    )  # fmt: skip
    assert len(found) == 3
    assert summary["rejected"] == {}
    assert packet


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--as", "aos-frames"], "how long a frame is"),
        (["--as", "space-packets", "--option", "colour=red"], "no protocol here has an option 'colour'"),
        (["--as", "tm-frames", "--frame-octets", "9", "--option", "scid=many"], "many"),
        (["--as", "aos-frames", "--frame-octets", "9", "--option", "scid=4000"], "255"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    file = tmp_path / "frames.bin"
    file.write_bytes(bytes(100))
    with pytest.raises(ConfigError, match=words):
        run(capsys, file, *arguments)


@real_data
def test_danuris_frames_give_their_packets_without_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    file = TELEMETRY / "kplo" / "kplo_aos_20220805_135349.u8"
    found, summary = run(capsys, file, "--as", "aos-frames", "--satellite", "danuri")
    assert len(found) == 120
    assert all(packet["apid"] == packet["vcid"] + 640 for packet in found)
    assert {packet["scid"] for packet in found} == {187}
    assert all(packet["generated"].startswith("2022-08-05T13:5") for packet in found)
    assert (summary["gaps"], summary["rejected"]) == ([], {})


@real_data
def test_jpss_packets_come_out_all(capsys: pytest.CaptureFixture[str]) -> None:
    found, summary = run(capsys, TELEMETRY / "jpss" / "J01_G011_LZ_2021-04-09.DAT1", "--as", "space-packets")
    assert {(packet["apid"], len(packet["data"])) for packet in found} == {(11, 142)}
    assert (summary["packets"], summary["gaps"], summary["rejected"]) == (7200, [], {})


@real_data
def test_cygnss_packets_are_split_octet_for_octet_and_their_cadence_is_no_gap(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = TELEMETRY / "cygnss"
    file = folder / "CYGNSS_F7_L0_2022_086_first101pkts.tlm"
    found, summary = run(capsys, file, "--as", "space-packets")
    split: dict[int, list[bytes]] = {}
    for packet in found:
        split.setdefault(packet["apid"], []).append(bytes.fromhex(packet["data"]))
    assert {apid: len(each) for apid, each in split.items()} == SPLIT
    for apid, each in split.items():
        assert b"".join(each) == (folder / f"apid{apid:05}.tlm").read_bytes()
    assert summary["gaps"] == []
    assert summary["cadences"] == {"384": 10, "386": 10, "392": 10}


@real_data
def test_simulated_packets_of_a_viewer_come_out_all(capsys: pytest.CaptureFixture[str]) -> None:
    found, summary = run(capsys, TELEMETRY / "yamcs" / "testdata.ccsds", "--as", "space-packets")
    assert {(packet["apid"], len(packet["data"])) for packet in found} == {(100, 246)}
    assert (summary["packets"], summary["gaps"], summary["rejected"]) == (1800, [], {})
