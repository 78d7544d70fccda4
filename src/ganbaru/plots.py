"""Plots of a run, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru import files


def losses(lines: Sequence[dict[str, float]], path: Path) -> None:
    """Plot both losses and the mean scores of a log over images, as PNG."""
    from matplotlib.figure import Figure  # the figure alone: no window system is touched

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    images = [line["images"] for line in lines]
    for axes, names, label in (
        (above, (("d_loss", "discriminator"), ("g_loss", "generator")), "loss"),
        (below, (("real_score", "real"), ("fake_score", "fake")), "mean score (logit)"),
    ):
        for (name, text), colour in zip(names, ("tab:blue", "tab:red"), strict=True):
            axes.plot(images, [line[name] for line in lines], color=colour, label=text, linewidth=1)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
    below.set_xlabel("real images shown")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
