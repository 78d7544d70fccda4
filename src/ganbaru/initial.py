"""Where weights start: rules from a parameter's kind and shape to its first values."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness

# A rule turns (standard normal numbers of the parameter's shape) into values.
Rule = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def normal(mean: float, deviation: float) -> Rule:
    """N(mean, deviation²)."""
    return lambda draw: mean + deviation * draw


def constant(value: float) -> Rule:
    """The same value everywhere."""
    return lambda draw: np.full_like(draw, value)


@dataclass(frozen=True)
class Initialisation:
    """One rule for each kind of parameter that layers ask for."""

    weight: Rule
    scale: Rule
    offset: Rule

    def values(
        self, seed: int, name: str, kind: str, shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """Draw a parameter's first values; they depend on the seed and its name, not on order."""
        key = zlib.crc32(name.encode())
        draw = randomness.normal(seed, "weights", key, int(np.prod(shape))).reshape(shape)
        rule: Rule = getattr(self, kind)
        return rule(draw.astype(np.float64)).astype(np.float32)


# Radford, Metz and Chintala 2016, section 4 ("zero-centered Normal, standard deviation 0.02");
# batch-norm scales N(1, 0.02) as in their published code.
DCGAN = Initialisation(weight=normal(0, 0.02), scale=normal(1, 0.02), offset=constant(0))
