"""Gradients against finite differences, engines against each other, and small games to play."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.testing import assert_allclose

from ganbaru import engines, ops
from ganbaru.engines import Engine

NUMPY64 = engines.load("numpy", precision="float64")
NUMPY32 = engines.load("numpy", precision="float32")

Function = Callable[..., ops.Tensor]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def away_from_zero(*shape: int, seed: int = 0, least: float = 0.1) -> np.ndarray:
    """Numbers of both signs, none of them so near 0 that a finite difference meets a kink there."""
    x = normal(*shape, seed=seed)
    return x + np.sign(x) * least


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return 0.5 + np.abs(normal(*shape, seed=seed))


# --- gradients --------------------------------------------------------------------------------


def _floats(arrays: Sequence[np.ndarray]) -> list[int]:
    return [i for i, array in enumerate(arrays) if np.asarray(array).dtype.kind == "f"]


def contracted(engine: Engine, function: Function, arrays: Sequence[np.ndarray]) -> Function:
    """Turn a function into one whose result is a number: its product with a random direction."""
    shape = function(*map(engine.from_numpy, arrays)).shape
    direction = engine.from_numpy(normal(*shape, seed=len(shape) + 1))
    return lambda *x: ops.sum(function(*x) * direction)


def slope(scalar: Function, which: Sequence[int]) -> Function:
    """Return the function that gives a scalar function's gradient in arguments `which`, flat."""

    def call(*x: ops.Tensor) -> ops.Tensor:
        def of(parameters: ops.Parameters) -> tuple[ops.Tensor, None]:
            return scalar(*(parameters.get(str(i), tensor) for i, tensor in enumerate(x))), None

        _, _, gradients = ops.value_and_grad(of, {str(i): x[i] for i in which})
        return ops.concat([ops.reshape(gradients[str(i)], (-1,)) for i in which])

    return call


def differences(scalar: Callable[..., float], arrays: Sequence[np.ndarray], step: float = 1e-5):
    """Return a scalar function's gradient by central differences in every float entry, flat."""
    found = []
    for which in _floats(arrays):
        for place in np.ndindex(arrays[which].shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(array) for array in arrays]
                moved[which][place] += sign * step
                ends.append(float(scalar(*moved)))
            found.append((ends[0] - ends[1]) / (2 * step))
    return np.array(found)


def check_gradients(
    function: Function,
    *arrays: np.ndarray,
    engine: Engine = NUMPY64,
    orders: int = 2,
    tolerance: float = 1e-7,
) -> None:
    """Compare gradients with differences; then the gradients of a contraction of the gradients."""
    for _ in range(orders):
        scalar = contracted(engine, function, arrays)
        function = slope(scalar, _floats(arrays))
        found = ops.to_numpy(function(*map(engine.from_numpy, arrays)))
        expected = differences(lambda *x: scalar(*map(engine.from_numpy, x)), arrays)  # noqa: B023
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def outcomes(
    engine: Engine, function: Function, arrays: Sequence[np.ndarray], orders: int = 2
) -> list[np.ndarray]:
    """Return a function's value and its first and second gradients, on an engine."""
    tensors = [engine.from_numpy(array) for array in arrays]
    found = [ops.to_numpy(function(*tensors))]
    for _ in range(orders):
        function = slope(contracted(engine, function, arrays), _floats(arrays))
        found.append(ops.to_numpy(function(*tensors)))
    return found


def assert_close(found, expected, relative: float) -> None:
    """Compare arrays within `relative` of the largest entry expected."""
    assert np.shape(found) == np.shape(expected)
    scale = float(np.abs(expected).max(initial=0))
    assert_allclose(found, expected, rtol=0, atol=relative * max(scale, 1e-3))


def assert_engines_agree(
    engine: Engine, function: Function, *arrays: np.ndarray, relative: float, orders: int = 2
) -> None:
    """Compare value and gradients of a function on `engine` with those of the NumPy engine."""
    reference = outcomes(NUMPY64, function, arrays, orders)
    for found, expected in zip(outcomes(engine, function, arrays, orders), reference, strict=True):
        assert found.dtype == engine.precision
        assert_close(found, expected, relative)
