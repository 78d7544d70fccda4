"""Confidence intervals by subsampling: how much a score varies with other images of the same kind.

A bootstrap draws images twice. Twins are each other's nearest neighbours, which breaks precision to
novelty, and make covariances look smaller, which biases the Fréchet distance. So b of n images are
drawn without repeats. A score's variance falls as 1/n, and two subsamples of b of n share images:
the variance over subsamples is (1/b - 1/n) of what 1/n of it is wanted of, so the standard error
at n is the deviation over subsamples times sqrt(b / (n - b)) (Politis and Romano 1994; with
b = n / 2, the delete-half jackknife).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.data import Progress

SUBSAMPLES = 20
MAX_SIZE = 1000  # images in a subsample: with 2,000 the intervals took longer than the scores
STUDENT = 2.093  # the 97.5 % point of Student's t with 19 degrees of freedom

Indices = NDArray[np.int64]
Values = dict[str, float]
Score = Callable[[Indices, Indices], Values]


def size(count: int) -> int:
    """Return how many of `count` images a subsample has."""
    return min(count // 2, MAX_SIZE)


def subsamples(count: int, purpose: str, seed: int) -> Iterator[Indices]:
    """Yield 20 subsamples of the indices from 0 to `count` - 1, none with an index twice."""
    for i in range(SUBSAMPLES):
        order = randomness.permutation(seed, f"subsamples of {purpose}", i, count)
        yield np.sort(order[: size(count)])


def standard_errors(score: Score, reals: int, fakes: int, seed: int, progress: Progress) -> Values:
    """Return the standard errors of scores; `score` scores subsets of `reals` and `fakes`."""
    drawn = zip(subsamples(reals, "reals", seed), subsamples(fakes, "fakes", seed), strict=True)
    found = []
    for i, (real, fake) in enumerate(drawn, 1):
        found.append(score(real, fake))
        progress(i, SUBSAMPLES, "measuring intervals")
    scale = math.sqrt(size(fakes) / (fakes - size(fakes)))
    return {name: scale * float(np.std([one[name] for one in found], ddof=1)) for name in found[0]}
