"""What each update draws: images in the run's order, latents, labels; all by counter.

The same seed gives the same batches on every engine, and a run that goes on draws what an
uninterrupted one would have drawn, since everything follows from the number of the update.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import randomness
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.step import Batch, Batches


def to_range(images: np.ndarray) -> np.ndarray:
    """Turn bytes (N, H, W, C) into floats (N, C, H, W) in [-1, 1]; nothing else scales reals."""
    return (images.astype(np.float32) / np.float32(127.5) - np.float32(1)).transpose(0, 3, 1, 2)


class Order:
    """The order in which one reader goes through `length` images, in batches, without end.

    By epochs, each in a new order, the last short batch of each dropped unless `short`; or with
    replacement.
    """

    def __init__(
        self,
        seed: int,
        purpose: str,
        length: int,
        batch: int,
        replacement: bool = False,
        short: bool = False,
    ) -> None:
        self.seed, self.purpose, self.length, self.batch = seed, purpose, length, batch
        self.replacement = replacement
        self.batches = -(-length // batch) if short else length // batch  # in an epoch
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def indices(self, turn: int) -> np.ndarray:
        """Return the images of batch number `turn`, from 0."""
        if self.replacement:
            return randomness.integers(self.seed, self.purpose, turn, self.batch, self.length)
        epoch, place = divmod(turn, self.batches)
        if self._epoch[0] != epoch:
            self._epoch = epoch, randomness.permutation(self.seed, self.purpose, epoch, self.length)
        return self._epoch[1][place * self.batch : (place + 1) * self.batch]


@dataclass(frozen=True)
class Draw:
    """Draws the batches of a run, as tensors of its engine.

    `latents` (seed, purpose, index, count) draws them. With `same`, both players' updates of a step
    have one batch in common; else each has a fresh one, and each of D's updates too.
    """

    source: Source
    engine: Engine
    seed: int
    batch: int
    latent: int
    classes: int
    relativistic: bool
    d_steps: int = 1
    replacement: bool = False
    short: bool = False
    same: bool = False
    latents: randomness.Draws = randomness.normal

    @functools.cached_property
    def _d_order(self) -> Order:
        return self._order("order")

    @functools.cached_property
    def _g_order(self) -> Order:
        return self._order("order of G")

    def _order(self, purpose: str) -> Order:
        length = len(self.source.images)
        return Order(self.seed, purpose, length, self.batch, self.replacement, self.short)

    def step(self, number: int) -> Batches:
        """Draw what step `number`, from 0, needs."""
        first = number * self.d_steps
        batches = [self.discriminator(first + turn) for turn in range(self.d_steps)]
        return Batches(batches, batches[0] if self.same else self.generator(number))

    def images(self, number: int) -> int:
        """Return how many real images step `number` shows D."""
        first = number * self.d_steps
        return sum(len(self._d_order.indices(first + turn)) for turn in range(self.d_steps))

    def discriminator(self, turn: int) -> Batch:
        """Draw D's update number `turn`, from 0: reals, fresh latents and labels."""
        chosen = self._d_order.indices(turn)
        mix = randomness.uniform(self.seed, "mix", turn, len(chosen)).reshape(-1, 1, 1, 1)
        return Batch(
            **self._reals(chosen),
            **self._fakes("D", turn, chosen),
            mix=self.engine.from_numpy(mix),
        )

    def generator(self, step: int) -> Batch:
        """Draw G's update number `step`, from 0: fresh latents; fresh reals if they are scored."""
        if not self.relativistic:
            return Batch(**self._fakes("G", step, np.arange(self.batch)))
        chosen = self._g_order.indices(step)
        return Batch(**self._reals(chosen), **self._fakes("G", step, chosen))

    def _reals(self, chosen: np.ndarray) -> dict[str, Any]:
        reals = {"real": self.engine.from_numpy(to_range(self.source.images[chosen]))}
        return {**reals, "real_label": self._labels(chosen)} if self.classes else reals

    def _fakes(self, player: str, turn: int, chosen: np.ndarray) -> dict[str, Any]:
        """Draw as many latents, and labels if there are classes, as images were chosen."""
        count = len(chosen)
        numbers = self.latents(self.seed, f"latents of {player}", turn, count * self.latent)
        drawn = {"latent": self.engine.from_numpy(numbers.reshape(count, self.latent))}
        if not self.classes:
            return drawn
        if self.relativistic:  # the fake of a pair has the real's label
            return {**drawn, "label": self._labels(chosen)}
        purpose = f"labels of {player}"
        labels = randomness.integers(self.seed, purpose, turn, count, self.classes)
        return {**drawn, "label": self.engine.from_numpy(labels)}

    def _labels(self, chosen: np.ndarray) -> Any:
        assert self.source.labels is not None
        return self.engine.from_numpy(self.source.labels[chosen])
