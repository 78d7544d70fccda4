"""What each update draws: images in the run's order, latents, labels; all by counter.

The same seed gives the same batches on every engine, and a run that goes on draws what an
uninterrupted one would have drawn, since everything follows from the number of the update.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganbaru import randomness
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.step import Batch


def to_range(images: np.ndarray) -> np.ndarray:
    """Turn bytes (N, H, W, C) into floats (N, C, H, W) in [-1, 1]; nothing else scales reals."""
    return (images.astype(np.float32) / np.float32(127.5) - np.float32(1)).transpose(0, 3, 1, 2)


class Order:
    """The order in which one reader goes through `length` images, in batches, without end.

    By epochs, each in a new order, the last short batch of each dropped; or with replacement.
    """

    def __init__(self, seed: int, purpose: str, length: int, batch: int, replacement: bool) -> None:
        self.seed, self.purpose, self.length, self.batch = seed, purpose, length, batch
        self.replacement = replacement
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def indices(self, turn: int) -> np.ndarray:
        """Return the images of batch number `turn`, from 0."""
        if self.replacement:
            return randomness.integers(self.seed, self.purpose, turn, self.batch, self.length)
        epoch, place = divmod(turn, self.length // self.batch)
        if self._epoch[0] != epoch:
            self._epoch = epoch, randomness.permutation(self.seed, self.purpose, epoch, self.length)
        return self._epoch[1][place * self.batch : (place + 1) * self.batch]


class Draw:
    """Draws the batches of a run, as tensors of its engine."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        *,
        seed: int,
        batch: int,
        latent: int,
        classes: int,
        relativistic: bool,
        replacement: bool,
        distribution: str = "normal",
    ) -> None:
        self.source, self.engine = source, engine
        self.seed, self.batch, self.latent, self.classes = seed, batch, latent, classes
        self.distribution = randomness.distribution(distribution)
        self.relativistic = relativistic
        length = len(source.images)
        self.d_order = Order(seed, "order", length, batch, replacement)
        self.g_order = Order(seed, "order of G", length, batch, replacement)

    def discriminator(self, turn: int) -> Batch:
        """Draw D's update number `turn`, from 0: reals, fresh latents and labels."""
        return Batch(
            **self._reals(self.d_order, turn),
            **self._latents("D", turn, self.d_order),
            mix=self._tensor(randomness.uniform(self.seed, "mix", turn, self.batch), 1, 1, 1),
        )

    def generator(self, step: int) -> Batch:
        """Draw G's update number `step`, from 0: fresh latents; fresh reals if they are scored."""
        reals = self._reals(self.g_order, step) if self.relativistic else {}
        return Batch(**reals, **self._latents("G", step, self.g_order))

    def _reals(self, order: Order, turn: int) -> dict[str, Any]:
        chosen = order.indices(turn)
        reals = {"real": self.engine.from_numpy(to_range(self.source.images[chosen]))}
        return {**reals, "real_label": self._labels(order, turn)} if self.classes else reals

    def _latents(self, player: str, turn: int, order: Order) -> dict[str, Any]:
        purpose = f"latents of {player}"
        numbers = self.distribution(self.seed, purpose, turn, self.batch * self.latent)
        drawn = {"latent": self._tensor(numbers, self.latent)}
        if not self.classes:
            return drawn
        if self.relativistic:  # the fake of a pair has the real's label
            return {**drawn, "label": self._labels(order, turn)}
        purpose = f"labels of {player}"
        labels = randomness.integers(self.seed, purpose, turn, self.batch, self.classes)
        return {**drawn, "label": self.engine.from_numpy(labels)}

    def _labels(self, order: Order, turn: int) -> Any:
        assert self.source.labels is not None
        return self.engine.from_numpy(self.source.labels[order.indices(turn)])

    def _tensor(self, numbers: np.ndarray, *shape: int) -> Any:
        return self.engine.from_numpy(numbers.reshape(self.batch, *shape))
