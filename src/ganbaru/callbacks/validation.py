"""Held-out losses: what both players lose on test images that D has never learnt from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganbaru import data
from ganbaru.config import Config
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.gan.batches import to_range
from ganbaru.ops import Tensor

if TYPE_CHECKING:
    from ganbaru.training.loop import Run

BATCH = 64
Batch = tuple[range, NDArray[np.uint8], NDArray[np.int64] | None]  # seeds, reals, their labels


@dataclass(frozen=True)
class HeldOut:
    """Test images, the labels that the networks take for them, and which of them are used."""

    images: NDArray[np.uint8]  # (n, H, W, C); may be a read-only memory map
    labels: NDArray[np.int64] | None  # (n,)
    chosen: NDArray[np.int64]  # places in both

    def batches(self) -> Iterator[Batch]:
        """Yield each whole batch of 64; fewer images than these are one batch."""
        size = min(BATCH, len(self.chosen))
        for start in range(0, len(self.chosen) - size + 1, size):
            places = self.chosen[start : start + size]
            labels = None if self.labels is None else self.labels[places]
            yield range(start, start + size), self.images[places], labels


def load(
    config: Config, source: data.Source, conditional: bool, progress: data.Progress | None = None
) -> HeldOut | None:
    """Load the test images of a configuration; None if none are wanted or there are none.

    Raises InputError, saying how to do without, where they do not fit the training images, and
    RunError where they cannot be downloaded.
    """
    try:
        test = _test(config, source, progress) if config.held_out else None
        if test is None:
            return None
        labels = _labels(source, test) if conditional else None
    except InputError as error:
        raise InputError(f"{error} To train without test images: --held-out 0.") from error
    return HeldOut(test.images, labels, _spread(len(test.images), config.held_out))


def _spread(length: int, wanted: int) -> NDArray[np.int64]:
    """Choose places all over a set, since folders of classes list one class after the other."""
    count = min(length, wanted)
    return np.arange(count) * length // count


def _test(
    config: Config, source: data.Source, progress: data.Progress | None
) -> data.Source | None:
    height, width, channels = source.images.shape[1:]
    try:
        test = data.load(
            config.data, image_size=(height, width), channels=channels, split="test",
            data_dir=Path(config.data_dir) if config.data_dir else None, progress=progress,
        )  # fmt: skip
    except data.SplitError:
        return None
    # Whoever trains on a file of test images, or on a module that takes no notice of the split,
    # has nothing held out.
    return None if test.fingerprint == source.fingerprint else test


def _labels(source: data.Source, test: data.Source) -> NDArray[np.int64]:
    """Return the test images' labels by the numbers of the training classes."""
    if test.labels is None:
        raise InputError(f"The test images of {source.name} have no labels.")
    if strange := [name for name in test.classes if name not in source.classes]:
        raise InputError(
            f"The test images of {source.name} have the class {strange[0]!r}, which the training "
            f"images do not have."
        )
    numbers = np.array([source.classes.index(name) for name in test.classes], np.int64)
    return numbers[test.labels]


def losses(run: Run) -> dict[str, float]:
    """Return the mean of both losses over the test images; changes nothing in the run.

    The averaged generator makes a fake from each of the seeds 0, 1, ..., with the label of the real
    if there are labels; both networks are in inference mode. Penalties are not part of it. A
    relativistic objective compares within batches of 64.
    """
    if run.held_out is None:
        return {}
    each = [_of_batch(run, *batch) for batch in run.held_out.batches()]
    d_losses, g_losses = zip(*each, strict=True)
    return {
        "held_out_d_loss": math.fsum(d_losses) / len(each),
        "held_out_g_loss": math.fsum(g_losses) / len(each),
    }


def _of_batch(
    run: Run, seeds: range, reals: NDArray[np.uint8], labels: NDArray[np.int64] | None
) -> tuple[float, float]:
    generator = run.generator()
    label = [] if labels is None else [run.engine.from_numpy(labels)]

    def scores(images: NDArray[np.floating]) -> Tensor:
        judge = models.inference(run.engine, run.gan.discriminator)
        parameters, buffers = (run.state[f"discriminator{part}"] for part in ("", "_buffers"))
        return judge(parameters, buffers, run.engine.from_numpy(images), *label)

    fakes = generator.floats(generator.latents(seeds), labels)
    real, fake = scores(to_range(reals)), scores(fakes)
    return float(run.gan.d_loss(real, fake)), float(run.gan.g_loss(real, fake))
