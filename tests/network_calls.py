"""A record of every call of a GAN's networks, and the images that an update of a run sees."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from helpers import TrainingCase

from ganbaru import ops
from ganbaru.gan.batches import to_range
from ganbaru.training.loop import Run


class Call(NamedTuple):
    """A call of a network: its input, an image or a latent, perhaps a label, and its output."""

    player: str
    x: Any
    label: Any
    y: Any


def recorded(gan: TrainingCase) -> list[Call]:
    """Let both networks of a training case record every call."""
    calls: list[Call] = []

    def recording(player: str, network):
        def call(scope, x, *label):
            y = network(scope, x, *label)
            seen = [ops.stop_gradient(each) for each in (x, *label, y)]
            calls.append(Call(player, seen[0], seen[1] if label else None, seen[-1]))
            return y

        return call

    gan.gan = dataclasses.replace(
        gan.gan,
        generator=recording("generator", gan.gan.generator),
        discriminator=recording("discriminator", gan.gan.discriminator),
    )
    return calls


def images_of_update(run: Run, number: int) -> list[int]:
    """Return the indices of the images that D's update `number` of a run sees."""
    known = {image.tobytes(): i for i, image in enumerate(to_range(run.source.images))}
    return [known[image.tobytes()] for image in ops.to_numpy(run.sampler.step(number).d[0].real)]
