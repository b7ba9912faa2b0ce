"""Axes in SVG: a frame with title, ticks and units, and lines, dots and pictures inside it.

Knows how numbers become places on paper and which numbers are round; knows no signal.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 30.0, 42.0
INK, FAINT, GRID, PAPER = "#1b2733", "#5b6b7a", "#e3e8ee", "#ffffff"
BLUE, ORANGE, GREEN, GREY, RED = "#1d5a9b", "#d9662b", "#2f8f4e", "#9aa7b4", "#b3261e"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
TIME_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def round_step(span: float, wanted: int) -> float:
    """Return a round number that goes about ``wanted`` times into a span."""
    rough = max(span, 1e-30) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * 0.999)


def number(value: float, step: float) -> str:
    """Write a tick's number with as many digits as its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    if step < 1 and abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    text = f"{value:.{digits}f}" if step % 1 == 0 or step < 1 else f"{value:.1f}"
    return text.replace("-", "\u2212") if float(text) else text.lstrip("-")


class Axes:
    """One diagram; ``svg`` gives it whole."""

    def __init__(
        self,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        size: tuple[float, float],
        x_label: str,
        y_label: str,
        note: str = "",
        x_text: Callable[[float], str] | None = None,
        x_step: float | None = None,
        x_offset: float = 0.0,
        square: bool = False,
    ) -> None:
        """Set the bounds of both axes; ``note`` stands beside the title, ``x_text`` writes the ticks of x.

        Ticks of x stand where x and ``x_offset`` are together a multiple of ``x_step``.
        """
        self.width, self.height = size
        self._x, self._y = _opened(x), _opened(y)
        self._text = x_text
        self._labels = (x_label, y_label)
        inner_w, inner_h = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        if square:
            inner_w = inner_h = min(inner_w, inner_h)
        self._box = (LEFT, TOP, inner_w, inner_h)
        self._parts: list[str] = []
        self._over: list[str] = []
        self._legend: list[tuple[str, str]] = []
        self.title, self._note = title, note
        self._x_offset = x_offset
        self._x_step = x_step or round_step(self._x[1] - self._x[0], max(3, int(inner_w / 95)))
        self._y_step = round_step(self._y[1] - self._y[0], max(3, int(inner_h / 42)))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies on paper."""
        left, top, width, height = self._box
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return left + width * across, top + height * (1.0 - up)

    def line(
        self, xs: NDArray[np.floating], ys: NDArray[np.floating], colour: str, *, name: str = "", width: float = 1.3
    ) -> None:
        """Draw a line, broken where a value is no number."""
        pen, path = "M", []
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            at_x, at_y = self.place(x, y)
            path.append(f"{pen}{at_x:.1f} {at_y:.1f}")
            pen = "L"
        drawn = "".join(path)
        self._parts.append(f'<path d="{drawn}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        self._named(name, colour)

    def dots(
        self,
        xs: NDArray[np.floating],
        ys: NDArray[np.floating],
        colour: str,
        *,
        name: str = "",
        radius: float = 1.6,
    ) -> None:
        """Draw dots, as one path: thousands stay small."""
        path = []
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if math.isfinite(x) and math.isfinite(y):
                at_x, at_y = self.place(x, y)
                path.append(f"M{at_x:.1f} {at_y:.1f}h0")
        drawn = "".join(path)
        self._parts.append(
            f'<path d="{drawn}" stroke="{colour}" stroke-width="{2 * radius}" stroke-linecap="round" fill="none"/>'
        )
        self._named(name, colour)

    def picture(self, url: str, *, smooth: bool = False) -> None:
        """Fill the frame with a picture."""
        left, top, width, height = self._box
        how = "auto" if smooth else "pixelated"
        self._parts.append(
            f'<image x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
            f' preserveAspectRatio="none" style="image-rendering:{how}" href="{url}"/>'
        )

    def span(self, start: float, end: float, colour: str, *, name: str = "") -> None:
        """Mark a stretch of x along the upper edge."""
        left, top, width, _ = self._box
        x0, x1 = (min(max(self.place(x, 0)[0], left), left + width) for x in (start, end))
        self._over.append(
            f'<rect x="{x0:.1f}" y="{top - 5:.1f}" width="{max(x1 - x0, 1.5):.1f}" height="4" fill="{colour}"/>'
        )
        self._named(name, colour)

    def rule(
        self, *, x: float | None = None, y: float | None = None, colour: str = GREY, dashed: bool = True
    ) -> None:
        """Draw a straight line across."""
        left, top, width, height = self._box
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        if x is not None:
            at = self.place(x, 0)[0]
            path = f"M{at:.1f} {top:.1f}v{height:.1f}"
        else:
            at = self.place(0, y or 0.0)[1]
            path = f"M{left:.1f} {at:.1f}h{width:.1f}"
        self._parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="1" fill="none"{dash}/>')

    def _named(self, name: str, colour: str) -> None:
        if name and (name, colour) not in self._legend:
            self._legend.append((name, colour))

    def svg(self, at: tuple[float, float] = (0.0, 0.0)) -> str:
        """Give the diagram, to stand at a place of a page or alone."""
        left, top, width, height = self._box
        frame = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        clip = f"c{zlib.crc32(''.join([self.title, *self._parts]).encode()):08x}"
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" x="{at[0]:g}" y="{at[1]:g}" width="{self.width:g}"'
                f' height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
                f' font-family="{FONT}" font-size="11" fill="{INK}" role="img">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{self.width:g}" height="{self.height:g}" fill="{PAPER}"/>',
                f'<clipPath id="{clip}"><rect {frame}/></clipPath>',
                f'<text x="{left:.1f}" y="17" font-size="13" font-weight="600">{escape(self.title)}</text>',
                self._heading(self.width - RIGHT),
                *self._ticks(),
                f'<g clip-path="url(#{clip})">',
                *self._parts,
                "</g>",
                *self._over,
                f'<rect {frame} fill="none" stroke="{FAINT}" stroke-width="0.8"/>',
                f'<text x="{left + width / 2:.1f}" y="{top + height + 34:.1f}" text-anchor="middle"'
                f' fill="{FAINT}">{escape(self._labels[0])}</text>',
                f'<text transform="translate(14 {top + height / 2:.1f}) rotate(-90)" text-anchor="middle"'
                f' fill="{FAINT}">{escape(self._labels[1])}</text>',
                "</svg>",
            )
        )

    def _heading(self, right: float) -> str:
        """Write the legend and the note, right of the title."""
        words = [
            f'<tspan fill="{colour}" font-weight="600">\u25cf</tspan> <tspan>{escape(name)}</tspan>'
            for name, colour in self._legend
        ]
        if self._note:
            words.append(f"<tspan>{escape(self._note)}</tspan>")
        told = "&#8195;".join(words)
        return f'<text x="{right:.1f}" y="17" text-anchor="end" fill="{FAINT}">{told}</text>'

    def _ticks(self) -> list[str]:
        left, top, width, height = self._box
        parts = []
        shifted = self._x[0] + self._x_offset, self._x[1] + self._x_offset
        for value in (tick - self._x_offset for tick in ticks(shifted, self._x_step)):
            at = self.place(value, 0)[0]
            text = self._text(value) if self._text is not None else number(value, self._x_step)
            parts.append(f'<path d="M{at:.1f} {top:.1f}v{height:.1f}" stroke="{GRID}"/>')
            parts.append(f'<text x="{at:.1f}" y="{top + height + 15:.1f}" text-anchor="middle">{text}</text>')
        for value in ticks(self._y, self._y_step):
            at = self.place(0, value)[1]
            parts.append(f'<path d="M{left:.1f} {at:.1f}h{width:.1f}" stroke="{GRID}"/>')
            text = number(value, self._y_step)
            parts.append(f'<text x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
        return parts


def ticks(bounds: tuple[float, float], step: float) -> list[float]:
    """List the multiples of a step within bounds."""
    first = math.ceil(bounds[0] / step - 1e-6)
    return [k * step for k in range(first, math.floor(bounds[1] / step + 1e-6) + 1)]


def _opened(bounds: Sequence[float]) -> tuple[float, float]:
    low, high = float(bounds[0]), float(bounds[1])
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def time_step(span_s: float, wanted: int) -> float:
    """Return a step of time that reads well on a clock."""
    if span_s < wanted:
        return round_step(span_s, wanted)
    return float(next((step for step in TIME_STEPS if span_s / step <= wanted), TIME_STEPS[-1]))
