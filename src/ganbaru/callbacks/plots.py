"""Plots of a run's log over images, drawn with matplotlib: losses, logits and scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru import files
from ganbaru.metrics import milestones
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import read_log


class LossPlot(Callback):
    """Plots the log at the end."""

    def end(self, run: Run) -> None:
        """Plot losses and mean logits, and the scores if the run was evaluated."""
        lines = read_log(run.folder)
        losses(lines, run.folder.losses)
        if run.config.evaluate_every and any(milestones.MEASURE in line for line in lines):
            scores(lines, milestones.floors(run.folder), run.folder.scores)


def _series(lines: Sequence[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Return the images at which a log has a number, and its values."""
    having = [line for line in lines if name in line]
    return [line["images"] for line in having], [line[name] for line in having]


def losses(lines: Sequence[dict[str, float]], path: Path) -> None:
    """Plot a log as PNG: both losses, training and held-out, and the mean logits, over images."""
    from matplotlib.figure import Figure  # pyplot would choose a window system

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, names, label in (
        (above, (("d_loss", "discriminator"), ("g_loss", "generator")), "loss"),
        (below, (("real_score", "real"), ("fake_score", "fake")), "mean score (logit)"),
    ):
        for (name, text), colour in zip(names, ("tab:blue", "tab:red"), strict=True):
            axes.plot(*_series(lines, name), color=colour, label=text, linewidth=1)
            held_out = _series(lines, f"held_out_{name}")
            if held_out[0]:
                axes.plot(*held_out, "o:", color=colour, label=f"{text}, held out", markersize=4)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        # Outside the axes, where it hides no data.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False)
    below.set_xlabel("real images shown")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


# The colours of the scores from 0 to 1, in the order of their legend.
SHARES = {
    "precision": "tab:blue",
    "recall": "tab:red",
    "density": "tab:green",
    "coverage": "tab:purple",
}


def scores(lines: Sequence[dict[str, float]], floors: dict[str, float], path: Path) -> None:
    """Plot the scores of a log as PNG, over images; the baselines of real images are dotted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    images, distances = _series(lines, "frechet")
    best = min(range(len(images)), key=distances.__getitem__)
    above.plot(images, distances, "o-", color="tab:orange", label="made", markersize=4, linewidth=1)
    above.plot(images[best], distances[best], "*", color="black", label="best", markersize=12)
    above.axhline(floors["frechet"], color="tab:orange", linestyle=":", label="real images")
    above.set_ylabel("Fréchet distance")
    above.set_ylim(bottom=0)
    for name, colour in SHARES.items():
        below.plot(*_series(lines, name), "o-", color=colour, label=name, markersize=4, linewidth=1)
        below.axhline(floors[name], color=colour, linestyle=":", linewidth=1)
    below.set_ylabel("share")
    below.set_xlabel("real images shown (dotted: what real images get)")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
