"""The batch sampler: the images, latents and labels of each update, from counter-based randomness.

A batch depends on the seed and the number of the update alone. So every engine gets the same
batches, and a resumed run those of an uninterrupted one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import ops, randomness
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.data.streaming import StreamedImages
from ganbaru.engines import Engine
from ganbaru.errors import pick
from ganbaru.gan import augmentation, build
from ganbaru.gan.augmentation import Augmentation, Draws
from ganbaru.gan.balance import BalancedOrder
from ganbaru.gan.penalties import noisy_images
from ganbaru.gan.step import GAN
from ganbaru.gan.step_inputs import Batch, Batches
from ganbaru.ops import Parameters, Tensor

# Of (seed, purpose, number of the epoch, length), as `randomness.permutation` is.
Permutation = Callable[[int, str, int, int], np.ndarray]


def to_range(images: np.ndarray) -> np.ndarray:
    """Convert bytes (N, H, W, C) to floats (N, C, H, W) in [-1, 1]."""
    scaled: np.ndarray = _scaled(images.astype(np.float32))
    return scaled


def _scaled(images: Any) -> Any:
    """Scale pixel values 0 to 255, as floats (N, H, W, C), to (N, C, H, W) in [-1, 1].

    All reals pass through here: the same float32 arithmetic on every engine.
    """
    return ops.transpose(images / 127.5 - 1.0, (0, 3, 1, 2))


@dataclass
class EpochOrder:
    """The order in which one player goes through `length` images, in batches, without end.

    Each epoch is a new permutation, whose short last batch is dropped unless `short`; or images
    are drawn with replacement.
    """

    seed: int
    purpose: str
    length: int
    batch: int
    replacement: bool = False
    short: bool = False
    permute: Permutation = randomness.permutation
    _epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))  # the last one: number, order

    def indices(self, turn: int) -> np.ndarray:
        """Return the places of the images of batch number `turn`, from 0."""
        if self.replacement:
            return randomness.integers(self.seed, self.purpose, turn, self.batch, self.length)
        batches = -(-self.length // self.batch) if self.short else self.length // self.batch
        epoch, place = divmod(turn, batches)
        known, order = self._epoch  # read once: prefetching threads may be in two epochs
        if known != epoch:
            order = self.permute(self.seed, self.purpose, epoch, self.length)
            self._epoch = epoch, order
        return order[place * self.batch : (place + 1) * self.batch]


# The labels that fakes' labels are drawn from, given those of all reals and the number of classes.
# If classes are unequal and fakes' labels uniform, D wins by the label alone: its best logit is
# log p(label) - log q(label).
FAKE_LABELS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "shares": lambda labels, classes: labels,
    "uniform": lambda labels, classes: np.arange(classes),
}


@dataclass(frozen=True)
class BatchSampler:
    """Samples the batches of a run's steps, as tensors of its engine.

    Each update has a batch of its own, unless --share gives both players of a step one batch.
    `device_dataset` looks up reals by their places, where the engine has all images in its memory
    (see `Engine.device_dataset`).
    """

    config: Config
    source: Source
    engine: Engine
    gan: GAN
    num_classes: int
    device_dataset: Callable[[Any], Any] | None = None
    part: tuple[int, int] = (0, 1)  # of each batch: this rank, and their number

    def __post_init__(self) -> None:
        """Look names up now: an unknown one is refused before anything is written."""
        _ = self._draws, self._label_pool, self._augmentation

    @functools.cached_property
    def _draws(self) -> randomness.Draws:
        return randomness.distribution(self.config.distribution)

    @functools.cached_property
    def _label_pool(self) -> np.ndarray:
        choose = pick("--fake-labels", self.config.fake_labels, FAKE_LABELS)
        labels = self.source.conditions
        labels = np.empty(0, np.int64) if labels is None else labels
        # Those of the reals that D sees: with --balance every class equally often.
        return choose(np.unique(labels) if self.config.balance else labels, self.num_classes)

    @functools.cached_property
    def _augmentation(self) -> Augmentation:
        return augmentation.parse(self.config.augment)

    @functools.cached_property
    def _orders(self) -> dict[str, EpochOrder | BalancedOrder]:
        purposes = {"D": "order", "G": "order of G"}
        return {player: self._order(purpose) for player, purpose in purposes.items()}

    def _order(self, purpose: str) -> EpochOrder | BalancedOrder:
        config, labels = self.config, self.source.labels
        how = config.batch, config.replacement
        if config.balance and labels is not None:
            return BalancedOrder(config.seed, purpose, labels[self._places], *how)
        images: object = self.source.images
        permute: Permutation = randomness.permutation
        if isinstance(images, StreamedImages):
            permute = images.permutation(self._places)
        return EpochOrder(
            config.seed, purpose, len(self._places), *how, config.short_batch, permute
        )

    @functools.cached_property
    def _places(self) -> np.ndarray:
        """The places of the images to train on."""
        return augmentation.split(self._augmentation, len(self.source.images))[0]

    def _chosen(self, player: str, turn: int) -> np.ndarray:
        return self._places[self._orders[player].indices(turn)]

    @functools.cached_property
    def _shared(self) -> bool:
        return build.SHARES[self.config.share].latents

    def step(self, number: int, strength: float = 1.0) -> Batches:
        """Return the batches of step `number`, from 0, on the engine's device.

        `strength` is the augmentation's, by which probabilities are multiplied.
        """
        return self.to_device(self.sample(number), strength)

    def sample(self, number: int) -> Batches:
        """Sample a step in NumPy, before it is known how strong the augmentation will be.

        With `device_dataset`, `real` holds the places of images.
        """
        batches = [self._split(self._for_d(turn)) for turn in self._turns(number)]
        return Batches(batches, batches[0] if self._shared else self._split(self._for_g(number)))

    def _split(self, batch: Batch) -> Batch:
        """Return this rank's part of a global batch, as micro-batches."""
        (rank, size), count = self.part, self.config.accumulate
        first, *rest = (
            self._of_rows(batch, slice(rank + size * place, None, size * count))
            for place in range(count)
        )
        return first._replace(rest=rest or None)

    def _of_rows(self, batch: Batch, rows: slice) -> Batch:
        """Take rows of all that a batch has, and look up its images there."""
        arrays = {n: x for n, x in batch._replace(draws=None)._asdict().items() if x is not None}
        arrays = {name: x[rows] for name, x in arrays.items() if name != "rest"}
        if "real" in arrays and not self.device_dataset:
            arrays["real"] = to_range(self.source.images[arrays["real"]])
        drawn: dict[int, Draws] = {}  # sides of the same draws still share them
        for each in (batch.draws or {}).values():
            drawn[id(each)] = {name: numbers[rows] for name, numbers in each.items()}
        draws = batch.draws and {side: drawn[id(each)] for side, each in batch.draws.items()}
        return Batch(**arrays, draws=draws)

    def to_device(self, sampled: Batches, strength: float = 1.0) -> Batches:
        """Copy the batches of a step to the engine's device."""
        batches = [self._batch_to_device(batch, strength) for batch in sampled.d]
        if self._shared:
            return Batches(batches, batches[0])
        return Batches(batches, self._batch_to_device(sampled.g, strength))

    def _batch_to_device(self, batch: Batch, strength: float) -> Batch:
        rest = [self._batch_to_device(part, strength) for part in batch.rest or ()]
        fields = batch._replace(draws=None, rest=None)._asdict()
        arrays = {name: x for name, x in fields.items() if x is not None}
        tensors = {name: self.engine.batch_from_numpy(x) for name, x in arrays.items()}
        if self.device_dataset and "real" in tensors:
            tensors["real"] = _scaled(self.device_dataset(tensors["real"]))
        draws = batch.draws and self._transformed(batch.draws, strength)
        return Batch(**tensors, draws=draws, rest=rest or None)

    def _transformed(self, draws: dict[str, Draws], strength: float) -> dict[str, Parameters]:
        """Return the augmentation's arrays for each side, once for sides of the same draws."""
        shape = self.source.images.shape[1:]
        found: dict[int, Parameters] = {}
        for each in draws.values():
            if id(each) not in found:
                arrays = self._augmentation.arrays(each, strength, shape)
                copy = self.engine.batch_from_numpy
                found[id(each)] = {name: copy(array) for name, array in arrays.items()}
        of_side = self._augmentation.of_side
        return {side: of_side(side, found[id(each)]) for side, each in draws.items()}

    def images(self, number: int) -> int:
        """Return the number of real images that step `number` shows D, on all ranks."""
        return sum(len(self._orders["D"].indices(turn)) for turn in self._turns(number))

    def _turns(self, step: int) -> range:
        return range(step * self.config.d_steps, (step + 1) * self.config.d_steps)

    def _for_d(self, turn: int) -> Batch:
        """Sample D's update number `turn`, from 0: reals, and new latents and labels."""
        batch = self._for_update("D", turn, self._chosen("D", turn))
        mix = randomness.uniform(self.config.seed, "mix", turn, len(batch.latent))
        return batch._replace(mix=mix.reshape(-1, 1, 1, 1), noise=self._noise(turn, len(mix)))

    def _noise(self, turn: int, batch: int) -> np.ndarray | None:
        """Draw the noise (M, C, H, W) that the penalties of D's update number `turn` need."""
        count = noisy_images(self.gan.penalties, batch)
        if not count:
            return None
        shape = count, *self.source.images.shape[1:]
        drawn = randomness.normal(self.config.seed, "penalty noise", turn, math.prod(shape))
        return drawn.reshape(shape).transpose(0, 3, 1, 2)  # channels last in memory, as images

    def _for_g(self, step: int) -> Batch:
        """Sample G's update of `step`, from 0: latents, and reals for a relativistic objective."""
        chosen = self._chosen("G", step) if self.gan.relativistic else None
        return self._for_update("G", step, chosen)

    def _for_update(self, player: str, turn: int, chosen: np.ndarray | None) -> Batch:
        """Sample latents, and the labels of the reals `chosen` and of fakes if there are classes.

        `real` has the places of the images.
        """
        count = self.config.batch if chosen is None else len(chosen)
        latent = self._latents(player, turn, count)
        label = real_label = None
        if self.num_classes:
            labels = self.source.conditions
            assert labels is not None
            real_label = None if chosen is None else labels[chosen]
            label = real_label if self.gan.same_labels else None
            if label is None:
                label = self._labels(player, turn, count)
        sides = ["fake"] if chosen is None else ["fake", "real"]
        draws = self._augmenting(player, turn, count, sides)
        return Batch(latent, label, chosen, real_label, draws=draws)

    def _latents(self, purpose: str, turn: int, count: int) -> np.ndarray:
        size = self.config.latent
        drawn = self._draws(self.config.seed, f"latents of {purpose}", turn, count * size)
        return drawn.reshape(count, size)

    def _labels(self, purpose: str, turn: int, count: int) -> np.ndarray:
        pool, seed = self._label_pool, self.config.seed
        return pool[randomness.integers(seed, f"labels of {purpose}", turn, count, len(pool))]

    def generator_inputs(self, purpose: str, turn: int, count: int) -> list[Tensor]:
        """Return `count` latents, and labels if there are classes, drawn for a purpose."""
        arrays = [self._latents(purpose, turn, count)]
        if self.num_classes:
            arrays.append(self._labels(purpose, turn, count))
        return [self.engine.from_numpy(array) for array in arrays]

    def _augmenting(
        self, player: str, turn: int, count: int, sides: Sequence[str]
    ) -> dict[str, Draws] | None:
        """Draw the augmentation's numbers: for reals and fakes the same where they are pairs.

        They are under a relativistic objective, and where a penalty mixes them.
        """
        if not self._augmentation.transforms:
            return None
        purposes = {side: "fake" if self.gan.same_labels else side for side in sides}
        sample = functools.partial(self._augmentation.sample, self.config.seed)
        drawn = {p: sample(f"{p}s of {player}", turn, count) for p in {*purposes.values()}}
        return {side: drawn[purpose] for side, purpose in purposes.items()}
