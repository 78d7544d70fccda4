"""The kernel distance (KID): an unbiased distance of two distributions of features."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.metrics.checks import check_features

SUBSETS, SIZE = 50, 1000
ERROR_IMAGES = 10_000

Features = NDArray[np.floating]
Indices = NDArray[np.int64]


def kernel_distance(
    real: Features, fake: Features, subsets: Iterable[tuple[Indices, Indices]]
) -> tuple[float, float]:
    """Return the mean and the standard deviation over subsets of the squared kernel distance.

    MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y), pairs of an image with itself left out,
    with k(a, b) = (a.b / D + 1)³ (Bińkowski et al. 2018, "KID"). Unbiased for any number of images,
    so it may be below 0; 0 is best. `subsets` are equally many indices into real and fake.
    """
    check_features("A kernel distance", 2, real, fake)
    wide = real.astype(np.float64), fake.astype(np.float64)
    found = [_squared(wide[0][one], wide[1][other]) for one, other in subsets]
    return float(np.mean(found)), float(np.std(found))


def standard_error(real: Features, fake: Features, deviation: float, count: int) -> float:
    """Return the standard error of the mean of `count` subsets, whose `deviation` is given.

    For all pairs of images (N, D) and (M, D), it is what each image moves the distance by: its mean
    kernel with its own kind less that with the other. The variance is four times that of these
    numbers over the images, summed over both kinds (Serfling 1980, section 5.5; Gretton et al.
    2012); between equal distributions twice the true one, as any jackknife's. What the choice of
    subsets adds is its own variance over their count (Blom 1976, "incomplete U-statistics"). Of
    more than 10,000 images so many are used.
    """
    reals, fakes = _some(real, "reals"), _some(fake, "fakes")
    of_real, of_fake = np.empty(len(reals)), np.zeros(len(fakes))
    for start in range(0, len(reals), SIZE):  # each kernel of a real and a fake serves both
        values = _kernel(reals[start : start + SIZE], fakes)
        of_real[start : start + SIZE] = values.mean(axis=1)
        of_fake += values.sum(axis=0) / len(reals)
    variance = deviation**2 / count
    for own, other, images in ((reals, of_real, len(real)), (fakes, of_fake, len(fake))):
        variance += 4 * float(np.var(_own_means(own) - other, ddof=1)) / images
    return math.sqrt(variance)


def _some(x: Features, name: str) -> NDArray[np.float64]:
    order = randomness.permutation(0, f"kernel error, {name}", 0, len(x))
    return x[order[:ERROR_IMAGES]].astype(np.float64)


def _own_means(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean kernel (N,) of each row of `x` with the others."""
    found = np.empty(len(x))
    for start in range(0, len(x), SIZE):
        values = _kernel(x[start : start + SIZE], x)
        places = np.arange(len(values))
        values[places, start + places] = 0  # of an image with itself
        found[start : start + SIZE] = values.sum(axis=1) / (len(x) - 1)
    return found


def subsets(reals: int, fakes: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield 50 subsets of 1,000 indices, or half as many as there are images, without repeats."""
    size = max(2, min(SIZE, reals // 2, fakes // 2))
    for i in range(SUBSETS):
        yield (
            randomness.permutation(seed, "kernel reals", i, reals)[:size],
            randomness.permutation(seed, "kernel fakes", i, fakes)[:size],
        )


def _squared(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return within(x) + within(y) - 2 * between(x, y)


def within(x: NDArray[np.float64]) -> float:
    """Return the mean kernel of pairs of rows, those of a row with itself left out."""
    values, count = _kernel(x, x), len(x)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))


def between(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the mean kernel of a row of `x` and one of `y`."""
    return float(_kernel(x, y).mean())


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    base = x @ y.T / x.shape[1] + 1
    return base * base * base  # ** 3 takes 20 times as long
