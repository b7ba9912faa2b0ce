"""The figures of one downlink: spectrum, waterfall, eye, constellation, soft symbols, clock, quality.

From what was gathered to diagrams with titles and units. Knows what each figure means; opens no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.commands.decode.plots import axes, gathering, pictures
from agent.commands.decode.plots.axes import Axes
from agent.commands.decode.plots.gathering import DownlinkPlot, Found, Pictures
from agent.commands.decode.plots.spectrogram import Spectrogram
from agent.records import UtcNs

WIDE: Final = (1180.0, 300.0)
LOW: Final = (1180.0, 210.0)
SMALL: Final = (388.0, 360.0)
MAX_MARKS: Final = 400
MOST_TURNS: Final = 2.0
"""A clock that turns more often over the picture is drawn against the rate it has."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The axis that all figures over time share."""

    start_s: float
    end_s: float
    start_utc_ns: UtcNs | None

    @property
    def bounds(self) -> tuple[float, float]:
        """Return its ends in seconds."""
        return self.start_s, self.end_s

    @property
    def label(self) -> str:
        """Say what it is."""
        if self.start_utc_ns is None:
            return "time from the recording's start, s"
        return f"UTC on {datetime.fromtimestamp(self.start_utc_ns / 1e9, UTC):%Y-%m-%d}"

    @property
    def step(self) -> float:
        """Return the distance of its ticks."""
        return axes.time_step(self.end_s - self.start_s, 11)

    @property
    def offset(self) -> float:
        """Return what is to be added so that ticks fall on whole steps of the clock."""
        return 0.0 if self.start_utc_ns is None else self.start_utc_ns / 1e9 % 86_400.0

    @property
    def text(self) -> Callable[[float], str] | None:
        """Return who writes its ticks; ``None``: plain seconds."""
        if self.start_utc_ns is None:
            return None
        start_s, step = self.start_utc_ns / 1e9, self.step

        def write(at_s: float) -> str:
            moment = datetime.fromtimestamp(start_s + at_s + 1e-6, UTC)
            return f"{moment:%H:%M:%S}" if step >= 1 else f"{moment:%H:%M:%S.%f}"[:-3]

        return write


def spectrum(heard: Spectrogram, title: str, marks: list[tuple[float, str]] | None = None) -> Axes:
    """Draw mean and strongest power over frequency."""
    unit, scale = _frequency_unit(heard)
    mean, highest = heard.mean_db(), heard.highest_db()
    shown = mean[np.isfinite(mean) & (mean > -190.0)]
    low = float(np.quantile(shown, 0.02)) - 6.0 if len(shown) else -120.0
    high = float(np.max(highest)) + 4.0
    lowest, topmost = heard.edges_hz
    drawn = Axes(
        title,
        (lowest / scale, topmost / scale),
        (low, max(high, low + 10.0)),
        size=WIDE,
        x_label=f"frequency{' from the centre' if heard.is_complex else ''}, {unit}",
        y_label="dB of full scale / Hz",
    )
    for offset_hz, _ in marks or []:
        drawn.rule(x=offset_hz / scale, colour=axes.RED)
    drawn.line(heard.frequencies_hz / scale, highest, axes.GREY, name="strongest", width=1.0)
    drawn.line(heard.frequencies_hz / scale, mean, axes.BLUE, name="mean", width=1.6)
    return drawn


def waterfall(heard: Spectrogram, title: str, time: TimeAxis, frames: list[Found]) -> Axes:
    """Draw power over time and frequency, frames marked above."""
    rows = heard.rows_db()
    good = rows[np.isfinite(rows) & (rows > -190.0)]
    low, high = -100.0, 0.0
    if len(good):
        # What a filter has taken away must not use up the colours.
        low = max(float(np.quantile(good, 0.1)), float(np.median(good)) - 15.0)
        high = float(np.quantile(good, 0.9995))
    unit, scale = _frequency_unit(heard)
    lowest, topmost = heard.edges_hz
    drawn = Axes(
        title,
        time.bounds,
        (lowest / scale, topmost / scale),
        size=WIDE,
        x_label=time.label,
        y_label=f"frequency, {unit}",
        note=f"{low:.0f} … {high:.0f} dB of full scale / Hz".replace("-", "−"),
        x_text=time.text,
        x_step=time.step,
        x_offset=time.offset,
    )
    levels = pictures.scaled(rows.T[::-1], low, max(high, low + 6.0))
    drawn.picture(pictures.data_url(np.ascontiguousarray(levels), pictures.DARK), smooth=True)
    _mark(drawn, frames)
    return drawn


def eye(shown: Pictures, what: str) -> Axes:
    """Draw where the matched filter's output passes, two symbols wide."""
    reach = gathering.EYE_REACH
    half = gathering.EYE_SYMBOLS / 2
    drawn = Axes(
        "Eye",
        (-half, half),
        (-reach, reach),
        size=SMALL,
        x_label="time from the decision, symbols",
        y_label="matched filter, levels at ±1",
        note=what,
    )
    drawn.picture(pictures.data_url(pictures.density(shown.eye), pictures.PALE), smooth=True)
    drawn.rule(x=0.0, colour=axes.ORANGE)
    return drawn


def constellation(shown: Pictures, *, phase_keyed: bool) -> Axes:
    """Draw the symbols in the complex plane; of a shifted frequency, how far the phase turned in each."""
    reach = gathering.PLANE_REACH
    drawn = Axes(
        "Constellation" if phase_keyed else "Phase turned in a symbol",
        (-reach, reach),
        (-reach, reach),
        size=SMALL,
        x_label="in phase" if phase_keyed else "cosine of the turn × power",
        y_label="quadrature" if phase_keyed else "sine of the turn × power",
        square=True,
    )
    drawn.picture(pictures.data_url(pictures.density(shown.plane), pictures.PALE))
    drawn.rule(x=0.0)
    drawn.rule(y=0.0)
    return drawn


def soft_symbols(shown: Pictures) -> Axes:
    """Draw how often a soft symbol has a value."""
    centres = (np.arange(gathering.SOFT_BINS) + 0.5) / gathering.SOFT_BINS * 2 * gathering.SOFT_REACH
    centres -= gathering.SOFT_REACH
    share = shown.soft / max(1.0, float(shown.soft.sum())) * 100.0
    drawn = Axes(
        "Soft symbols",
        (-gathering.SOFT_REACH, gathering.SOFT_REACH),
        (0.0, max(1.0, float(share.max()) * 1.08)),
        size=SMALL,
        x_label="soft value (a zero below 0, a one above)",
        y_label="share of symbols, %",
    )
    drawn.rule(x=0.0, colour=axes.ORANGE)
    drawn.line(centres, share, axes.BLUE, width=1.8)
    return drawn


def symbol_clock(plot: DownlinkPlot, time: TimeAxis) -> Axes:
    """Draw the clock's phase against its nominal rate: a slope is a rate that is off."""
    times_s, values = plot.clock.columns()
    inside = np.zeros(len(times_s), bool)
    for frame in plot.frames[:MAX_MARKS]:
        inside |= (times_s >= frame.start_s) & (times_s <= frame.start_s + frame.span_s)
    phase = values[:, 0] if len(values) else np.empty(0)
    rates = [frame.clock_ppm for frame in plot.frames if frame.clock_ppm is not None]
    ppm = float(np.median(rates)) if rates else 0.0
    note = f"median in frames {ppm:+.0f} ppm".replace("-", "−") if rates else ""
    nominal = f"{plot.transmitter.downlink.baudrate_bd:g} Bd"
    drift = ppm * 1e-6 * plot.transmitter.downlink.baudrate_bd  # symbols a second
    if abs(drift) * (time.end_s - time.start_s) > MOST_TURNS:
        phase = phase + drift * (times_s - time.start_s)
        nominal += f" {ppm:+.0f} ppm".replace("-", "−")
    wrapped = (phase + 0.5) % 1.0 - 0.5
    drawn = Axes(
        f"Symbol clock: timing against {nominal}",
        time.bounds,
        (-0.5, 0.5),
        size=LOW,
        x_label=time.label,
        y_label="symbols",
        note=note,
        x_text=time.text,
        x_step=time.step,
        x_offset=time.offset,
    )
    drawn.dots(times_s[~inside], wrapped[~inside], axes.GREY, name="noise and idle", radius=0.8)
    if inside.any():
        drawn.dots(times_s[inside], wrapped[inside], axes.BLUE, name="in frames", radius=1.4)
    _mark(drawn, plot.frames)
    return drawn


def quality(plot: DownlinkPlot, time: TimeAxis, column: int) -> Axes | None:
    """Draw Es/N0 (column 0) or the carrier's frequency offset (1); ``None`` where nothing was measured."""
    times_s, values = plot.quality.columns()
    measured: NDArray[np.float64] = values[:, column] if len(values) else np.empty(0)
    good = np.isfinite(measured) & (measured > -90.0)
    if not good.any():
        return None
    title, unit = (("Es/N0", "dB"), ("Carrier frequency offset", "Hz"))[column]
    low, high = float(measured[good].min()), float(measured[good].max())
    room = 0.08 * (high - low) + (1.0 if column == 0 else 5.0)
    drawn = Axes(
        title,
        time.bounds,
        (low - room, high + room),
        size=LOW,
        x_label=time.label,
        y_label=unit,
        x_text=time.text,
        x_step=time.step,
        x_offset=time.offset,
    )
    drawn.line(times_s[good], measured[good], axes.GREY, name="measured", width=1.0)
    drawn.dots(times_s[good], measured[good], axes.GREY, radius=1.2)
    of_frames = [(each.start_s + each.span_s / 2, each.snr_db, each.offset_hz) for each in plot.frames]
    points = [(each[0], each[1 + column]) for each in of_frames if each[1 + column] is not None]
    if points:
        table = np.array(points, np.float64)
        drawn.dots(table[:, 0], table[:, 1], axes.GREEN, name="frames", radius=3.0)
    _mark(drawn, plot.frames)
    return drawn


def _mark(drawn: Axes, frames: list[Found]) -> None:
    for frame in frames[:MAX_MARKS]:
        drawn.span(frame.start_s, frame.start_s + frame.span_s, axes.GREEN, name="frames")


def _frequency_unit(heard: Spectrogram) -> tuple[str, float]:
    return ("MHz", 1e6) if heard.rate_hz >= 2e6 else ("kHz", 1e3)
