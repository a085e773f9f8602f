"""Curves over sizes of networks or of proofs, as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 44, 44
COLOURS = ("#1f6f8b", "#c2571a", "#7a7a7a", "#4c8c2b", "#8b3f8f")
Curve = tuple[str, Sequence[float]]
Panel = tuple[str, Sequence[Curve]]


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to a little more than the greatest value."""
    step = 1e-3
    while most / step > 6:
        step *= 2 if str(step / 10 ** _power(step))[0] in "15" else 2.5
    return [step * number for number in range(int(most / step) + 2)]


def _power(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def draw(sizes: Sequence[int], panels: Sequence[Panel], *, unit: str = "nodes") -> str:
    """Panels beside each other; sizes are a factor apart. A curve may end before the last one."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH * len(panels)}" height="{HEIGHT}" fill="white"/>',
    ]
    for place, panel in enumerate(panels):
        parts += [
            f'<g transform="translate({WIDTH * place},0)">',
            *_panel(sizes, panel, unit),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _panel(sizes: Sequence[int], panel: Panel, unit: str) -> list[str]:
    title, curves = panel
    marks = ticks(max(max(values) for _, values in curves))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(place: int) -> float:
        return LEFT + inner_width * place / max(1, len(sizes) - 1)

    def y(value: float) -> float:
        return TOP + inner_height * (1 - value / marks[-1])

    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{title}</text>']
    for mark in marks:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" '
            'stroke="#ddd"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>'
        )
    for place, size in enumerate(sizes):
        parts.append(
            f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{size:,}</text>'
        )
    parts.append(
        f'<text x="{LEFT + inner_width / 2}" y="{HEIGHT - 8}" text-anchor="middle">{unit}</text>'
    )
    for number, (name, values) in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'
            for place, value in enumerate(values)
        ]
        parts.append(
            f'<text x="{LEFT + 10}" y="{TOP + 12 + 16 * number}" fill="{colour}">{name}</text>'
        )
    return parts
