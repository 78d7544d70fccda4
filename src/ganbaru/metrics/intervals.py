"""Confidence intervals by subsampling: how much a score varies with other images of the same kind.

A bootstrap draws images twice. Twins are each other's nearest neighbours, which breaks precision to
novelty, and make covariances look smaller, which biases the Fréchet distance. So b of n images are
drawn without repeats. A score's variance falls as 1/n, and two subsamples of b of n share images:
the variance over subsamples is (1/b - 1/n) of what 1/n of it is wanted of, so the standard error
at n is the deviation over subsamples times sqrt(b / (n - b)) (Politis and Romano 1994; with
b = n / 2, the delete-half jackknife).

Reals and fakes are two independent sets of different sizes: the variance of a score is A / reals +
B / fakes. So each side is subsampled by itself, beside one subsample of the other, with its own
factor. One factor for both reported 0.061 for 0.176 with 1,000 reals and 10,000 fakes: an interval
that covered 56 % in place of 95 %.

Shares of images near 0 or 1 vary too little within a sample for its subsamples to show it (an
interval for a precision of 0.999 covered 75 %): `wilson` gives the least interval of a share.
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
    real = list(subsamples(reals, "reals", seed))
    fake = list(subsamples(fakes, "fakes", seed))
    designs = [(part, fake[0]) for part in real], [(real[0], part) for part in fake]
    variances: list[Values] = []
    for done, (design, count) in enumerate(zip(designs, (reals, fakes), strict=True)):
        found = []
        for i, (one, other) in enumerate(design, 1):
            found.append(score(one, other))
            progress(done * SUBSAMPLES + i, 2 * SUBSAMPLES, "measuring intervals")
        scale = size(count) / (count - size(count))
        values = {name: np.array([each[name] for each in found]) for name in found[0]}
        variances.append({name: scale * float(x.var(ddof=1)) for name, x in values.items()})
    return {name: math.sqrt(variances[0][name] + variances[1][name]) for name in variances[0]}


def jackknife(score: Score, reals: int, fakes: int, seed: int) -> Values:
    """Return the standard errors of scores by leaving out each of 20 groups of either side.

    The variance is 19 / 20 of the sum of squared deviations (Tukey 1958; Efron and Tibshirani 1993,
    section 11.5). All but a twentieth of the images are scored 40 times, for scores that are fast
    enough. Subsamples of a tenth gave 4 times the error of a Fréchet distance of equal
    distributions, which falls as 1/n in place of 1/sqrt(n); this gives 1.4 times.
    """
    every, variances = (np.arange(reals), np.arange(fakes)), dict[str, float]()
    for side, (count, name) in enumerate(((reals, "reals"), (fakes, "fakes"))):
        order = randomness.permutation(seed, f"groups of {name}", 0, count)
        found = []
        for group in np.array_split(order, SUBSAMPLES):
            kept = np.delete(every[side], group)
            found.append(score(every[0], kept) if side else score(kept, every[1]))
        for key in found[0]:
            spread = float(np.var([one[key] for one in found]))
            variances[key] = variances.get(key, 0.0) + (SUBSAMPLES - 1) * spread
    return {key: math.sqrt(variance) for key, variance in variances.items()}


def of_squared(value: float, error: float) -> tuple[float, float]:
    """Return the 95 % interval of a squared distance, whose `error` is a standard error.

    The variance of such a distance grows with it: near 0 an image moves it by its square. So an
    error from a sample that came out low is too small, and value ± z error misses upwards (8 % of
    600 reals and 150 fakes, 0.6 % downwards). As in Wilson's interval of a share, the limits are
    the t with (value - t)² = z² s(t)², where s² grows from error² with slope error² / value. Of a
    value below z error, which may be below 0, the slope is error / z.
    """
    slope = error * error / max(value, STUDENT * error) if error else 0.0
    shift = STUDENT * STUDENT * slope / 2
    half = math.hypot(STUDENT * error, shift)
    return value + shift - half, value + shift + half


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `count` independent images (Wilson 1927)."""
    z = 1.96
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count)
    half *= math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)
