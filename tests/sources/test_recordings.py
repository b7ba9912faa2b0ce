"""Recordings of every kind: written here, read back; damaged ones say what is wrong with them."""

import io
import json
import struct
import sys
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest

from agent.errors import AgentError
from agent.records import AudioBlock, IqBlock, OctetBlock
from agent.sources.recordings import Recording, open_recording

RATE = 48_000
one_step_of_8_bits = 1 / 127


def tone(samples: int = RATE) -> np.ndarray:
    return 0.5 * np.exp(2j * np.pi * 1000 / RATE * np.arange(samples))


def write_wav(
    path: Path, table: np.ndarray, code: int, bits: int, *, extensible: bool = False, extra: bytes = b""
) -> None:
    """Write a WAV file octet by octet from the format's description."""
    channels = 1 if table.ndim == 1 else table.shape[1]
    flat = table.reshape(-1)
    if code == 3:
        data = flat.astype({32: "<f4", 64: "<f8"}[bits]).tobytes()
    elif bits == 8:
        data = np.round(flat * 127 + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        wide = np.round(flat * (2**23 - 1)).astype("<i4")
        data = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        data = np.round(flat * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}").tobytes()
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, RATE, RATE * frame, frame, bits)
    if extensible:
        guid_tail = bytes.fromhex("000000001000800000aa00389b71")
        fmt += struct.pack("<HHI", 22, bits, 3) + struct.pack("<H", code) + guid_tail
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + extra + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)


def samples_of(recording: Recording, block_s: float = 0.05) -> np.ndarray:
    blocks = list(recording.blocks(block_s))
    assert all(isinstance(block, IqBlock | AudioBlock) for block in blocks)
    return np.concatenate([block.samples for block in blocks])  # type: ignore[union-attr]  # just asserted


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
@pytest.mark.parametrize("kind", ["audio", "iq"])
def test_wav_of_every_width_is_read(tmp_path: Path, kind: str, code: int, bits: int, extensible: bool) -> None:
    wanted = tone() if kind == "iq" else tone().real
    table = np.column_stack([wanted.real, wanted.imag]) if kind == "iq" else wanted
    write_wav(tmp_path / "a.wav", table, code, bits, extensible=extensible)
    with open_recording(tmp_path / "a.wav") as recording:
        assert (recording.kind, recording.sample_rate_hz, recording.duration_s) == (kind, RATE, 1.0)
        got = samples_of(recording)
        assert recording.notes == []
    assert got.dtype == (np.complex64 if kind == "iq" else np.float32)
    assert np.abs(got - wanted).max() < (one_step_of_8_bits if bits == 8 else 2**-14)


@pytest.mark.parametrize("name", ["cu8", "cs8", "cs16", "cs32", "cf32", "cf64"])
@pytest.mark.parametrize("by", ["suffix", "option"])
def test_raw_iq_is_read_by_suffix_or_option(tmp_path: Path, name: str, by: str) -> None:
    wanted = tone(4800)
    pairs = np.column_stack([wanted.real, wanted.imag]).reshape(-1)
    octets = {
        "cu8": np.round(pairs * 127.5 + 127.5).astype(np.uint8),
        "cs8": np.round(pairs * 127).astype(np.int8),
        "cs16": np.round(pairs * 32767).astype("<i2"),
        "cs32": np.round(pairs * 2**31 * 0.999999).astype("<i4"),
        "cf32": pairs.astype("<f4"),
        "cf64": pairs.astype("<f8"),
    }[name].tobytes()
    file = tmp_path / (f"pass.{name}" if by == "suffix" else "pass.dat")
    file.write_bytes(octets)
    recording = open_recording(file, sample_rate_hz=RATE, sample_format=name if by == "option" else None)
    with recording:
        assert recording.kind == "iq"
        assert np.abs(samples_of(recording) - wanted).max() < (0.01 if name.endswith("8") else 1e-4)


def test_sigmf_gives_rate_frequency_and_time_by_either_name(tmp_path: Path) -> None:
    wanted = tone(4800)
    pairs = np.column_stack([wanted.real, wanted.imag]).reshape(-1)
    (tmp_path / "a.sigmf-data").write_bytes((pairs * 32767).astype("<i2").tobytes())
    about = {
        "global": {"core:datatype": "ci16_le", "core:sample_rate": RATE, "core:version": "1.2.0"},
        "captures": [
            {"core:sample_start": 0, "core:frequency": 436.5e6, "core:datetime": "2026-03-04T05:06:07.123456789Z"}
        ],
        "annotations": [{"core:sample_start": 100, "core:sample_count": 200}],
    }
    (tmp_path / "a.sigmf-meta").write_text(json.dumps(about))
    for name in ("a.sigmf-data", "a.sigmf-meta"):
        with open_recording(tmp_path / name) as recording:
            blocks = list(recording.blocks(0.05))
        assert recording.center_frequency_hz == 436.5e6
        # date -u -d 2026-03-04T05:06:07 +%s
        assert recording.start_utc_ns == 1_772_600_767_123_456_789
        assert isinstance(blocks[1], IqBlock)
        assert blocks[1].start_utc_ns == 1_772_600_767_173_456_789
        assert blocks[1].center_frequency_hz == 436.5e6


def test_an_sdr_programs_wav_tells_frequency_and_time(tmp_path: Path) -> None:
    wanted = tone(4800)
    start = struct.pack("<8H", 2026, 3, 3, 4, 5, 6, 7, 250)
    auxi = start + start + struct.pack("<I", 436_500_000) + bytes(32)
    extra = b"auxi" + struct.pack("<I", len(auxi)) + auxi
    write_wav(tmp_path / "a.wav", np.column_stack([wanted.real, wanted.imag]), 1, 16, extra=extra)
    with open_recording(tmp_path / "a.wav") as recording:
        assert recording.center_frequency_hz == 436_500_000
        assert recording.start_utc_ns == 1_772_600_767_250_000_000


def test_kiss_files_give_octets(tmp_path: Path) -> None:
    octets = b"\xc0\x00" + bytes(range(1, 200)) + b"\xc0"
    for name, as_ in (("pass.kss", None), ("pass.anything", None), ("pass.wav", "kiss")):
        (tmp_path / name).write_bytes(octets)
        with open_recording(tmp_path / name, as_=as_) as recording:
            assert recording.kind == "octets"
            blocks = list(recording.blocks())
        assert b"".join(block.data for block in blocks if isinstance(block, OctetBlock)) == octets


def test_the_samples_do_not_depend_on_the_size_of_the_blocks(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(9973).real, 1, 24)
    got = []
    for block_s in (0.00003, 0.0071, 5.0):
        with open_recording(tmp_path / "a.wav") as recording:
            got.append(samples_of(recording, block_s))
    assert got[0].size == 9973
    assert np.array_equal(got[0], got[2])
    assert np.array_equal(got[1], got[2])


def test_times_of_blocks_count_from_the_first_sample(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone().real, 1, 16)
    with open_recording(tmp_path / "a.wav") as recording:
        starts = [block.start_utc_ns for block in recording.blocks(0.25) if isinstance(block, AudioBlock)]
    assert starts == [0, 250_000_000, 500_000_000, 750_000_000]


def test_a_truncated_wav_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone().real, 1, 16)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: len(whole) // 2 + 1])
    with open_recording(tmp_path / "a.wav") as recording:
        assert samples_of(recording).size == pytest.approx(RATE / 2, abs=30)
        assert any("cut short" in note for note in recording.notes)
        assert any("last sample is cut" in note for note in recording.notes)


@pytest.mark.parametrize("promise", [0, 0xFFFFFFFF])
def test_a_wav_whose_writer_was_killed_is_read_to_its_end(tmp_path: Path, promise: int) -> None:
    write_wav(tmp_path / "a.wav", tone().real, 1, 16)
    octets = bytearray((tmp_path / "a.wav").read_bytes())
    at = octets.index(b"data") + 4
    octets[at : at + 4] = struct.pack("<I", promise)
    (tmp_path / "a.wav").write_bytes(octets)
    with open_recording(tmp_path / "a.wav") as recording:
        assert samples_of(recording).size == RATE
        assert recording.notes == []


def test_standard_input_is_read_as_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "a.wav", tone().real, 1, 16)
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO((tmp_path / "a.wav").read_bytes())))  # type: ignore[arg-type,type-var]
    monkeypatch.setattr(sys, "stdin", stream)
    with open_recording("-") as recording:
        assert samples_of(recording).size == RATE


def test_two_equal_channels_are_audio_and_said_to_be(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.column_stack([tone().real, tone().real]), 1, 16)
    with open_recording(tmp_path / "a.wav") as recording:
        assert recording.kind == "audio"
        assert "both channels are the same" in recording.notes[0]


def test_samples_that_are_no_numbers_become_zero_and_are_counted(tmp_path: Path) -> None:
    samples = tone(4800).astype(np.complex64)
    samples[[10, 2000]] = np.nan
    samples[30] = np.inf
    (tmp_path / "a.cf32").write_bytes(samples.tobytes())
    with open_recording(tmp_path / "a.cf32", sample_rate_hz=RATE) as recording:
        got = samples_of(recording)
        assert np.isfinite(got).all()
        assert any("no numbers" in note for note in recording.notes)


def test_memory_does_not_grow_with_the_recordings_length(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(600):
            file.writeframes(bytes(2 * RATE))
    with open_recording(tmp_path / "long.wav") as recording:
        assert recording.duration_s == 600
        tracemalloc.start()
        for block in recording.blocks(0.05):
            assert isinstance(block, AudioBlock)
        _, peak_octets = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert recording.samples_read == 600 * RATE
    assert peak_octets < 1_000_000


@pytest.mark.parametrize(
    ("name", "octets", "says"),
    [
        ("a.wav", b"", "is empty"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "without samples"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEdata\x10\x00\x00\x00" + bytes(16), "no fmt chunk"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\x7f" + bytes(16), "damaged WAV header"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVE" + b"junk\x00\x00\x00\x00" * 100, "damaged WAV header"),
        (
            "a.wav",
            b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
            + struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8)
            + b"data\x00\x00\x00\x00",
            "WAV format 6 with 8 bits is not read (ffmpeg",
        ),
        (
            "a.wav",
            b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
            + struct.pack("<HHIIHH", 1, 0, 0, 0, 0, 16)
            + b"data\x00\x00\x00\x00",
            "0 channels",
        ),
        ("a.ogg", b"OggS" + bytes(100), "is Ogg, which is not read (ffmpeg -i a.ogg"),
        ("a.txt", b"hello, this is no recording at all", "no recording that is recognised"),
        ("a.cu8", bytes(100), "do not tell their rate (--sample-rate-hz R)"),
        ("a.sigmf-data", bytes(100), "is not there (SigMF samples need their metadata"),
        ("a.sigmf-meta", b"{nonsense", "no SigMF metadata"),
        ("a.sigmf-meta", b'{"global":{"core:datatype":"ci12","core:sample_rate":1}}', "'ci12' is not read"),
        ("a.sigmf-meta", b'{"global":{"core:datatype":"cu8"}}', "no core:sample_rate"),
    ],
)
def test_what_cannot_be_read_says_why_in_one_line(tmp_path: Path, name: str, octets: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(octets)
    if name == "a.sigmf-meta":
        (tmp_path / "a.sigmf-data").write_bytes(bytes(100))
    with pytest.raises(AgentError) as refused:
        open_recording(tmp_path / name)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_absent_recording_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"nothing\.wav is not there"):
        open_recording(tmp_path / "nothing.wav")
    with pytest.raises(AgentError, match="is a directory"):
        open_recording(tmp_path)


def test_asking_for_iq_of_one_channel_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone().real, 1, 16)
    with pytest.raises(AgentError, match="IQ needs two"):
        open_recording(tmp_path / "a.wav", as_="iq")
