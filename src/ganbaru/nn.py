"""Layers as functions over the vocabulary; a Scope hands them their parameters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.initial import Initialisation
from ganbaru.ops import Parameters, Tensor

Network = Callable[..., Tensor]  # network(scope, *inputs) -> tensor
Shape = tuple[int, ...]

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5


class Scope:
    """Names parameters by the path of the layer that asks, and collects new running statistics.

    `parameter(name, shape, kind)` and `buffer(name, shape, start)` give tensors by full name.
    """

    def __init__(
        self,
        parameter: Callable[[str, Shape, str], Tensor],
        buffer: Callable[[str, Shape, float], Tensor],
        training: bool,
        path: str = "",
        updates: Parameters | None = None,
    ) -> None:
        self._parameter = parameter
        self._buffer = buffer
        self._path = path
        self.training = training
        self.updates: Parameters = {} if updates is None else updates

    def child(self, name: str) -> Scope:
        """Return the scope of the layer `name` below this one."""
        path = f"{self._path}{name}."
        return Scope(self._parameter, self._buffer, self.training, path, self.updates)

    def parameter(self, name: str, shape: Shape, kind: str) -> Tensor:
        """Return a trained tensor; `kind` (weight, scale, offset) chooses how it starts."""
        return self._parameter(self._path + name, shape, kind)

    def buffer(self, name: str, shape: Shape, start: float) -> Tensor:
        """Return a tensor that is kept but not trained, filled with `start` at first."""
        return self._buffer(self._path + name, shape, start)

    def update(self, name: str, value: Tensor) -> None:
        """Replace a buffer, once the network has run."""
        self.updates[self._path + name] = ops.stop_gradient(value)


def apply(
    network: Network, parameters: Parameters, buffers: Parameters, *inputs: Any, training: bool
) -> tuple[Tensor, Parameters]:
    """Run a network; return its result and its buffers as this pass leaves them.

    In training mode batch norm uses the batch's statistics and moves the running ones; otherwise
    it uses the running ones and changes nothing.
    """
    scope = Scope(lambda n, s, k: parameters[n], lambda n, s, v: buffers[n], training)
    result = network(scope, *inputs)
    return result, {**buffers, **scope.updates}


def initialise(
    network: Network, *shapes: Shape, seed: int, initialisation: Initialisation, prefix: str = ""
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Create a network's parameters and buffers (NumPy, float32) by running it on shapes alone."""
    parameters: dict[str, np.ndarray] = {}
    buffers: dict[str, np.ndarray] = {}

    def parameter(name: str, shape: Shape, kind: str) -> None:
        parameters[name] = initialisation.values(seed, prefix + name, kind, shape)

    def buffer(name: str, shape: Shape, start: float) -> None:
        buffers[name] = np.full(shape, start, np.float32)

    trace(network, *shapes, parameter=parameter, buffer=buffer)
    return parameters, buffers


def trace(
    network: Network,
    *shapes: Shape,
    parameter: Callable[[str, Shape, str], None] = lambda name, shape, kind: None,
    buffer: Callable[[str, Shape, float], None] = lambda name, shape, start: None,
) -> tuple[Shape, list[Any]]:
    """Run a network on shapes alone, telling the callbacks of everything it asks for.

    Returns the result's shape and the operations recorded (`ganbaru.engines.trace.Record`).
    """
    from ganbaru.engines import trace as tracer

    tape = tracer.Tape()

    def traced_parameter(name: str, shape: Shape, kind: str) -> Tensor:
        parameter(name, shape, kind)
        return tracer.Shape(shape, tape, name)

    def traced_buffer(name: str, shape: Shape, start: float) -> Tensor:
        buffer(name, shape, start)
        return tracer.Shape(shape, tape)

    scope = Scope(traced_parameter, traced_buffer, training=True)
    result = network(scope, *(tracer.Shape(shape, tape) for shape in shapes))
    return result.shape, tape.records


# --- layers -----------------------------------------------------------------------------------


def dense(scope: Scope, x: Tensor, count: int, bias: bool = True) -> Tensor:
    """Map (N, K) to (N, count); weight (count, K) as in PyTorch."""
    weight = scope.parameter("weight", (count, x.shape[1]), "weight")
    y = ops.matmul(x, ops.transpose(weight, (1, 0)))
    return y + scope.parameter("bias", (count,), "offset") if bias else y


def conv(
    scope: Scope, x: Tensor, count: int, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve (N, C, H, W) to `count` channels, without bias; weight (count, C, KH, KW)."""
    weight = scope.parameter("weight", (count, x.shape[1], *kernel), "weight")
    return ops.conv2d(x, weight, stride=stride, padding=padding)


def up_conv(
    scope: Scope, x: Tensor, count: int, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve (N, C, H, W), transposed, to `count` channels; weight (C, count, KH, KW)."""
    weight = scope.parameter("weight", (x.shape[1], count, *kernel), "weight")
    return ops.conv_transpose2d(x, weight, stride=stride, padding=padding)


def embedding(scope: Scope, labels: Tensor, classes: int, size: int) -> Tensor:
    """Look labels (N,) up in a table; result (N, size)."""
    return ops.take(scope.parameter("weight", (classes, size), "weight"), labels)


def batch_norm(scope: Scope, x: Tensor) -> Tensor:
    """Normalise each channel of (N, C, H, W) or (N, C) (Ioffe and Szegedy 2015).

    y = weight (x - mean) / sqrt(variance + 1e-5) + bias. In training the batch's mean and biased
    variance are used, and the running ones move by a tenth towards the mean and the *unbiased*
    variance, PyTorch's rule; in inference the running ones are used.
    """
    channels = (x.shape[1],)
    weight = scope.parameter("weight", channels, "scale")
    bias = scope.parameter("bias", channels, "offset")
    average = scope.buffer("running_mean", channels, 0.0)
    variance = scope.buffer("running_var", channels, 1.0)
    if not scope.training:
        return _normalise(x, average, variance, weight, bias)
    rule = ops.fused("batch_norm", x, composed_batch_norm)
    y, average, variance = rule(
        x, weight, bias, average, variance, BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON
    )
    scope.update("running_mean", average)
    scope.update("running_var", variance)
    return y


def composed_batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm in the vocabulary: what every engine's fused form must equal."""
    axes = (0, *range(2, len(x.shape)))
    count = int(np.prod([x.shape[i] for i in axes]))
    average = ops.mean(x, axis=axes)
    centred = x - ops.reshape(average, _per_channel(x))
    variance = ops.mean(centred * centred, axis=axes)
    y = _normalise(x, average, variance, weight, bias, epsilon)
    unbiased = variance * (count / max(1, count - 1))
    return (
        y,
        running_mean * (1 - momentum) + average * momentum,
        running_var * (1 - momentum) + unbiased * momentum,
    )


def _per_channel(x: Tensor) -> Shape:
    return (1, x.shape[1], *([1] * (len(x.shape) - 2)))


def _normalise(
    x: Tensor,
    average: Tensor,
    variance: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: float = BATCH_NORM_EPSILON,
) -> Tensor:
    shape = _per_channel(x)
    scale = ops.reshape(weight / ops.sqrt(variance + epsilon), shape)
    return (x - ops.reshape(average, shape)) * scale + ops.reshape(bias, shape)


def parameter_count(parameters: Mapping[str, Any]) -> int:
    """Count the numbers in a dictionary of tensors."""
    return int(sum(int(np.prod(p.shape)) for p in parameters.values()))
