"""Curves of detection against false alarms as a small SVG: false alarms in decades across, detection upwards."""

from __future__ import annotations

import math
from collections.abc import Mapping

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 300, 46, 34
COLOURS = ("#0b6e99", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#34495e")


def drawing(title: str, curves: Mapping[str, list[tuple[float, float]]]) -> str:
    """Draw curves of (false alarms, detection)."""
    falses = [false for curve in curves.values() for false, _ in curve]
    lo, hi = math.log10(min(falses)), math.log10(max(falses))

    def place(false: float, found: float) -> str:
        across = LEFT + (math.log10(false) - lo) / (hi - lo) * (WIDTH - LEFT - 10)
        return f"{across:.1f},{HEIGHT - BOTTOM - found * (HEIGHT - BOTTOM - 24):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="14" font-size="13">{title}</text>',
    ]
    for decade in range(math.ceil(lo), math.floor(hi) + 1):
        x, y = place(10.0**decade, 0.0).split(",")
        parts.append(f'<path d="M{place(10.0**decade, 0)} L{place(10.0**decade, 1)}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{x}" y="{float(y) + 14:.0f}" text-anchor="middle">1e{decade}</text>')
    for share in (0.0, 0.5, 0.9, 1.0):
        left = place(10.0**lo, share)
        parts.append(f'<path d="M{left} L{place(10.0**hi, share)}" stroke="#cccccc"/>')
        x, y = left.split(",")
        parts.append(f'<text x="{float(x) - 6:.0f}" y="{float(y) + 4:.0f}" text-anchor="end">{share:.0%}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(place(false, found) for false, found in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = HEIGHT - BOTTOM - 14 * (len(curves) - number)
        parts.append(f'<text x="{WIDTH - 14}" y="{y}" text-anchor="end" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{WIDTH - 10}" y="{HEIGHT - 4}" text-anchor="end">false alarms a window</text></svg>')
    return "\n".join(parts) + "\n"
