"""Metrics of labels: class shares, their divergence, and label accuracy."""

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
    present = fake > 0
    expected = np.maximum(real, 0.5 / reals)
    return float(np.sum(fake[present] * np.log(fake[present] / expected[present])))


def modes(labels: Labels) -> int:
    """Return how many classes have an image (Metz et al. 2017, section 3.3); all is best."""
    return len(np.unique(labels))


def agreement(predicted: Labels, expected: Labels) -> float:
    """Return the share of the images whose predicted class is the expected one; 1 is best."""
    return float((predicted == expected).mean())
