"""Validation: the losses of both networks on held-out test images, which D never learns from."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.config import Config
from ganbaru.data import Progress, Source, silent
from ganbaru.errors import InputError, RunError
from ganbaru.gan import models
from ganbaru.gan.batches import to_range
from ganbaru.gan.dataset import load_test_data
from ganbaru.training.run import Every, Measurement, Run
from ganbaru.training.run_log import Line

Batch = tuple[range, NDArray[np.uint8], NDArray[np.int64] | None]  # seeds, reals, their labels


@dataclass(frozen=True)
class HeldOut:
    """Test images, their labels by the training classes' numbers, and which of them are used."""

    images: NDArray[np.uint8]  # (n, H, W, C); may be a read-only memory map
    labels: NDArray[np.int64] | None  # (n,)
    chosen: NDArray[np.int64]  # places in both

    def batches(self, batch: int) -> Iterator[Batch]:
        """Yield the full batches of a size; fewer images make one batch."""
        size = min(batch, len(self.chosen))
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

    As the training losses are computed: the generator in training (not its average) makes a fake
    from each of the seeds 0, 1, ..., with the label of the real if there are labels, and both
    networks normalize by the statistics of batches of the run's size. In inference mode D lost 0.69
    on the training images on which it lost 1.16 in training. Penalties are left out.

    These are losses of one moment. Those in the same line of the log are means over its steps,
    between which losses oscillate: of the digits by 0.1 to 0.9, where at one moment D lost 0.03 to
    0.10 more on held-out images than on training images after 300 steps, which is overfitting.
    """
    to_device, state = run.engine.from_numpy, run.state
    players = {"generator": run.gan.generator, "discriminator": run.gan.discriminator}
    generator, discriminator = (
        functools.partial(models.batch_mode(run.engine, net), state[name], state[f"{name}_buffers"])
        for name, net in players.items()
    )
    draw, size = randomness.distribution(run.config.distribution), run.config.latent
    d_losses, g_losses = [], []
    for seeds, reals, labels in held_out.batches(run.config.batch):
        label = [] if labels is None else [to_device(labels)]
        latents = np.stack([draw(seed, "sample", 0, size) for seed in seeds])
        both = (to_device(to_range(reals)), generator(to_device(latents), *label))
        scores = [discriminator(images, *label) for images in both]
        d_losses.append(float(run.gan.d_loss(*scores)))
        g_losses.append(float(run.gan.g_loss(*scores)))
    found = {"held_out_d_loss": d_losses, "held_out_g_loss": g_losses}
    return {name: math.fsum(each) / len(each) for name, each in found.items()}
