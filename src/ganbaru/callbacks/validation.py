"""Validation: the losses of both networks on held-out test images, which D never learns from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.config import Config
from ganbaru.data import Progress, Source, silent
from ganbaru.errors import InputError, RunError
from ganbaru.gan import models
from ganbaru.gan.batches import to_range
from ganbaru.gan.dataset import load_test_data
from ganbaru.sampling import generators
from ganbaru.training.run import Every, Measurement, Run
from ganbaru.training.run_log import Line

BATCH = 64
Batch = tuple[range, NDArray[np.uint8], NDArray[np.int64] | None]  # seeds, reals, their labels


@dataclass(frozen=True)
class HeldOut:
    """Test images, their labels by the training classes' numbers, and which of them are used."""

    images: NDArray[np.uint8]  # (n, H, W, C); may be a read-only memory map
    labels: NDArray[np.int64] | None  # (n,)
    chosen: NDArray[np.int64]  # places in both

    def batches(self) -> Iterator[Batch]:
        """Yield the full batches of 64; fewer images than 64 make one batch."""
        size = min(BATCH, len(self.chosen))
        for start in range(0, len(self.chosen) - size + 1, size):
            places = self.chosen[start : start + size]
            labels = None if self.labels is None else self.labels[places]
            yield range(start, start + size), self.images[places], labels


class Validation(Measurement):
    """Adds held-out losses to the first line of the log after each `sample_every` images."""

    held_out: HeldOut | None

    def setup(self, run: Run, progress: Progress) -> None:
        """Load the test images; if they cannot be downloaded, the run goes on without, and says so.

        Raises InputError where they do not fit the training images.
        """
        try:
            self.held_out = load(run.config, run.source, bool(run.classes), progress)
        except RunError as error:
            self.held_out = None
            run.notes.append(f"Without losses on test images, which could not be loaded: {error}")

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        self.every = Every(run.config.sample_every, int(lines[-1]["images"]) if lines else 0)

    def values(self, run: Run, short: bool) -> Line:
        """Return `held_out_d_loss` and `held_out_g_loss` if they are due."""
        return losses(run, self.held_out) if self.every.due(run.images) and self.held_out else {}


def load(
    config: Config, source: Source, conditional: bool, progress: Progress = silent
) -> HeldOut | None:
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
    return HeldOut(test.images, labels, _spread(len(test.images), config.held_out))


def _spread(length: int, wanted: int) -> NDArray[np.int64]:
    """Return places spread over a set, since folders of classes list one class after the other."""
    count = min(length, wanted)
    return np.arange(count) * length // count


def _labels(source: Source, test: Source) -> NDArray[np.int64]:
    """Return the test images' labels by the numbers of the training classes."""
    if test.labels is None:
        raise InputError(f"The test images of {source.name} have no labels.")
    if strange := [name for name in test.classes if name not in source.classes]:
        raise InputError(
            f"The test images of {source.name} have the class {strange[0]!r}, which the training "
            f"images do not have."
        )
    numbers = np.array([source.classes.index(name) for name in test.classes], np.int64)
    return numbers[test.labels]


def losses(run: Run, held_out: HeldOut) -> Line:
    """Return the mean of both losses over the test images; changes nothing in the run.

    The averaged generator makes a fake from each of the seeds 0, 1, ..., with the label of the real
    if there are labels; both networks are in inference mode. Penalties are left out. A relativistic
    objective compares within batches of 64.
    """
    generator, to_device = generators.from_run(run), run.engine.from_numpy
    discriminator = models.inference(run.engine, run.gan.discriminator)
    weights = (run.state["discriminator"], run.state["discriminator_buffers"])
    d_losses, g_losses = [], []
    for seeds, reals, labels in held_out.batches():
        label = [] if labels is None else [to_device(labels)]
        both = (to_range(reals), generator.floats(generator.latents(seeds), labels))
        scores = [discriminator(*weights, to_device(images), *label) for images in both]
        d_losses.append(float(run.gan.d_loss(*scores)))
        g_losses.append(float(run.gan.g_loss(*scores)))
    found = {"held_out_d_loss": d_losses, "held_out_g_loss": g_losses}
    return {name: math.fsum(each) / len(each) for name, each in found.items()}
