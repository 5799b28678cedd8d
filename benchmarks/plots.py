"""Bars as SVG, by hand: the median of each as a bar, the lowest and the highest as a line across its end.

Nothing is needed to draw or to see them but what shows pictures in a page. A picture follows from its figures alone.
"""

import statistics
from collections.abc import Sequence
from math import floor, log10
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH = 760
_LEFT = 270
_RIGHT = 110
_TOP = 52
_ROW = 34
_BAR = 20
_BOTTOM = 38
_TICKS = 5

_STYLE = (
    "svg{background:#fff;font:13px system-ui,sans-serif}text{fill:#222}"
    ".title{font-size:15px;font-weight:600}.small{fill:#666;font-size:11px}"
    ".ours{fill:#2463a8}.peer{fill:#b9bfc7}.grid{stroke:#e6e6e6}.range{stroke:#222;stroke-width:1.5}"
)


class Bar(NamedTuple):
    """What one bar shows; ``is_ours`` gives it the colour of our own."""

    name: str
    values: Sequence[float]
    is_ours: bool


def draw_bars(title: str, unit: str, bars: Sequence[Bar], form: str = ",.0f") -> str:
    """The picture. All values are 0 or more, and each bar has one at least."""
    step = _step(max(max(bar.values) for bar in bars))
    most = max(step, step * -(-max(max(bar.values) for bar in bars) // step))
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    height = _TOP + _ROW * len(bars) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        *_grid(step, most, scale, height),
        f'<text class="small" x="{_WIDTH - 16}" y="26" text-anchor="end">{escape(unit)}</text>',
    ]
    for number, bar in enumerate(bars):
        parts += _bar(bar, _TOP + _ROW * number, scale, form)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(step: float, most: float, scale: float, height: int) -> list[str]:
    parts = []
    for number in range(round(most / step) + 1):
        x = _LEFT + number * step * scale
        bottom = height - _BOTTOM
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(
            f'<text class="small" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{number * step:,.10g}</text>'
        )
    return parts


def _bar(bar: Bar, top: float, scale: float, form: str) -> list[str]:
    middle = statistics.median(bar.values)
    lowest, highest = (_LEFT + value * scale for value in (min(bar.values), max(bar.values)))
    kind = "ours" if bar.is_ours else "peer"
    baseline = top + _BAR / 2 + 4.5
    parts = [
        f'<text x="{_LEFT - 10}" y="{baseline}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{middle * scale:.1f}" height="{_BAR}"/>',
        f'<text x="{max(highest, _LEFT + middle * scale) + 8:.1f}" y="{baseline}">{middle:{form}}</text>',
    ]
    if highest > lowest:
        parts += [
            f'<line class="range" x1="{lowest:.1f}" y1="{top + _BAR / 2}" x2="{highest:.1f}" y2="{top + _BAR / 2}"/>',
            *(
                f'<line class="range" x1="{x:.1f}" y1="{top + 5}" x2="{x:.1f}" y2="{top + 15}"/>'
                for x in (lowest, highest)
            ),
        ]
    return parts


def _step(highest: float) -> float:
    """A round number of which a few make up the highest value."""
    if highest <= 0:
        return 1.0
    raw = highest / _TICKS
    unit = 10.0 ** floor(log10(raw))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw)
