"""The plot of a tournament: scores over images and over seconds, with bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru.callbacks import plots
from ganbaru.comparison.standings import interval
from ganbaru.comparison.training import Outcome
from ganbaru.metrics.milestones import MEASURE
from ganbaru.report.curves import Chart, Line

COLORS = 10  # of matplotlib's cycle; further contestants are dashed
AXES = {"images": "real images shown to D", "seconds": "seconds of training"}

Numbers = NDArray[np.float64]


def curve(outcomes: Sequence[Outcome], over: str) -> tuple[Numbers, Numbers]:
    """Return positions (k,), mean over seeds, and scores (k, seeds) of the evaluations.

    The last is that at the end; k is the smallest number among the runs that did not fail.
    """
    points = [_points(one, over) for one in outcomes if not one.failed]
    if not points:
        return np.empty(0), np.empty((0, 0))
    most = min(map(len, points))
    table = np.array([one[:most] for one in points])  # (seeds, k, 2)
    return table[:, :, 0].mean(axis=0), table[:, :, 1].T


def _points(outcome: Outcome, over: str) -> list[tuple[float, float]]:
    last = (getattr(outcome, over), outcome.scores[MEASURE])
    lines = [line for line in outcome.curve if line["images"] < outcome.images]
    return [*((line[over], line[MEASURE]) for line in lines), last]


def draw(outcomes: Mapping[str, Sequence[Outcome]], order: Sequence[str], path: Path) -> None:
    """Plot each contestant's mean score with its 95 % interval; dotted: real images."""
    charts = [
        Chart("Fréchet distance", axis, _lines(outcomes, order, over))
        for over, axis in AXES.items()
    ]
    plots.draw(charts, path, side_by_side=True)


def _lines(
    outcomes: Mapping[str, Sequence[Outcome]], order: Sequence[str], over: str
) -> list[Line]:
    lines = []
    for i, name in enumerate(order):
        positions, scores = curve(outcomes[name], over)
        points = [(float(x), float(row.mean())) for x, row in zip(positions, scores, strict=True)]
        bands = [band for row in scores if (band := interval(row))]
        style = "dashed" if i >= COLORS else "solid"
        lines.append(Line(name, points, f"C{i % COLORS}", style, bands))
    floors = outcomes[order[0]][0].floors
    if floors and (xs := [x for line in lines for x, _ in line.points]):
        real = [(x, floors[MEASURE]) for x in (min(xs), max(xs))]
        lines.append(Line("real images", real, "black", "dotted"))
    return lines
