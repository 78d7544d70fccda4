"""The tracing engine: runs a network on shapes alone and records what every operation costs."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FUSED: dict[str, Callable] = {}


@dataclass(frozen=True)
class Record:
    """One operation: name, parameters' names, result's shape, multiply-adds, input tensors."""

    operation: str
    parameters: tuple[str, ...]
    shape: tuple[int, ...]
    macs: int
    inputs: tuple[Shape, ...]

    @property
    def fed(self) -> bool:
        """Whether it works on what the network is given, or on parameters alone."""
        return any(x.fed for x in self.inputs)


@dataclass
class Tape:
    """The operations recorded so far, in order."""

    records: list[Record] = field(default_factory=list)


class Shape:
    """A tensor without values: a shape, and a name if it is a parameter.

    `fed` is true of the network's inputs and of all that is made with them, `learned` of its
    parameters and of all that is made with those.
    """

    __array_ufunc__ = None

    def __init__(self, shape: Sequence[int], tape: Tape, name: str = "", fed: bool = False) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.tape = tape
        self.names: tuple[str, ...] = (name,) if name else ()
        self.fed, self.learned = fed, bool(name)
        self.dtype = np.dtype("float32")

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    def _with(self, other: Any) -> Shape:
        return _record("arithmetic", self, other)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _with
    __truediv__ = __rtruediv__ = __gt__ = __lt__ = __ge__ = __le__ = _with

    def __neg__(self) -> Shape:
        return _record("arithmetic", self)

    def __pow__(self, exponent: float) -> Shape:
        return _record("arithmetic", self)


def _record(
    operation: str, *inputs: Any, shape: Sequence[int] | None = None, macs: int = 0
) -> Shape:
    tensors = [x for x in inputs if isinstance(x, Shape)]
    if shape is None:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
    names = tuple(dict.fromkeys(name for x in tensors for name in x.names))
    result = Shape(shape, tensors[0].tape)
    result.fed = any(x.fed for x in tensors)
    result.learned = any(x.learned for x in tensors)
    # What is made of parameters alone, such as a matrix transposed, still goes by their names.
    result.names = () if result.fed else names
    result.tape.records.append(Record(operation, names, result.shape, macs, tuple(tensors)))
    return result


def _elementwise(operation: str) -> Callable[..., Shape]:
    return lambda *inputs, **options: _record(operation, *inputs)


exp, log, sqrt, tanh = (_elementwise(name) for name in ("exp", "log", "sqrt", "tanh"))
sigmoid, softplus, leaky_relu = (_elementwise(n) for n in ("sigmoid", "softplus", "leaky_relu"))
maximum, where = _elementwise("maximum"), _elementwise("where")


def stop_gradient(x: Shape) -> Shape:
    """Return `x`."""
    return x


def reshape(x: Shape, shape: Sequence[int]) -> Shape:
    """Give `x` another shape of the same size; one entry may be -1."""
    known = math.prod(n for n in shape if n != -1)
    full = [x.size // known if n == -1 else n for n in shape]
    if math.prod(full) != x.size:
        raise ValueError(f"cannot reshape {x.shape} to {tuple(shape)}")
    return _record("reshape", x, shape=full)


def transpose(x: Shape, axes: Sequence[int]) -> Shape:
    """Reorder the axes of `x`."""
    return _record("transpose", x, shape=[x.shape[i] for i in axes])


def broadcast_to(x: Shape, shape: Sequence[int]) -> Shape:
    """Repeat `x` along its axes of length 1 up to `shape`."""
    return _record("broadcast_to", x, shape=shape)


def concat(tensors: Sequence[Shape], axis: int = 0) -> Shape:
    """Join tensors along an axis."""
    shape = list(tensors[0].shape)
    shape[axis] = builtins.sum(t.shape[axis] for t in tensors)
    return _record("concat", *tensors, shape=shape)


def pad(x: Shape, widths: Sequence[tuple[int, int]]) -> Shape:
    """Surround `x` with zeros."""
    return _record("pad", x, shape=[n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)])


def sum(x: Shape, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Shape:
    """Add up over `axis` (all axes by default)."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {a % x.ndim for a in axes}
    shape = [1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone]
    return _record("sum", x, shape=shape)


mean = sum


def matmul(x: Shape, y: Shape) -> Shape:
    """Multiply matrices (N, K) and (K, M)."""
    (n, k), (inner, m) = x.shape, y.shape
    if k != inner:
        raise ValueError(f"cannot multiply {x.shape} by {y.shape}")
    return _record("matmul", x, y, shape=(n, m), macs=n * k * m)


def conv2d(x: Shape, w: Shape, stride: int = 1, padding: int = 0) -> Shape:
    """Correlate images (N, C, H, W) with kernels (O, C, KH, KW)."""
    (n, channels, height, width), (count, inner, kh, kw) = x.shape, w.shape
    oh, ow = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    if channels != inner or oh < 1 or ow < 1:
        raise ValueError(f"cannot convolve images {x.shape} with kernels {w.shape}")
    return _record("conv2d", x, w, shape=(n, count, oh, ow), macs=n * oh * ow * w.size)


def conv_transpose2d(
    x: Shape, w: Shape, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Shape:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW)."""
    (n, channels, *size), (inner, count, *kernel) = x.shape, w.shape
    if channels != inner:
        raise ValueError(f"cannot convolve images {x.shape} with kernels {w.shape}")
    if not 0 <= output_padding < stride:
        raise ValueError(f"output_padding {output_padding} is not below the stride, {stride}")
    out = [
        (s - 1) * stride - 2 * padding + k + output_padding
        for s, k in zip(size, kernel, strict=True)
    ]
    macs = n * math.prod(size) * w.size
    return _record("conv_transpose2d", x, w, shape=(n, count, *out), macs=macs)


def take(x: Shape, index: Shape) -> Shape:
    """Pick rows of `x` (n, ...) by `index` (N,)."""
    return _record("take", x, shape=(*index.shape, *x.shape[1:]))


def one_hot(labels: Any, classes: int, like: Shape) -> Shape:
    """Return labels (N,) as rows (N, classes); those of a list are constants, not a step."""
    if not isinstance(labels, Shape):
        return Shape((len(labels), classes), like.tape)
    return _record("one_hot", labels, shape=(*labels.shape, classes))


def batch_norm(
    x: Shape,
    weight: Shape,
    bias: Shape,
    running_mean: Shape,
    running_var: Shape,
    momentum: float,
    epsilon: float,
) -> tuple[Shape, Shape, Shape]:
    """Record batch norm as the one layer that it is."""
    return _record("batch_norm", x, weight, bias, shape=x.shape), running_mean, running_var


FUSED["batch_norm"] = batch_norm
