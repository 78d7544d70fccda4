"""Initialisation: rules from a parameter's kind and shape to its first values."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.errors import pick


class Fans(NamedTuple):
    """What rules scale a layer's first values by.

    `inputs` is the number of terms that an output sums over, `outputs` the number of outputs that
    an input enters: of a transposed convolution, in the mean over its positions. `axes` is the
    product of the kernel's axes but the first, which PyTorch takes for its fan-in. `gain` is the
    factor that the layer gives to rules that know of no activation.
    """

    inputs: float
    outputs: float
    axes: float
    gain: float = 1.0

    @classmethod
    def all(cls, given: float | Fans) -> Fans:
        """Return fans, or those that are all one number."""
        return given if isinstance(given, Fans) else cls(given, given, given)

    @classmethod
    def of(cls, shape: tuple[int, ...], scale: float = 1.0, gain: float = 1.0) -> Fans:
        """Return the fans of a kernel (outputs, inputs / groups, height, width) or a matrix.

        `scale` is the number of its output positions over that of its input positions.
        """
        axes = math.prod(shape[1:])
        return cls(axes, shape[0] * math.prod(shape[2:]) * scale, axes, gain)


# A rule turns standard normal numbers of the parameter's shape, and its fans, into values.
Rule = Callable[[NDArray[np.float64], Fans], NDArray[np.float64]]


def normal(mean: float, deviation: float) -> Rule:
    """N(mean, deviation²)."""
    return lambda draw, fans: mean + deviation * draw


def truncated(deviation: float) -> Rule:
    """N(0, deviation²) truncated at two deviations, by its inverse distribution function."""

    def rule(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
        from scipy.special import ndtr, ndtri

        low, high = ndtr(-2.0), ndtr(2.0)
        return np.asarray(deviation * ndtri(low + ndtr(draw) * (high - low)))

    return rule


def he(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
    """N(0, 2 / fan-in) (He et al. 2015, eq. 10)."""
    return draw * np.sqrt(2 / fans.inputs)


def lecun(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
    """N(0, gain² / fan-in) (LeCun et al. 1998, section 4.6; He et al. 2015, eq. 14)."""
    return draw * fans.gain / np.sqrt(fans.inputs)


def glorot(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
    """Uniform within gain sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, eq. 16)."""
    return _uniform(draw) * fans.gain * np.sqrt(6 / (fans.inputs + fans.outputs))


def orthogonal(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
    """Orthonormal rows or columns, the fewer, of the first axis against the others.

    Saxe, McClelland and Ganguli 2014, section 4; flattened as PyTorch does. Uniform among such
    matrices: the signs of the QR decomposition are those of R's diagonal.
    """
    matrix = draw.reshape(len(draw), -1)
    tall = matrix if len(matrix) >= matrix.shape[1] else matrix.T
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return np.asarray((q if tall is matrix else q.T).reshape(draw.shape) * fans.gain)


def _uniform(draw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn standard normal numbers into uniform ones in (-1, 1)."""
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(draw) - 1)


def uniform_by_fan(draw: NDArray[np.float64], fans: Fans) -> NDArray[np.float64]:
    """Uniform within 1 / sqrt(fan-in), PyTorch's default for its layers, by PyTorch's fan-in."""
    return _uniform(draw) / np.sqrt(fans.axes)


def constant(value: float) -> Rule:
    """Return a rule that gives `value` everywhere."""
    return lambda draw, fans: np.full_like(draw, value)


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
        self, seed: int, name: str, kind: str, shape: tuple[int, ...], fans: float | Fans = 1
    ) -> NDArray[np.float32]:
        """Draw a parameter's first values, which depend on the seed and the name alone."""
        key = zlib.crc32(name.encode())
        draw = randomness.normal(seed, "weights", key, int(np.prod(shape))).reshape(shape)
        rules: dict[str, Rule] = {name: rule for name, rule in vars(self).items() if callable(rule)}
        rule = pick("kind of parameter", kind, rules)
        return rule(draw.astype(np.float64), Fans.all(fans)).astype(np.float32)


# The first is Radford, Metz and Chintala 2016, section 4 ("zero-centered Normal, standard deviation
# 0.02"), with batch-norm scales N(1, 0.02) as in their published code.
INITIALISATIONS = {
    "dcgan": Initialisation(
        "N(0, 0.02); scales N(1, 0.02)", normal(0, 0.02), scale=normal(1, 0.02)
    ),
    "pytorch": Initialisation("uniform within 1 / sqrt(fan-in)", uniform_by_fan, uniform_by_fan),
    "truncated": Initialisation("N(0, 0.02) cut off at two deviations", truncated(0.02)),
    "he": Initialisation("N(0, 2 / fan-in)", he),
    "lecun": Initialisation("N(0, 1 / fan-in)", lecun),
    "glorot": Initialisation("uniform within sqrt(6 / (fan-in + fan-out))", glorot),
    "orthogonal": Initialisation("orthonormal rows or columns", orthogonal),
}
