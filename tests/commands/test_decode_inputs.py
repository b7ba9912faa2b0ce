"""``gsagent decode`` recognises its input, whatever carries the frames, and says what it took it for."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from firmware_protocols import ccsds_aos, kiss, slip, space_packet
from tests import signals
from tests.sources import captures as made
from tests.test_command_line import GIVEN, SATELLITE_TOML

FRAMES = [signals.frame(count) for count in range(1, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    return tmp_path


def decode(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[list[dict[str, Any]], str]:
    assert main(["decode", *map(str, arguments), "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    return [json.loads(line) for line in shown.out.splitlines()], shown.err


def data_of(lines: list[dict[str, Any]], record: str = "frame") -> list[bytes]:
    return [bytes.fromhex(line["data"]) for line in lines if line["record"] == record]


def test_a_capture_of_frames_in_datagrams(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = [made.ethernet(made.ipv4(made.udp(frame))) for frame in FRAMES]
    packets.insert(1, made.ethernet(made.ipv4(made.udp(b"not for us", port=53))))
    packets.append(made.ethernet(made.ipv4(made.udp(FRAMES[0]), fragment=0x2000)))
    (folder / "x.bin").write_bytes(made.pcapng(packets))
    lines, _ = decode(capsys, folder / "x.bin", "--satellite", folder / "testsat.toml", "--port", 10015)
    assert data_of(lines) == FRAMES
    assert [line["offset_s"] for line in lines if line["record"] == "frame"] == [0.0, 2.0, 3.0]
    assert lines[0]["received"] == "2023-11-14T22:13:20.000000Z"
    assert [line["values"]["count"]["raw"] for line in lines if line["record"] == "report"] == [1, 2, 3]
    assert lines[-1]["rejected"] == {"ip_fragment": 1, "other_port": 1}


def test_a_capture_of_transfer_frames_and_one_of_packets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packets = [space_packet.build(100, count, bytes([count]) * 20) for count in range(4)]
    frames = [ccsds_aos.build(44, 3, count, bytes(2) + packet + bytes(30)) for count, packet in enumerate(packets)]
    for name, kind, payloads in (
        ("frames", "aos-frames", [b"GW" + frame for frame in frames]),
        ("packets", "space-packets", [packets[0] + packets[1], packets[2] + packets[3]]),
    ):
        (folder / name).write_bytes(made.pcap([made.ipv4(made.udp(one)) for one in payloads], 101))
        prefix = ["--prefix-octets", 2] if kind == "aos-frames" else []
        lines, _ = decode(capsys, folder / name, "--as", kind, *prefix)
        assert data_of(lines, "packet") == packets


def test_hex_on_standard_input_is_told_by_its_digits(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"# frames\n{FRAMES[0].hex()}\n{FRAMES[1].hex(' ', 2)}  # second\n0x{FRAMES[2].hex(':')}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode()))))  # type: ignore[type-var]
    lines, _ = decode(capsys, "-", "--satellite", folder / "testsat.toml")
    assert data_of(lines) == FRAMES
    assert lines[0]["check"] == "none"


@pytest.mark.parametrize("port", [0, 10])
def test_kiss_with_command_octets_is_told(folder: Path, capsys: pytest.CaptureFixture[str], port: int) -> None:
    octets = b"".join(kiss.encode(frame, kiss.Options(), port=port, reported_utc_ms=1) for frame in FRAMES)
    (folder / "x.kss").write_bytes(octets)
    lines, told = decode(capsys, folder / "x.kss", "--satellite", folder / "testsat.toml")
    assert data_of(lines) == FRAMES
    assert "without command octets" not in told


@pytest.mark.parametrize("first", [b"", b"ON01SE\0"])
def test_kiss_without_command_octets_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], first: bytes
) -> None:
    octets = b"".join(kiss.encode(first + frame, kiss.Options(has_command=False)) for frame in FRAMES)
    (folder / "x.kss").write_bytes(octets)
    lines, told = decode(capsys, folder / "x.kss")
    assert data_of(lines) == [first + frame for frame in FRAMES]
    assert "taken as KISS without command octets" in told
    lines, _ = decode(capsys, folder / "x.kss", "--option", "has_command=false")
    assert data_of(lines) == [first + frame for frame in FRAMES]


def test_frames_that_the_satellite_sends_are_taken_as_such(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packet = space_packet.build(673, 0, bytes(range(200)))
    frame = ccsds_aos.build(187, 33, 0, bytes(2) + packet)
    (folder / "danuri.u8").write_bytes(frame.ljust(220, b"\0") * 2)
    lines, told = decode(capsys, folder / "danuri.u8", "--satellite", "danuri")
    assert "taken as aos-frames" in told
    assert lines[-1]["frames"] == 2


def test_a_satyaml_file_of_which_one_transmitter_is_not_known_still_decodes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signals.write_wav(folder / "pass.wav", signals.audio(FRAMES) * 0.5)
    (folder / "x.yml").write_text(
        "name: X\nnorad: 99001\ntransmitters:\n"
        "  9k6: {frequency: 437.5e+6, modulation: FSK, baudrate: 9600, framing: AX.25 G3RUH}\n"
        "  odd: {frequency: 437.5e+6, modulation: FSK, baudrate: 9600, framing: Smoke Signals}\n"
        "  fast: {frequency: 437.5e+6, modulation: FSK, baudrate: 96000, framing: AX.25 G3RUH}\n",
        encoding="utf-8",
    )
    lines, told = decode(capsys, folder / "pass.wav", "--satellite", folder / "x.yml")
    assert data_of(lines) == FRAMES
    assert "transmitters.odd: framing 'Smoke Signals' is not known here: not listened to" in told
    assert "x/fast cannot be heard: sample_rate_hz: 48000 is less than twice the 96000 Bd" in told


def test_samples_that_begin_like_a_delimiter_are_samples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "received").write_bytes(b"\xc0" * 96_000)
    given = ["--sample-format", "cu8", "--sample-rate-hz", 48_000]
    lines, _ = decode(capsys, folder / "received", *GIVEN, *given)
    assert lines[-1]["signal_s"] == 1.0


def test_an_option_that_changes_nothing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signals.write_wav(folder / "pass.wav", signals.audio(FRAMES[:1]) * 0.5)
    options = ["--option", "deviation=2400", "--option", "divination=2400"]
    lines, told = decode(capsys, folder / "pass.wav", *GIVEN, *options)
    assert data_of(lines) == FRAMES[:1]
    assert "--option divination=2400 changes nothing" in told
    assert "deviation=2400" not in told.replace("divination", "")


def test_parquet_holds_every_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (folder / "x.kss").write_bytes(b"".join(kiss.encode(frame, kiss.Options()) for frame in FRAMES))
    out = folder / "x.parquet"
    given = [folder / "x.kss", "--satellite", folder / "testsat.toml", "--format", "parquet"]
    assert main(["decode", *map(str, given), "--output", str(out)]) == 0
    rows = parquet.read_table(out).to_pylist()
    assert len(rows) == 3 * 4
    (volts,) = [row for row in rows[:4] if row["parameter"] == "battery_voltage"]
    assert (volts["number"], volts["unit"], volts["result"]) == (7.5, "V", "in_limits")
    assert main(["decode", *map(str, given)]) == 2
    assert "--output FILE" in capsys.readouterr().err


def test_parquet_where_it_is_not_installed_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (folder / "x.kss").write_bytes(kiss.encode(FRAMES[0], kiss.Options()))
    assert main(["decode", str(folder / "x.kss"), "--format", "parquet", "--output", str(folder / "y")]) == 1
    assert "pip install 'gsagent[parquet]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "arguments", "code", "words"),
    [
        (b"hello\n", ["--as", "pcap"], 1, "neither pcap nor pcapng"),
        (made.pcap([])[:10], [], 1, "its header is cut"),
        (b"\xc0\x00abc\xc0", ["--port", "7"], 2, "this is no capture"),
        (b"\xc0\x00abc\xc0", ["--prefix-octets", "7"], 2, "KISS frames have no prefix"),
        (b"abc", ["--as", "kiss", "--option", "colour=red"], 2, "no protocol here has an option 'colour'"),
        (b"RIFF", [*GIVEN, "--option", "deviation=many"], 2, "deviation = 'many' is no number"),
        (b"", ["--as", "kiss"], 1, "is empty"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, arguments: list[str], code: int, words: str
) -> None:
    (folder / "input").write_bytes(content)
    assert main(["decode", str(folder / "input"), *arguments]) == code
    told = capsys.readouterr().err
    assert words in told
    assert len(told.splitlines()) == 1


def test_a_file_of_octets_without_a_delimiter_is_asked_about(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "x.bin").write_bytes(bytes(100))
    assert main(["decode", str(folder / "x.bin")]) == 1
    assert "--as says what it is: tm-frames" in capsys.readouterr().err


def test_pieces_travel_whole_whatever_is_in_them() -> None:
    every = bytes(range(256)) * 2
    deframer = slip.Deframer(slip.Options())
    assert [frame.data for frame in deframer.feed(slip.encode(every, slip.Options()))] == [every]
