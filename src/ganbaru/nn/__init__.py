"""Layers as functions over the vocabulary; a Scope hands them their parameters by name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec

import numpy as np

from ganbaru import ops
from ganbaru.nn import normalization
from ganbaru.nn.initializers import Initialisation
from ganbaru.ops import Parameters, Tensor

Network = Callable[..., Tensor]  # network(scope, *inputs) -> tensor
Shape = tuple[int, ...]

Norm = Callable[["Scope", Tensor], Tensor]
How = ParamSpec("How")
Layer = Callable[Concatenate["Scope", Tensor, How], Tensor]


@dataclass(frozen=True)
class LayerHooks:
    """What layers do in their own way in this network: chosen by wrapping it, not by flags in it.

    `weight` is applied to every kernel and matrix before use, `norm` takes the place of the
    network's own normalisation, `features` is applied before the last layer of a
    discriminator, and `score` adds to what that layer gives. `around` stands between each layer
    and what computes it: it is given the layer's scope, what computes it, and its input.
    """

    weight: Callable[[Scope, Tensor, int], Tensor] = lambda scope, weight, outputs: weight
    norm: Norm | None = None
    features: Callable[[Tensor], Tensor] = lambda x: x
    score: Callable[[Tensor, Callable[[str, int], Tensor]], Tensor] = lambda scores, last: scores
    around: Callable[[Scope, Callable[[Tensor], Tensor], Tensor], Tensor] = (
        lambda scope, compute, x: compute(x)
    )


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
        hooks: LayerHooks | None = None,
    ) -> None:
        self._parameter = parameter
        self._buffer = buffer
        self._path = path
        self.training = training
        self.updates: Parameters = {} if updates is None else updates
        self.hooks = hooks or LayerHooks()

    @property
    def path(self) -> str:
        """The layer's name, such as ``up1.conv``; empty for the whole network."""
        return self._path.removesuffix(".")

    def child(self, name: str) -> Scope:
        """Return the scope of the layer `name` below this one."""
        path = f"{self._path}{name}."
        return Scope(self._parameter, self._buffer, self.training, path, self.updates, self.hooks)

    def using(self, **hooks: Any) -> Scope:
        """Return the same scope with some habits changed."""
        changed = replace(self.hooks, **hooks)
        return Scope(
            self._parameter, self._buffer, self.training, self._path, self.updates, changed
        )

    def parameter(self, name: str, shape: Shape, kind: str, fan_in: int = 1) -> Tensor:
        """Return a trained tensor; its `kind` (see `Initialisation`) and fan-in choose a start."""
        return self._parameter(self._path + name, shape, kind, fan_in)

    def weight(self, shape: Shape, kind: str = "weight", outputs: int = 0) -> Tensor:
        """Return the layer's kernel or matrix; `outputs` is the axis of its output channels.

        All axes but the first count as fan-in: for transposed kernels too, as in PyTorch.
        """
        found = self.parameter("weight", shape, kind, math.prod(shape[1:]))
        return self.hooks.weight(self, found, outputs)

    def bias(self, count: int, fan_in: int) -> Tensor:
        """Return the layer's bias (count,)."""
        return self.parameter("bias", (count,), "bias", fan_in)

    def buffer(self, name: str, shape: Shape, start: float) -> Tensor:
        """Return a tensor that is kept but not trained, filled with `start` at first."""
        return self._buffer(self._path + name, shape, start)

    def update(self, name: str, value: Tensor) -> None:
        """Replace a buffer, once the network has run."""
        self.updates[self._path + name] = ops.stop_gradient(value)


def apply(
    network: Network,
    parameters: Parameters,
    buffers: Parameters,
    *inputs: Any,
    training: bool,
    hooks: LayerHooks | None = None,
) -> tuple[Tensor, Parameters]:
    """Run a network; return its result and its buffers as this pass leaves them.

    In training mode batch norm uses the batch's statistics and moves the running ones; otherwise
    it uses the running ones and changes nothing.
    """
    scope = Scope(
        lambda n, s, k, f: parameters[n], lambda n, s, v: buffers[n], training, hooks=hooks
    )
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
    result = network(scope, *(tracer.Shape(shape, tape, fed=True) for shape in shapes))
    return result.shape, tape.records


# --- layers -----------------------------------------------------------------------------------


def layer(function: Layer[How]) -> Layer[How]:
    """Let the habit `around` stand around a layer, to look at what goes in and comes out."""

    @functools.wraps(function)
    def surrounded(scope: Scope, x: Tensor, /, *how: How.args, **options: How.kwargs) -> Tensor:
        def compute(given: Tensor) -> Tensor:
            return function(scope, given, *how, **options)

        return scope.hooks.around(scope, compute, x)

    return surrounded


@layer
def dense(scope: Scope, x: Tensor, count: int, bias: bool = True) -> Tensor:
    """Map (N, K) to (N, count); weight (count, K) as in PyTorch."""
    y = ops.matmul(x, ops.transpose(scope.weight((count, x.shape[1])), (1, 0)))
    return y + scope.bias(count, x.shape[1]) if bias else y


@layer
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
    return add_bias(scope, y, math.prod(weight.shape[1:])) if bias else y


@layer
def up_conv(
    scope: Scope,
    x: Tensor,
    count: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
    output_padding: int = 0,
) -> Tensor:
    """Convolve (N, C, H, W), transposed, to `count` channels; weight (C, count, KH, KW)."""
    weight = scope.weight((x.shape[1], count, *kernel), outputs=1)
    how = {"stride": stride, "padding": padding, "output_padding": output_padding}
    y = ops.conv_transpose2d(x, weight, **how)
    return add_bias(scope, y, math.prod(weight.shape[1:])) if bias else y


def add_bias(scope: Scope, x: Tensor, fan_in: int) -> Tensor:
    """Add a number to each channel of (N, C, H, W)."""
    return x + ops.reshape(scope.bias(x.shape[1], fan_in), (1, -1, 1, 1))


@ops.composed("upsample")
def upsample(x: Tensor) -> Tensor:
    """Double the sides of (N, C, H, W), each pixel becoming four (nearest neighbour)."""
    n, channels, height, width = x.shape
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), (n, height, 1, width, 1, channels))
    spread = ops.broadcast_to(last, (n, height, 2, width, 2, channels))
    return ops.transpose(ops.reshape(spread, (n, 2 * height, 2 * width, channels)), (0, 3, 1, 2))


@ops.composed("downsample")
def downsample(x: Tensor) -> Tensor:
    """Halve the sides of (N, C, H, W), four pixels becoming their mean."""
    n, channels, height, width = x.shape
    shape = (n, height // 2, 2, width // 2, 2, channels)
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), shape)
    return ops.transpose(ops.mean(last, axis=(2, 4)), (0, 3, 1, 2))


def scores(
    scope: Scope,
    x: Tensor,
    layer: Callable[..., Tensor],
    *how: Any,
    logits: int = 1,
    **options: Any,
) -> Tensor:
    """Give features a discriminator's scores by its last layer (`conv` or `dense`).

    Returns (N,), or (N, P) where the layer leaves P places or is asked for P logits. Habits join
    statistics of the batch to the features or add a label's product with them.
    """
    x = scope.hooks.features(x)

    def last(name: str, outputs: int) -> Tensor:
        return layer(scope.child(f"{name}.{layer.__name__}"), x, outputs, *how, **options)

    flat = ops.reshape(scope.hooks.score(last("score", logits), last), (x.shape[0], -1))
    return ops.reshape(flat, (-1,)) if flat.shape[1] == 1 else flat


@layer
def norm(scope: Scope, x: Tensor, own: Norm = normalization.batch_norm) -> Tensor:
    """Normalise (N, C, H, W) or (N, C) in the network's `own` way, unless it is wrapped."""
    return (scope.hooks.norm or own)(scope, x)


def parameter_count(parameters: Mapping[str, Any]) -> int:
    """Count the numbers in a dictionary of tensors."""
    return int(sum(int(np.prod(p.shape)) for p in parameters.values()))
