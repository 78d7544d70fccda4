"""Latent spaces: maps between each latent distribution and the normal one, for interpolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import pick

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """A distribution's mean, and its quantile-preserving map to normal numbers and back."""

    mean: float
    to_normal: Callable[[Array], Array]
    from_normal: Callable[[Array], Array]


def _uniform(low: float, high: float) -> Space:
    """Map uniform numbers to normal ones by the normal distribution function."""

    def to_normal(latents: Array) -> Array:
        from scipy.special import ndtri

        ranks = (latents - low) / (high - low)
        return np.asarray(ndtri(np.clip(ranks, 2.0**-53, 1 - 2.0**-53)))  # finite at both ends

    def from_normal(latents: Array) -> Array:
        from scipy.special import ndtr

        return np.asarray(low + (high - low) * ndtr(latents))

    return Space((low + high) / 2, to_normal, from_normal)


SPACES = {
    "normal": Space(0.0, lambda latents: latents, lambda latents: latents),
    "uniform": _uniform(-1.0, 1.0),
    "unit": _uniform(0.0, 1.0),
}


def space(distribution: str) -> Space:
    """Return the space of a distribution of `randomness.DISTRIBUTIONS`."""
    return pick("distribution of latents", distribution, SPACES)
