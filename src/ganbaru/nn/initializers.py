"""Initialisation: rules from a parameter's kind and shape to its first values."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.errors import pick

# A rule turns standard normal numbers of the parameter's shape, and its fan-in, into values.
Rule = Callable[[NDArray[np.float64], int], NDArray[np.float64]]


def normal(mean: float, deviation: float) -> Rule:
    """N(mean, deviation²)."""
    return lambda draw, fan_in: mean + deviation * draw


def truncated(deviation: float) -> Rule:
    """N(0, deviation²) truncated at two deviations, by its inverse distribution function."""

    def rule(draw: NDArray[np.float64], fan_in: int) -> NDArray[np.float64]:
        from scipy.special import ndtr, ndtri

        low, high = ndtr(-2.0), ndtr(2.0)
        return np.asarray(deviation * ndtri(low + ndtr(draw) * (high - low)))

    return rule


def he(draw: NDArray[np.float64], fan_in: int) -> NDArray[np.float64]:
    """N(0, 2 / fan-in) (He et al. 2015, eq. 10)."""
    return draw * np.sqrt(2 / fan_in)


def uniform_by_fan(draw: NDArray[np.float64], fan_in: int) -> NDArray[np.float64]:
    """Uniform within 1 / sqrt(fan-in), PyTorch's default for its layers."""
    from scipy.special import ndtr

    return np.asarray((2 * ndtr(draw) - 1) / np.sqrt(fan_in))


def constant(value: float) -> Rule:
    """Return a rule that gives `value` everywhere."""
    return lambda draw, fan_in: np.full_like(draw, value)


@dataclass(frozen=True)
class Initialisation:
    """A rule for each kind of parameter.

    `weight` and `bias` of layers, `scale` and `offset` of norms; `zero` for what starts switched
    off, such as the last layer of a residual block.
    """

    summary: str
    weight: Rule
    bias: Rule = constant(0)
    scale: Rule = constant(1)
    offset: Rule = constant(0)
    zero: Rule = constant(0)

    def values(
        self, seed: int, name: str, kind: str, shape: tuple[int, ...], fan_in: int = 1
    ) -> NDArray[np.float32]:
        """Draw a parameter's first values, which depend on the seed and the name alone."""
        key = zlib.crc32(name.encode())
        draw = randomness.normal(seed, "weights", key, int(np.prod(shape))).reshape(shape)
        rules: dict[str, Rule] = {name: rule for name, rule in vars(self).items() if callable(rule)}
        rule = pick("kind of parameter", kind, rules)
        return rule(draw.astype(np.float64), fan_in).astype(np.float32)


# The first is Radford, Metz and Chintala 2016, section 4 ("zero-centered Normal, standard deviation
# 0.02"), with batch-norm scales N(1, 0.02) as in their published code.
INITIALISATIONS = {
    "dcgan": Initialisation(
        "N(0, 0.02); scales N(1, 0.02)", normal(0, 0.02), scale=normal(1, 0.02)
    ),
    "pytorch": Initialisation("uniform within 1 / sqrt(fan-in)", uniform_by_fan, uniform_by_fan),
    "truncated": Initialisation("N(0, 0.02) cut off at two deviations", truncated(0.02)),
    "he": Initialisation("N(0, 2 / fan-in)", he),
}
