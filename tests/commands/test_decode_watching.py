"""``gsagent decode --dump`` and ``--plot``: what is inside a chain, for NumPy and for the eye."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from agent.__main__ import main
from agent.commands.decode.dump import ArrayFile
from agent.commands.decode.plots import pictures
from agent.commands.decode.plots.spectrogram import MAX_ROWS, Spectrogram
from tests import signals
from tests.test_command_line import GIVEN, SATELLITE_TOML

FRAMES = [signals.frame(1), signals.frame(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signals")
    signals.write_wav(path / "pass.wav", signals.audio(FRAMES) * 0.5)
    signals.iq(FRAMES, 96_000.0, 5000.0).tofile(path / "iq.cf32")
    (path / "testsat.toml").write_text(SATELLITE_TOML, encoding="utf-8")
    assert main(["decode", str(path / "pass.wav"), "--satellite", str(path / "testsat.toml"), "--dump",
                 str(path / "audio"), "--output", str(path / "out")]) == 0  # fmt: skip
    iq = ["decode", str(path / "iq.cf32"), "--sample-rate-hz", "96000", *GIVEN, "--output", str(path / "out")]
    assert main([*iq, "--dump", str(path / "iq"), "--plot", str(path / "iq.html")]) == 0
    return path


def test_the_index_names_every_signal_with_its_rate_unit_and_length(folder: Path) -> None:
    index = json.loads((folder / "audio" / "index.json").read_text())
    (downlink,) = index["downlinks"]
    assert (downlink["downlink"], downlink["modulation"], downlink["baudrate_bd"]) == ("9k6", "fsk", 9600.0)
    told = index["signals"] + downlink["signals"]
    names = {signal["signal"] for signal in told}
    assert {"input", "samples", "matched", "symbols", "clock_phase", "remodulated", "soft", "es_n0"} <= names
    for signal in told:
        values = np.load(folder / "audio" / signal["file"], mmap_mode="r")
        assert (len(values), values.dtype.name) == (signal["values"], signal["dtype"])
        assert signal["values"] > 0
        assert len(np.load(folder / "audio" / signal["starts"])) == signal["stretches"]
        if signal["rate_hz"] is None:
            times_s = np.load(folder / "audio" / signal["times"])
            assert len(times_s) == len(values)
            assert (np.diff(times_s) > 0).all()


def test_the_dumped_input_is_the_input(folder: Path) -> None:
    dumped = np.load(folder / "iq" / "input.npy")
    assert np.array_equal(dumped, np.fromfile(folder / "iq.cf32", np.complex64))


def test_the_symbols_about_a_frame_decide_its_bits(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "audio" / "9k6" / "frames.jsonl").read_text().splitlines()]
    assert [line["data"] for line in lines if line["kept"]] == [frame.hex() for frame in FRAMES]
    kept = next(line for line in lines if line["kept"])
    soft = np.load(folder / "audio" / "9k6" / f"soft.{kept['stream']}.npy")
    carrying = soft[kept["offset_symbols"] : kept["offset_symbols"] + kept["span_symbols"]]
    assert abs(float(np.median(np.abs(carrying))) - 1.0) < 0.2


def test_iq_shows_carrier_and_discriminator(folder: Path) -> None:
    index = json.loads((folder / "iq" / "index.json").read_text())
    told = {signal["signal"]: signal for signal in index["downlinks"][0]["signals"]}
    assert {"carrier", "filtered", "discriminated", "frequency_offset"} <= told.keys()
    assert told["carrier"]["unit"] == "Hz"
    carrier = np.load(folder / "iq" / told["carrier"]["file"])
    assert abs(float(np.median(carrier)) - 4800.0) < 700.0 or abs(float(carrier.max()) - 5000.0) < 700.0


def test_a_plot_stands_alone_and_names_its_units(folder: Path) -> None:
    page = (folder / "iq.html").read_text(encoding="utf-8")
    for words in ("Spectrum", "Waterfall", "Eye", "Phase turned in a symbol", "Soft symbols", "Symbol clock",
                  "Es/N0",
                  "Carrier frequency offset", "dB of full scale / Hz", "frequency, kHz", "2 frames"):  # fmt: skip
        assert words in page
    assert not re.search(r'(src|href)="(?!data:)', page), "a page that needs another file"
    for figure in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(figure)


def test_a_plot_may_be_one_picture_or_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["decode", str(folder / "pass.wav"), *GIVEN, "--output", str(folder / "out")]
    assert main([*given, "--plot", str(folder / "x.svg")]) == 0
    ElementTree.parse(folder / "x.svg")
    assert main([*given, "--plot", str(folder / "pictures")]) == 0
    assert (folder / "pictures" / "given-eye.svg").is_file()
    assert "plotted in" in capsys.readouterr().err
    assert main([*given, "--plot", str(folder / "x.png")]) == 2
    assert ".html or .svg" in capsys.readouterr().err


def test_what_is_not_a_signal_at_all_is_drawn_too(folder: Path) -> None:
    noise = np.random.default_rng(1).standard_normal(48_000).astype(np.float32) * 0.1
    signals.write_wav(folder / "noise.wav", noise)
    signals.write_wav(folder / "silence.wav", np.zeros(48_000, np.float32))
    for name in ("noise", "silence"):
        given = [str(folder / f"{name}.wav"), *GIVEN, "--output", str(folder / "out")]
        assert main(["decode", *given, "--plot", str(folder / f"{name}.html")]) == 0
        assert "Waterfall" in (folder / f"{name}.html").read_text(encoding="utf-8")


def test_a_dump_does_not_mix_with_other_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(folder / "pass.wav"), *GIVEN, "--dump", str(folder)]) == 1
    assert "wants a folder of its own" in capsys.readouterr().err


def test_an_array_that_grows_reads_as_numpy_wrote_it(tmp_path: Path) -> None:
    file = ArrayFile(tmp_path / "x.npy", np.dtype("<c8"))
    parts = [np.arange(n) * (1 + 2j) for n in (3, 0, 5)]
    for part in parts:
        file.append(part.astype(np.complex64))
    file.close()
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.concatenate(parts).astype(np.complex64))


def test_a_spectrogram_keeps_its_size_however_long_the_signal() -> None:
    tone = np.exp(2j * np.pi * 0.25 * np.arange(1 << 16)).astype(np.complex64)
    heard = Spectrogram(1e5, is_complex=True)
    for number in range(40):
        heard.feed(tone, number * len(tone) / 1e5)
    rows = heard.rows_db()
    assert len(rows) <= MAX_ROWS
    assert np.isfinite(rows).all()
    assert heard.end_s == pytest.approx(40 * len(tone) / 1e5, rel=0.01)
    assert heard.frequencies_hz[int(np.argmax(heard.mean_db()))] == pytest.approx(25_000.0)


def test_noise_of_known_power_has_the_density_that_it_should() -> None:
    random = np.random.default_rng(3)
    real = Spectrogram(48e3, is_complex=False)
    real.feed(random.standard_normal(1 << 18).astype(np.float32) * 0.1, 0.0)
    assert float(np.median(real.mean_db())) == pytest.approx(10 * np.log10(0.01 / 24e3), abs=0.2)


def test_a_png_holds_what_was_put_in() -> None:
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    octets = pictures.png(levels, pictures.PALE)
    assert struct.unpack(">II", octets[16:24]) == (4, 3)
    at = octets.index(b"IDAT")
    (length,) = struct.unpack(">I", octets[at - 4 : at])
    raw = np.frombuffer(zlib.decompress(octets[at + 4 : at + 4 + length]), np.uint8).reshape(3, 5)
    assert np.array_equal(raw[:, 1:], levels)
