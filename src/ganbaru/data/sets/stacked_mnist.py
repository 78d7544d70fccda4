"""Stacked-MNIST: three random digits as red, green and blue; 1,000 classes, to count modes with.

As in Metz et al. 2017 (section 3.3) and Lin et al. 2018: 128,000 training images of digits of
MNIST's training images; 26,000 test images, of its test images. Which digits is drawn by Philox
(`ganbaru.randomness`) under a seed that never changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru import randomness
from ganbaru.data.dataset import Dataset
from ganbaru.data.sets import mnist
from ganbaru.data.source import Original, Progress, Samples

COUNTS = {"train": 128_000, "test": 26_000}
CLASSES = tuple(f"{number:03}" for number in range(1000))
SEED = 0


def digit_indices(split: str, digits: int) -> np.ndarray:
    """Return which of `digits` images are the channels of each picture (n, 3)."""
    count = COUNTS[split]
    indices = randomness.integers(SEED, f"stacked-mnist {split}", 0, 3 * count, digits)
    return indices.reshape(count, 3)


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find or download MNIST's split, and stack it."""
    grey = mnist.DATASET.find(split, data_dir, progress)

    def read() -> Samples:
        digits = grey.read()
        assert isinstance(digits.images, np.ndarray) and digits.labels is not None
        indices = digit_indices(split, len(digits.images))
        # Taken channel by channel, so that each picture is in one piece of memory (300 MB in all).
        images = np.empty((len(indices), 28, 28, 3), np.uint8)
        for channel in range(3):
            images[..., channel] = digits.images[indices[:, channel], ..., 0]
        labels = digits.labels[indices] @ np.array([100, 10, 1])
        return Samples(images, labels, CLASSES, digits.notes)

    return Original("stacked-mnist", f"stacked-mnist/{split}", f"1|{grey.stamp}", read)


DATASET = Dataset(
    "stacked-mnist",
    original,
    shape=(28, 28, 3),
    classes=CLASSES,
    licence=mnist.DATASET.licence,
    scored_as="mnist",
    scored_count=COUNTS["test"],  # images that modes are counted in, as published
)
