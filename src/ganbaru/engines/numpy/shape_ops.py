"""Operations that move, repeat, join, pick and add up numbers, and their gradient rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import parallel
from .autodiff import Array, array_module, joint_rule, primitive, rules, value_of

PRODUCT = 1 << 21  # multiply-adds of a block of a product: 60 microseconds or more


def whole_or_blocks(array: Array) -> list[slice]:
    """Cut an array's first axis into cache-sized blocks; a GPU, parallel itself, takes it whole."""
    if array_module(array) is not np or array.size <= parallel.BLOCK:
        return [slice(None)]
    return parallel.blocks(len(array), array.size // len(array))


def run(task: Any, items: Sequence[Any], like: Array) -> list[Any]:
    """Run the tasks on threads for NumPy, one by one for a GPU, which is parallel itself.

    CuPy's current GPU is the calling thread's own: on another thread it would be the first one.
    """
    return parallel.run(task, items) if array_module(like) is np else [task(item) for item in items]


def blockwise(kernel: Any, out: Array, *inputs: Array) -> Array:
    """Run the elementwise ``kernel(out, *inputs)`` in cache-sized blocks on all threads."""
    if out.ndim == 0:
        kernel(out, *inputs)
        return out
    each = lambda part: kernel(out[part], *(x[part] for x in inputs))  # noqa: E731
    run(each, whole_or_blocks(out), out)
    return out


def product(x: Array, y: Array) -> Array:
    """Multiply matrices (N, K) and (K, M), by blocks of rows or of columns on the threads."""
    if array_module(x) is not np:
        return x @ y
    n, m = len(x), y.shape[1]
    out = np.empty((n, m), np.result_type(x, y))
    rows = n >= m  # the factor that stays whole is prepared anew for each block: the smaller one

    def task(part: slice) -> None:
        if rows:
            np.matmul(x[part], y, out=out[part])
        else:
            np.matmul(x, y[:, part], out=out[:, part])

    length, steps = max(n, m), n * m * x.shape[1]
    few = steps <= PRODUCT
    parallel.run(task, [slice(None)] if few else
                 parallel.blocks(length, steps // length, max(PRODUCT, steps // 8)))  # fmt: skip
    return out


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
    return array_module(value_of(like)).eye(classes, dtype=like.dtype)[value_of(labels)]


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
