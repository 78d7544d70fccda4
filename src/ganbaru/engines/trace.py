"""The tracing engine: runs a network on shapes alone and records each operation's cost."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.engines import sizes


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
        """Whether it depends on the network's inputs, not on parameters alone."""
        return any(x.fed for x in self.inputs)


@dataclass
class Tape:
    """The operations recorded so far, in order."""

    records: list[Record] = field(default_factory=list)


class Shape:
    """A tensor without values: a shape, and a name if it is a parameter.

    `fed` is true of the network's inputs and all that depends on them, `learned` of its parameters
    and all that depends on those.
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
        try:
            shape = np.broadcast_shapes(*(x.shape for x in tensors))
        except ValueError as error:
            met = " and ".join(str(x.shape) for x in tensors)
            raise _misfit(operation, f"shapes {met} do not broadcast", *tensors) from error
    names = tuple(dict.fromkeys(name for x in tensors for name in x.names))
    result = Shape(shape, tensors[0].tape)
    result.fed = any(x.fed for x in tensors)
    result.learned = any(x.learned for x in tensors)
    # A result of parameters alone, such as a matrix transposed, keeps their names.
    result.names = () if result.fed else names
    result.tape.records.append(Record(operation, names, result.shape, macs, tuple(tensors)))
    return result


def _misfit(operation: str, problem: str, *tensors: Shape) -> ValueError:
    """Return an error that names the operation, its shapes and the layer."""
    where = next((f", in {x.names[0].rpartition('.')[0]}" for x in tensors if x.names), "")
    if not where:
        layers = (
            r.parameters[0].rpartition(".")[0]
            for r in reversed(tensors[0].tape.records)
            if r.parameters
        )
        where = next((f", after {layer}" for layer in layers), "")
    return ValueError(f"{operation}: {problem}{where}")


def _elementwise(operation: str) -> Callable[..., Shape]:
    return lambda *inputs, **options: _record(operation, *inputs)


exp, log, sqrt, tanh = (_elementwise(name) for name in ("exp", "log", "sqrt", "tanh"))
sigmoid, softplus, leaky_relu = (_elementwise(n) for n in ("sigmoid", "softplus", "leaky_relu"))
maximum = _elementwise("maximum")


def stop_gradient(x: Shape) -> Shape:
    return x


def reshape(x: Shape, shape: Sequence[int]) -> Shape:
    known = math.prod(n for n in shape if n != -1)
    full = [x.size // known if n == -1 else n for n in shape]
    if math.prod(full) != x.size:
        raise _misfit("reshape", f"{x.shape} cannot become {tuple(shape)}", x)
    return _record("reshape", x, shape=full)


def transpose(x: Shape, axes: Sequence[int]) -> Shape:
    return _record("transpose", x, shape=[x.shape[i] for i in axes])


def broadcast_to(x: Shape, shape: Sequence[int]) -> Shape:
    return _record("broadcast_to", x, shape=shape)


def concat(tensors: Sequence[Shape], axis: int = 0) -> Shape:
    shape = list(tensors[0].shape)
    for other in tensors[1:]:
        there = [*other.shape]
        if len(there) != len(shape) or any(
            n != m
            for i, (n, m) in enumerate(zip(shape, there, strict=True))
            if i != axis % len(shape)
        ):
            met = f"{tensors[0].shape} and {other.shape} do not join along axis {axis}"
            raise _misfit("concat", met, *tensors)
    shape[axis] = builtins.sum(t.shape[axis] for t in tensors)
    return _record("concat", *tensors, shape=shape)


def pad(x: Shape, widths: Sequence[tuple[int, int]]) -> Shape:
    return _record("pad", x, shape=[n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)])


def sum(x: Shape, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Shape:
    return _record("sum", x, shape=_reduced(x, axis, keepdims))


def _reduced(x: Shape, axis: Sequence[int] | int | None, keepdims: bool) -> list[int]:
    gone = sizes.reduced_axes(x, axis)
    return [1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone]


mean = sum


def max(x: Shape, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Shape:
    return _record("max", x, shape=_reduced(x, axis, keepdims))


def slice(x: Shape, starts: Sequence[int], stops: Sequence[int]) -> Shape:
    parts = list(zip(x.shape, starts, stops, strict=True))
    if not all(0 <= start < stop <= n for n, start, stop in parts):
        raise _misfit("slice", f"{starts} to {stops} is outside of {x.shape}", x)
    return _record("slice", x, shape=[stop - start for _, start, stop in parts])


def translate(images: Shape, offsets: Any) -> Shape:
    return _record("translate", images, offsets, shape=images.shape)


def matmul(x: Shape, y: Shape) -> Shape:
    if min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-2]:
        raise _misfit("matmul", f"{x.shape} does not fit {y.shape}", x, y)
    try:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError as error:
        raise _misfit("matmul", f"{x.shape} does not fit {y.shape}", x, y) from error
    shape = (*lead, x.shape[-2], y.shape[-1])
    return _record("matmul", x, y, shape=shape, macs=math.prod(shape) * x.shape[-1])


def conv2d(x: Shape, w: Shape, stride: int = 1, padding: int = 0, groups: int = 1) -> Shape:
    sides = sizes.conv_sides(x, w, stride, padding) if x.ndim == w.ndim == 4 else [0]
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups or builtins.min(sides) < 1:
        raise _misfit("conv2d", f"weight {w.shape} does not fit images {x.shape}", x, w)
    macs = x.shape[0] * math.prod(sides) * w.size
    return _record("conv2d", x, w, shape=(x.shape[0], w.shape[0], *sides), macs=macs)


def conv_transpose2d(
    x: Shape, w: Shape, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Shape:
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[0]:
        misfit = f"weight {w.shape} does not fit images {x.shape}"
        raise _misfit("conv_transpose2d", misfit, x, w)
    if not 0 <= output_padding < stride:
        misfit = f"output_padding {output_padding} is not below the stride, {stride}"
        raise _misfit("conv_transpose2d", misfit, x, w)
    (n, _, *size), count = x.shape, w.shape[1]
    out = sizes.conv_transpose_sides(x, w, stride, padding, output_padding)
    macs = n * math.prod(size) * w.size
    return _record("conv_transpose2d", x, w, shape=(n, count, *out), macs=macs)


def one_hot(labels: Any, classes: int, like: Shape) -> Shape:
    """Return rows (N, classes); those of a list are constants, not an operation."""
    if not isinstance(labels, Shape):
        return Shape((len(labels), classes), like.tape)
    return _record("one_hot", labels, shape=(*labels.shape, classes))


def batch_norm(x: Shape, weight: Shape, bias: Shape, *running: Any, **how: Any) -> tuple:
    """Record batch norm as a single layer; its running statistics stay as they are."""
    return _record("batch_norm", x, weight, bias, shape=x.shape), *running[:2]


class Tracer(ops.Operations, modules=(sys.modules[__name__],), tensors=(Shape,)):
    """Operations on shapes alone."""

    FUSED = {"batch_norm": batch_norm}
