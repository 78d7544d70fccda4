"""Scopes name the parameters of networks, which are functions; hooks change what layers do."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

import numpy as np

from ganbaru import ops
from ganbaru.engines import trace as tracer
from ganbaru.errors import InputError
from ganbaru.nn.initializers import Fans, Initialisation
from ganbaru.ops import Parameters, Tensor

Network = Callable[..., Tensor]  # network(scope, *inputs) -> tensor
Shape = tuple[int, ...]
ParameterVisitor = Callable[[str, Shape, str, Fans], None]  # name, shape, kind, fans
BufferVisitor = Callable[[str, Shape, float], None]  # name, shape, first value

Norm = Callable[["Scope", Tensor], Tensor]
Compute = Callable[[Tensor], Tensor]
LastLayer = Callable[[str, int], Tensor]  # of a discriminator: (name, outputs) -> (N, outputs, ...)
Score = Callable[[Callable[[], Tensor], LastLayer, int], Tensor]
Arguments = ParamSpec("Arguments")
Layer = Callable[Concatenate["Scope", Tensor, Arguments], Tensor]


@dataclass(frozen=True)
class LayerHooks:
    """Changes to the layers of a network, set by wrapping the network (`Scope.using`).

    - `weight(scope, weight, outputs)` replaces each kernel and matrix before its use; `outputs` is
      the axis of its output channels.
    - `norm(scope, x, norm)` replaces the network's own normalisation, `norm(scope, x)`.
    - `features(x)` changes the input of a discriminator's last layer but one (`nn.features`).
    - `score(scores, last, logits)` changes the output of its last layer, which is `scores()` with
      `logits` channels; `last(name, outputs)` applies another one of its kind to the same features.
    - `intercept(scope, compute, x)` surrounds each layer, which is `compute(x)`.
    """

    weight: Callable[[Scope, Tensor, int], Tensor] = lambda scope, weight, outputs: weight
    norm: Callable[[Scope, Tensor, Norm], Tensor] = lambda scope, x, norm: norm(scope, x)
    features: Compute = lambda x: x
    score: Score = lambda scores, last, logits: scores()
    intercept: Callable[[Scope, Compute, Tensor], Tensor] = lambda scope, compute, x: compute(x)

    def then(self, outer: LayerHooks) -> LayerHooks:
        """Return hooks that apply these first and `outer` to the result."""
        return LayerHooks(
            weight=lambda scope, weight, outputs: outer.weight(
                scope, self.weight(scope, weight, outputs), outputs
            ),
            norm=lambda scope, x, norm: outer.norm(
                scope, x, lambda scope, x: self.norm(scope, x, norm)
            ),
            features=lambda x: outer.features(self.features(x)),
            score=lambda scores, last, logits: outer.score(
                lambda: self.score(scores, last, logits), last, logits
            ),
            intercept=lambda scope, compute, x: outer.intercept(
                scope, lambda x: self.intercept(scope, compute, x), x
            ),
        )


@dataclass(frozen=True, eq=False)
class Scope:
    """The place of a layer in its network: gives its parameters and buffers by their full names.

    `_parameter(name, shape, kind, fans)` and `_buffer(name, shape, start)` return tensors by full
    name. `updates` collects the new values of buffers.
    """

    _parameter: Callable[[str, Shape, str, Fans], Tensor]
    _buffer: Callable[[str, Shape, float], Tensor]
    training: bool
    hooks: LayerHooks = LayerHooks()
    updates: Parameters = field(default_factory=dict)
    _path: str = ""

    @property
    def path(self) -> str:
        """The layer's name, such as ``up1.conv``; empty for the whole network."""
        return self._path.removesuffix(".")

    def child(self, name: str) -> Scope:
        """Return the scope of the layer `name` below this one."""
        return dataclasses.replace(self, _path=f"{self._path}{name}.")

    def using(self, **hooks: Any) -> Scope:
        """Return the same scope with more hooks (fields of `LayerHooks`).

        They are applied before those that are set: of nested wrappers, the innermost first.
        """
        return dataclasses.replace(self, hooks=LayerHooks(**hooks).then(self.hooks))

    def parameter(self, name: str, shape: Shape, kind: str, fan_in: float | Fans = 1) -> Tensor:
        """Return a trained tensor; `kind` (a field of `Initialisation`) chooses its first values.

        `fan_in` is the number of inputs that each output of the layer sums over.
        """
        return self._parameter(self._path + name, shape, kind, Fans.all(fan_in))

    def weight(
        self, shape: Shape, kind: str = "weight", outputs: int = 0, fans: Fans | None = None
    ) -> Tensor:
        """Return the layer's kernel or matrix; `outputs` is the axis of its output channels.

        `fans` are those of a matrix (outputs, inputs) if not given, whose axes may be many.
        """
        fans = fans or Fans.of(shape)
        return self.hooks.weight(self, self.parameter("weight", shape, kind, fans), outputs)

    def bias(self, count: int, fan_in: float) -> Tensor:
        """Return the layer's bias (count,)."""
        return self.parameter("bias", (count,), "bias", fan_in)

    def buffer(self, name: str, shape: Shape, start: float) -> Tensor:
        """Return a tensor that is saved but not trained, filled with `start` at first."""
        return self._buffer(self._path + name, shape, start)

    def update(self, name: str, value: Tensor) -> None:
        """Set the value that a buffer has after this pass; no gradient flows into it."""
        self.updates[self._path + name] = ops.stop_gradient(value)


def layer(function: Layer[Arguments]) -> Layer[Arguments]:
    """Decorate a layer, a function of (scope, x, ...), to call it through the hook `intercept`."""

    @functools.wraps(function)
    def intercepted(
        scope: Scope, x: Tensor, /, *args: Arguments.args, **options: Arguments.kwargs
    ) -> Tensor:
        return scope.hooks.intercept(scope, lambda x: function(scope, x, *args, **options), x)

    return intercepted


def hooked(network: Network, name: str, hook: Callable[..., Tensor], unused: str) -> Network:
    """Return a network with one hook, which raises InputError(unused) if no layer calls it."""

    def wrapped(scope: Scope, *inputs: Tensor) -> Tensor:
        calls: list[str] = []

        def called(*arguments: Any) -> Tensor:
            calls.append(name)
            return hook(*arguments)

        result = network(scope.using(**{name: called}), *inputs)
        if not calls:
            raise InputError(unused)
        return result

    return wrapped


def apply(
    network: Network,
    parameters: Parameters,
    buffers: Parameters,
    *inputs: Any,
    training: bool,
    hooks: LayerHooks = LayerHooks(),  # noqa: B008  # it is immutable
) -> tuple[Tensor, Parameters]:
    """Run a network; return its result and its buffers after this pass.

    Inputs that are None, such as the labels of an unconditional network, are left out. In training
    mode batch norm uses the batch's statistics and moves the running ones; otherwise it uses the
    running ones and changes nothing.
    """
    scope = Scope(lambda n, s, k, f: parameters[n], lambda n, s, v: buffers[n], training, hooks)
    result = network(scope, *(x for x in inputs if x is not None))
    return in_full_precision(result, lambda y: y), {**buffers, **scope.updates}


@ops.composed("in_full_precision")
def in_full_precision(x: Tensor, function: Compute) -> Tensor:
    """Return ``function(x)``, whose products are not rounded to bf16, and nor is its result."""
    return function(x)


def initialise(
    network: Network, *shapes: Shape, seed: int, initialisation: Initialisation, prefix: str = ""
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Create a network's parameters and buffers (NumPy, float32) by tracing it."""
    parameters: dict[str, np.ndarray] = {}
    buffers: dict[str, np.ndarray] = {}

    def parameter(name: str, shape: Shape, kind: str, fans: Fans) -> None:
        parameters[name] = initialisation.values(seed, prefix + name, kind, shape, fans)

    def buffer(name: str, shape: Shape, start: float) -> None:
        buffers[name] = np.full(shape, start, np.float32)

    trace(network, *shapes, parameter=parameter, buffer=buffer)
    return parameters, buffers


def trace(
    network: Network,
    *shapes: Shape,
    parameter: ParameterVisitor = lambda name, shape, kind, fans: None,
    buffer: BufferVisitor = lambda name, shape, start: None,
) -> tuple[Shape, list[tracer.Record]]:
    """Run a network on shapes alone, calling `parameter` and `buffer` for each of its tensors.

    Returns the result's shape and the recorded operations.
    """
    tape = tracer.Tape()

    def traced_parameter(name: str, shape: Shape, kind: str, fans: Fans) -> Tensor:
        parameter(name, shape, kind, fans)
        return tracer.Shape(shape, tape, name)

    def traced_buffer(name: str, shape: Shape, start: float) -> Tensor:
        buffer(name, shape, start)
        return tracer.Shape(shape, tape)

    scope = Scope(traced_parameter, traced_buffer, training=True)
    result = network(scope, *(tracer.Shape(shape, tape, fed=True) for shape in shapes))
    return result.shape, tape.records


def tensor_shapes(network: Network, *shapes: Shape) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Return the shapes of a network's parameters and buffers, by tracing it."""
    parameters: dict[str, Shape] = {}
    buffers: dict[str, Shape] = {}
    trace(
        network,
        *shapes,
        parameter=lambda name, shape, kind, fans: parameters.update({name: tuple(shape)}),
        buffer=lambda name, shape, start: buffers.update({name: tuple(shape)}),
    )
    return parameters, buffers


def parameter_count(parameters: Mapping[str, Any]) -> int:
    """Count the numbers in a dictionary of tensors."""
    return sum(math.prod(p.shape) for p in parameters.values())
