"""Draws small multiples over time as an SVG file: plain text, readable on white and on black.

Law: a line that has more points than a panel can show keeps the largest of each part, so no peak is lost.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from msgspec import Struct

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 900, 190, 70, 44, 30, 30
_HEAD: Final = 58
_MOST: Final = 240
_COLOURS: Final = ("#3b8ed0", "#d9822b", "#2e9e6b", "#b565c9", "#8a8a8a", "#cc4b4b")
_STYLE: Final = """
svg { background: #fff; font: 12px system-ui, sans-serif; }
text { fill: #333; } .title { font-weight: 600; font-size: 13px; } .name { font-weight: 700; font-size: 16px; }
.grid { stroke: #ddd; } .mark { stroke: #999; stroke-dasharray: 2 3; } polyline { fill: none; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  svg { background: #14171a; } text { fill: #d5d8db; } .grid { stroke: #33383d; } .mark { stroke: #6d747b; }
}
"""


class Panel(Struct, frozen=True):
    """One graph: lines by name, points of minutes and `unit`."""

    title: str
    unit: str
    lines: Mapping[str, Points]


def draw(name: str, panels: Sequence[Panel], marks: Mapping[str, Sequence[float]]) -> str:
    """Return the file. `marks` are moments by what happened then, drawn as a row of their own at the end."""
    end = max((x for panel in panels for points in panel.lines.values() for x, _ in points), default=0) or 1
    rows = len(marks)
    foot = _TOP + 18 * rows + _BOTTOM if rows else 0
    height = _HEAD + _HEIGHT * len(panels) + foot
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(name)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="name" x="{_LEFT}" y="26">{escape(name)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate(0 {_HEAD + number * _HEIGHT})">', *_panel(panel, end), "</g>"]
    if rows:
        parts += [f'<g transform="translate(0 {_HEAD + len(panels) * _HEIGHT})">', *_marks(marks, end), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, end: float) -> list[str]:
    top = max((y for points in panel.lines.values() for _, y in points), default=0)
    step = _step(top or 1, 4)
    ceiling = step * max(-(-top // step), 1)
    floor = _HEIGHT - _BOTTOM
    parts = [f'<text class="title" x="{_LEFT}" y="16">{escape(panel.title)} ({escape(panel.unit)})</text>']
    for number in range(round(ceiling / step) + 1):
        y = floor - (floor - _TOP) * number * step / ceiling
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:,.6g}</text>')
    parts += _minutes(end, floor)
    at = _LEFT
    for number, (name, points) in enumerate(panel.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<line x1="{at}" x2="{at + 16}" y1="30" y2="30" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{at + 21}" y="34">{escape(name)}</text>')
        at += 40 + 7 * len(name)
        drawn = " ".join(
            f"{_across(x, end):.1f},{floor - (floor - _TOP) * y / ceiling:.1f}" for x, y in _thinned(points)
        )
        parts.append(f'<polyline stroke="{colour}" points="{drawn}"><title>{escape(name)}</title></polyline>')
    return parts


def _marks(marks: Mapping[str, Sequence[float]], end: float) -> list[str]:
    parts = [f'<text class="title" x="{_LEFT}" y="16">What was done meanwhile (a dot each)</text>']
    floor = _TOP + 18 * len(marks)
    for number, (name, moments) in enumerate(marks.items()):
        y = _TOP + 18 * number
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        colour = _COLOURS[number % len(_COLOURS)]
        parts += [f'<circle cx="{_across(x, end):.1f}" cy="{y}" r="4" fill="{colour}"/>' for x in moments]
    return [*parts, *_minutes(end, floor)]


def _minutes(end: float, floor: float) -> list[str]:
    step = _step(end, 8)
    ticks = [number * step for number in range(int(end / step) + 1)]
    return [f'<text x="{_across(x, end):.1f}" y="{floor + 16}" text-anchor="middle">{x:.6g} min</text>' for x in ticks]


def _across(x: float, end: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / end


def _step(top: float, most: int) -> float:
    """Return a round number of which at most so many reach the top."""
    power = 10.0**-3
    while True:
        for factor in (1, 2, 5):
            if top <= power * factor * most:
                return power * factor
        power *= 10


def _thinned(points: Points) -> Points:
    part = -(-len(points) // _MOST)
    if part <= 1:
        return points
    return [max(points[at : at + part], key=lambda point: point[1]) for at in range(0, len(points), part)]
