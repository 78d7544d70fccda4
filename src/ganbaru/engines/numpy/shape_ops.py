"""Operations on shapes, slices, sums and maxima, and their gradient rules."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganbaru.engines import sizes

from . import parallel
from .autodiff import Array, array_module, joint_rule, primitive, rules, value_of

PRODUCT = 1 << 21  # multiply-adds of a block of a product: 60 microseconds or more


def whole_or_blocks(array: Array) -> list[builtins.slice]:
    """Cut an array's first axis into cache-sized blocks; a GPU, parallel itself, takes it whole."""
    if array_module(array) is not np or array.size <= parallel.BLOCK:
        return [builtins.slice(None)]
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
    """Multiply matrices (..., N, K) and (..., K, M), by blocks on the threads."""
    if array_module(x) is not np:
        return x @ y
    if x.ndim > 2 or y.ndim > 2:
        return _batched_product(x, y)
    n, m = len(x), y.shape[1]
    out = np.empty((n, m), np.result_type(x, y))
    rows = n >= m  # each block packs the whole factor again, so that is the smaller one

    def task(part: builtins.slice) -> None:
        if rows:
            np.matmul(x[part], y, out=out[part])
        else:
            np.matmul(x, y[:, part], out=out[:, part])

    parallel.run(task, _product_blocks(builtins.max(n, m), n * m * x.shape[1]))
    return out


def _batched_product(x: Array, y: Array) -> Array:
    """Multiply matrices by blocks of the first axis."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = np.empty((*lead, x.shape[-2], y.shape[-1]), np.result_type(x, y))
    x, y = (np.broadcast_to(each, (*lead, *each.shape[-2:])) for each in (x, y))

    def task(part: builtins.slice) -> None:
        np.matmul(x[part], y[part], out=out[part])

    parallel.run(task, _product_blocks(lead[0], out.size * x.shape[-1]))
    return out


def _product_blocks(length: int, steps: int) -> list[builtins.slice]:
    target = builtins.max(PRODUCT, steps // 8)
    return parallel.blocks(length, steps // builtins.max(1, length), target)


reshape = primitive(lambda x, shape: x.reshape(shape))
rules(reshape, lambda g, answer, x, shape: reshape(g, shape=x.shape))

transpose = primitive(lambda x, axes: x.transpose(axes))


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
    shape = [n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]
    padded = _laid_out(array_module(x).zeros, shape, x.dtype)
    padded[tuple(builtins.slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))] = x
    return padded


@primitive
def slice(x: Array, starts: Sequence[int] = (), stops: Sequence[int] = ()) -> Array:
    """Return entries from `starts` up to `stops` on each axis, without copying."""
    return x[tuple(map(builtins.slice, starts, stops))]


def _unpad(g: Any, answer: Any, x: Any, widths: Sequence[tuple[int, int]]) -> Any:
    stops = [n + before for n, (before, _) in zip(x.shape, widths, strict=True)]
    return slice(g, starts=[before for before, _ in widths], stops=stops)


def _unslice(g: Any, answer: Any, x: Any, starts: Sequence[int], stops: Sequence[int]) -> Any:
    ends = (n - stop for n, stop in zip(x.shape, stops, strict=True))
    return pad(g, widths=list(zip(starts, ends, strict=True)))


rules(pad, _unpad)
rules(slice, _unslice)


def _overlap(move: int, side: int) -> tuple[builtins.slice, builtins.slice]:
    """Return where pixels are after a move along an axis, and where these were before."""
    ahead, back = (builtins.min(side, builtins.max(0, d)) for d in (move, -move))
    return builtins.slice(ahead, side - back), builtins.slice(back, side - ahead)


@primitive
def translate(images: Array, offsets: Array) -> Array:
    xp = array_module(images)
    out = _laid_out(xp.zeros, images.shape, images.dtype)
    height, width = images.shape[2:]
    # Rows of images, which a shear moves, are thousands with few moves: all of one move at a time.
    moves = np.array(offsets.tolist())
    _, first, group = np.unique(moves @ (2**32, 1), return_index=True, return_inverse=True)
    for number, (down, right) in enumerate(moves[first].tolist()):
        chosen = xp.asarray(np.flatnonzero(group == number))
        (rows, from_rows), (columns, from_columns) = _overlap(down, height), _overlap(right, width)
        out[chosen, :, rows, columns] = images[chosen, :, from_rows, from_columns]
    return out


rules(translate, lambda g, answer, images, offsets: translate(g, -value_of(offsets)))


@primitive
def _concat(*tensors: Array, axis: int = 0) -> Array:
    xp, shape = array_module(tensors[0]), list(tensors[0].shape)
    shape[axis] = int(np.sum([x.shape[axis] for x in tensors]))
    out = _laid_out(xp.empty, shape, tensors[0].dtype)
    return xp.concatenate(tensors, axis=axis, out=out)


def concat(tensors: Sequence[Any], axis: int = 0) -> Any:
    return _concat(*tensors, axis=axis)


def _split(g: Any, answer: Any, needs: Sequence[bool], *tensors: Any, axis: int) -> list:
    parts, start, rank = [], 0, len(g.shape)
    for tensor, need in zip(tensors, needs, strict=True):
        stop = start + tensor.shape[axis]
        starts, stops = [0] * rank, list(g.shape)
        starts[axis], stops[axis] = start, stop
        parts.append(slice(g, starts=starts, stops=stops) if need else None)
        start = stop
    return parts


joint_rule(_concat, _split)


def one_hot(labels: Array, classes: int, like: Any) -> Array:
    return array_module(value_of(like)).eye(classes, dtype=like.dtype)[value_of(labels)]


@primitive
def sum(x: Array, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Array:
    return x.sum(axis=axis, keepdims=keepdims)


def _spread(g: Any, answer: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    reduced = sizes.reduced_axes(x, axis)
    shape = tuple(1 if i in reduced else n for i, n in enumerate(x.shape))
    return broadcast_to(reshape(g, shape=shape), shape=x.shape)


rules(sum, _spread)


def mean(x: Any, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Any:
    total = sum(x, axis=axis, keepdims=keepdims)
    return total * (math.prod(total.shape) / math.prod(x.shape))


@primitive
def max(x: Array, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Array:
    return array_module(x).max(x, axis=axis, keepdims=keepdims)


def _max_back(g: Any, answer: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    plain = value_of(x)
    largest = array_module(plain).max(plain, axis=axis, keepdims=True)
    ties = (plain >= largest).astype(plain.dtype)
    shares = ties / ties.sum(axis=axis, keepdims=True)
    return _spread(g, answer, x, axis, keepdims) * shares


rules(max, _max_back)
