"""The operations that every engine supplies and that all other code is written in.

Arithmetic (``+ - * / **``, comparisons) is by operators. The engine is found from a tensor's type,
so no function takes an engine as an argument. Images are (N, C, H, W).

Each engine supplies `OPERATIONS`; those in `COMPOSED` are written in them and may have fused forms.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import numpy as np

Tensor = Any  # numpy.ndarray, torch.Tensor, ...: what the engine computes with
Parameters = dict[str, Tensor]
Rule = Callable[..., Any]
F = TypeVar("F", bound=Rule)

OPERATIONS: list[str] = []  # the names of the functions below that each engine supplies
COMPOSED: dict[str, Rule] = {}  # by name: what an engine may fuse; `__wrapped__` is composed

# The module whose `Engine` computes with a library's tensors, by the root module of their types.
_MODULES = {
    "numpy": "ganbaru.engines.numpy",
    "torch": "ganbaru.engines.torch",
    "cupy": "ganbaru.engines.cupy",
    "tensorflow": "ganbaru.engines.tensorflow",
    "jax": "ganbaru.engines.jax",  # inside a compiled function
    "jaxlib": "ganbaru.engines.jax",
}
_engines: dict[type, type[Operations]] = {}  # by the type of a tensor, as found so far
_own: dict[type, type[Operations]] = {}  # by the type of a tensor of our own
_replaced: dict[str, type[Operations]] = {}  # by root module


class Operations:
    """What computes with one kind of tensors: the operations, as static methods of a class.

    A subclass takes its operations from `modules`, functions of the same names, and may define or
    replace some in its body. `tensors` are types of its own that it computes with; `FUSED` holds
    its own forms of composed operations, by their names in `COMPOSED`.
    """

    FUSED: ClassVar[Mapping[str, Rule]] = {}

    def __init_subclass__(
        cls, modules: Sequence[ModuleType] = (), tensors: Sequence[type] = ()
    ) -> None:
        for name in OPERATIONS:
            for module in modules:
                if hasattr(module, name) and name not in cls.__dict__:
                    setattr(cls, name, staticmethod(getattr(module, name)))
        _own.update(dict.fromkeys(tensors, cls))


def _find_engine(kind: type) -> type[Operations]:
    root = kind.__module__.partition(".")[0]
    if kind in _own:
        return _own[kind]
    if root in _replaced:
        return _replaced[root]
    if root not in _MODULES:
        raise TypeError(f"{kind.__module__}.{kind.__name__} is not a tensor of an engine")
    found: type[Operations] = importlib.import_module(_MODULES[root]).Engine
    return found


def engine(x: Tensor) -> Any:
    """Return the class that computes with tensors like `x`, a subclass of `Operations`."""
    kind = type(x)
    if kind not in _engines:
        _engines[kind] = _find_engine(kind)
    return _engines[kind]


def dispatch(engine: type[Operations], roots: Sequence[str]) -> None:
    """Compute with `engine` on tensors whose types are in modules below `roots`, from now on."""
    _replaced.update(dict.fromkeys(roots, engine))
    _forget(roots)


@contextmanager
def dispatching(engine: type[Operations], roots: Sequence[str]) -> Iterator[None]:
    """Compute with `engine` on tensors whose types are in modules below `roots`, inside."""
    before = dict(_replaced)
    dispatch(engine, roots)
    try:
        yield
    finally:
        _replaced.clear()
        _replaced.update(before)
        _forget(roots)


def _forget(roots: Sequence[str]) -> None:
    for kind in [kind for kind in _engines if kind.__module__.partition(".")[0] in roots]:
        del _engines[kind]


def composed(name: str) -> Callable[[Rule], Rule]:
    """Register a composed operation, for which an engine's `FUSED` form is called if it has one.

    The engine is that of the first argument, a tensor or a dictionary of tensors.
    """

    def register(function: Rule) -> Rule:
        @functools.wraps(function)
        def call(first: Any, *others: Any, **options: Any) -> Any:
            x = next(iter(first.values())) if isinstance(first, dict) else first
            return engine(x).FUSED.get(name, function)(first, *others, **options)

        COMPOSED[name] = call
        return call

    return register


def _operation(function: F) -> F:
    OPERATIONS.append(function.__name__)
    return function


@_operation
def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Multiply matrices (..., N, K) and (..., K, M); leading axes broadcast."""
    return engine(x).matmul(x, y)


@_operation
def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """Correlate images (N, C, H, W) with kernels (O, C / groups, KH, KW) to (N, O, OH, OW).

    Output channels are divided into `groups` blocks; each sees its own block of input channels.
    ``groups=C`` is a depthwise convolution.
    """
    return engine(x).conv2d(x, w, stride=stride, padding=padding, groups=groups)


@_operation
def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW): the adjoint of `conv2d`, PyTorch's sizes."""
    how = {"stride": stride, "padding": padding, "output_padding": output_padding}
    return engine(x).conv_transpose2d(x, w, **how)


@_operation
def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give `x` another shape of the same size, in logical order; one entry may be -1."""
    return engine(x).reshape(x, tuple(shape))


@_operation
def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Reorder the axes of `x`."""
    return engine(x).transpose(x, tuple(axes))


@_operation
def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeat `x` along its axes of length 1 up to `shape`."""
    return engine(x).broadcast_to(x, tuple(shape))


@_operation
def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis."""
    return engine(tensors[0]).concat(tensors, axis)


@_operation
def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Surround `x` with zeros: (before, after) for each axis."""
    return engine(x).pad(x, tuple(widths))


@_operation
def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    """Return entries from `starts` up to, not including, `stops` (one of each for every axis)."""
    return engine(x).slice(x, tuple(starts), tuple(stops))


@_operation
def translate(images: Tensor, offsets: Tensor) -> Tensor:
    """Move images (N, C, H, W) down and right by whole pixels `offsets` (N, 2); zeros enter."""
    return engine(images).translate(images, offsets)


@_operation
def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return engine(x).sum(x, axis=axis, keepdims=keepdims)


@_operation
def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return engine(x).mean(x, axis=axis, keepdims=keepdims)


@_operation
def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Return the largest entry over `axis` (all axes by default); ties share the gradient."""
    return engine(x).max(x, axis=axis, keepdims=keepdims)


@_operation
def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    """Take the larger of two, entry by entry; in a tie the gradient goes to `x`."""
    return engine(x).maximum(x, y)


@_operation
def exp(x: Tensor) -> Tensor:
    """Raise e to the power `x`."""
    return engine(x).exp(x)


@_operation
def log(x: Tensor) -> Tensor:
    """Take the natural logarithm."""
    return engine(x).log(x)


@_operation
def sqrt(x: Tensor) -> Tensor:
    """Take the square root."""
    return engine(x).sqrt(x)


@_operation
def tanh(x: Tensor) -> Tensor:
    """Take the hyperbolic tangent."""
    return engine(x).tanh(x)


@_operation
def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return engine(x).sigmoid(x)


@_operation
def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)), without overflow."""
    return engine(x).softplus(x)


@_operation
def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere, 0 <= slope <= 1."""
    return engine(x).leaky_relu(x, slope)


@_operation
def one_hot(labels: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,), a tensor or a list, as rows (N, classes) of zeros with a one.

    The rows are of the type of `like`.
    """
    return engine(like).one_hot(labels, classes, like)


@_operation
def stop_gradient(x: Tensor) -> Tensor:
    """Return the values of `x`, through which no gradient flows."""
    return engine(x).stop_gradient(x)


@_operation
def value_and_grad(
    function: Callable[[Parameters], tuple[Tensor, Any]], parameters: Parameters
) -> tuple[Tensor, Any, Parameters]:
    """Evaluate ``function(parameters) -> (scalar, auxiliary)`` and its gradient.

    Returns ``(scalar, auxiliary, gradients)``; the outermost call returns plain values.
    """
    first = next(iter(parameters.values()))
    result: tuple[Tensor, Any, Parameters] = engine(first).value_and_grad(function, parameters)
    return result


def grad(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the gradient of the scalar ``function(x)`` at `x`, itself differentiable."""
    _, _, gradients = value_and_grad(lambda p: (function(p["x"]), None), {"x": x})
    return gradients["x"]


@_operation
def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor as a NumPy array."""
    values: np.ndarray = engine(x).to_numpy(x)
    return values
