"""Validation: losses of one moment on held-out images, and on as many training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.config import Config
from ganbaru.data import Progress, Source, silent
from ganbaru.errors import InputError, RunError
from ganbaru.gan import augmentation, held_out
from ganbaru.gan.dataset import load_test_data
from ganbaru.gan.held_out import Reals
from ganbaru.training.run import Every, Measurement, Run
from ganbaru.training.run_log import Line


class Validation(Measurement):
    """Adds losses of one moment to the first line of the log after each `sample_every` images.

    `held_out_d_loss` and `held_out_g_loss` are of test images, or without them of those that
    adaptive augmentation spares, `train_d_loss` and, for relativistic objectives, `train_g_loss` of
    as many training images, always the same, by the same procedure (`gan.held_out`). Their gap is
    overfitting, `held_out_error` the error of D's by which batches of images were drawn:
    `d_loss` in the same line is a mean over its steps, between which losses oscillate by more.
    """

    sets: tuple[Reals, Reals] | None  # held-out and training images

    def setup(self, run: Run, progress: Progress) -> None:
        """Choose the images; if tests cannot be downloaded, the run goes on without, and says so.

        Raises InputError where they do not fit the training images.
        """
        held = None
        try:
            held = load(run.config, run.source, bool(run.inputs), progress)
        except RunError as error:
            run.notes.append(f"Without losses on test images, which could not be loaded: {error}")
        held = held or spared(run, run.config.held_out)
        self.sets = (held, counterparts(run, held)) if held else None

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        self.every = Every(run.config.sample_every, int(lines[-1]["images"]) if lines else 0)

    def values(self, run: Run, short: bool) -> Line:
        """Return the losses if they are due."""
        if not (self.every.due(run.images) and self.sets):
            return {}
        test, train = held_out.moments(run.engine, run.gan, run.state, run.config, *self.sets)
        found = {"held_out_d_loss": test.d_loss, "held_out_g_loss": test.g_loss}
        found["train_d_loss"] = train.d_loss
        if run.gan.relativistic:  # others do not compare fakes with reals: it would be the same
            found["train_g_loss"] = train.g_loss
        if (error := held_out.gap_error(test, train)) is not None:
            found["held_out_error"] = error
        return found


def spared(run: Run, most: int) -> Reals | None:
    """Return up to `most` of the images that adaptive augmentation spares, None if there are none.

    In an order that mixes classes, which a set may list one after the other.
    """
    _, held = augmentation.split(run.gan.augmentation, len(run.source.images))
    chosen = held[held_out.spread(len(held), min(most, len(held)))]
    labels = run.source.conditions if run.inputs else None
    return Reals(run.source.images, labels, chosen) if len(chosen) else None


def counterparts(run: Run, held: Reals) -> Reals:
    """Return as many training images as are `held` out, of the same labels if there are labels."""
    images, labels = run.source.images, run.source.conditions if run.inputs else None
    train, _ = augmentation.split(run.gan.augmentation, len(images))
    # Their number and labels are all that matters of the images that are paired.
    others = images[: len(train)], None if labels is None else labels[train]
    return Reals(images, labels, train[held_out.paired(held, *others).chosen])


def load(
    config: Config, source: Source, conditional: bool, progress: Progress = silent
) -> Reals | None:
    """Load the test images of a configuration; None if none are wanted or there are none.

    Raises InputError, with the flag to do without, where they do not fit the training images, and
    RunError where they cannot be downloaded.
    """
    if not config.held_out:
        return None
    try:
        test = load_test_data(config, source, progress)
        if test is None:
            return None
        labels = _labels(source, test) if conditional else None
    except InputError as error:
        raise InputError(f"{error} To train without test images: --held-out 0.") from error
    count = min(len(test.images), config.held_out)
    return Reals(test.images, labels, held_out.spread(len(test.images), count))


def _labels(source: Source, test: Source) -> NDArray[Any]:
    """Return the test images' labels by the numbers of the training classes."""
    if source.attributes:
        if test.attributes is None:
            raise InputError(f"The test images of {source.name} lack attributes of the others.")
        return test.attributes.rows
    if test.labels is None:
        raise InputError(f"The test images of {source.name} have no labels.")
    if strange := [name for name in test.classes if name not in source.classes]:
        raise InputError(
            f"The test images of {source.name} have the class {strange[0]!r}, which the training "
            f"images do not have."
        )
    numbers = np.array([source.classes.index(name) for name in test.classes], np.int64)
    return numbers[test.labels]
