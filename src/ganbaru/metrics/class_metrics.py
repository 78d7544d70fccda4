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


def divergence(fake: Shares, fakes: int, real: Shares, reals: int) -> tuple[float, float]:
    """Return KL(fake || real) = sum fake log(fake / real) in nats, and its standard error.

    As on Stacked-MNIST (Metz et al. 2017, section 3.3). A class that none of the `reals` images has
    counts as half an image, since its logarithm would be infinite. The sum over `fakes` images is
    too large by (K - 1) / (2 fakes) on average, K being the classes among them, which is subtracted
    (Miller 1955; Madow): with 1,000 equal classes and 26,000 images 0.0192 of 0.0195. So it is
    about 0 at best, and may be below. The error is that of multinomial counts to second order.
    """
    present = fake > 0
    shares, expected = fake[present], np.maximum(real, 0.5 / reals)[present]
    ratios = np.log(shares / expected)
    plain, extra = float(shares @ ratios), (len(shares) - 1) / (2 * fakes)
    # The first order's own bias is (K - 1) / fakes², the second order's variance half of that.
    spread = max(0.0, float(shares @ (ratios - plain) ** 2) / fakes - 2 * extra / fakes)
    return plain - extra, float(np.sqrt(spread + extra / fakes))


def unseen_modes(labels: Labels, classes: int) -> float:
    """Return an estimate of how many classes have images, unseen ones included.

    Chao1, S + f1 (f1 - 1) / (2 (f2 + 1)), from the S classes seen and the classes with one and with
    two images (Chao 1984; bias-corrected form), at most `classes`.
    """
    counts = np.bincount(labels, minlength=classes)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return min(float(classes), modes(labels) + once * (once - 1) / (2 * (twice + 1)))


def modes(labels: Labels) -> int:
    """Return how many classes have an image (Metz et al. 2017, section 3.3); all is best."""
    return len(np.unique(labels))


def agreement(predicted: Labels, expected: Labels) -> float:
    """Return the share of the images whose predicted class is the expected one; 1 is best."""
    return float((predicted == expected).mean())
