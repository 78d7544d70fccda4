"""The plot of a tournament: scores over images and over seconds, with bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files
from ganbaru.comparison.standings import interval
from ganbaru.comparison.training import Outcome
from ganbaru.metrics.milestones import MEASURE

COLOURS = 10  # of matplotlib's usual cycle; contestants beyond are dashed

Numbers = NDArray[np.float64]


def curve(ended: Sequence[Outcome], over: str) -> tuple[Numbers, Numbers]:
    """Return where runs were scored (k,), mean over seeds, and their scores (k, seeds).

    Milestone by milestone, the end among them, as many as all the runs have that did not fail.
    """
    points = [_points(one, over) for one in ended if not one.failed]
    if not points:
        return np.empty(0), np.empty((0, 0))
    most = min(map(len, points))
    table = np.array([one[:most] for one in points])  # (seeds, k, 2)
    return table[:, :, 0].mean(axis=0), table[:, :, 1].T


def _points(ended: Outcome, over: str) -> list[tuple[float, float]]:
    last = (getattr(ended, over), ended.scores[MEASURE])
    points = [(line[over], line[MEASURE]) for line in ended.curve if line["images"] < ended.images]
    return [*points, last]


def curves(outcomes: Mapping[str, Sequence[Outcome]], order: Sequence[str], path: Path) -> None:
    """Plot each contestant's mean score with its 95 % interval, as PNG; dotted: real images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, over, label in zip(
        panels, ("images", "seconds"), ("real images shown to D", "seconds of training"),
        strict=True,
    ):  # fmt: skip
        for place, name in enumerate(order):
            _draw(axes, *curve(outcomes[name], over), name, place)
        for ended in outcomes[order[0]][:1]:
            if ended.floors:
                axes.axhline(
                    ended.floors[MEASURE], color="black", linestyle=":", label="real images"
                )
        axes.set_xlabel(label)
        axes.set_yscale("log")
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("Fréchet distance")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw(axes: Any, places: Numbers, scores: Numbers, name: str, place: int) -> None:
    if not len(places):
        return
    style = {"color": f"C{place % COLOURS}", "linestyle": "--" if place >= COLOURS else "-"}
    axes.plot(places, scores.mean(axis=1), label=name, linewidth=1.5, **style)
    if scores.shape[1] > 1:
        bands = np.array([interval(row) for row in scores])
        axes.fill_between(places, bands[:, 0], bands[:, 1], color=style["color"], alpha=0.15)
