"""A data set of one's own: a function `original` that returns arrays, declared as DATASET.

Discs and squares of any size and place. Run it with python -m examples.own_data [STEPS]; for a
report on the images, from this file's parent folder: ganbaru data examples.own_data
Arrays in a file need no code: np.savez("mine.npz", images=..., labels=...), then
ganbaru train digits --data mine.npz
"""

import sys

import numpy as np

import ganbaru
from ganbaru import data

SIDE = 32
CLASSES = ("disc", "square")


def original(split, data_dir, progress):
    """Return 4,000 images for training, or 1,000 others for testing."""
    count = {"train": 4000, "test": 1000}[split]
    rng = np.random.default_rng(count)
    labels = np.arange(count) % 2
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.empty((count, SIDE, SIDE, 1), np.uint8)
    for i, label in enumerate(labels):
        radius = rng.uniform(4, 10)
        top, left = rng.uniform(radius, SIDE - radius, 2)
        down, across = abs(y - top), abs(x - left)
        distance = np.maximum(down, across) if label else np.hypot(down, across)
        # One pixel wide, the edge is grey, as a camera would see it.
        images[i, :, :, 0] = 255 * np.clip(radius - distance + 0.5, 0, 1)
        progress(i + 1, count, "drawing shapes")
    return data.of_arrays("shapes", images, labels, CLASSES)


DATASET = data.Dataset("shapes", original, shape=(SIDE, SIDE, 1), classes=CLASSES)


def main(steps: int = 800) -> None:
    """Train on it and draw squares."""
    config = ganbaru.from_preset("digits", data="examples.own_data", image_size=SIDE, steps=steps)
    run = ganbaru.train(config)
    squares = ganbaru.load(run).sample(4, seed=0, labels="square")
    print(f"{len(squares)} squares, {squares.shape[1:]}; look at {run / 'timelapse.gif'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
