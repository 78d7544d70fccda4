"""A sheet of real images beside what an augmentation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru import ops
from ganbaru.data import Source
from ganbaru.gan import augmentation, auto_augmentation
from ganbaru.gan.batches import to_range
from ganbaru.gan.held_out import spread
from ganbaru.sampling import image_io

ROWS, COLUMNS = 8, 9


def augmentation_sheet(source: Source, spec: str, path: Path) -> str:
    """Write a PNG of 8 images, each beside 8 augmented ones of it; return what was applied.

    `spec` is that of `--augment`: for `auto` the choice by the images, with its reason, as without
    test images. A strength that adapts is shown at its largest.
    """
    choice = auto_augmentation.Choice(spec, f"--augment {spec}")
    if spec == augmentation.AUTO:
        choice = auto_augmentation.choose(source.images, testable=False)
    made = augmentation.parse(choice.spec)
    strength = made.adaptive.most if made.adaptive else 1.0
    images = source.images[np.sort(spread(len(source.images), min(ROWS, len(source.images))))]
    copies = images.repeat(COLUMNS, axis=0)
    draws = made.sample(0, "sheet", 0, len(copies))
    arrays = made.arrays(draws, strength, source.images.shape[1:])
    seen = image_io.to_bytes(ops.to_numpy(made.apply(to_range(copies), arrays)))
    seen[::COLUMNS] = images
    image_io.save_png(path, image_io.enlarge(image_io.grid(seen, COLUMNS)))
    return choice.reason
