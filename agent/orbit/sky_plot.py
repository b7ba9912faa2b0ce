"""Passes drawn: a polar plot of the sky and a timeline, as text for a terminal or as SVG. Strings only.

North is up and east to the right, as on a map (looked at from above, not from below). Knows tracks of azimuth and
elevation; knows no orbit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from agent.records import Pass, Station, UtcNs

COLOURS = ("#1b6ca8", "#c8553d", "#2a8c55", "#7a4fa3", "#b8860b", "#3b8ea5", "#a23b72", "#5b6e3a")
MARKS = "abcdefghijklmnopqrstuvwxyz0123456789"
MAX_TRACKS = len(MARKS)


@dataclass(frozen=True, slots=True)
class SkyTrack:
    """The path of one pass: (azimuth, elevation) in degrees, from AOS to LOS."""

    one: Pass
    points: tuple[tuple[float, float], ...]


def _clock(utc_ns: UtcNs | None, form: str = "%m-%d %H:%M:%S") -> str:
    return "--" if utc_ns is None else datetime.fromtimestamp(round(utc_ns / 1e9), UTC).strftime(form)


def _legend(track: SkyTrack) -> str:
    p = track.one
    times = f"{_clock(p.aos_utc_ns)} - {_clock(p.los_utc_ns, '%H:%M:%S')}"
    return f"{p.satellite[:24]}  {times}  {p.max_elevation_deg:.0f}°"


# -- text --------------------------------------------------------------------------------------------------


def sky_text(tracks: Sequence[SkyTrack], station: Station, *, radius: int = 16) -> str:
    """Draw the sky with letters; a character is twice as high as wide."""
    width, height = 4 * radius + 1, 2 * radius + 1
    canvas = [[" "] * width for _ in range(height)]

    def put(azimuth_deg: float, elevation_deg: float, mark: str) -> None:
        out = (90.0 - max(elevation_deg, 0.0)) / 90.0 * radius
        x = round(2 * radius + 2 * out * math.sin(math.radians(azimuth_deg)))
        y = round(radius - out * math.cos(math.radians(azimuth_deg)))
        canvas[y][x] = mark

    for ring in (0.0, 30.0, 60.0):
        for degrees in range(0, 360, 2):
            put(degrees, ring, "·")
    for degrees, mark in ((0, "N"), (90, "E"), (180, "S"), (270, "W")):
        put(degrees, 0.0, mark)
    put(0.0, 90.0, "+")
    for mark, track in zip(MARKS, tracks, strict=False):
        for azimuth, elevation in track.points:
            put(azimuth, elevation, mark)
    lines = [f"{station.name}: the sky, rings at 0°, 30° and 60°; times are UTC"]
    lines += ["".join(row).rstrip() for row in canvas]
    lines += [f"{mark}  {_legend(track)}" for mark, track in zip(MARKS, tracks, strict=False)]
    if len(tracks) > MAX_TRACKS:
        lines.append(f"… and {len(tracks) - MAX_TRACKS} passes more")
    return "\n".join(lines) + "\n"


def timeline_text(passes: Sequence[Pass], window_utc_ns: tuple[UtcNs, UtcNs], *, width: int = 72) -> str:
    """Draw a row for each satellite; the digit is the tens of degrees the pass reaches."""
    start, end = window_utc_ns
    rows: dict[str, list[str]] = {}
    for p in passes:
        row = rows.setdefault(p.satellite, ["·"] * width)
        first = int(((p.aos_utc_ns or start) - start) / (end - start) * width)
        last = int(((p.los_utc_ns or end) - start) / (end - start) * width)
        for column in range(max(first, 0), min(last, width - 1) + 1):
            row[column] = str(int(max(p.max_elevation_deg, 0.0) // 10))
    name_width = max([len(name[:24]) for name in rows] or [0])
    right = _clock(end)
    lines = [f"{'':{name_width}}  {_clock(start):<{width - len(right)}}{right}"]
    lines += [f"{name[:24]:{name_width}}  {''.join(row)}" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


# -- SVG ---------------------------------------------------------------------------------------------------


def sky_svg(tracks: Sequence[SkyTrack], station: Station) -> str:
    """Draw the sky as SVG, 480 wide."""
    middle, radius = 240.0, 200.0

    def at(azimuth_deg: float, elevation_deg: float) -> tuple[float, float]:
        out = (90.0 - max(elevation_deg, 0.0)) / 90.0 * radius
        angle = math.radians(azimuth_deg)
        return middle + out * math.sin(angle), middle - out * math.cos(angle)

    height = 500 + 16 * min(len(tracks), MAX_TRACKS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 {height}"'
        ' font-family="sans-serif" font-size="12">',
        f"<title>Passes over {escape(station.name)}</title>",
        f'<rect width="480" height="{height}" fill="white"/>',
    ]
    for elevation in (0.0, 30.0, 60.0):
        ring = (90.0 - elevation) / 90.0 * radius
        parts.append(f'<circle cx="{middle}" cy="{middle}" r="{ring:.1f}" fill="none" stroke="#bbb"/>')
    for azimuth, name in ((0, "N"), (90, "E"), (180, "S"), (270, "W")):
        x, y = at(azimuth, -6.0 if azimuth == 0 else 0.0)
        edge_x, edge_y = at(azimuth, 0.0)
        label_x, label_y = middle + (edge_x - middle) * 1.07, middle + (edge_y - middle) * 1.07
        parts.append(f'<line x1="{middle}" y1="{middle}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="middle" dominant-baseline="central">'
            f"{name}</text>"
        )
    for index, track in enumerate(tracks[:MAX_TRACKS]):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in track.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = at(*track.points[0])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="20" y="{494 + 16 * index}" fill="{colour}">{escape(_legend(track))}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def timeline_svg(passes: Sequence[Pass], window_utc_ns: tuple[UtcNs, UtcNs]) -> str:
    """Draw a row for each satellite as SVG, bars as high as the passes reach."""
    start, end = window_utc_ns
    names = list(dict.fromkeys(p.satellite for p in passes))
    left, width, row = 180.0, 760.0, 22.0
    height = 40.0 + row * len(names)

    def x_of(utc_ns: UtcNs) -> float:
        return left + (utc_ns - start) / (end - start) * width

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20:.0f} {height:.0f}"'
        ' font-family="sans-serif" font-size="12">',
        "<title>Passes in time</title>",
        f'<rect width="{left + width + 20:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{left}" y="14">{_clock(start)}</text>',
        f'<text x="{left + width}" y="14" text-anchor="end">{_clock(end)} UTC</text>',
    ]
    for index, name in enumerate(names):
        base = 30.0 + row * (index + 1)
        parts.append(f'<text x="{left - 8}" y="{base - 4:.1f}" text-anchor="end">{escape(name[:24])}</text>')
        parts.append(f'<line x1="{left}" y1="{base:.1f}" x2="{left + width}" y2="{base:.1f}" stroke="#ddd"/>')
    for p in passes:
        index = names.index(p.satellite)
        base = 30.0 + row * (index + 1)
        tall = 2.0 + max(p.max_elevation_deg, 0.0) / 90.0 * (row - 6.0)
        x1, x2 = x_of(p.aos_utc_ns or start), x_of(p.los_utc_ns or end)
        parts.append(
            f'<rect x="{x1:.1f}" y="{base - tall:.1f}" width="{max(x2 - x1, 1.0):.1f}" height="{tall:.1f}" '
            f'fill="{COLOURS[index % len(COLOURS)]}"><title>{escape(_legend(SkyTrack(p, ())))}</title></rect>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
