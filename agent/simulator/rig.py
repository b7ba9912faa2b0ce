"""What a rig description may say: the real hardware on a bench, and what of it is there.

Reads files and looks at devices; opens no port and sends nothing. The tests of ``make hil`` run against what is
there and skip the rest by name; ``gsagent check`` names what is absent, with its place.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from agent.config import convert, load_satellite, place_in_file, read_toml
from agent.definitions import Definition, Name, Port, Positive
from agent.errors import ConfigError

LOOK_S = 2.0
HARDWARE = ("serial_tnc", "rtl_sdr", "bench_transmitter")


class BenchTnc(Definition, frozen=True, kw_only=True):
    """A serial TNC that gives KISS frames; ``satellite`` is whose frames it is fed with."""

    port: str
    baudrate_bd: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    satellite: str
    frames_within_s: Positive = 30.0


class BenchSdr(Definition, frozen=True, kw_only=True):
    """An RTL-SDR behind ``rtl_tcp``."""

    host: str = "127.0.0.1"
    port: Port = 1234
    frequency_hz: Positive
    sample_rate_hz: Annotated[int, Meta(ge=225_001, le=3_200_000)] = 250_000
    gain_db: float | None = None
    satellite: str | None = None


class BenchTransmitter(Definition, frozen=True, kw_only=True):
    """A transmitter into the SDR's cable, attenuated: ``command`` sends one recording and ends.

    ``{recording}``, ``{frequency_hz}`` and ``{sample_rate_hz}`` are filled in. A description with less than
    ``SAFE_ATTENUATION_DB`` between a transmitter and a receiver's input is refused.
    """

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    attenuation_db: Annotated[float, Meta(ge=0, le=200)]
    satellite: str
    downlink: str
    format: Literal[".cu8", ".cs16", ".cf32"] = ".cs16"
    sample_rate_hz: Annotated[int, Meta(ge=8000, le=20_000_000)] = 1_000_000


SAFE_ATTENUATION_DB = 40.0


class RigFile(Definition, frozen=True, kw_only=True):
    """A whole rig description; every piece of hardware may be left out."""

    rig: Name
    serial_tnc: BenchTnc | None = None
    rtl_sdr: BenchSdr | None = None
    bench_transmitter: BenchTransmitter | None = None


class Rig(NamedTuple):
    """A rig description, and for what is named and not there a line each: place and words."""

    file: RigFile
    absent: dict[str, str]

    def has(self, name: str) -> bool:
        """Say whether a piece of hardware is described and there."""
        return getattr(self.file, name) is not None and name not in self.absent

    def why_not(self, name: str) -> str:
        """Say why a piece of hardware cannot be used."""
        return self.absent.get(name, f"rig {self.file.rig} describes no {name}")


def load_rig(path: Path) -> Rig:
    """Read a rig description and look for its hardware; raises ``ConfigError`` for what cannot be meant."""
    tables, text = read_toml(path)
    file = convert(tables, RigFile, path=path, text=text)

    def place(where: str) -> str:
        return place_in_file(path, text, where)

    for name, where in _satellites(file):
        try:
            _, satellite = load_satellite(name)
        except ConfigError as exc:
            raise ConfigError(exc.what, where=place(f"{where}.satellite"), mend=exc.mend) from exc
        transmitter = file.bench_transmitter
        if where == "bench_transmitter" and transmitter is not None:
            known = [item.name for item in satellite.downlinks]
            if transmitter.downlink not in known:
                raise ConfigError(
                    f"{name} has no downlink {transmitter.downlink!r}",
                    where=place(f"{where}.downlink"),
                    mend=f"there are: {', '.join(known)}",
                )
    if file.bench_transmitter is not None and file.bench_transmitter.attenuation_db < SAFE_ATTENUATION_DB:
        raise ConfigError(
            f"{file.bench_transmitter.attenuation_db:g} dB between a transmitter and a receiver's input",
            where=place("bench_transmitter.attenuation_db"),
            mend=f"at least {SAFE_ATTENUATION_DB:g} dB, by cable: nothing is to go on the air",
        )
    return Rig(file, dict(_absent(file, place)))


def _satellites(file: RigFile) -> Iterator[tuple[str, str]]:
    for where in HARDWARE:
        table = getattr(file, where)
        if table is not None and table.satellite is not None:
            yield table.satellite, where


def _absent(file: RigFile, place: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    if file.serial_tnc is not None and not os.path.exists(file.serial_tnc.port):
        yield "serial_tnc", f"{place('serial_tnc.port')}: {file.serial_tnc.port} is not there"
    if file.rtl_sdr is not None:
        trouble = _no_rtl_tcp(file.rtl_sdr)
        if trouble:
            yield "rtl_sdr", f"{place('rtl_sdr')}: {trouble}"
    if file.bench_transmitter is not None:
        program = file.bench_transmitter.command[0]
        if shutil.which(program) is None:
            yield "bench_transmitter", f"{place('bench_transmitter.command')}: no program {program!r} here"


def _no_rtl_tcp(sdr: BenchSdr) -> str:
    """Say why no rtl_tcp answers, or nothing when one does."""
    where = f"{sdr.host}:{sdr.port}"
    try:
        with socket.create_connection((sdr.host, sdr.port), LOOK_S) as connection:
            connection.settimeout(LOOK_S)
            word = connection.recv(4)
    except OSError as exc:
        return f"no rtl_tcp at {where}: {exc.strerror or exc}"
    return "" if word == b"RTL0" else f"what answers at {where} is no rtl_tcp"
