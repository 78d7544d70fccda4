"""What each update draws: images in the run's order, latents, labels; all by counter.

The same seed gives the same batches on every engine, and a run that goes on draws what an
uninterrupted one would have drawn, since everything follows from the number of the update.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import ops, randomness
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.gan.step import Batch, Batches


def to_range(images: np.ndarray) -> np.ndarray:
    """Turn bytes (N, H, W, C) into floats (N, C, H, W) in [-1, 1]."""
    scaled: np.ndarray = _scaled(images.astype(np.float32))
    return scaled


def _scaled(images: Any) -> Any:
    """Bring whole numbers (N, H, W, C), as floats, to (N, C, H, W) in [-1, 1].

    Nothing else scales reals: on every engine it is the same float32 arithmetic.
    """
    return ops.transpose(images / 127.5 - 1.0, (0, 3, 1, 2))


class EpochOrder:
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
        known, order = self._epoch  # read once: steps drawn ahead may be of two epochs
        if known != epoch:
            order = randomness.permutation(self.seed, self.purpose, epoch, self.length)
            self._epoch = epoch, order
        return order[place * self.batch : (place + 1) * self.batch]


@dataclass(frozen=True)
class BatchSampler:
    """Draws the batches of a run, as tensors of its engine.

    `latents` (seed, purpose, index, count) draws them. With `same`, both players' updates of a step
    have one batch in common; else each has a fresh one, and each of D's updates too. `held` picks
    reals by their numbers where the engine holds them all (see `Engine.hold`).
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
    held: Callable[[Any], Any] | None = None

    @functools.cached_property
    def _d_order(self) -> EpochOrder:
        return self._order("order")

    @functools.cached_property
    def _g_order(self) -> EpochOrder:
        return self._order("order of G")

    def _order(self, purpose: str) -> EpochOrder:
        length = len(self.source.images)
        return EpochOrder(self.seed, purpose, length, self.batch, self.replacement, self.short)

    def step(self, number: int) -> Batches:
        """Draw what step `number`, from 0, needs."""
        return self.to_device(self.drawn(number))

    def drawn(self, number: int) -> Batches:
        """Draw what a step needs, in NumPy; reals that the engine holds are told by number."""
        first = number * self.d_steps
        batches = [self._for_d(first + turn) for turn in range(self.d_steps)]
        return Batches(batches, batches[0] if self.same else self._for_g(number))

    def to_device(self, drawn: Batches) -> Batches:
        """Bring what was drawn to the engine."""
        batches = [self._brought(batch) for batch in drawn.d]
        return Batches(batches, batches[0] if self.same else self._brought(drawn.g))

    def _brought(self, batch: Batch) -> Batch:
        given = {name: x for name, x in batch._asdict().items() if x is not None}
        brought = {name: self.engine.from_numpy(x) for name, x in given.items()}
        if self.held and "real" in brought:
            brought["real"] = _scaled(self.held(brought["real"]))
        return Batch(**brought)

    def images(self, number: int) -> int:
        """Return how many real images step `number` shows D."""
        first = number * self.d_steps
        return sum(len(self._d_order.indices(first + turn)) for turn in range(self.d_steps))

    def discriminator(self, turn: int) -> Batch:
        """Draw D's update number `turn`, from 0: reals, fresh latents and labels."""
        return self._brought(self._for_d(turn))

    def generator(self, step: int) -> Batch:
        """Draw G's update number `step`, from 0: fresh latents; fresh reals if they are scored."""
        return self._brought(self._for_g(step))

    def _for_d(self, turn: int) -> Batch:
        chosen = self._d_order.indices(turn)
        mix = randomness.uniform(self.seed, "mix", turn, len(chosen)).reshape(-1, 1, 1, 1)
        return Batch(**self._reals(chosen), **self._fakes("D", turn, chosen), mix=mix)

    def _for_g(self, step: int) -> Batch:
        if not self.relativistic:
            return Batch(**self._fakes("G", step, np.arange(self.batch)))
        chosen = self._g_order.indices(step)
        return Batch(**self._reals(chosen), **self._fakes("G", step, chosen))

    def _reals(self, chosen: np.ndarray) -> dict[str, Any]:
        reals = {"real": chosen if self.held else to_range(self.source.images[chosen])}
        return {**reals, "real_label": self._labels(chosen)} if self.classes else reals

    def _fakes(self, player: str, turn: int, chosen: np.ndarray) -> dict[str, Any]:
        """Draw as many latents, and labels if there are classes, as images were chosen."""
        count = len(chosen)
        numbers = self.latents(self.seed, f"latents of {player}", turn, count * self.latent)
        drawn = {"latent": numbers.reshape(count, self.latent)}
        if not self.classes:
            return drawn
        if self.relativistic:  # the fake of a pair has the real's label
            return {**drawn, "label": self._labels(chosen)}
        purpose = f"labels of {player}"
        return {
            **drawn,
            "label": randomness.integers(self.seed, purpose, turn, count, self.classes),
        }

    def _labels(self, chosen: np.ndarray) -> np.ndarray:
        assert self.source.labels is not None
        return self.source.labels[chosen]


class Prefetcher:
    """Draws the same batches some steps ahead, on threads, while the engine computes elsewhere.

    Only NumPy runs on the threads; what they drew goes to the engine when its step is asked for.
    """

    THREADS, STEPS = 4, 12

    def __init__(self, draw: BatchSampler) -> None:
        self.draw, self.images = draw, draw.images
        self._pool = ThreadPoolExecutor(self.THREADS, thread_name_prefix="draw")
        self._drawn: dict[int, Future[Batches]] = {}

    def step(self, number: int) -> Batches:
        """Return what step `number` needs, and have the next ones drawn."""
        wanted = range(number, number + self.STEPS)
        kept = {n: drawn for n, drawn in self._drawn.items() if n in wanted}
        self._drawn = kept | {
            n: self._pool.submit(self.draw.drawn, n) for n in wanted if n not in kept
        }
        return self.draw.to_device(self._drawn.pop(number).result())
