"""``--dump DIR``: every internal signal of every downlink, on disk, while it passes.

::

    DIR/index.json                    what there is: for each signal its file, unit, rate, start, values
    DIR/input.npy                     what the source gave
    DIR/<downlink>/<signal>[.<h>].npy values of a stage (of hypothesis h), as NumPy reads them
    DIR/<downlink>/<signal>[.<h>].starts.npy   where an unbroken stretch begins: (first value, seconds, UTC ns)
    DIR/<downlink>/<signal>[.<h>].times.npy    seconds of each value, where they have no even rate
    DIR/<downlink>/frames.jsonl       every frame a deframer gave: stream, place, span, check, whether it was kept

Streams to disk: memory does not grow with the recording. How many values a file holds is written into its head at
the end. What the signals are is told in ``docs/modems.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import AgentError
from agent.frame_reader import Transmitter
from agent.receiver import Receiver
from agent.records import AudioBlock, IqBlock, SymbolBlock, Trace, UtcNs
from agent.sinks.console import iso_utc
from firmware_protocols.interface import LinkFrame

FORMAT: Final = 1
HEAD_OCTETS: Final = 128
STARTS: Final = np.dtype([("first", "<i8"), ("start_s", "<f8"), ("start_utc_ns", "<i8")])


class ArrayFile:
    """A .npy file that grows: one row a value. It is not held open, for there may be a thousand of them."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.path = path
        self.dtype = dtype
        self.count = 0
        _write(path, "wb", _head(dtype, 0))

    def append(self, values: NDArray[Any]) -> None:
        """Write values behind those there are."""
        _write(self.path, "ab", np.ascontiguousarray(values, self.dtype).tobytes())
        self.count += len(values)

    def close(self) -> None:
        """Write how many there are."""
        _write(self.path, "r+b", _head(self.dtype, self.count))


def _write(path: Path, mode: str, octets: bytes) -> None:
    try:
        with path.open(mode) as file:
            file.write(octets)
    except OSError as exc:
        raise AgentError(f"{path}: cannot be written: {exc.strerror}") from exc


def _head(dtype: np.dtype[Any], count: int) -> bytes:
    """Make the head of a .npy file, version 1.0, always of one length (NumPy enhancement proposal 1)."""
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    text = repr(described).encode("latin1")
    room = HEAD_OCTETS if len(text) < HEAD_OCTETS - 11 else 2 * HEAD_OCTETS
    return b"\x93NUMPY\x01\x00" + (room - 10).to_bytes(2, "little") + text.ljust(room - 11) + b"\n"


@dataclass(slots=True)
class Signal:
    """One signal on disk, and what the index says of it."""

    values: ArrayFile
    starts: ArrayFile
    times: ArrayFile | None
    told: dict[str, Any]
    stream_utc_ns: UtcNs | None = None

    def close(self) -> dict[str, Any]:
        """Finish the files and describe the signal."""
        for file in (self.values, self.starts, self.times):
            if file is not None:
                file.close()
        return {**self.told, "values": self.values.count, "stretches": self.starts.count}


class Folder:
    """The signals of one downlink (or of the source) in one folder."""

    def __init__(self, path: Path, root: Path, origin_utc_ns: Callable[[], UtcNs]) -> None:
        self._path = path
        self._root = root
        self._origin_utc_ns = origin_utc_ns
        self._signals: dict[tuple[str, int | None], Signal] = {}
        self._ends: dict[str, tuple[UtcNs, UtcNs]] = {}
        path.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        number: int | None,
        values: NDArray[Any],
        unit: str,
        stream_utc_ns: UtcNs,
        first_utc_ns: UtcNs,
        *,
        rate_hz: float | None = None,
        times_s: NDArray[np.float64] | None = None,
    ) -> None:
        """Write values; a new ``stream_utc_ns`` begins a stretch at ``first_utc_ns``."""
        signal = self._signals.get((name, number))
        if signal is None:
            signal = self._signals[name, number] = self._new(name, number, values.dtype, unit, rate_hz, times_s)
        if signal.stream_utc_ns != stream_utc_ns:
            signal.stream_utc_ns = stream_utc_ns
            start_s = (first_utc_ns - self._origin_utc_ns()) / 1e9
            signal.told.setdefault("start_s", start_s)
            signal.starts.append(np.array([(signal.values.count, start_s, first_utc_ns)], STARTS))
        signal.values.append(values)
        if signal.times is not None and times_s is not None:
            signal.times.append(times_s)

    def _new(
        self, name: str, number: int | None, dtype: np.dtype[Any], unit: str, rate_hz: float | None, times: object
    ) -> Signal:
        stem = name if number is None else f"{name}.{number}"
        place = self._path.relative_to(self._root)
        told: dict[str, Any] = {"signal": name, "hypothesis": number, "unit": unit, "dtype": dtype.name}
        told |= {
            "rate_hz": rate_hz,
            "file": str(place / f"{stem}.npy"),
            "starts": str(place / f"{stem}.starts.npy"),
        }
        if times is not None:
            told["times"] = str(place / f"{stem}.times.npy")
        return Signal(
            ArrayFile(self._path / f"{stem}.npy", dtype),
            ArrayFile(self._path / f"{stem}.starts.npy", STARTS),
            ArrayFile(self._path / f"{stem}.times.npy", np.dtype("<f8")) if times is not None else None,
            told,
        )

    def add_block(self, name: str, block: IqBlock | AudioBlock) -> None:
        """Write a block of samples; one that does not follow the one before begins a stretch."""
        if not len(block.samples):
            return
        begun_utc_ns, end_utc_ns = self._ends.get(name, (block.start_utc_ns, block.start_utc_ns))
        sample_ns = 1e9 / block.sample_rate_hz
        if block.lost_before or abs(block.start_utc_ns - end_utc_ns) > 2 * sample_ns:
            begun_utc_ns = block.start_utc_ns
        self._ends[name] = begun_utc_ns, block.start_utc_ns + round(len(block.samples) * sample_ns)
        self.add(
            name, None, block.samples, "full scale", begun_utc_ns, block.start_utc_ns, rate_hz=block.sample_rate_hz
        )

    def close(self) -> list[dict[str, Any]]:
        """Finish all files and describe them."""
        return [signal.close() for signal in self._signals.values()]


class DownlinkDump:
    """Writes what one downlink shows."""

    def __init__(self, folder: Folder, frames: Path, transmitter: Transmitter, dump: Dump) -> None:
        self.folder = folder
        self.frames = frames
        self.transmitter = transmitter
        self._dump = dump
        self._begun_utc_ns: dict[int, UtcNs] = {}

    def samples(self, block: IqBlock | AudioBlock) -> None:
        """Write what enters the demodulator: the channelized IQ, or audio."""
        self.folder.add_block("samples", block)

    def trace(self, start_utc_ns: UtcNs, trace: Trace) -> None:
        """Write what a stage gave."""
        values: NDArray[Any] = trace.values
        if values.ndim == 2:
            values = np.ascontiguousarray(values.T, np.float32).view(np.complex64).ravel()
        if not len(values):
            return
        times_s = None
        first_s = trace.first_s
        if trace.positions_s is not None:
            first_s = float(trace.positions_s[0])
            times_s = trace.positions_s + (start_utc_ns - self._dump.origin_utc_ns()) / 1e9
        first_utc_ns = start_utc_ns + round(first_s * 1e9)
        self.folder.add(
            trace.signal, trace.hypothesis, values, trace.unit, start_utc_ns, first_utc_ns,
            rate_hz=trace.rate_hz, times_s=times_s,
        )  # fmt: skip

    def symbols(self, block: SymbolBlock) -> None:
        """Write what goes to a deframer, and what was measured with it."""
        if block.first or block.stream not in self._begun_utc_ns:
            self._begun_utc_ns[block.stream] = block.start_utc_ns
        begun_utc_ns = self._begun_utc_ns[block.stream]
        at_s = np.array([(block.start_utc_ns - self._dump.origin_utc_ns()) / 1e9])
        self.folder.add(
            "soft", block.stream, block.soft, "1", begun_utc_ns, block.start_utc_ns, rate_hz=block.baudrate_bd
        )
        for name, value, unit in (
            ("es_n0", block.snr_db, "dB"), ("frequency_offset", block.frequency_offset_hz, "Hz")
        ):  # fmt: skip
            if value is not None:
                measured = np.array([value], np.float32)
                self.folder.add(name, block.stream, measured, unit, begun_utc_ns, block.start_utc_ns, times_s=at_s)

    def found(self, stream: int, frame: LinkFrame, start_utc_ns: UtcNs, span_ns: int, *, kept: bool) -> None:
        """Write a frame down."""
        told = {
            "stream": stream,
            "offset_s": round((start_utc_ns - self._dump.origin_utc_ns()) / 1e9, 6),
            "span_s": round(span_ns / 1e9, 6),
            "offset_symbols": frame.offset,
            "span_symbols": frame.span,
            "check": frame.check,
            "corrected": frame.corrected,
            "kept": kept,
            "data": frame.data.hex(),
        }
        _write(self.frames, "ab", json.dumps(told).encode() + b"\n")


class Dump:
    """The folder of one run."""

    def __init__(self, path: str, name: str, start_utc_ns: UtcNs | None) -> None:
        """Make the folder; raises ``AgentError``."""
        self._root = Path(path)
        self._name = name
        self._start_utc_ns = start_utc_ns
        self._downlinks: dict[str, DownlinkDump] = {}
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            if any(self._root.iterdir()) and not (self._root / "index.json").is_file():
                raise AgentError(f"{path} holds other files (--dump wants a folder of its own)")
            self._source = Folder(self._root, self._root, self.origin_utc_ns)
        except OSError as exc:
            raise AgentError(f"{path}: cannot be written: {exc.strerror}") from exc

    def origin_utc_ns(self) -> UtcNs:
        """Return when the recording began: seconds count from here."""
        return self._start_utc_ns or 0

    def watcher(self, transmitter: Transmitter) -> DownlinkDump:
        """Return the dump of one downlink, the same for the same one."""
        name = transmitter.downlink.name
        found = self._downlinks.get(name)
        if found is None:
            folder = Folder(self._root / name, self._root, self.origin_utc_ns)
            frames = self._root / name / "frames.jsonl"
            _write(frames, "wb", b"")
            found = self._downlinks[name] = DownlinkDump(folder, frames, transmitter, self)
        return found

    def feed(self, block: IqBlock | AudioBlock) -> None:
        """Write what the source gave."""
        self._source.add_block("input", block)

    def close(self, receiver: Receiver) -> str:
        """Finish all files, write the index, and say where it is."""
        downlinks = []
        for name, dump in self._downlinks.items():
            downlink = dump.transmitter.downlink
            downlinks.append(
                {
                    "satellite": dump.transmitter.slug,
                    "downlink": name,
                    "modulation": downlink.modulation,
                    "baudrate_bd": downlink.baudrate_bd,
                    "framing": downlink.framing.protocol,
                    "frames": f"{name}/frames.jsonl",
                    "signals": dump.folder.close(),
                }
            )
        index = {
            "format": FORMAT,
            "recording": self._name,
            "start_utc": None if self._start_utc_ns is None else iso_utc(self._start_utc_ns),
            "signals": self._source.close(),
            "downlinks": downlinks,
            "rejected": dict(sorted(receiver.rejected.items())),
        }
        path = self._root / "index.json"
        path.write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        octets = sum(file.stat().st_size for file in self._root.rglob("*.npy"))
        return f"dumped {octets / 1e6:.1f} MB, listed in {path}"
