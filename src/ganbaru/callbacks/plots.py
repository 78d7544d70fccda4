"""Plots of a run as PNG, drawn with matplotlib."""

from __future__ import annotations

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
    """Draw charts one below the other, or side by side with one logarithmic axis and legend."""
    from matplotlib.figure import Figure  # the figure alone: no window system is used

    figure = Figure(figsize=(11, 6) if side_by_side else (8, 6), layout="constrained")
    count = max(1, len(charts))
    rows, columns = (1, count) if side_by_side else (count, 1)
    panels = figure.subplots(
        rows, columns, sharex=not side_by_side, sharey=side_by_side, squeeze=False
    )
    for axes, chart in zip(panels.flat, charts, strict=False):
        for line in chart.lines:
            _line(axes, line)
        axes.set(xlabel=chart.axis, ylabel=chart.title)
        axes.label_outer()
        axes.grid(alpha=0.3, which="both")
        if side_by_side:
            axes.set_yscale("log")
        else:  # above the axes, where it hides no line
            # Two names of 45 characters fit side by side; of more, no room is left for the axes.
            wide = max((len(line.name) for line in chart.lines), default=0) > 16
            how: dict[str, Any] = {"ncols": 2, "fontsize": "small"} if wide else {"ncols": 4}
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, **how)
    if side_by_side:
        legend = panels.flat[0].get_legend_handles_labels()
        figure.legend(*legend, loc="outside lower center", ncols=3, frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _line(axes: Any, line: Line) -> None:
    if not line.points:
        return
    xs, ys = zip(*line.points, strict=True)
    color = COLORS.get(line.color, line.color)
    if len(xs) == 1:
        axes.plot(xs, ys, "*", color=color, label=line.name, markersize=12)
        return
    dots = {"marker": "o", "markersize": 4} if len(xs) <= MAX_DOTS else {}
    axes.plot(xs, ys, color=color, label=line.name, linestyle=line.style, linewidth=1.2, **dots)
    if line.band:
        axes.fill_between(xs, *zip(*line.band, strict=True), color=color, alpha=0.15)
