"""Charts as inline SVG, coloured by the page's style sheet, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganbaru.report.curves import Chart, Line
from ganbaru.report.markup import Markup, joined, tag
from ganbaru.report.translations import LANGUAGES

WIDTH, HEIGHT = 460, 244  # in units of the drawing; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 24
MAX_POINTS = 400  # of a line: more cannot be seen and make the page heavy
MAX_DOTS = 12  # points of a line that are drawn as dots


def svg(*charts: Chart) -> Markup:
    """Draw a chart as a figure with its legend, given in one language or in each of them."""
    chart = charts[0]
    lines = [line for line in chart.lines if line.points]
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    across, up = Scale(min(0.0, *xs), max(xs)), Scale(min(ys), max(ys))
    picture = tag(
        "svg",
        *_rows(up),
        *_columns(across),
        *(_line(line, across, up) for line in lines),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        aria_hidden="true",  # title and legend are text, in the reader's language
    )
    names = zip(*([line.name for line in each.lines] for each in charts), strict=True)
    legend = [
        tag("span", _each(each), class_=f"key {line.color} {line.style}")
        for line, each in zip(chart.lines, names, strict=True)
        if line.points
    ]
    axis = tag("p", _each([each.axis for each in charts]), class_="axis")
    title = tag("h3", _each([each.title for each in charts]))
    return tag("figure", title, picture, axis, tag("figcaption", *legend))


def _each(texts: Sequence[str]) -> str:
    """Return the one text, or the texts of each language."""
    if len(texts) == 1:
        return texts[0]
    named = zip(LANGUAGES, texts, strict=True)
    return joined(*(tag("span", text, class_=name, lang=name) for name, text in named))


class Scale:
    """An axis scale: round numbers around a range of values."""

    def __init__(self, low: float, high: float) -> None:
        spread = (high - low) or abs(high) or 1.0
        rough = spread / 5
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.99)
        self.low = math.floor(low / self.step) * self.step
        self.count = max(1, math.ceil((high - self.low) / self.step - 1e-9))

    def position(self, value: float) -> float:
        """Return the position of a value on the axis, from 0 to 1."""
        return (value - self.low) / (self.count * self.step)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the position and the text of each tick."""
        digits = max(0, -math.floor(math.log10(self.step)))
        values = (self.low + i * self.step for i in range(self.count + 1))
        return [(self.position(value), f"{value + 0.0:,.{digits}f}") for value in values]


def _x(position: float) -> float:
    return round(LEFT + position * (WIDTH - LEFT - RIGHT), 1)


def _y(position: float) -> float:
    return round(HEIGHT - BOTTOM - position * (HEIGHT - TOP - BOTTOM), 1)


def _rows(scale: Scale) -> list[Markup]:
    return [
        joined(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_y(at), y2=_y(at), class_="rule"),
            tag("text", text, x=LEFT - 6, y=_y(at) + 4, class_="axis end"),
        )
        for at, text in scale.ticks()
    ]


def _columns(scale: Scale) -> list[Markup]:
    def label(at: float, text: str) -> Markup:
        anchor = "end" if at > 0.95 else "middle"
        return tag("text", text, x=_x(at), y=HEIGHT - BOTTOM + 16, class_=f"axis {anchor}")

    return [label(at, text) for at, text in scale.ticks() if at <= 1]


def _line(line: Line, across: Scale, up: Scale) -> Markup:
    step = math.ceil(len(line.points) / MAX_POINTS)
    chosen = [*line.points[::-step]][::-1]  # always with the last one
    places = [(_x(across.position(x)), _y(up.position(y))) for x, y in chosen]
    path = tag(
        "polyline",
        points=" ".join(f"{x},{y}" for x, y in places),
        class_=f"line {line.color} {line.style}",
    )
    if len(places) > MAX_DOTS:
        return path
    dots = (tag("circle", cx=x, cy=y, r=3, class_=f"dot {line.color}") for x, y in places)
    return joined(path, *dots)
