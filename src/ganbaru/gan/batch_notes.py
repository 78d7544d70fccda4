"""Notes of a run in which the images of a batch affect each other where one may not expect it."""

from __future__ import annotations

import numpy as np

from ganbaru.config import Config
from ganbaru.gan import models
from ganbaru.gan.build import BY_IMAGE
from ganbaru.gan.step import GAN

# Squared, of 8 random images, before training and after 40 steps: dcgan-mlp to dcgan-linear.
SEEN = "13 to 99 % of its square, as measured"


def notes(config: Config, shape: models.Shape, num_classes: int) -> list[str]:
    """Return what the user should know: a penalty on scores that depend on the whole batch."""
    if config.penalty == "none" or not models.depends_on_batch(config, shape, num_classes):
        return []
    *others, last = BY_IMAGE
    return [
        f"D's score of an image depends on its batch: --penalty {config.penalty} limits the slope "
        f"of the scores' sum and not of each score ({SEEN}). Take --norm layer or none, or "
        f"--network {', '.join(others)} or {last}, for the penalty of its paper."
    ]


def ghosts(gan: GAN, config: Config, shape: models.Shape, num_classes: int) -> list[str]:
    """Return a note if micro-batches are not the batch: where images enter each other's losses.

    By experiment, as a network or an objective of the user's own may do that in any way.
    """
    if config.accumulate == 1:
        return []
    what = [
        f"{player}'s statistics of a batch"
        for player, name in (("G", "generator"), ("D", "discriminator"))
        if models.depends_on_batch(config, shape, num_classes, name)
    ]
    logits = models.logits(config.network, config.trust)
    real, fake = np.square(np.linspace(-1, 2, 8 * logits)).reshape(2, 4, logits)
    real, fake = (x[:, 0] if logits == 1 else x for x in (real, fake))
    halves = gan.d_loss(real[:2], fake[:2]) + gan.d_loss(real[2:], fake[2:])
    if not np.isclose(gan.d_loss(real, fake), halves / 2, rtol=1e-6):
        what.append("the objective's means of scores")
    if config.minibatch_deviation:
        what.append("the minibatch deviation")
    if not what:
        return []
    return [
        f"--accumulate {config.accumulate} computes {' and '.join(what)} in micro-batches of "
        f"{config.batch // config.accumulate} images (ghost batches): the run is not that of one "
        f"batch of {config.batch}."
    ]
