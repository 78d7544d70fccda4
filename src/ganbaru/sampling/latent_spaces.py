"""Latent spaces: maps between each latent distribution and the normal one, for interpolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import pick

Array = NDArray[np.float64]
NORMAL = NormalDist()


@dataclass(frozen=True)
class Space:
    """A distribution's mean, and its quantile-preserving map to normal numbers and back."""

    mean: float
    forth: Callable[[Array], Array]
    back: Callable[[Array], Array]

    def to_normal(self, latents: NDArray[np.floating]) -> Array:
        """Return latents as normal numbers."""
        return self.forth(latents.astype(np.float64))

    def from_normal(self, numbers: Array) -> NDArray[np.float32]:
        """Return normal numbers as latents, in the precision that generators take."""
        return self.back(numbers).astype(np.float32)


def _each(function: Callable[[float], float], numbers: Array) -> Array:
    """Apply a function of the standard library: the service, which samples, needs no SciPy."""
    return np.asarray(np.frompyfunc(function, 1, 1)(numbers), np.float64)


def _uniform(low: float, high: float) -> Space:
    """Map uniform numbers to normal ones by the normal distribution function."""

    def to_normal(latents: Array) -> Array:
        ranks = (latents - low) / (high - low)
        # Finite at both ends.
        return _each(NORMAL.inv_cdf, np.clip(ranks, 2.0**-53, 1 - 2.0**-53))

    def from_normal(latents: Array) -> Array:
        return low + (high - low) * _each(NORMAL.cdf, latents)

    return Space((low + high) / 2, to_normal, from_normal)


SPACES = {
    "normal": Space(0.0, lambda latents: latents, lambda latents: latents),
    "uniform": _uniform(-1.0, 1.0),
    "unit": _uniform(0.0, 1.0),
}


def space(distribution: str) -> Space:
    """Return the space of a distribution of `randomness.DISTRIBUTIONS`."""
    return pick("distribution of latents", distribution, SPACES)
