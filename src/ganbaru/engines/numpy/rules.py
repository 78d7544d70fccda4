"""The operations on arrays and their gradient rules, each rule in differentiable operations."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import parallel
from .tape import Array, Tensor, joint_rule, primitive, rules, value_of


def array_module(x: Any) -> Any:
    """Return the module that owns the array in `x`: numpy, or cupy for an array on a GPU."""
    root = type(value_of(x)).__module__.partition(".")[0]
    if root != "cupy":
        return np
    import cupy

    return cupy


def whole_or_blocks(array: Array) -> list[slice]:
    """Cut an array's first axis into cache-sized blocks; a GPU, parallel itself, takes it whole."""
    if array_module(array) is not np or array.size <= parallel.BLOCK:
        return [slice(None)]
    return parallel.blocks(len(array), array.size // len(array))


def blockwise(kernel: Any, out: Array, *inputs: Array) -> Array:
    """Run the elementwise ``kernel(out, *inputs)`` in cache-sized blocks on all threads."""
    if out.ndim == 0:
        kernel(out, *inputs)
        return out
    parallel.run(lambda part: kernel(out[part], *(x[part] for x in inputs)), whole_or_blocks(out))
    return out


# --- shape ------------------------------------------------------------------------------------


@primitive
def reshape(x: Array, shape: Sequence[int] = ()) -> Array:
    """Give `x` another shape of the same size; one entry may be -1."""
    return x.reshape(shape)


rules(reshape, lambda g, answer, x, shape: reshape(g, shape=x.shape))


@primitive
def transpose(x: Array, axes: Sequence[int] = ()) -> Array:
    """Reorder the axes of `x`."""
    return x.transpose(axes)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=lambda i: axes[i]))


rules(transpose, lambda g, answer, x, axes: transpose(g, axes=_inverse(axes)))


@primitive
def broadcast_to(x: Array, shape: Sequence[int] = ()) -> Array:
    """Repeat `x` along axes of length 1 (and new leading axes) up to `shape`, without copying."""
    return array_module(x).broadcast_to(x, shape)


rules(broadcast_to, lambda g, answer, x, shape: sum_to(g, x.shape))


def sum_to(x: Any, shape: Sequence[int]) -> Any:
    """Sum `x` over the axes along which `shape` was broadcast: the adjoint of broadcasting."""
    if tuple(x.shape) == tuple(shape):
        return x
    lead = len(x.shape) - len(shape)
    axes = tuple(i for i in range(len(x.shape)) if i < lead or shape[i - lead] == 1 != x.shape[i])
    return reshape(sum(x, axis=axes), shape=tuple(shape))


def _laid_out(make: Any, shape: Sequence[int], dtype: Any) -> Array:
    """Make an array by `xp.zeros` or `xp.empty`, images (N, C, H, W) channels-last in memory.

    NumPy's own choice follows its inputs, and one channel or a repeated view has no order at all.
    """
    if len(shape) != 4:
        return make(shape, dtype)
    n, channels, height, width = shape
    return make((n, height, width, channels), dtype).transpose(0, 3, 1, 2)


@primitive
def pad(x: Array, widths: Sequence[tuple[int, int]] = ()) -> Array:
    """Surround `x` with zeros: (before, after) for each axis."""
    shape = [n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]
    padded = _laid_out(array_module(x).zeros, shape, x.dtype)
    padded[tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))] = x
    return padded


@primitive
def crop(x: Array, widths: Sequence[tuple[int, int]] = ()) -> Array:
    """Cut (before, after) entries off each axis: the adjoint of `pad`."""
    return x[tuple(slice(a, n - b) for n, (a, b) in zip(x.shape, widths, strict=True))]


rules(pad, lambda g, answer, x, widths: crop(g, widths=widths))
rules(crop, lambda g, answer, x, widths: pad(g, widths=widths))


@primitive
def _concat(*tensors: Array, axis: int = 0) -> Array:
    xp, shape = array_module(tensors[0]), list(tensors[0].shape)
    shape[axis] = int(np.sum([x.shape[axis] for x in tensors]))
    out = _laid_out(xp.empty, shape, tensors[0].dtype)
    return xp.concatenate(tensors, axis=axis, out=out)


def concat(tensors: Sequence[Any], axis: int = 0) -> Any:
    """Join tensors along an axis."""
    return _concat(*tensors, axis=axis)


def _split(g: Any, answer: Any, needs: Sequence[bool], *tensors: Any, axis: int) -> list:
    parts, start, total, rank = [], 0, g.shape[axis], len(g.shape)
    for tensor, need in zip(tensors, needs, strict=True):
        stop = start + tensor.shape[axis]
        widths = [(0, 0)] * rank
        widths[axis] = (start, total - stop)
        parts.append(crop(g, widths=widths) if need else None)
        start = stop
    return parts


joint_rule(_concat, _split)


@primitive
def take(x: Array, index: Array) -> Array:
    """Pick rows of `x` (n, ...) by whole numbers `index`."""
    return x[index]


@primitive
def put(x: Array, index: Array, length: int = 0) -> Array:
    """Add the rows of `x` at places `index` of `length` rows of zeros: the adjoint of `take`."""
    out = array_module(x).zeros((length, *x.shape[index.ndim :]), x.dtype)
    array_module(x).add.at(out, index, x)
    return out


rules(take, lambda g, answer, x, index: put(g, value_of(index), length=x.shape[0]))
rules(put, lambda g, answer, x, index, length: take(g, value_of(index)))


def one_hot(labels: Array, classes: int, like: Any) -> Array:
    """Return labels (N,) as rows (N, classes) of zeros with a one, in the type of `like`."""
    return array_module(labels).eye(classes, dtype=like.dtype)[value_of(labels)]


# --- arithmetic -------------------------------------------------------------------------------


@primitive
def add(x: Array, y: Array) -> Array:
    """Add."""
    return x + y


@primitive
def subtract(x: Array, y: Array) -> Array:
    """Subtract."""
    return x - y


@primitive
def multiply(x: Array, y: Array) -> Array:
    """Multiply."""
    return x * y


@primitive
def divide(x: Array, y: Array) -> Array:
    """Divide."""
    return x / y


@primitive
def negative(x: Array) -> Array:
    """Change the sign."""
    return -x


@primitive
def power(x: Array, exponent: float = 1.0) -> Array:
    """Raise to a constant power."""
    return x**exponent


def _to(g: Any, x: Any) -> Any:
    return sum_to(g, np.shape(value_of(x)))


rules(add, lambda g, answer, x, y: _to(g, x), lambda g, answer, x, y: _to(g, y))
rules(subtract, lambda g, answer, x, y: _to(g, x), lambda g, answer, x, y: _to(-g, y))
rules(multiply, lambda g, answer, x, y: _to(g * y, x), lambda g, answer, x, y: _to(g * x, y))
rules(
    divide, lambda g, answer, x, y: _to(g / y, x), lambda g, answer, x, y: _to(-g * answer / y, y)
)
rules(negative, lambda g, answer, x: -g)
rules(power, lambda g, answer, x, exponent: g * (exponent * power(x, exponent=exponent - 1)))


@primitive
def matmul(x: Array, y: Array) -> Array:
    """Multiply matrices (N, K) and (K, M)."""
    return x @ y


rules(
    matmul,
    lambda g, answer, x, y: matmul(g, transpose(y, axes=(1, 0))),
    lambda g, answer, x, y: matmul(transpose(x, axes=(1, 0)), g),
)


@primitive
def sum(x: Array, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Array:
    """Add up over `axis` (all axes by default)."""
    return x.sum(axis=axis, keepdims=keepdims)


def _spread(g: Any, answer: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    kept = {a % x.ndim for a in axes}
    shape = tuple(1 if i in kept else n for i, n in enumerate(x.shape))
    return broadcast_to(reshape(g, shape=shape), shape=x.shape)


rules(sum, _spread)


def mean(x: Any, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Any:
    """Average over `axis` (all axes by default)."""
    total = sum(x, axis=axis, keepdims=keepdims)
    return total * (math.prod(total.shape) / math.prod(x.shape))


# --- functions --------------------------------------------------------------------------------


@primitive
def where(condition: Array, x: Array, y: Array) -> Array:
    """Pick from `x` where `condition` holds, else from `y`."""
    return array_module(condition).where(condition, x, y)


def _masked(g: Any, condition: Any) -> Any:
    return g * value_of(condition).astype(g.dtype)


rules(
    where,
    None,
    lambda g, answer, condition, x, y: _to(_masked(g, condition), x),
    lambda g, answer, condition, x, y: _to(_masked(g, ~value_of(condition)), y),
)


@primitive
def maximum(x: Array, y: Array) -> Array:
    """Take the larger of two."""
    return array_module(x).maximum(x, y)


rules(
    maximum,
    lambda g, answer, x, y: _to(_masked(g, value_of(x) >= value_of(y)), x),
    lambda g, answer, x, y: _to(_masked(g, value_of(x) < value_of(y)), y),
)


@primitive
def exp(x: Array) -> Array:
    """Raise e to the power `x`."""
    return array_module(x).exp(x)


@primitive
def log(x: Array) -> Array:
    """Take the natural logarithm."""
    return array_module(x).log(x)


@primitive
def sqrt(x: Array) -> Array:
    """Take the square root."""
    return array_module(x).sqrt(x)


@primitive
def tanh(x: Array) -> Array:
    """Take the hyperbolic tangent."""
    xp = array_module(x)
    return blockwise(lambda out, part: xp.tanh(part, out=out), xp.empty_like(x), x)


@primitive
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + array_module(x).tanh(0.5 * x))


@primitive
def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), without overflow."""
    xp = array_module(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


rules(exp, lambda g, answer, x: g * answer)
rules(log, lambda g, answer, x: g / x)
rules(sqrt, lambda g, answer, x: g * 0.5 / answer)
rules(tanh, lambda g, answer, x: g * (1 - answer * answer))
rules(sigmoid, lambda g, answer, x: g * answer * (1 - answer))
rules(softplus, lambda g, answer, x: g * sigmoid(x))


@primitive
def leaky_relu(x: Array, slope: float = 0.0) -> Array:
    """Return `x` where positive and ``slope * x`` elsewhere, 0 <= slope <= 1."""
    xp = array_module(x)

    def kernel(out: Array, part: Array) -> None:
        xp.multiply(part, slope, out=out)
        xp.maximum(part, out, out=out)

    return blockwise(kernel, xp.empty_like(x), x)


@primitive
def _leaky_relu_back(g: Array, sign: Array, slope: float = 0.0) -> Array:
    """Multiply `g` by 1 where `sign` is positive and by `slope` elsewhere."""
    xp = array_module(g)

    def kernel(out: Array, g: Array, sign: Array) -> None:
        xp.greater(sign, 0, out=out, casting="unsafe")
        out *= 1 - slope
        out += slope
        out *= g

    return blockwise(kernel, xp.empty_like(sign), g, sign)


# The answer has the sign of the input, so the input's memory can go.
rules(leaky_relu, lambda g, answer, x, slope: _leaky_relu_back(g, value_of(answer), slope=slope))
rules(_leaky_relu_back, lambda d, answer, g, sign, slope: _leaky_relu_back(d, sign, slope=slope))


# --- operators --------------------------------------------------------------------------------


def _swapped(operation: Any) -> Any:
    return lambda x, y: operation(y, x)


def _compared(operation: Any) -> Any:
    return lambda x, y: operation(value_of(x), value_of(y))


_OPERATORS = {
    "__add__": add,
    "__radd__": add,
    "__sub__": subtract,
    "__rsub__": _swapped(subtract),
    "__mul__": multiply,
    "__rmul__": multiply,
    "__truediv__": divide,
    "__rtruediv__": _swapped(divide),
    "__matmul__": matmul,
    "__rmatmul__": _swapped(matmul),
    "__neg__": negative,
    "__pow__": lambda x, exponent: power(x, exponent=exponent),
    "__gt__": _compared(operator.gt),
    "__lt__": _compared(operator.lt),
    "__ge__": _compared(operator.ge),
    "__le__": _compared(operator.le),
}
for _name, _operation in _OPERATORS.items():
    setattr(Tensor, _name, _operation)
