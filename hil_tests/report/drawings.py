"""Drawings of a trial as SVG that stands in the page: waterfall, symbols, values over time, faults and alarms.

Pure: numbers in, text out. Colours come from the page's style sheet by class, so that it can be light or dark.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 26, 34
Points = Sequence[tuple[float, float]]


def _frame(title: str, x_name: str, y_name: str, *, height: int = HEIGHT) -> list[str]:
    return [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f'<text x="{LEFT}" y="16" class="title">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{height - 4}" text-anchor="end" class="axis">{x_name}</text>',
        f'<text x="{WIDTH - RIGHT}" y="16" text-anchor="end" class="axis">{y_name}</text>',
    ]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose round numbers within an interval."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * k for k in (1, 2, 5, 10) if scale * k >= rough)
    first = math.ceil(low / step) * step
    return [first + step * k for k in range(int((high - first) / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-9 else value:g}"


def over_time(
    title: str, unit: str, series: dict[str, Points], seconds: float, bands: Sequence[tuple[float, float, str]] = ()
) -> str:
    """Draw values over the time of the play; ``bands`` are stretches with a name, such as faults."""
    values = [y for points in series.values() for _, y in points]
    if not values:
        return ""
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def x(t: float) -> float:
        return LEFT + t / seconds * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = _frame(title, "s", unit)
    for begin, end, name in bands:
        parts.append(
            f'<rect x="{x(begin):.1f}" y="{TOP}" width="{x(end) - x(begin):.1f}" height="{HEIGHT - TOP - BOTTOM}"'
            f' class="band"><title>{name}</title></rect>'
        )
    for value in ticks(low, high):
        parts.append(f'<path d="M{LEFT} {y(value):.1f} H{WIDTH - RIGHT}" class="grid"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end" class="axis">{_number(value)}</text>'
        )
    for t in ticks(0, seconds, 6):
        parts.append(
            f'<text x="{x(t):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" class="axis">{_number(t)}</text>'
        )
    for number, (name, points) in enumerate(series.items()):
        parts += [
            f'<circle cx="{x(t):.1f}" cy="{y(v):.1f}" r="2.4" class="s{number % 4}">'
            f"<title>{name}: {v:.1f} {unit} at {t:.1f} s</title></circle>"
            for t, v in points
        ]
        parts.append(f'<text x="{LEFT + 8 + 120 * number}" y="{TOP + 14}" class="key s{number % 4}">{name}</text>')
    return "".join(parts) + "</svg>"


def waterfall(title: str, spectrum: dict[str, Any], seconds: float) -> str:
    """Draw lines of a spectrum, time upwards from the bottom, as a picture with axes."""
    levels = np.array(spectrum["lines"], dtype=np.float64)
    if levels.size == 0:
        return ""
    low, high = float(np.percentile(levels, 5)), float(levels.max())
    shade = np.clip((levels - low) / max(high - low, 1.0), 0.0, 1.0)
    picture = base64.b64encode(png(coloured(shade[::-1]))).decode("ascii")
    height = 300
    inner_height, inner_width = height - TOP - BOTTOM, WIDTH - LEFT - RIGHT
    first_s, last_s = spectrum["times_s"][0], spectrum["times_s"][-1]
    half_khz = spectrum["span_hz"] / 2e3
    parts = _frame(
        title, f"kHz about {spectrum['center_hz'] / 1e6:.3f} MHz", f"{low:.0f} … {high:.0f} dB", height=height
    )
    parts.append(
        f'<image x="{LEFT}" y="{TOP}" width="{inner_width}" height="{inner_height}" preserveAspectRatio="none"'
        f' href="data:image/png;base64,{picture}"/>'
    )
    for t in ticks(first_s, last_s, 5):
        y = TOP + (last_s - t) / max(last_s - first_s, 1e-9) * inner_height
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" class="axis">{_number(t)} s</text>')
    for khz in ticks(-half_khz, half_khz, 6):
        x = LEFT + (khz + half_khz) / (2 * half_khz) * inner_width
        parts.append(
            f'<text x="{x:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle" class="axis">{_number(khz)}</text>'
        )
    return "".join(parts) + "</svg>"


STOPS = np.array(
    [[13, 8, 60], [38, 50, 130], [20, 110, 150], [40, 170, 120], [170, 210, 60], [253, 231, 37]], dtype=np.float64
)
"""From quiet to loud; told apart in grey as well."""


def coloured(shade: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour shades of 0 to 1: uint8[rows, columns, 3]."""
    at = shade * (len(STOPS) - 1)
    below = np.minimum(at.astype(np.int64), len(STOPS) - 2)
    part = (at - below)[..., None]
    return np.asarray(STOPS[below] * (1 - part) + STOPS[below + 1] * part, np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pack a picture of red, green and blue. Source: W3C PNG, 2nd edition, clauses 5 and 11."""
    rows, columns, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def constellation(title: str, symbols: Sequence[float]) -> str:
    """Draw soft symbols in their order, and how often each value came: two clouds with nothing between are good."""
    if not symbols:
        return ""
    values = np.clip(np.array(symbols, dtype=np.float64), -2.5, 2.5)
    side, right = WIDTH - 150, WIDTH - RIGHT

    def y(value: float) -> float:
        return TOP + (2.5 - value) / 5.0 * (HEIGHT - TOP - BOTTOM)

    parts = _frame(title, "symbols, and how often each value", "soft value")
    for value in (-1, 0, 1):
        parts.append(f'<path d="M{LEFT} {y(value):.1f} H{right}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end" class="axis">{value}</text>')
    step = (side - LEFT) / len(values)
    parts += [
        f'<circle cx="{LEFT + step * k:.1f}" cy="{y(float(v)):.1f}" r="1.5" class="s{int(v > 0)}"/>'
        for k, v in enumerate(values)
    ]
    counts, edges = np.histogram(values, bins=50, range=(-2.5, 2.5))
    for count, edge in zip(counts, edges, strict=False):
        length = (right - side - 8) * count / max(1, counts.max())
        parts.append(
            f'<rect x="{side + 8:.1f}" y="{y(edge + 0.1):.1f}" width="{length:.1f}" height="3.2"'
            f' class="s{int(edge >= 0)}"/>'
        )
    return "".join(parts) + "</svg>"


def timeline(ledger: dict[str, Any], seconds: float) -> str:
    """Draw what was broken when, and which alarm stood when, one above the other."""
    rows: list[tuple[str, float, float, str]] = [
        (fault["kind"], fault["at_s"], fault["at_s"] + fault["for_s"], "band") for fault in ledger["faults"]
    ]
    for alarm in ledger["alarms"]:
        if alarm["raised_s"] is not None:
            kind = "good" if alarm["verdict"] == "as expected" else "bad"
            over_s = alarm["over_s"] if alarm["over_s"] is not None else seconds
            rows.append((alarm["name"].split("/")[1], alarm["raised_s"], over_s, kind))
    if not rows:
        return ""
    left, row_height = 190, 20
    height = 24 + row_height * len(rows)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="faults and alarms over time">']
    width = WIDTH - left - RIGHT
    for t in ticks(0, seconds, 6):
        x = left + t / seconds * width
        parts.append(f'<path d="M{x:.1f} 0 V{height - 18}" class="grid"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle" class="axis">{_number(t)} s</text>')
    for number, (name, begin, end, kind) in enumerate(rows):
        y = 4 + row_height * number
        from_x = left + max(0.0, begin) / seconds * width
        to_x = left + min(seconds, end) / seconds * width
        parts.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end" class="axis">{name}</text>')
        parts.append(
            f'<rect x="{from_x:.1f}" y="{y}" height="13" rx="3" class="bar {kind}"'
            f' width="{max(2.0, to_x - from_x):.1f}"><title>{name}: {begin:.1f} … {end:.1f} s</title></rect>'
        )
    return "".join(parts) + "</svg>"
