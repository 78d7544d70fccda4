"""A GAN on random images with its initial state, shared by all measurements of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganbaru import data
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.gan import build, models, step
from ganbaru.gan.batches import BatchSampler

Shape = tuple[int, int, int]


def random_images(count: int, shape: Shape) -> data.Source:
    """Return a source of random images (H, W, C) in memory."""
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    return data.Source("random", images, None, (), "")


def gan(engine: Engine, config: Config, source: data.Source) -> tuple[step.GAN, BatchSampler, Any]:
    """Return the GAN, its batch sampler and its initial state on an engine."""
    shape = source.images.shape[1:]
    made = build.gan(config, shape, 0)
    first = {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in models.initial_parameters(config, shape, 0).items()
    }
    draw = BatchSampler(config, source, engine, made, num_classes=0)
    return made, draw, step.start(made, first)
