"""Losses and mean scores of one moment, on training and held-out images by the same procedure.

The gap between the two is overfitting of D. Both networks normalize by the statistics of their
batches, as in training: in inference mode D lost 0.69 on the training images on which it lost 1.16
in training. Nothing of the run changes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru import ops, randomness
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.gan import models
from ganbaru.gan.batches import to_range
from ganbaru.gan.step import GAN, State
from ganbaru.ops import Tensor

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Reals:
    """Some images of a set, in a fixed order, and their labels by the training classes' numbers."""

    images: NDArray[np.uint8]  # (n, H, W, C); may be a read-only memory map
    labels: NDArray[Any] | None  # (n,), or rows of attributes (n, A)
    chosen: Places  # places in both

    def batches(self, batch: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any] | None]]:
        """Yield images and labels in the full batches of a size; fewer images make one batch."""
        size = min(batch, len(self.chosen))
        for start in range(0, len(self.chosen) - size + 1, size):
            places = self.chosen[start : start + size]
            yield self.images[places], None if self.labels is None else self.labels[places]


class Moment(NamedTuple):
    """The losses on some reals and as many fakes, batch by batch, without penalties."""

    d_losses: tuple[float, ...]
    g_losses: tuple[float, ...]

    @property
    def d_loss(self) -> float:
        """The discriminator's mean loss."""
        return math.fsum(self.d_losses) / len(self.d_losses)

    @property
    def g_loss(self) -> float:
        """The generator's mean loss."""
        return math.fsum(self.g_losses) / len(self.g_losses)


# The 97.5 % points of Student's t with 1 to 10 degrees of freedom. Those of scipy, which training
# does not load otherwise, would take 0.28 s and 15 MiB at each run's first grid.
STUDENT = 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228


def gap_error(one: Moment, other: Moment) -> float | None:
    """Return the error of the difference of D's mean losses, None of a single batch.

    Twice the error is half the width of its 95 % interval by Student's t. The standard error is by
    the differences of paired batches, which have the same fakes and labels; of three batches it was
    so small by chance that two of ten healthy runs had a gap at each of two moments.
    """
    gaps = np.subtract(one.d_losses, other.d_losses)
    if (freedom := len(gaps) - 1) < 1:
        return None
    return _student(freedom) / 2 * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))


def _student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t; beyond the table within 0.1 % by its expansion."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    return 1.95996 + 2.3723 / freedom + 2.8225 / freedom**2


def spread(length: int, count: int) -> Places:
    """Return `count` places spread over a set, in a random order that is always the same.

    Folders of classes list one class after the other: in their order a batch would have the
    statistics of one class. A set of fewer images is repeated, with the repeats far apart.
    """
    places = np.arange(count) * max(length, count) // max(1, count) % length
    return places[randomness.permutation(0, "held out", 0, count)]


def paired(reals: Reals, images: NDArray[np.uint8], labels: NDArray[Any] | None) -> Reals:
    """Choose as many of other images, each of the label that the real in its place has.

    So both get the same fakes where networks take labels. A label without images keeps a place
    spread over all of them. Rows of attributes are many: each set has its own.
    """
    chosen = spread(len(images), len(reals.chosen))
    if labels is None or reals.labels is None:
        return Reals(images, None, chosen)
    if labels.ndim == 2:
        return Reals(images, labels, chosen)
    wanted = reals.labels[reals.chosen]
    for label in np.unique(wanted):
        places, here = np.flatnonzero(labels == label), np.flatnonzero(wanted == label)
        if len(places):
            chosen[here] = places[spread(len(places), len(here))]
    return Reals(images, labels, chosen)


def _networks(engine: Engine, gan: GAN, state: State) -> list[Callable[..., Tensor]]:
    """Return G in training (not its average) and D, each with its batch's own statistics."""
    players = {"generator": gan.generator, "discriminator": gan.discriminator}
    return [
        functools.partial(models.batch_mode(engine, net), state[name], state[f"{name}_buffers"])
        for name, net in players.items()
    ]


def moments(
    engine: Engine, gan: GAN, state: State, config: Config, *sets: Reals
) -> tuple[Moment, ...]:
    """Return the losses on each set, such as training and held-out images (`paired`).

    Fakes are made from the seeds 0, 1, ..., each with the label of the real in its place.
    """
    generator, discriminator = _networks(engine, gan, state)
    draw = randomness.distribution(config.distribution)

    def losses(reals: Reals) -> Moment:
        found, seed = [], 0
        for images, labels in reals.batches(config.batch):
            seeds = range(seed, seed := seed + len(images))
            latents = np.stack([draw(each, "sample", 0, config.latent) for each in seeds])
            label = [] if labels is None else [engine.from_numpy(labels)]
            both = (
                engine.from_numpy(to_range(images)),
                generator(engine.from_numpy(latents), *label),
            )
            scores = [discriminator(x, *label) for x in both]
            found.append((float(gan.d_loss(*scores)), float(gan.g_loss(*scores))))
        return Moment(*zip(*found, strict=True))

    return tuple(map(losses, sets))


def mean_scores(
    engine: Engine, gan: GAN, state: State, batch: int, *sets: Reals
) -> tuple[float, ...]:
    """Return D's mean score (realness) of each set of reals; no fakes are made.

    `mean_scores(engine, gan, state, batch, training, held_out)` are two numbers whose difference
    is D's overfitting in logits.
    """
    _, discriminator = _networks(engine, gan, state)

    def score(reals: Reals) -> float:
        found = []
        for images, labels in reals.batches(batch):
            label = [] if labels is None else [engine.from_numpy(labels)]
            scores = discriminator(engine.from_numpy(to_range(images)), *label)
            found.append(float(ops.mean(gan.realness(scores))))
        return math.fsum(found) / len(found)

    return tuple(map(score, sets))
