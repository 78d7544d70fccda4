"""Gradients against finite differences, engines against each other, and small games to play."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ganbaru import engines, nn, ops
from ganbaru.config import Config
from ganbaru.conformance import training_cases
from ganbaru.engines import Engine
from ganbaru.gan import models, step, step_inputs
from ganbaru.nn.initializers import Initialisation
from ganbaru.sampling.generators import Generator

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


DIRECTIONS = 6


def along(scalar: Callable[..., float], arrays: Sequence[np.ndarray], directions: np.ndarray):
    """Return a scalar function's slopes along directions (K, all float entries), by differences."""
    which, found = _floats(arrays), []
    ends = np.cumsum([arrays[i].size for i in which])[:-1]
    for direction in directions:
        parts = dict(zip(which, np.split(direction * 1e-5, ends), strict=True))
        moves = [
            [
                x + sign * parts[i].reshape(x.shape) if i in parts else x
                for i, x in enumerate(arrays)
            ]
            for sign in (1, -1)
        ]
        ahead, behind = (float(scalar(*moved)) for moved in moves)
        found.append((ahead - behind) / 2e-5)
    return np.array(found)


def check_gradients(
    function: Function,
    *arrays: np.ndarray,
    engine: Engine = NUMPY64,
    orders: int = 2,
    tolerance: float = 1e-7,
    each: bool = True,
) -> None:
    """Compare gradients with differences; then the gradients of a contraction of the gradients.

    In each entry, or along random directions where a difference takes a gradient itself: in the
    second order, and unless `each`.
    """
    for order in range(orders):
        scalar = contracted(engine, function, arrays)
        function = slope(scalar, _floats(arrays))
        found = ops.to_numpy(function(*map(engine.from_numpy, arrays)))
        value = lambda *x: scalar(*map(engine.from_numpy, x))  # noqa: B023, E731
        if order == 0 and each:
            expected = differences(value, arrays)
        else:
            directions = normal(DIRECTIONS, found.size, seed=order)
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            found, expected = directions @ found, along(value, arrays, directions)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def outcomes(
    engine: Engine, function: Function, arrays: Sequence[np.ndarray], orders: int = 2
) -> list[np.ndarray]:
    """Return a function's value and its first and second gradients, on an engine."""
    tensors = [engine.from_numpy(array) for array in arrays]
    found = [ops.to_numpy(engine.compile(function)(*tensors))]
    for _ in range(orders):
        function = slope(contracted(engine, function, arrays), _floats(arrays))
        found.append(ops.to_numpy(engine.compile(function)(*tensors)))
    return found


def assert_close(found, expected, relative: float) -> None:
    """Compare arrays within `relative` of the largest entry expected."""
    assert np.shape(found) == np.shape(expected)
    scale = float(np.abs(expected).max(initial=0))
    assert_allclose(found, expected, rtol=0, atol=relative * scale)


def assert_engines_agree(
    engine: Engine, function: Function, *arrays: np.ndarray, relative: float, orders: int = 2
) -> None:
    """Compare value and gradients of a function on `engine` with those of the NumPy engine."""
    reference = outcomes(NUMPY64, function, arrays, orders)
    for found, expected in zip(outcomes(engine, function, arrays, orders), reference, strict=True):
        assert found.dtype == engine.precision
        assert_close(found, expected, relative)


def network_as_function(
    network: nn.Network,
    *inputs: np.ndarray,
    initialisation: Initialisation,
    training: bool = True,
) -> tuple[Any, ...]:
    """Return a network as a function of parameters, buffers and inputs, and arrays to try it on.

    Training may not differentiate through running statistics, and its result ignores them.
    """
    shapes = [x.shape for x in inputs]
    parameters, buffers = nn.initialise(network, *shapes, seed=1, initialisation=initialisation)
    first, last = len(parameters), len(parameters) + len(buffers)
    hold = ops.stop_gradient if training else lambda x: x

    def function(*tensors: ops.Tensor) -> ops.Tensor:
        given = dict(zip(parameters, tensors[:first], strict=True))
        running = {n: hold(x) for n, x in zip(buffers, tensors[first:last], strict=True)}
        return nn.apply(network, given, running, *tensors[last:], training=training)[0]

    arrays = [p.astype(np.float64) for p in parameters.values()]
    running = [positive(*b.shape, seed=i) for i, b in enumerate(buffers.values())]
    return function, *arrays, *running, *inputs


def is_channels_last(x: np.ndarray) -> bool:
    """Say whether images (N, C, H, W) lie in the order (N, H, W, C); repeated views have any."""
    sides = zip(x.transpose(0, 2, 3, 1).shape, x.transpose(0, 2, 3, 1).strides, strict=True)
    steps = [stride for n, stride in sides if n > 1 and stride]
    return steps == sorted(steps, reverse=True)


@st.composite
def convolutions(draw) -> tuple[list[np.ndarray], dict[str, int]]:
    """Draw images, kernels and scores of a convolution that has a result, and its settings."""
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    kernel = [draw(st.integers(1, 5)) for _ in range(2)]
    sides = [draw(st.integers(max(1, k - 2 * padding), 7)) for k in kernel]
    n, channels, count = (draw(st.integers(1, most)) for most in (3, 6, 6))
    out = [(side + 2 * padding - k) // stride + 1 for side, k in zip(sides, kernel, strict=True)]
    shapes = (n, channels, *sides), (count, channels, *kernel), (n, count, *out)
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    return arrays, {"stride": stride, "padding": padding}


# --- small games ------------------------------------------------------------------------------


source = training_cases.pictures


class TrainingCase(training_cases.TrainingCase):
    """A game about to be played, of which a test may also make one update alone."""

    def d_update(
        self, batch: step_inputs.Batch, update: int = 1, factor: float = 1.0
    ) -> step.StepMetrics:
        """Make D's update number `update` alone."""
        optimizer_step = self.gan.d_optimizer.optimizer_step(update, factor)
        self.state, report = step.discriminator_update(self.gan, self.state, batch, optimizer_step)
        return report

    def g_update(
        self, batch: step_inputs.Batch, update: int = 1, factor: float = 1.0
    ) -> step.StepMetrics:
        """Make G's update number `update` alone."""
        found = step.step_schedule(self.gan, update - 1, 1, factor)
        self.state, report = step.generator_update(
            self.gan, self.state, batch, found.g, found.ema_decay
        )
        return report

    def sampler(self) -> Generator:
        """Return the averaged generator, as a run's callbacks see it."""
        return Generator(
            engine=self.engine,
            network=self.gan.generator,
            parameters=self.state["ema"],
            buffers=self.state["ema_buffers"],
            latent=self.draw.config.latent,
            classes=self.draw.source.classes[: self.draw.num_classes],
        )


def table(
    engine: Engine, shape: tuple[int, int, int] = (16, 16, 1), **options: Any
) -> TrainingCase:
    """Set up a small game (width 8, batch 8) of 5 classes; `options` are fields of Config."""
    config = Config(**{"batch": 8, "width": 8, "latent": 6, "lr": 2e-3, **options})
    pictures = source(40, shape, classes=5)
    classes = len(models.class_names(config, pictures.classes))
    first = models.initial_parameters(config, shape, classes)
    return TrainingCase(
        **vars(training_cases.training_case(engine, config, pictures, classes, first))
    )
