"""Plots of a run as PNG, drawn with matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganbaru import files
from ganbaru.metrics import milestones
from ganbaru.report.curves import ALL_SHARES, WORDS, Chart, Line, Log, curves
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import read_log

COLORS = {
    "one": "tab:blue",
    "two": "tab:red",
    "three": "tab:orange",
    "four": "tab:green",
    "five": "tab:purple",
}
MAX_DOTS = 40  # points of a line that are drawn as dots
LETTERS = 60  # of a line of a legend: two columns of usual letters, one of the widest
MARGIN = 0.9  # inches beside a legend: the numbers and the title of an axis


class LossPlot(Callback):
    """Plots the log at the end."""

    def end(self, run: Run) -> None:
        """Plot losses and mean logits, and the scores if the run was evaluated."""
        lines = read_log(run.folder)
        losses(lines, run.folder.losses)
        if run.config.evaluate_every and any(milestones.MEASURE in line for line in lines):
            scores(lines, milestones.baselines(run.folder), run.folder.scores)


def losses(log: Log, path: Path) -> None:
    """Plot losses, held-out losses and mean logits over images."""
    charts = curves(log, {})
    draw([charts[name] for name in ("losses", "logits") if name in charts], path)


def scores(log: Log, baselines: Mapping[str, float], path: Path) -> None:
    """Plot the scores of a log over images, with the best one and real-image baselines."""
    words = {**WORDS, "frechet": "Fréchet distance", "shares": "share"}
    charts = curves(log, baselines, words, ALL_SHARES)
    if "frechet" in charts:
        lines = charts["frechet"].lines
        best = min(lines[0].points, key=lambda point: point[1])
        lines.append(Line("best", [best], "black"))
    draw([charts[name] for name in ("frechet", "shares") if name in charts], path)


def draw(charts: Sequence[Chart], path: Path, *, side_by_side: bool = False) -> None:
    """Draw charts one below the other, or side by side with one logarithmic axis and legend.

    The picture is as high as its legends need.
    """
    from matplotlib.figure import Figure  # the figure alone: no window system is used

    width, height = (11.0, 5.25) if side_by_side else (8.0, 5.5)
    figure = Figure(figsize=(width, height), layout="constrained")
    count = max(1, len(charts))
    rows, columns = (1, count) if side_by_side else (count, 1)
    panels = figure.subplots(
        rows, columns, sharex=not side_by_side, sharey=side_by_side, squeeze=False
    )
    lines: dict[str, Any] = {}
    for axes, chart in zip(panels.flat, charts, strict=False):
        lines = {line.name: _line(axes, line) for line in chart.lines if line.points}
        axes.set(xlabel=chart.axis, ylabel=chart.title)
        axes.label_outer()
        axes.grid(alpha=0.3, which="both")
        if not side_by_side:  # above the axes, where it hides no line
            height += _legend(axes, lines, loc="lower right", bbox_to_anchor=(1, 1))
        elif lines:
            axes.set_yscale("log")
    if side_by_side:  # the last chart's lines: all have the same
        height += _legend(figure, lines, loc="outside lower center")
    figure.set_size_inches(width, height)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _line(axes: Any, line: Line) -> Any:
    """Draw a line and return what stands for it in a legend."""
    xs, ys = zip(*line.points, strict=True)
    color = COLORS.get(line.color, line.color)
    if len(xs) == 1:
        return axes.plot(xs, ys, "*", color=color, markersize=12)[0]
    dots = {"marker": "o", "markersize": 4} if len(xs) <= MAX_DOTS else {}
    if line.band:
        axes.fill_between(xs, *zip(*line.band, strict=True), color=color, alpha=0.15)
    return axes.plot(xs, ys, color=color, linestyle=line.style, linewidth=1.2, **dots)[0]


def _legend(owner: Any, lines: Mapping[str, Any], **place: Any) -> float:
    """Add a legend of as many columns as fit, and return its height in inches."""
    if not lines:
        return 0.0
    figure = owner.get_figure()
    for columns in range(4, 0, -1):
        legend = owner.legend(
            lines.values(), [""] * len(lines), ncols=columns, frameon=False, **place
        )
        for text, name in zip(legend.get_texts(), map(_printable, lines), strict=True):
            text.set(text=name, parse_math=False)
        box = legend.get_window_extent()
        if box.width <= figure.bbox.width - MARGIN * figure.dpi or columns == 1:
            break
        legend.remove()
    return float(box.height / figure.dpi)


def _printable(name: str) -> str:
    """Return a name in lines that fit a legend; characters that the font lacks become escapes."""
    from matplotlib import font_manager

    font = font_manager.findfont(font_manager.FontProperties())
    glyphs = font_manager.get_font(font).get_charmap()
    shown = (
        c if c.isprintable() and ord(c) in glyphs else c.encode("unicode_escape").decode()
        for c in name
    )
    return textwrap.fill("".join(shown), LETTERS)
