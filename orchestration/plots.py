"""Plots as Dagster's UI shows them: an SVG, drawn by hand, as an image in Markdown metadata.

What belongs here: drawing. What does not: what is drawn. The UI lets no `<svg>` into Markdown, but images from `data:`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

_SIDE, _MARGIN = 320, 40


def calibration_plot(bins: Sequence[tuple[float, float, int]]) -> str:
    """Markdown with a plot of (mean predicted, share correct, attempts): on the diagonal is what was promised."""
    most = max((attempts for _, _, attempts in bins), default=1)
    full = _MARGIN + _SIDE

    def x(share: float) -> str:
        return f"{_MARGIN + share * _SIDE:.1f}"

    def y(share: float) -> str:
        return f"{full - share * _SIDE:.1f}"

    ticks = "".join(
        f'<path d="M{x(t)},{y(0)} V{y(1)} M{x(0)},{y(t)} H{x(1)}" stroke="#ddd"/>'
        f'<text x="{x(t)}" y="{full + 15}" text-anchor="middle">{t}</text>'
        f'<text x="{_MARGIN - 5}" y="{y(t - 0.01)}" text-anchor="end">{t}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    line = " ".join(f"{x(predicted)},{y(correct)}" for predicted, correct, _ in bins)
    points = "".join(
        f'<circle cx="{x(predicted)}" cy="{y(correct)}" r="{2 + 8 * (attempts / most) ** 0.5:.1f}" fill="#3b6fb6"'
        ' fill-opacity="0.6"/>'
        for predicted, correct, attempts in bins
    )
    size = full + _MARGIN
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}"'
        f' font-family="sans-serif" font-size="11"><rect width="{size}" height="{size}" fill="white"/>{ticks}'
        f'<path d="M{x(0)},{y(0)} L{x(1)},{y(1)}" stroke="#888" stroke-dasharray="4"/>'
        f'<polyline points="{line}" fill="none" stroke="#3b6fb6"/>{points}'
        f'<text x="{x(0.5)}" y="{full + 32}" text-anchor="middle">predicted (size: attempts)</text>'
        f'<text transform="translate(12,{y(0.5)}) rotate(-90)" text-anchor="middle">correct</text></svg>'
    )
    return f"![calibration](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"
