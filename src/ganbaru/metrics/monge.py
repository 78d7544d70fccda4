"""MIND, the Monge Inception Distance: sliced optimal transport between two sets of features."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.metrics.checks import check_features

DIRECTIONS = 1000
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
