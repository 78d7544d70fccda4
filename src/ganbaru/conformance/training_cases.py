"""Small GANs to train on any engine, from the same weights, images and latents."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.gan import build, step
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.models import Shape
from ganbaru.gan.step import GAN, State
from ganbaru.training import setup
from ganbaru.training.checkpoint import Groups


def pictures(count: int, shape: Shape, classes: int) -> Source:
    """Return random images (H, W, C), labelled in turn."""
    images = np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)
    names = tuple(f"class {i}" for i in range(classes))
    return Source("random", images, np.arange(count) % max(1, classes), names, "")


@functools.lru_cache(maxsize=4)  # some engines take seconds to compile a step
def _compiled(engine: Engine, gan: GAN) -> Callable[..., Any]:
    """Return a training step as a run has it: compiled, where the engine compiles."""
    return engine.compile(functools.partial(step.train_step, gan), consumes=True)


@dataclass
class TrainingCase:
    """A GAN to train on an engine, its state and its batch sampler."""

    engine: Engine
    gan: GAN
    state: State
    draw: BatchSampler

    def step(self, number: int) -> dict[str, float]:
        """Take step `number`, from 0; return its losses and mean scores."""
        batches = self.draw.step(number)
        counts = number * batches.images, batches.images
        schedule = step.step_schedule(self.gan, number, len(batches.d), 1.0, *counts)
        self.state, report = _compiled(self.engine, self.gan)(self.state, batches, schedule)
        return {name: float(self.engine.to_numpy(value)) for name, value in report.items()}

    def arrays(self) -> Groups:
        """Return a copy of the state in NumPy: the next update may change it in place."""
        return {
            group: {name: ops.to_numpy(tensor).copy() for name, tensor in tensors.items()}
            for group, tensors in self.state.items()
        }


def training_case(
    engine: Engine, config: Config, source: Source, classes: int, first: Groups
) -> TrainingCase:
    """Set up training on an engine, from both players' first parameters and buffers."""
    gan = build.gan(config, source.images.shape[1:], classes)
    config = dataclasses.replace(config, replacement=config.batch > len(source.images))
    draw = BatchSampler(config, source, engine, gan, classes)
    return TrainingCase(engine, gan, step.start(gan, setup.to_engine(engine, first)), draw)
