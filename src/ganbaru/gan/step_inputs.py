"""What a training step receives besides the state: batches, and numbers that change each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ganbaru.gan.optimizers import OptimizerStep
from ganbaru.ops import Parameters, Tensor


class Batch(NamedTuple):
    """The inputs of one update: images (N, C, H, W) in [-1, 1], labels (N,), latents (N, Z)."""

    latent: Tensor
    label: Tensor | None = None  # of the fakes
    real: Tensor | None = None
    real_label: Tensor | None = None
    mix: Tensor | None = None  # (N, 1, 1, 1), uniform in [0, 1), for penalties
    fake: Tensor | None = None  # if None, D's update makes them
    draws: dict[str, Parameters] | None = None  # what is drawn for "real" and "fake" images, named
    noise: Tensor | None = None  # (M, C, H, W), standard normal, for penalties on M images
    rest: Sequence[Any] | None = None  # further micro-batches of the update, each a Batch

    @property
    def parts(self) -> list[Batch]:
        """The micro-batches of the update, one if it has not been divided."""
        return [self._replace(rest=None), *(self.rest or ())]


class Batches(NamedTuple):
    """The inputs of one step: a batch for each of D's updates, and one for G's."""

    d: Sequence[Batch]
    g: Batch

    @property
    def images(self) -> int:
        """The number of real images that this rank shows D."""
        each = (part for batch in self.d for part in batch.parts)
        return sum(part.real.shape[0] for part in each if part.real is not None)


class StepSchedule(NamedTuple):
    """The rates and corrections of each update of one step."""

    d: Sequence[OptimizerStep]
    g: OptimizerStep
    ema_decay: float  # the part of G's running average that stays
    gammas: Sequence[float | None] = ()  # of the penalties; None: a penalty's own
