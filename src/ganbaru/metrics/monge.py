"""MIND, the Monge Inception Distance: sliced optimal transport between two sets of features."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.metrics.checks import check_features

DIRECTIONS = 1000
BLOCK = 50  # directions at a time
Features = NDArray[np.floating]


def mind(real: Features, fake: Features) -> float:
    """Return the Monge Inception Distance of features (N, D) and (M, D); 0 is best.

    3 D times the mean squared 2-Wasserstein distance of their projections on 1,000 random unit
    directions, along which the sorted values are paired (Berthet et al. 2026, arXiv 2605.06797).
    If N and M differ, the values are the quantiles at the middles of min(N, M) equal parts.
    In squared units of the features, as the Fréchet distance, but without covariances: it needs
    ten times fewer images to rank generators.
    """
    check_features("MIND", 2, real, fake)
    count = min(len(real), len(fake))
    directions = _directions(real.shape[1])
    one, other = (_quantiles(directions @ x.astype(np.float32).T, count) for x in (real, fake))
    differences = one - other
    return 3 * real.shape[1] * float(np.mean(differences * differences, dtype=np.float64))


def standard_error(real: Features, fake: Features) -> float:
    """Return the standard error of MIND of features (N, D) and (M, D)."""
    directions = _directions(real.shape[1])
    one, other = (directions @ x.astype(np.float32).T for x in (real, fake))
    return 3 * real.shape[1] * transport_error(one, other)


def transport_error(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the standard error of the mean squared 2-Wasserstein distance of projections.

    They are (rows, N) and (rows, M), a row for each direction. By the delta method, whose
    derivative with respect to the distribution is Kantorovich's potential: the variance of an
    image's mean potential, over the number of images (del Barrio and Loubes 2019, arXiv
    1705.01299; of slices, Xi and Niles-Weed 2022, arXiv 2206.00156). Between equal distributions
    the distance falls as 1/n, and potentials of so many images are as large as their noise: then
    about 1.4 times too large.
    """
    errors = []
    for x, y in ((one, other), (other, one)):
        blocks = range(0, len(x), BLOCK)
        sums = [_potentials(x[i : i + BLOCK], y[i : i + BLOCK]).sum(axis=0) for i in blocks]
        errors.append(np.std(np.sum(sums, axis=0) / len(x), ddof=1) / math.sqrt(x.shape[1]))
    return math.hypot(*errors)


def _potentials(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the potential (rows, N) of each x: the integral of 2 (x - the y it is paired with)."""
    order = x.argsort(axis=1)
    x = np.take_along_axis(x, order, axis=1)
    apart = (x - _quantiles(y.copy(), x.shape[1])).astype(np.float64)
    steps = (apart[:, 1:] + apart[:, :-1]) * np.diff(x, axis=1)
    sums = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums - sums.mean(axis=1, keepdims=True), axis=1)
    return found


@functools.lru_cache(maxsize=4)
def _directions(width: int) -> NDArray[np.float32]:
    drawn = randomness.normal(0, "directions of MIND", 0, width * DIRECTIONS)
    drawn = drawn.reshape(width, DIRECTIONS)
    return np.ascontiguousarray((drawn / np.linalg.norm(drawn, axis=0)).T, np.float32)


def _quantiles(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the quantiles (rows, count) of each row at the middles of equal parts."""
    values.sort(axis=1)
    if values.shape[1] == count:
        return values
    levels = (np.arange(count) + 0.5) / count
    return values[:, np.floor(levels * values.shape[1]).astype(np.int64)]
