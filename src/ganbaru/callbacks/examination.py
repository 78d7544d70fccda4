"""The examination: what the doctor needs and a step does not show, a few times in a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.data import Progress
from ganbaru.gan import held_out, models
from ganbaru.gan.held_out import Reals
from ganbaru.metrics import checkerboard
from ganbaru.sampling import image_io
from ganbaru.training.run import Every, Measurement, Run
from ganbaru.training.run_log import Line

COUNT = 256  # images of each kind
TAIL = 0.005  # of the values, left out at each end


class Examination(Measurement):
    """Adds numbers to the first line of the log after each `sample_every` images.

    `label_gap`: D's mean score of reals with their labels less that with another class's.
    `class_diversity`: the mean distance between fakes of one class (of all, without classes),
    divided by that of reals of one class. `nearest`: the median distance of a fake to its nearest
    neighbour among the fakes, divided by that of reals. `lowest` and `highest`: the ends of the
    fakes' values less those of the reals' (of 2; without 0.5 % of the values on each side), and
    `value_range` the quotient of the ranges between them; `brightness` the mean of the fakes'
    values less that of the reals'.
    `checkerboard`: the excess of power at a checkerboard's frequencies over the reals' (1 for
    reals), of images of 16 pixels a side or more. `drift`: the root mean square difference between
    the fakes of the same latents by the running statistics of batch normalization and by those of
    their batches, divided by the reals' spread as in `class_diversity`; of a G with that layer.

    The other numbers are of G in training, normalized by the statistics of its batches. Nothing of
    the run changes.
    """

    def setup(self, run: Run, progress: Progress) -> None:
        """Choose the reals, the same ones each time."""
        images, labels = run.source.images, run.source.conditions if run.inputs else None
        chosen = held_out.spread(len(images), min(COUNT, len(images)))
        self.reals = Reals(images, labels, chosen)
        shown = images[chosen]
        classes = run.source.labels if run.classes else None
        self.labels = np.zeros(len(chosen), np.int64) if classes is None else classes[chosen]
        self.distance = _distance_within(shown, self.labels)
        self.nearest = _nearest(shown)
        self.ends, self.mean = _ends(shown / 127.5 - 1), shown.mean() / 127.5 - 1
        self.power = checkerboard.spectrum(shown)
        self.modes = [models.batch_mode(run.engine, run.gan.generator)]
        if any(name.endswith("running_mean") for name in run.state["generator_buffers"]):
            self.modes.append(models.inference(run.engine, run.gan.generator))

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        self.every = Every(run.config.sample_every, int(lines[-1]["images"]) if lines else 0)

    def values(self, run: Run, short: bool) -> Line:
        """Return the numbers if they are due."""
        if not self.every.due(run.images):
            return {}
        values, *drifted = self._fakes(run)
        fakes = image_io.to_bytes(values)
        ends = _ends(values)
        low, high = ends - self.ends
        found = {
            "class_diversity": _distance_within(fakes, self.labels) / self.distance,
            "nearest": _nearest(fakes) / self.nearest,
            "lowest": float(low),
            "highest": float(high),
            "value_range": float(np.diff(ends)[0] / (np.diff(self.ends)[0] + 1e-6)),
            "brightness": float(values.mean() - self.mean),
        }
        for others in drifted:
            found["drift"] = 127.5 * float(np.sqrt(np.mean((others - values) ** 2))) / self.distance
        if min(fakes.shape[1:3]) >= checkerboard.LEAST:
            found["checkerboard"] = checkerboard.excess(checkerboard.spectrum(fakes), self.power)
        if len(run.classes) > 1:
            found["label_gap"] = self._label_gap(run)
        return found

    def _fakes(self, run: Run) -> list[NDArray[np.floating]]:
        """Return as many fakes (N, C, H, W) as reals by each of `modes`, of the reals' labels."""
        player = run.state["generator"], run.state["generator_buffers"]
        draw = randomness.distribution(run.config.distribution)
        made: list[list[NDArray[np.floating]]] = [[] for _ in self.modes]
        for images, labels in self.reals.batches(run.config.batch):
            seeds = range(len(made[0]), len(made[0]) + len(images))
            latents = np.stack([draw(each, "sample", 0, run.config.latent) for each in seeds])
            label = [] if labels is None else [run.engine.from_numpy(labels)]
            inputs = run.engine.from_numpy(latents), *label
            for mode, fakes in zip(self.modes, made, strict=True):
                fakes += [*run.engine.to_numpy(mode(*player, *inputs))]
        return [np.stack(fakes) for fakes in made]

    def _label_gap(self, run: Run) -> float:
        assert self.reals.labels is not None
        others = (self.reals.labels + 1) % len(run.classes)
        wrong = Reals(self.reals.images, others, self.reals.chosen)
        given = run.engine, run.gan, run.state, run.config.batch
        right, less = held_out.mean_scores(*given, self.reals, wrong)
        return right - less


def _distance_within(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the root mean variance of pixels among images of one label, or of all.

    Of all where no two have the same label.
    """
    groups = [images[labels[: len(images)] == label] for label in np.unique(labels)]
    several = [each for each in groups if len(each) > 1] or [images]
    spread = [each.astype(np.float32).var(axis=0).mean() for each in several]
    return float(np.sqrt(np.mean(spread)) + 1e-6)


def _nearest(images: NDArray[np.uint8]) -> float:
    """Return the median root mean square distance of an image to its nearest neighbour."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    square = (flat**2).sum(axis=1)
    apart = square[:, None] + square - 2 * flat @ flat.T
    np.fill_diagonal(apart, np.inf)
    return float(np.sqrt(np.median(apart.min(axis=1)).clip(0) / flat.shape[1]) + 1e-6)


def _ends(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the lowest and the highest value, without `TAIL` on each side."""
    return np.quantile(values, (TAIL, 1 - TAIL))
