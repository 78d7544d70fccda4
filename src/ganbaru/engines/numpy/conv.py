"""Convolution as three mutually adjoint primitives, each the gradient rule of the other two.

Arrays are (N, C, H, W) to their callers and channels-last in memory, weights (O, C, KH, KW)
likewise. Each primitive gathers patches and multiplies matrices, block by block on the engine's
threads: for the 64x64 DCGAN the gather costs as much as a fifth of the multiplication on one
thread and nearly nothing when the other thread multiplies meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import parallel
from .rules import array_module
from .tape import Array, primitive, rules

# Elements of gathered patches in a block: 1M float32 are 4 MB, in reach of the shared cache.
PATCHES = 1 << 20


def channels_last(x: Array) -> Array:
    """Return (N, C, H, W) as contiguous (N, H, W, C); free when the memory is already so."""
    return array_module(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def _logical(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


def _padded(x: Array, padding: int) -> Array:
    """Return (N, H, W, C) surrounded by `padding` zeros."""
    if not padding:
        return x
    n, height, width, channels = x.shape
    shape = (n, height + 2 * padding, width + 2 * padding, channels)
    out = array_module(x).zeros(shape, x.dtype)
    out[:, padding:-padding, padding:-padding] = x
    return out


def _patches(x: Array, kernel: Sequence[int], stride: int, out: Sequence[int]) -> Array:
    """View padded (N, H, W, C) as its patches (N, OH, OW, KH, KW, C), without copying."""
    n, row, column, channel = x.strides
    shape = (x.shape[0], *out, *kernel, x.shape[3])
    strides = (n, row * stride, column * stride, row, column, channel)
    return array_module(x).lib.stride_tricks.as_strided(x, shape, strides)


def _blocks(count: int, patches_of_one: int) -> list[slice]:
    """Cut `count` images into blocks, at least two of them so that two threads have work."""
    whole = min(PATCHES, max(1, count * patches_of_one // 2))
    return parallel.blocks(count, patches_of_one, whole)


def _run(task: Any, items: Sequence[Any], like: Array) -> None:
    """Run the tasks on threads for NumPy, one after the other for a GPU, which is parallel itself."""
    if array_module(like) is np:
        parallel.run(task, items)
    else:
        for item in items:
            task(item)


@primitive
def conv2d(x: Array, w: Array, stride: int = 1, padding: int = 0) -> Array:
    """Correlate images (N, C, H, W) with kernels (O, C, KH, KW); result (N, O, OH, OW)."""
    xp, images, (count, _, kh, kw) = array_module(x), channels_last(x), w.shape
    n, height, width, channels = images.shape
    oh, ow = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    matrix = channels_last(w).reshape(count, -1).T
    out = xp.empty((n, oh, ow, count), x.dtype)

    def task(part: slice) -> None:
        block = _padded(images[part], padding)
        gathered = _patches(block, (kh, kw), stride, (oh, ow)).reshape(-1, kh * kw * channels)
        xp.matmul(gathered, matrix, out=out[part].reshape(-1, count))

    _run(task, _blocks(n, oh * ow * kh * kw * channels), x)
    return _logical(out)


@primitive
def conv2d_input_gradient(g: Array, w: Array, size: Sequence[int] = (), stride: int = 1,
                          padding: int = 0) -> Array:
    """Spread scores (N, O, OH, OW) over images (N, C, *size): the adjoint of `conv2d` in `x`."""
    xp, scores, kernels = array_module(g), channels_last(g), channels_last(w)
    n, oh, ow, count = scores.shape
    _, kh, kw, channels = kernels.shape
    height, width = size
    matrix = kernels.reshape(count, -1)
    out = xp.empty((n, height, width, channels), g.dtype)
    grown = (height + 2 * padding, width + 2 * padding)
    inside = (slice(None), slice(padding, padding + height), slice(padding, padding + width))

    def task(part: slice) -> None:
        spread = (scores[part].reshape(-1, count) @ matrix).reshape(-1, oh, ow, kh, kw, channels)
        if (oh, ow) == (1, 1) and (kh, kw) == (height, width):  # a latent becomes a small image
            out[part] = spread[:, 0, 0]
            return
        image = xp.zeros((len(spread), *grown, channels), g.dtype)
        for i in range(kh):
            for j in range(kw):
                rows, columns = slice(i, i + stride * oh, stride), slice(j, j + stride * ow, stride)
                image[:, rows, columns][:, :oh, :ow] += spread[:, :, :, i, j]
        out[part] = image[inside]

    _run(task, _blocks(n, oh * ow * kh * kw * channels), g)
    return _logical(out)


@primitive
def conv2d_weight_gradient(x: Array, g: Array, kernel: Sequence[int] = (), stride: int = 1,
                           padding: int = 0) -> Array:
    """Correlate images (N, C, H, W) with scores (N, O, OH, OW): the adjoint of `conv2d` in `w`."""
    xp, images, scores = array_module(x), channels_last(x), channels_last(g)
    n, oh, ow, count = scores.shape
    channels, (kh, kw) = images.shape[3], kernel
    images = _padded(images, padding)
    out = xp.empty((count, kh, kw * channels), x.dtype)
    parts = parallel.blocks(n, oh * ow * kw * channels, PATCHES)

    # One task for each kernel row: no two tasks add to the same numbers.
    def task(i: int) -> None:
        total = None
        for part in parts:
            rows = images[part, i : i + stride * (oh - 1) + 1]
            gathered = _patches(rows, (1, kw), stride, (oh, ow)).reshape(-1, kw * channels)
            product = scores[part].reshape(-1, count).T @ gathered
            total = product if total is None else xp.add(total, product, out=total)
        out[:, i] = total

    _run(task, range(kh), x)
    return _logical(out.reshape(count, kh, kw, channels))


def conv_transpose2d(x: Any, w: Any, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Any:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW), as PyTorch's transposed convolution does."""
    size = tuple(
        (n - 1) * stride - 2 * padding + k + output_padding
        for n, k in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    return conv2d_input_gradient(x, w, size=size, stride=stride, padding=padding)


rules(
    conv2d,
    lambda g, answer, x, w, **how: conv2d_input_gradient(g, w, size=x.shape[2:], **how),
    lambda g, answer, x, w, **how: conv2d_weight_gradient(x, g, kernel=w.shape[2:], **how),
)
rules(
    conv2d_input_gradient,
    lambda d, answer, g, w, size, **how: conv2d(d, w, **how),
    lambda d, answer, g, w, size, **how: conv2d_weight_gradient(d, g, kernel=w.shape[2:], **how),
)
rules(
    conv2d_weight_gradient,
    lambda d, answer, x, g, kernel, **how: conv2d_input_gradient(g, d, size=x.shape[2:], **how),
    lambda d, answer, x, g, kernel, **how: conv2d(x, d, **how),
)
