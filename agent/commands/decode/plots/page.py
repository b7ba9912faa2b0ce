"""A page of figures that opens alone: HTML, or one SVG. Knows nothing of what is on it but the list of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from agent.commands.decode.plots.axes import FAINT, FONT, INK, Axes

MARGIN: Final = 24.0
GAP: Final = 8.0
MAX_ROWS: Final = 300

STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 24px; max-width: 1180px; background: #fff; color: #1b2733;
       font: 14px/1.45 system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; }
h1 { font-size: 20px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 32px 0 4px; }
p.facts { color: #5b6b7a; margin: 0 0 14px; }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 12.5px; width: 100%; }
th, td { text-align: left; border-bottom: 1px solid #e3e8ee; padding: 3px 12px 3px 0; }
th { color: #5b6b7a; font-weight: 600; border-bottom-color: #9aa7b4; } td { font-variant-numeric: tabular-nums; }
td.hex { font-family: ui-monospace, 'Liberation Mono', monospace; }
"""


@dataclass(slots=True)
class Section:
    """One downlink (or the source): heading, facts, rows of figures, and a table."""

    heading: str
    facts: str
    rows: list[list[Axes]]
    columns: Sequence[str] = ()
    table: list[Sequence[str]] = field(default_factory=list)
    left_out: int = 0


def html(title: str, facts: str, sections: Sequence[Section]) -> str:
    """Make one HTML page with everything in it."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>',
        f'<body><h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p>',
    ]
    for section in sections:
        parts.append(f'<h2>{escape(section.heading)}</h2><p class="facts">{escape(section.facts)}</p>')
        for row in section.rows:
            parts += ['<div class="row">', *(figure.svg() for figure in row), "</div>"]
        parts += _table(section)
    return "\n".join([*parts, "</body></html>", ""])


def _table(section: Section) -> list[str]:
    if not section.table:
        return []
    heads = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    parts = [f"<table><thead><tr>{heads}</tr></thead><tbody>"]
    for row in section.table[:MAX_ROWS]:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[:-1])
        parts.append(f'<tr>{cells}<td class="hex">{escape(row[-1])}</td></tr>')
    parts.append("</tbody></table>")
    left_out = section.left_out + max(0, len(section.table) - MAX_ROWS)
    return [*parts, f'<p class="facts">and {left_out} more</p>'] if left_out else parts


def svg(title: str, facts: str, sections: Sequence[Section]) -> str:
    """Make one SVG picture of all figures; the tables are left out."""
    parts: list[str] = []
    y = MARGIN + 40.0
    width = 0.0
    for section in sections:
        parts.append(_text(MARGIN, y + 14, section.heading, 16, INK))
        parts.append(_text(MARGIN, y + 34, section.facts, 12, FAINT))
        y += 46.0
        for row in section.rows:
            x = MARGIN
            for figure in row:
                parts.append(figure.svg((x, y)))
                x += figure.width + GAP
            width = max(width, x - GAP + MARGIN)
            y += max(figure.height for figure in row) + GAP
        y += 16.0
    height = y + MARGIN - 16.0
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" font-family="{FONT}">'
    )
    paper = f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    heading = [_text(MARGIN, MARGIN + 12, title, 20, INK), _text(MARGIN, MARGIN + 32, facts, 12, FAINT)]
    return "\n".join([head, paper, *heading, *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, size: int, colour: str) -> str:
    weight = 600 if size > 12 else 400
    font = f'font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:g}" y="{y:g}" {font}>{escape(words)}</text>'
