"""``--plot FILE|DIR``: how the signal looked, in pictures that open alone.

A name that ends in ``.html`` or ``.svg`` gives one file with everything; any other is a folder with an
``index.html`` and each figure as an SVG. Nothing is needed to draw or to look but a browser. Knows the files; what
is drawn is told by ``gathering``, ``figures`` and ``page``.
"""

from __future__ import annotations

import re
from pathlib import Path

from agent.commands.decode.plots import figures, page
from agent.commands.decode.plots.figures import TimeAxis
from agent.commands.decode.plots.gathering import DownlinkPlot, Found
from agent.commands.decode.plots.spectrogram import Spectrogram
from agent.errors import AgentError, ConfigError
from agent.frame_reader import Transmitter
from agent.records import AudioBlock, IqBlock, UtcNs
from agent.sinks.console import iso_utc

COLUMNS = ("time", "length", "octets", "check", "corrected", "Es/N0", "offset", "clock", "begins with")
SHOWN_OCTETS = 24


class Plots:
    """The pictures of one run."""

    def __init__(self, path: str, name: str, start_utc_ns: UtcNs | None) -> None:
        """Raise ``ConfigError`` for a kind of file that is not drawn, ``AgentError`` when it cannot be written."""
        self._path = Path(path)
        self._name = name
        self._start_utc_ns = start_utc_ns
        self._downlinks: dict[str, DownlinkPlot] = {}
        self._source: Spectrogram | None = None
        self._center_hz = 0.0
        suffix = self._path.suffix.lower()
        if suffix in (".png", ".pdf", ".jpg", ".jpeg"):
            raise ConfigError(f"{suffix} is not drawn", where="--plot", mend="a .html or .svg file, or a folder")
        self._is_folder = suffix not in (".html", ".htm", ".svg")
        try:
            if self._is_folder:
                self._path.mkdir(parents=True, exist_ok=True)
            else:
                self._path.write_text("", encoding="utf-8")
        except OSError as exc:
            raise AgentError(f"{path}: cannot be written: {exc.strerror}") from exc

    def watcher(self, transmitter: Transmitter) -> DownlinkPlot:
        """Return who gathers what one downlink shows, the same for the same one."""
        name = transmitter.downlink.name
        if name not in self._downlinks:
            self._downlinks[name] = DownlinkPlot(transmitter, self._start_utc_ns or 0)
        return self._downlinks[name]

    def feed(self, block: IqBlock | AudioBlock) -> None:
        """Look at what the source gives; audio is what the downlinks hear, and drawn there."""
        if isinstance(block, AudioBlock):
            return
        self._center_hz = block.center_frequency_hz
        if self._source is None:
            self._source = Spectrogram(block.sample_rate_hz, is_complex=True)
        self._source.feed(block.samples, (block.start_utc_ns - (self._start_utc_ns or 0)) / 1e9)

    def close(self) -> str:
        """Draw everything, and say where it is."""
        sections = self._sections()
        title = f"{Path(self._name).name}: {', '.join(self._satellites()) or 'signals'}"
        facts = "" if self._start_utc_ns is None else f"recording begins {iso_utc(self._start_utc_ns)}"
        try:
            if not self._is_folder:
                make = page.svg if self._path.suffix.lower() == ".svg" else page.html
                self._path.write_text(make(title, facts, sections), encoding="utf-8")
                return f"plotted in {self._path}"
            for section in sections:
                for figure in (figure for row in section.rows for figure in row):
                    stem = re.sub(r"[^a-z0-9]+", "-", f"{section.heading} {figure.title}".lower()).strip("-")
                    (self._path / f"{stem}.svg").write_text(figure.svg(), encoding="utf-8")
            index = self._path / "index.html"
            index.write_text(page.html(title, facts, sections), encoding="utf-8")
        except OSError as exc:
            raise AgentError(f"{self._path}: cannot be written: {exc.strerror}") from exc
        return f"plotted in {index}"

    def _satellites(self) -> list[str]:
        names = (plot.transmitter.satellite for plot in self._downlinks.values())
        return sorted({satellite.name for satellite in names if satellite is not None})

    def _sections(self) -> list[page.Section]:
        sections = []
        source = self._source
        if source is not None and self._is_wide(source):
            time = TimeAxis(source.start_s or 0.0, source.end_s, self._start_utc_ns)
            known = [
                (plot.transmitter.downlink.frequency_hz - self._center_hz, name)
                for name, plot in self._downlinks.items()
                if self._center_hz
            ]
            frames = [frame for plot in self._downlinks.values() for frame in plot.frames]
            centre = f", centre {self._center_hz / 1e6:.6g} MHz" if self._center_hz else ""
            rows = [
                [figures.spectrum(source, "Spectrum of all that was received", known)],
                [figures.waterfall(source, "Waterfall of all that was received", time, frames)],
            ]
            sections.append(page.Section("Source", f"IQ at {source.rate_hz:g} samples/s{centre}", rows))
        plots = sorted(self._downlinks.items(), key=lambda item: -item[1].frames_found)
        return sections + [self._section(name, plot) for name, plot in plots]

    def _is_wide(self, source: Spectrogram) -> bool:
        heard = [plot.spectrogram.rate_hz for plot in self._downlinks.values() if plot.spectrogram is not None]
        return len(heard) != 1 or source.rate_hz > 1.5 * heard[0]

    def _section(self, name: str, plot: DownlinkPlot) -> page.Section:
        downlink = plot.transmitter.downlink
        facts = f"{downlink.modulation} {downlink.baudrate_bd:g} Bd, {downlink.framing.protocol}"
        heard = plot.spectrogram
        if heard is None:
            return page.Section(name, f"{facts}; nothing was heard", [])
        facts += f"; {'IQ' if plot.is_iq else 'audio'} at {heard.rate_hz:g} samples/s; {plot.frames_found} frames"
        time = TimeAxis(heard.start_s or 0.0, heard.end_s, self._start_utc_ns)
        shown = plot.framed if plot.framed.symbols else plot.heard
        what = f"{shown.symbols} symbols {'of frames' if plot.framed.symbols else 'heard'}"
        rows = [[figures.spectrum(heard, "Spectrum")], [figures.waterfall(heard, "Waterfall", time, plot.frames)]]
        small = [figures.eye(shown, what)] if shown.eye.any() else []
        if shown.plane.any():
            small.append(figures.constellation(shown, phase_keyed=plot.is_phase_keyed))
        if shown.soft.any():
            small.append(figures.soft_symbols(shown))
        if small:
            rows.append(small)
        if plot.clock.seen:
            rows.append([figures.symbol_clock(plot, time)])
        rows += [
            [drawn] for drawn in (figures.quality(plot, time, column) for column in (0, 1)) if drawn is not None
        ]
        table = [self._row(frame) for frame in plot.frames]
        return page.Section(name, facts, rows, COLUMNS, list(table), plot.frames_found - len(table))

    def _row(self, found: Found) -> tuple[str, ...]:
        frame = found.frame
        when = f"{found.start_s:.3f} s"
        if self._start_utc_ns is not None:
            when = iso_utc(self._start_utc_ns + round(found.start_s * 1e9))[11:23]
        begin = frame.data[:SHOWN_OCTETS].hex(" ", 2)
        return (
            when,
            f"{found.span_s * 1e3:.0f} ms",
            str(len(frame.data)),
            frame.check,
            str(frame.corrected),
            "" if found.snr_db is None else f"{found.snr_db:.1f} dB",
            "" if found.offset_hz is None else f"{found.offset_hz:+.0f} Hz",
            "" if found.clock_ppm is None else f"{found.clock_ppm:+.0f} ppm",
            begin + (" …" if len(frame.data) > SHOWN_OCTETS else ""),
        )
