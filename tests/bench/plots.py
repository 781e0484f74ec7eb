"""Plots as SVG text, without a library: lines over a logarithmic axis and stacked bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 30, 40
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0")

Points = Sequence[tuple[float, float]]


def lines(title: str, series: Mapping[str, Points], x_title: str) -> str:
    """Each of ``series`` as a line; x is logarithmic."""
    xs = sorted({x for points in series.values() for x, _ in points})
    top = nice_top(max((y for points in series.values() for _, y in points), default=1.0))
    span = math.log(xs[-1] / xs[0]) or 1.0

    def place(x: float, y: float) -> str:
        return f"{LEFT + inner_width() * math.log(x / xs[0]) / span:.1f},{y_of(y, top):.1f}"

    parts = [text(place_of.split(",")[0], HEIGHT - BOTTOM + 16, f"{x:g}", "middle") for x in xs for place_of in [place(x, 0)]]
    parts.append(text(LEFT + inner_width() / 2, HEIGHT - 6, x_title, "middle"))
    for colour, points in zip(cycle(), series.values(), strict=False):
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(place(x, y) for x, y in points)}"/>')
    return frame(title, top, list(series), parts)


def bars(title: str, stacks: Mapping[str, Mapping[str, float]]) -> str:
    """A bar for each of ``stacks``, made of its parts."""
    names = list(dict.fromkeys(part for stack in stacks.values() for part in stack))
    colours = dict(zip(names, cycle(), strict=False))
    top = nice_top(max((sum(stack.values()) for stack in stacks.values()), default=1.0))
    step = inner_width() / max(len(stacks), 1)
    parts = []
    for number, (label, stack) in enumerate(stacks.items()):
        x, height = LEFT + step * number + step * 0.15, 0.0
        for part, value in stack.items():
            height += value
            size = y_of(0, top) - y_of(value, top)
            parts.append(
                f'<rect x="{x:.1f}" y="{y_of(height, top):.1f}" width="{step * 0.7:.1f}" height="{size:.1f}" fill="{colours[part]}"/>'
            )
        parts.append(text(f"{x + step * 0.35:.1f}", HEIGHT - BOTTOM + 16, label, "middle"))
    return frame(title, top, names, parts)


def frame(title: str, top: float, names: Sequence[str], parts: Sequence[str]) -> str:
    """A plot with its title, its y axis from 0 to ``top`` and the names of its colours."""
    grid = []
    for tick in (0.0, top / 4, top / 2, top * 3 / 4, top):
        y = y_of(tick, top)
        grid.append(f'<line x1="{LEFT}" x2="{LEFT + inner_width()}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
        grid.append(text(LEFT - 6, y + 4, f"{tick:,g}", "end"))
    for number, (colour, name) in enumerate(zip(cycle(), names, strict=False)):
        y = TOP + 8 + 16 * number
        grid.append(f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 8}" width="10" height="10" fill="{colour}"/>')
        grid.append(text(WIDTH - RIGHT + 28, y + 1, name, "start"))
    body = "".join([text(LEFT, 16, title, "start"), *grid, *parts])
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(title)}">{body}</svg>'


def text(x: float | str, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def cycle() -> Iterator[str]:
    while True:
        yield from COLOURS


def inner_width() -> float:
    return WIDTH - LEFT - RIGHT


def y_of(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def nice_top(value: float) -> float:
    """The next number above that is 1, 2, 4 or 8 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((factor * power for factor in (1, 2, 4, 8) if factor * power >= value), 10 * power)
