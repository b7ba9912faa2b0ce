"""gr-satellites beside this project, where it is installed: the same file, frames out, processor time.

Found as ``gr_satellites`` on the path, or by ``GSAGENT_PEER``: a program (or a Python script) that starts it. It is
given a recording padded with a second of faint noise and told to keep the recording's pace: else it drops what is
in flight at the end. Its start is measured apart, on a second of noise alone.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_protocols import kiss

LAUNCHER = "GSAGENT_PEER"
RATE_HZ = 48_000
SYSTEM_PYTHON = "/usr/bin/python3"
"""A script is started by the system's Python: GNU Radio's modules belong to that."""


SATYAML = """\
name: BENCH
norad: 99999
data:
  &tlm Telemetry:
    unknown
transmitters:
  only:
    frequency: 437.0e+6
    modulation: {words}
    data:
    - *tlm
"""


@dataclass(frozen=True)
class PeerRun:
    """What came out of one run, and the seconds of processor time it took."""

    frames: list[bytes]
    cpu_s: float


def satyaml(words: str) -> str:
    """Describe one transmitter: modulation, then ``baudrate: …`` and the rest, a line each."""
    return SATYAML.format(words=words)


def command() -> list[str] | None:
    """Tell how the peer is started; ``None`` where there is none."""
    named = os.environ.get(LAUNCHER)
    if named:
        words = shlex.split(named)
        return [SYSTEM_PYTHON, *words] if words[0].endswith(".py") else words
    found = shutil.which("gr_satellites")
    return [found] if found else None


def write_wav(path: Path, samples: NDArray[Any]) -> None:
    """Write 16-bit samples, complex ones as two channels."""
    columns = samples.view(samples.real.dtype).reshape(-1, 2) if np.iscomplexobj(samples) else samples[:, None]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(columns.shape[1])
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((np.clip(columns, -1, 1) * 32_000).astype("<i2").tobytes())


def padded(recording: Path, to: Path) -> None:
    """Copy a recording and let a second of faint noise follow."""
    with wave.open(str(recording), "rb") as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), "<i2") / 32_768.0
    write_wav(to, np.concatenate((samples, noise(1.0))))


def noise(seconds: float) -> NDArray[np.float64]:
    return np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)) * 0.001


def run(satellite: str, recording: Path, folder: Path, *, throttle: bool = True, iq: bool = False) -> PeerRun:
    """Run the peer on a file; ``satellite`` is a number or a SatYAML file."""
    start = command()
    assert start is not None
    out = folder / f"{recording.stem}.kss"
    options = ["--wavfile", str(recording), "--samp_rate", str(RATE_HZ), "--kiss_out", str(out)]
    options += ["--throttle"] * throttle + ["--iq"] * iq
    with subprocess.Popen(
        [*start, satellite, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    ) as process:
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    octets = out.read_bytes() if out.is_file() else b""
    frames = [found.data for found in kiss.Deframer(kiss.Options(max_octets=65_536)).feed(octets)]
    return PeerRun(frames, used.ru_utime + used.ru_stime)
