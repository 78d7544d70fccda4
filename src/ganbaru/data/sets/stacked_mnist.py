"""Stacked-MNIST: three random digits as red, green and blue; 1,000 classes, to count modes with.

As in Metz et al. 2017 (section 3.3) and Lin et al. 2018: 128,000 training images of digits of
MNIST's training images; 26,000 test images, of its test images. Which digits is drawn by Philox
(`ganbaru.randomness`) under a seed that never changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru import randomness
from ganbaru.data import cache
from ganbaru.data.resize import fit_block
from ganbaru.data.sets import mnist
from ganbaru.data.sink import Sink
from ganbaru.data.source import BLOCK, Details, Original, Progress, Sizes, Want, silent

SHAPE, CLASSES = (28, 28, 3), 1000  # of an image (H, W, C); told without the files
SCORED_AS = "mnist"  # each channel by the classifier of this set
LICENCE = mnist.LICENCE
SCORED_COUNT = 26_000  # images that modes are counted in, as published

COUNTS = {"train": 128_000, "test": SCORED_COUNT}
SEED = 0


def _drawn(split: str, digits: int) -> np.ndarray:
    """Return which of `digits` images are the channels of each picture (n, 3)."""
    count = COUNTS[split]
    places = randomness.integers(SEED, f"stacked-mnist {split}", 0, 3 * count, digits)
    return places.reshape(count, 3)


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find or download MNIST's split, and stack it."""
    grey = mnist.original(split, data_dir, progress)

    def decode(want: Want, sink: Sink, progress: Progress) -> Details:
        digits = cache.source(grey, Want(), silent)
        places = _drawn(split, len(digits.images))
        assert digits.labels is not None
        images, values = np.asarray(digits.images)[..., 0], digits.labels[places]
        for start in range(0, len(places), BLOCK):
            block = images[places[start : start + BLOCK]].transpose(0, 2, 3, 1)
            sink.write(fit_block(np.ascontiguousarray(block), want))
            progress(start + len(block), len(places), "stacking digits")
        labels = values @ np.array([100, 10, 1])
        classes = tuple(f"{number:03}" for number in range(CLASSES))
        return Details(labels, classes, digits.notes, Sizes.uniform(len(places), *SHAPE[:2]))

    return Original("stacked-mnist", f"stacked-mnist/{split}", f"1|{grey.contents}", decode)
