"""Distances between points, and the nearest ones, by matrix products in float64.

scikit-learn's search is as fast on a core, but takes 1.7 s to import.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru.engines.numpy import parallel

CHUNK = 1 << 22  # distances at a time: 32 MB in float64, and about as much again to compare them
# Squared distances are rounded to about 1e-16 of the squared norms. This factor of the norms, 250
# times as much below 1, makes them 0 between equal points, where rounding would decide otherwise.
NORMS = 1 - 2.0**-44

Points = NDArray[np.floating]
Wide = NDArray[np.float64]


def squares(x: Wide, y: Wide) -> Wide:
    """Return the squared distances (N, M) of `x` (N, D) to `y` (M, D)."""
    found: Wide = x @ (-2 * y.T)
    found += NORMS * np.einsum("nd,nd->n", x, x)[:, None]
    found += NORMS * np.einsum("nd,nd->n", y, y)
    return np.maximum(found, 0, out=found)


def blocks(x: Points, y: Points) -> list[slice]:
    """Return the parts of `x` whose distances to all of `y` are a chunk."""
    return parallel.blocks(len(x), len(y), CHUNK)


def nearest(known: Points, queries: Points, k: int) -> NDArray[np.intp]:
    """Return the positions (M, k) of the k points of `known` (N, D) nearest to each query."""
    centre = known.mean(axis=0, dtype=np.float64)  # near 0, squares lose the fewest digits
    points: Wide = np.subtract(known, centre, dtype=np.float64)
    centred: Wide = np.subtract(queries, centre, dtype=np.float64)
    found = parallel.run(
        lambda part: squares(centred[part], points).argpartition(k - 1, axis=1)[:, :k],
        blocks(centred, points),
    )
    return np.concatenate(found)


def of_nearest(x: Wide, k: int) -> tuple[Wide, NDArray[np.intp]]:
    """Return each point's k nearest others, nearest first: squared distances and places (N, k)."""
    places = np.arange(len(x))

    def search(part: slice) -> tuple[Wide, NDArray[np.intp]]:
        found = squares(x[part], x)
        found[np.arange(len(found)), places[part]] = np.inf  # of the point to itself
        near = found.argpartition(k - 1, axis=1)[:, :k]
        near = np.take_along_axis(near, np.take_along_axis(found, near, 1).argsort(axis=1), 1)
        return np.take_along_axis(found, near, axis=1), near

    distances, near = zip(*parallel.run(search, blocks(x, x)), strict=True)
    return np.concatenate(distances), np.concatenate(near)
