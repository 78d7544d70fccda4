"""The vocabulary: the operations that every engine supplies and everything else is written in.

Arithmetic (``+ - * / **``, comparisons) is by operators. The engine is found from the root module
of a tensor's type, so no function takes an engine as an argument. Images are (N, C, H, W).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

Tensor = Any  # numpy.ndarray, torch.Tensor, ... : whatever the engine computes with
Parameters = dict[str, Tensor]
Rule = Callable[..., Any]

# Where tensors of a library are computed; types of our own engines name their module themselves.
_ENGINE_OF_ROOT = {
    "numpy": "ganbaru.engines.numpy",
    "torch": "ganbaru.engines.torch",
    "cupy": "ganbaru.engines.cupy",
    "tensorflow": "ganbaru.engines.tensorflow",
    "jax": "ganbaru.engines.jax",  # inside a compiled function
    "jaxlib": "ganbaru.engines.jax",
}


_engines: dict[type, ModuleType] = {}


def _find_engine(kind: type) -> ModuleType:
    root = kind.__module__.partition(".")[0]
    if root == "ganbaru":
        return importlib.import_module(".".join(kind.__module__.split(".")[:3]))
    if root not in _ENGINE_OF_ROOT:
        raise TypeError(f"{kind.__module__}.{kind.__name__} is no tensor of an engine")
    return importlib.import_module(_ENGINE_OF_ROOT[root])


def engine(x: Tensor) -> ModuleType:
    """Return the engine module that computes with tensors like `x`."""
    kind = type(x)
    if kind not in _engines:
        _engines[kind] = _find_engine(kind)
    return _engines[kind]


@contextmanager
def computing(module: ModuleType, kind: type) -> Iterator[None]:
    """Compute with the engine `module` on all tensors of the library of the type `kind`.

    So a user's own engine takes the place of the one that the library's tensors are known by.
    """
    known = dict(_ENGINE_OF_ROOT)
    root = kind.__module__.partition(".")[0]
    usual = known.get(root)
    roots = {name for name, engine in known.items() if engine == usual} | {root}
    _ENGINE_OF_ROOT.update(dict.fromkeys(roots, module.__name__))
    _engines.clear()
    try:
        yield
    finally:
        _ENGINE_OF_ROOT.clear()
        _ENGINE_OF_ROOT.update(known)
        _engines.clear()


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Multiply matrices (..., N, K) and (..., K, M); leading axes broadcast."""
    return engine(x).matmul(x, y)


def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """Correlate images (N, C, H, W) with kernels (O, C / groups, KH, KW) to (N, O, OH, OW).

    Output channels are divided into `groups` blocks; each sees its own block of input channels.
    ``groups=C`` is a depthwise convolution.
    """
    return engine(x).conv2d(x, w, stride=stride, padding=padding, groups=groups)


def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW): the adjoint of `conv2d`, PyTorch's sizes."""
    how = {"stride": stride, "padding": padding, "output_padding": output_padding}
    return engine(x).conv_transpose2d(x, w, **how)


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give `x` another shape of the same size, in logical order; one entry may be -1."""
    return engine(x).reshape(x, shape=tuple(shape))


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Reorder the axes of `x`."""
    return engine(x).transpose(x, axes=tuple(axes))


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeat `x` along its axes of length 1 up to `shape`."""
    return engine(x).broadcast_to(x, shape=tuple(shape))


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis."""
    return engine(tensors[0]).concat(tensors, axis=axis)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Surround `x` with zeros: (before, after) for each axis."""
    return engine(x).pad(x, widths=tuple(widths))


def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    """Return entries from `starts` up to, not including, `stops` (one of each for every axis)."""
    return engine(x).slice(x, starts=tuple(starts), stops=tuple(stops))


def translate(images: Tensor, offsets: Tensor) -> Tensor:
    """Move images (N, C, H, W) down and right by whole pixels `offsets` (N, 2); zeros enter.

    Its adjoint moves by ``-offsets``.
    """
    return engine(images).translate(images, offsets)


def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return engine(x).sum(x, axis=axis, keepdims=keepdims)


def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return engine(x).mean(x, axis=axis, keepdims=keepdims)


def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Return the largest entry over `axis` (all axes by default); ties share the gradient."""
    return engine(x).max(x, axis=axis, keepdims=keepdims)


def maximum(x: Tensor, y: Tensor | float) -> Tensor:
    """Take the larger of two, entry by entry; in a tie the gradient goes to `x`."""
    return engine(x).maximum(x, y)


def exp(x: Tensor) -> Tensor:
    """Raise e to the power `x`."""
    return engine(x).exp(x)


def log(x: Tensor) -> Tensor:
    """Take the natural logarithm."""
    return engine(x).log(x)


def sqrt(x: Tensor) -> Tensor:
    """Take the square root."""
    return engine(x).sqrt(x)


def tanh(x: Tensor) -> Tensor:
    """Take the hyperbolic tangent."""
    return engine(x).tanh(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return engine(x).sigmoid(x)


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)), without overflow."""
    return engine(x).softplus(x)


def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere, 0 <= slope <= 1."""
    return engine(x).leaky_relu(x, slope=slope)


def one_hot(labels: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,), a tensor or a list, as rows (N, classes) of zeros with a one.

    The rows are of the type of `like`.
    """
    return engine(like).one_hot(labels, classes, like=like)


def stop_gradient(x: Tensor) -> Tensor:
    """Return the values of `x`, through which no gradient flows."""
    return engine(x).stop_gradient(x)


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
    return engine(x).grad(function, x)


def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor as a NumPy array."""
    values: np.ndarray = engine(x).to_numpy(x)
    return values


def fused(name: str, parameters: Tensor | Mapping[str, Tensor], composed: Rule) -> Rule:
    """Return the engine's own form of a composed operation, or `composed` where it has none."""
    x = next(iter(parameters.values())) if isinstance(parameters, Mapping) else parameters
    rule: Rule = engine(x).FUSED.get(name, composed)
    return rule
