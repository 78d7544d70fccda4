"""The sliced Wasserstein distance of pixels, which needs no feature network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.metrics.checks import check_features
from ganbaru.metrics.monge import transport_error

DIRECTIONS = 128
QUANTILES = 1000
BLOCK = 4096  # rows at a time: 50 MB as float32 at 32x32x3

Rows = NDArray[np.generic]


def projected(rows: Rows, seed: int = 0) -> NDArray[np.float32]:
    """Return the projections (N, 128) of rows (N, D) on random unit directions of the seed."""
    width = rows.shape[1]
    drawn = randomness.normal(seed, "sliced wasserstein", 0, width * DIRECTIONS)
    directions = drawn.reshape(width, DIRECTIONS)
    directions /= np.linalg.norm(directions, axis=0)
    blocks = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
    return np.concatenate([block.astype(np.float32) @ directions for block in blocks])


def distance(real: NDArray[np.float32], fake: NDArray[np.float32]) -> float:
    """Return the root mean square over directions of the 2-Wasserstein distance.

    Rows (N, D) and (M, D) are projected on 128 unit directions by `projected`; along each, the
    distance is that of sorted values, at 1,000 quantiles, so N and M may differ (Rabin et al. 2011;
    Bonneel et al. 2015). In the units of the rows; 0 is best.
    """
    check_features("A sliced Wasserstein distance", 2, real, fake)
    differences = _quantiles(real) - _quantiles(fake)
    return float(np.sqrt(np.mean(differences * differences)))


def squared_error(real: NDArray[np.float32], fake: NDArray[np.float32]) -> float:
    """Return the standard error of the square of the distance of projections (N, D) and (M, D)."""
    return transport_error(np.ascontiguousarray(real.T), np.ascontiguousarray(fake.T))


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the 1,000 evenly spaced quantiles (1000, columns) of each column."""
    rows = np.sort(values, axis=0)
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.asarray(rows[np.floor(levels * len(rows)).astype(np.int64)], np.float64)
