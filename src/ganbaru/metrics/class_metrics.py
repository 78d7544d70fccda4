"""Scores of labels: which classes there are, how often, and whether they are the ones asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Shares = NDArray[np.float64]


def shares(labels: Labels, classes: int) -> Shares:
    """Return the share (classes,) of the images that each class has; they add up to 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(counts / len(labels))


def divergence(fake: Shares, real: Shares, reals: int) -> float:
    """Return KL(fake || real) = sum fake log(fake / real), in nats; 0 is best.

    As on Stacked-MNIST (Metz et al. 2017, section 3.3). A class that none of the `reals` images has
    counts as half an image, since its logarithm would be infinite.
    """
    there = fake > 0
    expected = np.maximum(real, 0.5 / reals)
    return float(np.sum(fake[there] * np.log(fake[there] / expected[there])))


def modes(labels: Labels) -> int:
    """Return how many classes have an image (Metz et al. 2017, section 3.3); all is best."""
    return len(np.unique(labels))


def agreement(found: Labels, asked: Labels) -> float:
    """Return the share of the images whose class is the one asked for; 1 is best."""
    return float((found == asked).mean())


def distinct(images: NDArray[np.uint8]) -> float:
    """Return the share of images (N, H, W, C) that are left when byte-equal ones count once."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return len({row.tobytes() for row in rows}) / len(images)
