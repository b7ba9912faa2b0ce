"""Sensitivity curves as numbers and as a drawing: where a curve crosses a share, and a small SVG of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, floor

Curve = list[tuple[float, float]]
"""(Eb/N0 in dB, share of frames), rising."""

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 300, 46, 34
LEGEND = 350
COLOURS = ("#1d5a9b", "#d9662b", "#2f8f4e", "#8e44ad", "#c79a00", "#34495e", "#7f8c8d", "#b3261e")


def crossing_db(curve: Curve, share: float) -> float:
    """Give the Eb/N0 at which the curve first reaches a share, by straight lines; infinite when it never does."""
    for (x0, y0), (x1, y1) in pairwise(curve):
        if y0 < share <= y1:
            return x0 + (share - y0) / (y1 - y0) * (x1 - x0)
    return float("-inf") if curve and curve[0][1] >= share else float("inf")


def drawing(title: str, curves: Mapping[str, Curve]) -> str:
    """Draw curves; a name that begins with ``theory`` is dashed."""
    xs = [x for curve in curves.values() for x, _ in curve]
    lo, hi = min(xs), max(xs)

    def place(x: float, y: float) -> str:
        across = LEFT + (x - lo) / (hi - lo) * (WIDTH - LEFT - LEGEND)
        return f"{across:.1f},{HEIGHT - BOTTOM - y * (HEIGHT - BOTTOM - 24):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="14" font-size="13">{title}</text>',
    ]
    for tick in range(ceil(lo), floor(hi) + 1):
        x, y = place(tick, 0.0).split(",")
        parts.append(f'<path d="M{place(tick, 0)} L{place(tick, 1)}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{x}" y="{float(y) + 14:.0f}" text-anchor="middle">{tick}</text>')
    for share in (0.0, 0.5, 0.9, 1.0):
        x, y = place(lo, share).split(",")
        parts.append(f'<path d="M{place(lo, share)} L{place(hi, share)}" stroke="#cccccc"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.0f}" text-anchor="end">{share:.0%}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 4"' if name.startswith("theory") else ""
        points = " ".join(place(x, y) for x, y in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{WIDTH - LEGEND + 12}" y="{36 + 16 * number}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{WIDTH - LEGEND}" y="{HEIGHT - 4}" text-anchor="end">Eb/N0, dB</text></svg>')
    return "\n".join(parts) + "\n"


def stacked(drawings: Sequence[str]) -> str:
    """Put drawings above one another in one picture."""
    height = HEIGHT * len(drawings)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">']
    parts += [f'<g transform="translate(0 {HEIGHT * number})">{one}</g>' for number, one in enumerate(drawings)]
    return "\n".join([*parts, "</svg>"]) + "\n"
