"""Early stopping, and the best checkpoint so far."""

from __future__ import annotations

import math

from ganbaru.errors import InputError
from ganbaru.metrics.milestones import BEST
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log


class EarlyStopping(Callback):
    """Saves best.safetensors at each best score; ends the run after `patience` scores without one.

    Everything follows from the log: a resumed run has the best score and the patience of an
    uninterrupted one.
    """

    def start(self, run: Run) -> None:
        """Find the best score so far; raises InputError if the patience is exhausted already."""
        self.best, self.stale = math.inf, 0
        if not run.config.evaluate_every:
            return
        for line in read_log(run.folder):
            if BEST in line and line["images"] <= run.images:
                self._improved(line[BEST])
        self._check_patience(run)
        if run.stopped:
            raise InputError(
                f"{run.stopped} To go on with {run.folder.path}, give a larger --patience, or 0."
            )

    def line(self, run: Run, line: Line) -> None:
        """Save the best checkpoint, or stop the run, if the line has a score."""
        if BEST in line:
            if self._improved(line[BEST]):
                run.save(run.folder.best)
            self._check_patience(run)

    def _improved(self, score: float) -> bool:
        better = score < self.best
        self.best, self.stale = (score, 0) if better else (self.best, self.stale + 1)
        return better

    def _check_patience(self, run: Run) -> None:
        if 0 < run.config.patience <= self.stale:
            run.stop(f"No better score in the last {self.stale} scorings: {self.best:.4g}.")
