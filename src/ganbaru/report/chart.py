"""Line charts as inline SVG, coloured by the page's style, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganbaru.report.markup import Markup, joined, tag

WIDTH, HEIGHT = 460, 260  # in units of the drawing; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 40
POINTS = 400  # of a line at most: more are not to be seen, and make the page heavy


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, its points, its colour (a class of the style), its look."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dotted: bool = False


def chart(title: str, lines: Sequence[Line], below: str) -> Markup:
    """Draw lines over a common axis that is called `below`; the legend is text under it."""
    drawn = [line for line in lines if line.points]
    xs = [x for line in drawn for x, _ in line.points]
    ys = [y for line in drawn for _, y in line.points]
    across, up = Scale(min(0.0, *xs), max(xs)), Scale(min(ys), max(ys))
    picture = tag(
        "svg",
        *_rows(up), *_columns(across), *(_line(line, across, up) for line in drawn),
        tag("text", below, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 3, class_="axis middle"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title,
    )  # fmt: skip
    legend = [
        tag("span", line.name, class_=f"key {line.colour}{' dotted' if line.dotted else ''}")
        for line in drawn
    ]
    return tag("figure", tag("h3", title), picture, tag("figcaption", *legend))


class Scale:
    """Round numbers that hold a range, and where in it a value lies, from 0 to 1."""

    def __init__(self, low: float, high: float) -> None:
        spread = (high - low) or abs(high) or 1.0
        rough = spread / 5
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.99)
        self.low = math.floor(low / self.step) * self.step
        self.count = max(1, math.ceil((high - self.low) / self.step - 1e-9))

    def share(self, value: float) -> float:
        """Return how far along the range a value lies."""
        return (value - self.low) / (self.count * self.step)

    def marks(self) -> list[tuple[float, str]]:
        """Return each round number's place and text."""
        digits = max(0, -math.floor(math.log10(self.step)))
        values = (self.low + i * self.step for i in range(self.count + 1))
        return [(self.share(value), f"{value + 0.0:,.{digits}f}") for value in values]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _rows(scale: Scale) -> list[Markup]:
    return [
        joined(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_y(share), y2=_y(share), class_="rule"),
            tag("text", text, x=LEFT - 6, y=_y(share) + 4, class_="axis end"),
        )
        for share, text in scale.marks()
    ]


def _columns(scale: Scale) -> list[Markup]:
    within = [(share, text) for share, text in scale.marks() if share <= 1]
    return [
        tag("text", text, x=_x(share), y=HEIGHT - BOTTOM + 16,
            class_=f"axis {'end' if share > 0.95 else 'middle'}")
        for share, text in within
    ]  # fmt: skip


def _line(line: Line, across: Scale, up: Scale) -> Markup:
    step = math.ceil(len(line.points) / POINTS)
    chosen = [*line.points[::-step]][::-1]  # the last one always
    places = [(_x(across.share(x)), _y(up.share(y))) for x, y in chosen]
    look = f"line {line.colour}{' dotted' if line.dotted else ''}"
    path = tag("polyline", points=" ".join(f"{x},{y}" for x, y in places), class_=look)
    if len(places) > 12:
        return path
    dots = (tag("circle", cx=x, cy=y, r=3, class_=f"dot {line.colour}") for x, y in places)
    return joined(path, *dots)
