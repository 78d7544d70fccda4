"""Classifier two-sample tests (C2ST): can a classifier tell fakes from reals?

A classifier is fitted to one half of the images; of the other half each position holds a real or
a fake by the toss of a coin. If fakes have the distribution of reals, the answers are guesses: the
number of right ones is exactly binomial with probability 1/2 (Lopez-Paz and Oquab 2017, "Revisiting
classifier two-sample tests", section 3). An accuracy of 0.5 is best, 1 worst.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.engines.numpy import distances
from ganbaru.metrics.checks import check_features

NEIGHBOURS = 5
MIN_IMAGES = 40  # of each kind: of 20 tested images, 15 right ones have p = 0.02

Images = NDArray[Any]
# Fits images (N, ...) to labels (N,), 1 for real, and returns labels (M,) of others.
Classify = Callable[[Images, NDArray[np.int64], Images], NDArray[np.int64]]


@dataclass(frozen=True)
class TwoSampleTest:
    """The accuracy of a classifier of reals and fakes, its p-value, and the count of images."""

    accuracy: float
    p: float
    tested: int

    @property
    def error(self) -> float:
        """The standard error of the accuracy."""
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / self.tested))


def two_sample_test(real: Images, fake: Images, classify: Classify) -> TwoSampleTest:
    """Return the test of images or features (N, ...) and (M, ...), min(N, M) of each."""
    count = min(len(real), len(fake))
    check_features("A two-sample test", MIN_IMAGES, real, fake)
    chosen = [
        randomness.permutation(0, f"two samples, {i}", 0, len(x))
        for i, x in enumerate((real, fake))
    ]
    half = count // 2
    known, queries = (
        [order[part] for order in chosen] for part in (slice(half), slice(half, count))
    )
    coins = randomness.integers(0, "two samples, coins", 0, count - half, 2)
    shape = (-1,) + (1,) * (real.ndim - 1)
    tested = np.where(coins.reshape(shape) == 1, real[queries[0]], fake[queries[1]])
    labels = np.repeat([1, 0], half)
    found = classify(np.concatenate([real[known[0]], fake[known[1]]]), labels, tested)
    right = int((found == coins).sum())
    return TwoSampleTest(right / len(coins), _tail(right, len(coins)), len(coins))


def nearest_neighbours(
    known: Images, labels: NDArray[np.int64], queries: Images
) -> NDArray[np.int64]:
    """Classify features (M, D) by the majority of their five nearest known ones."""
    votes = labels[distances.nearest(known, queries, NEIGHBOURS)].sum(axis=1)
    return (2 * votes > NEIGHBOURS).astype(np.int64)


def _tail(right: int, count: int) -> float:
    """Return P(K >= right) of K ~ Bin(count, 1/2)."""
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, count, 0.5)) if right else 1.0
