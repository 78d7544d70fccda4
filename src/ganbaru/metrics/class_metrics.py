"""Metrics of labels: class shares, their divergence, and label accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics.intervals import STUDENT

MIN_PER_CLASS = 15  # for an interval: of 10 for each of 1,000 classes it held 92 %, of 5 66 %

Labels = NDArray[np.int64]
Shares = NDArray[np.float64]


def shares(labels: Labels, classes: int) -> Shares:
    """Return the share (classes,) of the images that each class has; they add up to 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(counts / len(labels))


@dataclass(frozen=True)
class Divergence:
    """A divergence of class shares with its 95 % interval, (None, None) for too few images."""

    value: float
    limits: tuple[float, float] | tuple[None, None]


def divergence(fake: Shares, fakes: int, real: Shares, reals: int) -> Divergence:
    """Return KL(fake || real) = sum fake log(fake / real) in nats, and its interval.

    As on Stacked-MNIST (Metz et al. 2017, section 3.3). A class that none of the `reals` images has
    counts as half an image, since its logarithm would be infinite. The sum over `fakes` images is
    too large by (K - 1) / (2 fakes) on average, K being the classes among them, which is subtracted
    (Miller 1955; Madow): with 1,000 equal classes and 26,000 images 0.0192 of 0.0195. So it is
    about 0 at best, and may be below.

    The variance of multinomial counts is, to second order, about a t + c for a divergence t, so
    that few images scatter upwards: the limits are the t with (value - t)² = z² (a t + c), as
    Wilson's of a share. They hold t in 93 to 100 % of cases from 15 images for each class on (500
    each); an interval that is symmetrical about the value, in 81 % of two classes in 300 images.
    The `real` shares are those of a given set, so they count as exact.
    """
    present = fake > 0
    shares, expected = fake[present], np.maximum(real, 0.5 / reals)[present]
    ratios = np.log(shares / expected)
    plain, extra = float(shares @ ratios), (len(shares) - 1) / (2 * fakes)
    value = plain - extra
    if fakes < MIN_PER_CLASS * len(real):
        return Divergence(value, (None, None))
    slope = float(shares @ (ratios - plain) ** 2) / fakes / plain if plain > 1e-12 else 2 / fakes
    shift = STUDENT**2 * slope / 2
    half = math.sqrt(shift**2 + STUDENT**2 * max(0.0, slope * value + extra / fakes))
    return Divergence(value, (min(value, value + shift - half), value + shift + half))


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
