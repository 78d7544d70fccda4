"""The collapse alarm: a generator that loses its variety, or that never had any."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.callbacks import grid_layout
from ganbaru.gan import held_out
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log

SHARE = 0.5  # of the largest Vendi score so far; training that goes well keeps 0.8 of it and more
# Healthy runs (digits, MNIST, cats) had a variety in their last grid of 0.02 or more
# after 32 steps, 0.09 after 100, 0.6 after 200, and as many middle values as real images or more;
# runs at a learning rate of 0.5 had 0.0000 of both. An untrained generator has a variety of 0.0000,
# so fewer steps say nothing about it, but no extreme values.
STEPS, VARIETY, MIDDLE = 100, 0.01, 0.05
REALS = 256  # images that the grid is compared with


class CollapseAlarm(Callback):
    """Adds a note to a run whose Vendi score halves, and a warning to one without progress.

    The Vendi score is the effective number of different images in a periodic evaluation
    (`--evaluate-every`). It rises from noise on, so it is compared with the run's own largest.
    Everything follows from the log, so a resumed run gives the note that an uninterrupted one does.

    At the end of every run the sample grid is compared with real images. Listed after `Samples`.
    """

    def start(self, run: Run) -> None:
        """Read the scores so far."""
        self.best: Line = {}
        self.raised = False
        for line in read_log(run.folder):
            if line["images"] <= run.images:
                self.line(run, line)

    def line(self, run: Run, line: Line) -> None:
        """Compare a line that has scores with the best one."""
        if "vendi" not in line or self.raised:
            return
        if not self.best or line["vendi"] > self.best["vendi"]:
            self.best = line
        if line["vendi"] < SHARE * self.best["vendi"]:
            self.raised = True
            run.notes.append(
                f"The generator is collapsing: at {line['images']:,.0f} images its samples are as "
                f"various as {line['vendi']:.1f} different ones, after {self.best['vendi']:.1f} at "
                f"{self.best['images']:,.0f} (Vendi score). Take best.safetensors "
                f"(--checkpoint best), and a lower --lr or a --penalty for the next run."
            )

    def end(self, run: Run) -> None:
        """Judge the last grid."""
        path = run.folder.sample(run.images)
        if path.exists():
            run.warnings = findings(run, grid_layout.cut(run, path))
            run.notes += run.warnings.values()


def findings(run: Run, images: NDArray[np.uint8]) -> dict[str, str]:
    """Return warnings about the images (N, H, W, C) of a grid, sentences by code.

    "collapsed": after 100 steps, the variance between images, of one class if there are classes, is
    below 0.01 of the real images'. "saturated": values from 3 to 252 are less than 0.05 times as
    frequent.
    """
    chosen = held_out.spread(len(run.source.images), min(REALS, len(run.source.images)))
    reals, labels = run.source.images[chosen], np.zeros(len(chosen), np.int64)
    columns = np.zeros(len(images), np.int64)
    if len(grid_layout.class_names(run)) and run.source.labels is not None:
        labels, columns = run.source.labels[chosen], np.arange(len(images)) % len(run.classes)
    found = {}
    if run.step >= STEPS and _variety(images, columns) < VARIETY * _variety(reals, labels):
        what = "of a class are all alike" if columns.any() else "are all alike, whatever the seed"
        found["collapsed"] = f"The generated images {what}"
    if _middle(images) < MIDDLE * _middle(reals):
        found["saturated"] = (
            "The generated images have almost only the darkest and brightest values"
        )
    remedy = "the run made no progress. Try a lower --lr or a penalty such as --penalty r1."
    return {code: f"Warning: {what}: {remedy}" for code, what in found.items()}


def _variety(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the mean variance of pixels between images of one label."""
    groups = [images[labels == label].astype(np.float32) for label in np.unique(labels)]
    return float(np.mean([each.var(axis=0).mean() for each in groups if len(each) > 1] or [0.0]))


def _middle(images: NDArray[np.uint8]) -> Any:
    return np.mean((images > 2) & (images < 253))
