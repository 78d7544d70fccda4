"""Adaptive augmentation: its strength follows how much D overfits."""

from __future__ import annotations

import dataclasses
from typing import Any, TypedDict

from ganbaru.callbacks import validation
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.gan import held_out
from ganbaru.gan.step import StepMetrics
from ganbaru.training.run import Callback, Every, Run

TIMES = 10  # how often D is measured during the images in which the strength may change by 1
SCORED = 500  # images of each kind, at most


class State(TypedDict):
    """The strength at a checkpoint's moment."""

    strength: float


class AdaptiveAugmentation(Callback):
    """Raises or lowers `run.strength` by D's overfitting, if the augmentation is adaptive.

    Measured are D's mean scores of training and of held-out images, by the statistics of their
    batches and without augmentation. Their difference, as a share of D's scores of reals less those
    of fakes, is 0 for a D that has memorized nothing and 1 for one that takes held-out images for
    fakes (r_v of Karras et al. 2020, eq. 1). Their r_t, the mean sign of D's scores, would need
    scores about 0: with batch norm it is 0.63 to 0.83 in healthy runs. The strength of each step
    is in the log as `augment_strength`.
    """

    STATE = State

    def setup(self, run: Run, progress: Progress) -> None:
        """Choose the images to measure D by; raises InputError if there are none."""
        self.run, self.adaptive = run, run.gan.augmentation.adaptive
        if not self.adaptive:
            return
        run.strength = self.adaptive.start
        held = validation.spared(run, SCORED)
        if held is None:
            test = validation.load(run.config, run.source, bool(run.inputs), progress)
            if test is None:
                raise InputError(
                    f"--augment {run.config.augment} needs test images, and {run.source.name} has "
                    f"none, or --held-out 0 excludes them: give adaptive:hold=N training images."
                )
            held = dataclasses.replace(test, chosen=test.chosen[:SCORED])
        self.held_out, self.training = held, validation.counterparts(run, held)
        self.every = Every(max(1, int(self.adaptive.images / TIMES)), run.images)

    def state(self) -> dict[str, Any]:
        """Return the strength."""
        return {"strength": self.run.strength} if self.adaptive else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the strength that the run had."""
        if self.adaptive:
            self.run.strength = state["strength"]

    def step(self, run: Run, metrics: StepMetrics) -> None:
        """Measure D, and change the strength of the next steps, if it is due."""
        if not self.adaptive:
            return
        metrics["augment_strength"] = run.strength
        if self.every.due(run.images):
            apart = float(metrics["real_score"]) - float(metrics["fake_score"])
            run.strength = self.adaptive.after(run.strength, self._gap(), apart, 1 / TIMES)

    def _gap(self) -> float:
        """Return D's mean score of training images less that of held-out images."""
        run = self.run
        given = run.engine, run.gan, run.state, run.config.batch
        train, held = held_out.mean_scores(*given, self.training, self.held_out)
        return train - held
