"""The curves of the objectives, drawn by the objectives themselves: docs/images/objectives.png."""

from __future__ import annotations

import numpy as np

from bench.docs.pages import ROOT
from ganbaru.gan.objectives import OBJECTIVES

SHOWN = ("non-saturating", "least-squares", "hinge", "wgan", "rsgan")


def values(name: str, player: str, logits: np.ndarray) -> np.ndarray:
    """Return a player's loss at each logit of a fake, beside a real image whose logit is 0."""
    loss = getattr(OBJECTIVES[name], player)
    real = np.zeros(1)
    return np.array([float(loss(real, np.array([logit]))) for logit in logits])


def write() -> int:
    """Draw D's and G's losses and their slopes over the logit of a fake."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logits = np.linspace(-4, 4, 161)
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for name in SHOWN:
        losses = {player: values(name, player, logits) for player in "dg"}
        axes[0].plot(logits, losses["d"], label=name)
        axes[1].plot(logits, losses["g"], label=name)
        axes[2].plot(logits, np.gradient(losses["g"], logits), label=name)
    for axis, title in zip(axes, ("D's loss", "G's loss", "slope of G's loss"), strict=True):
        axis.set(title=title, xlabel="logit of a fake (real: 0)")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(-3, 6)
    axes[1].set_ylim(-3, 6)
    axes[2].set_ylim(-3, 0.5)
    axes[0].legend(fontsize=8)
    figure.savefig(ROOT / "docs" / "images" / "objectives.png", dpi=90)
    return 0
