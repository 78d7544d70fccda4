"""Layers as functions over the vocabulary; a Scope hands them their parameters by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.initial import Initialisation
from ganbaru.ops import Parameters, Tensor

Network = Callable[..., Tensor]  # network(scope, *inputs) -> tensor
Shape = tuple[int, ...]

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5
SPECTRAL_EPSILON = 1e-12

Norm = Callable[["Scope", Tensor], Tensor]


@dataclass(frozen=True)
class Habits:
    """What layers do in their own way in this network: chosen by wrapping it, not by flags in it.

    `weight` is applied to every kernel and matrix before use, `norm` is the normalisation of the
    generator's and discriminator's inner layers, `features` is applied before the last layer of a
    discriminator, and `score` adds to what that layer gives.
    """

    weight: Callable[[Scope, Tensor, int], Tensor] = lambda scope, weight, outputs: weight
    norm: Norm = lambda scope, x: batch_norm(scope, x)
    features: Callable[[Tensor], Tensor] = lambda x: x
    score: Callable[[Tensor, Callable[[str, int], Tensor]], Tensor] = lambda scores, last: scores


class Scope:
    """Names parameters by the path of the layer that asks, and collects new running statistics.

    `parameter(name, shape, kind, fan_in)` and `buffer(name, shape, start)` give tensors by name.
    """

    def __init__(
        self,
        parameter: Callable[[str, Shape, str, int], Tensor],
        buffer: Callable[[str, Shape, float], Tensor],
        training: bool,
        path: str = "",
        updates: Parameters | None = None,
        habits: Habits | None = None,
    ) -> None:
        self._parameter = parameter
        self._buffer = buffer
        self._path = path
        self.training = training
        self.updates: Parameters = {} if updates is None else updates
        self.habits = habits or Habits()

    def child(self, name: str) -> Scope:
        """Return the scope of the layer `name` below this one."""
        path = f"{self._path}{name}."
        return Scope(self._parameter, self._buffer, self.training, path, self.updates, self.habits)

    def using(self, **habits: Any) -> Scope:
        """Return the same scope with some habits changed."""
        changed = replace(self.habits, **habits)
        return Scope(
            self._parameter, self._buffer, self.training, self._path, self.updates, changed
        )

    def parameter(self, name: str, shape: Shape, kind: str, fan_in: int = 1) -> Tensor:
        """Return a trained tensor; `kind` (weight, scale, offset) and fan-in choose its start."""
        return self._parameter(self._path + name, shape, kind, fan_in)

    def weight(self, shape: Shape, kind: str = "weight", outputs: int = 0) -> Tensor:
        """Return the layer's kernel or matrix; `outputs` is the axis of its output channels.

        All axes but the first count as fan-in: for transposed kernels too, as in PyTorch.
        """
        found = self.parameter("weight", shape, kind, math.prod(shape[1:]))
        return self.habits.weight(self, found, outputs)

    def bias(self, count: int, fan_in: int) -> Tensor:
        """Return the layer's bias (count,)."""
        return self.parameter("bias", (count,), "offset", fan_in)

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
    scope = Scope(lambda n, s, k, f: parameters[n], lambda n, s, v: buffers[n], training)
    result = network(scope, *inputs)
    return result, {**buffers, **scope.updates}


def initialise(
    network: Network, *shapes: Shape, seed: int, initialisation: Initialisation, prefix: str = ""
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Create a network's parameters and buffers (NumPy, float32) by running it on shapes alone."""
    parameters: dict[str, np.ndarray] = {}
    buffers: dict[str, np.ndarray] = {}

    def parameter(name: str, shape: Shape, kind: str, fan_in: int) -> None:
        parameters[name] = initialisation.values(seed, prefix + name, kind, shape, fan_in)

    def buffer(name: str, shape: Shape, start: float) -> None:
        buffers[name] = np.full(shape, start, np.float32)

    trace(network, *shapes, parameter=parameter, buffer=buffer)
    return parameters, buffers


def trace(
    network: Network,
    *shapes: Shape,
    parameter: Callable[[str, Shape, str, int], None] = lambda name, shape, kind, fan_in: None,
    buffer: Callable[[str, Shape, float], None] = lambda name, shape, start: None,
) -> tuple[Shape, list[Any]]:
    """Run a network on shapes alone, telling the callbacks of everything it asks for.

    Returns the result's shape and the operations recorded (`ganbaru.engines.trace.Record`).
    """
    from ganbaru.engines import trace as tracer

    tape = tracer.Tape()

    def traced_parameter(name: str, shape: Shape, kind: str, fan_in: int) -> Tensor:
        parameter(name, shape, kind, fan_in)
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
    y = ops.matmul(x, ops.transpose(scope.weight((count, x.shape[1])), (1, 0)))
    return y + scope.bias(count, x.shape[1]) if bias else y


def conv(
    scope: Scope,
    x: Tensor,
    count: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
    kind: str = "weight",
) -> Tensor:
    """Convolve (N, C, H, W) to `count` channels; weight (count, C, KH, KW)."""
    weight = scope.weight((count, x.shape[1], *kernel), kind)
    y = ops.conv2d(x, weight, stride=stride, padding=padding)
    return _with_bias(scope, y, weight) if bias else y


def up_conv(
    scope: Scope,
    x: Tensor,
    count: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
) -> Tensor:
    """Convolve (N, C, H, W), transposed, to `count` channels; weight (C, count, KH, KW)."""
    weight = scope.weight((x.shape[1], count, *kernel), outputs=1)
    y = ops.conv_transpose2d(x, weight, stride=stride, padding=padding)
    return _with_bias(scope, y, weight) if bias else y


def _with_bias(scope: Scope, y: Tensor, weight: Tensor) -> Tensor:
    bias = scope.bias(y.shape[1], math.prod(weight.shape[1:]))
    return y + ops.reshape(bias, (1, -1, 1, 1))


def upsample(x: Tensor) -> Tensor:
    """Double the sides of (N, C, H, W), each pixel becoming four (nearest neighbour)."""
    n, channels, height, width = x.shape
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), (n, height, 1, width, 1, channels))
    spread = ops.broadcast_to(last, (n, height, 2, width, 2, channels))
    return ops.transpose(ops.reshape(spread, (n, 2 * height, 2 * width, channels)), (0, 3, 1, 2))


def downsample(x: Tensor) -> Tensor:
    """Halve the sides of (N, C, H, W), four pixels becoming their mean."""
    n, channels, height, width = x.shape
    shape = (n, height // 2, 2, width // 2, 2, channels)
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), shape)
    return ops.transpose(ops.mean(last, axis=(2, 4)), (0, 3, 1, 2))


def scores(
    scope: Scope, x: Tensor, layer: Callable[..., Tensor], *how: Any, **options: Any
) -> Tensor:
    """Give features a discriminator's scores by its last layer (`conv` or `dense`).

    Returns (N,), or (N, P) where the layer leaves P places. Habits join statistics of the batch to
    the features or add a label's product with them.
    """
    x = scope.habits.features(x)

    def last(name: str, outputs: int) -> Tensor:
        return layer(scope.child(f"{name}.{layer.__name__}"), x, outputs, *how, **options)

    flat = ops.reshape(scope.habits.score(last("score", 1), last), (x.shape[0], -1))
    return ops.reshape(flat, (-1,)) if flat.shape[1] == 1 else flat


def norm(scope: Scope, x: Tensor) -> Tensor:
    """Normalise (N, C, H, W) or (N, C) as the network's habit is: batch norm, unless wrapped."""
    return scope.habits.norm(scope, x)


def batch_norm(scope: Scope, x: Tensor, affine: bool = True) -> Tensor:
    """Normalise each channel of (N, C, H, W) or (N, C) (Ioffe and Szegedy 2015).

    y = weight (x - mean) / sqrt(variance + 1e-5) + bias. In training the batch's mean and biased
    variance are used, and the running ones move by a tenth towards the mean and the *unbiased*
    variance, PyTorch's rule; in inference the running ones are used.
    """
    channels = (x.shape[1],)
    average = scope.buffer("running_mean", channels, 0.0)
    variance = scope.buffer("running_var", channels, 1.0)
    if affine:
        weight = scope.parameter("weight", channels, "scale")
        bias = scope.parameter("bias", channels, "offset")
    else:
        weight, bias = average * 0.0 + 1.0, average * 0.0
    if not scope.training:
        return _normalise(x, average, variance, weight, bias)
    rule = ops.fused("batch_norm", x, composed_batch_norm)
    y, average, variance = rule(
        x, weight, bias, average, variance, BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON
    )
    scope.update("running_mean", average)
    scope.update("running_var", variance)
    return y


def class_batch_norm(scope: Scope, x: Tensor, one_hot: Tensor) -> Tensor:
    """Batch norm whose scale and offset are the label's own (de Vries et al. 2017, eq. 3 and 4).

    `one_hot` is (N, classes); the tables are (classes, C).
    """
    classes, channels = one_hot.shape[1], x.shape[1]
    shape = (-1, channels, *([1] * (len(x.shape) - 2)))
    scale = ops.matmul(one_hot, scope.parameter("class_weight", (classes, channels), "scale"))
    offset = ops.matmul(one_hot, scope.parameter("class_bias", (classes, channels), "offset"))
    y = batch_norm(scope, x, affine=False)
    return y * ops.reshape(scale, shape) + ops.reshape(offset, shape)


def instance_norm(x: Tensor) -> Tensor:
    """Normalise each channel of each image (N, C, H, W) by itself (Ulyanov et al. 2016, eq. 1).

    No scale, offset or running statistics, as in PyTorch's InstanceNorm2d by default.
    """
    centred = x - ops.mean(x, axis=(2, 3), keepdims=True)
    variance = ops.mean(centred * centred, axis=(2, 3), keepdims=True)
    return centred / ops.sqrt(variance + BATCH_NORM_EPSILON)


def spectral_norm(scope: Scope, weight: Tensor, outputs: int) -> Tensor:
    """Divide a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    The weight counts as a matrix (O, K) with a row for each output channel, axis `outputs`. In
    training one power iteration improves the left vector, kept as the buffer `left`; no gradient
    flows through the vectors.
    """
    count = weight.shape[outputs]
    axes = (outputs, *(i for i in range(len(weight.shape)) if i != outputs))
    matrix = ops.reshape(ops.transpose(weight, axes), (count, -1))
    fixed = ops.stop_gradient(matrix)
    left = _unit(scope.buffer("left", (1, count), 1.0))
    right = _unit(ops.matmul(left, fixed))  # (1, K)
    if scope.training:
        left = _unit(ops.matmul(right, ops.transpose(fixed, (1, 0))))
        scope.update("left", left)
    return weight / ops.sum(ops.matmul(left, matrix) * right)


def spectral(network: Network) -> Network:
    """Wrap a network so that each of its weights is divided by its spectral norm."""
    return lambda scope, *inputs: network(scope.using(weight=spectral_norm), *inputs)


def watching_deviation(network: Network) -> Network:
    """Wrap a discriminator so that it sees how much the images of a batch differ."""
    return lambda scope, *inputs: network(scope.using(features=minibatch_deviation), *inputs)


def _unit(x: Tensor) -> Tensor:
    return x / ops.sqrt(ops.sum(x * x) + SPECTRAL_EPSILON)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Join the mean deviation within groups of images as a channel (Karras et al. 2018, section 3).

    Groups have the largest size up to `group` that divides the batch; image i is in group
    i mod (N / size). (N, C, H, W) becomes (N, C + 1, H, W).
    """
    n, channels, height, width = x.shape
    size = max(size for size in range(1, min(group, n) + 1) if n % size == 0)
    grouped = ops.reshape(x, (size, n // size, channels, height, width))
    centred = grouped - ops.mean(grouped, axis=0, keepdims=True)
    deviation = ops.sqrt(ops.mean(centred * centred, axis=0) + 1e-8)
    each = ops.reshape(ops.mean(deviation, axis=(1, 2, 3)), (1, n // size, 1, 1, 1))
    spread = ops.reshape(
        ops.broadcast_to(each, (size, n // size, 1, height, width)), (n, 1, height, width)
    )
    return ops.concat([x, spread], axis=1)


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
