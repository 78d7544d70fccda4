"""Depthwise convolution, one input channel a group, as shifted multiply-adds.

A matrix product would have a single column for each channel. Here every tap of the kernels is one
multiply-add over whole images, in blocks that stay in the cache. Arrays are (N, H, W, C) in this
file and kernels (O, KH, KW, 1), where O is C or a multiple of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import parallel
from .autodiff import Array, array_module
from .shape_ops import run

# Numbers of a result in a block: with its images and the product, 3 x 128 KB of float32.
BLOCK = 1 << 15


def padded(x: Array, padding: int) -> Array:
    """Return (N, H, W, C) surrounded by `padding` zeros."""
    if not padding:
        return x
    n, height, width, channels = x.shape
    shape = (n, height + 2 * padding, width + 2 * padding, channels)
    out = array_module(x).zeros(shape, x.dtype)
    out[:, padding:-padding, padding:-padding] = x
    return out


def _taps(kernel: Sequence[int], stride: int, out: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Yield each tap (i, j) of a kernel and the index of the pixels that it meets."""
    height, width = (stride * (n - 1) + 1 for n in out)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            yield (i, j), (slice(None), slice(i, i + height, stride), slice(j, j + width, stride))


def _rows(kernels: Array, width: int) -> Array:
    """Repeat kernels for each column (KH, KW, width, O): whole rows are then one run of memory."""
    xp, (count, kh, kw, _) = array_module(kernels), kernels.shape
    taps = kernels.transpose(1, 2, 3, 0)
    return xp.ascontiguousarray(xp.broadcast_to(taps, (kh, kw, width, count)))


def _repeated(x: Array, count: int) -> Array:
    """Repeat each channel for the kernels that read it, `count` in all."""
    times = count // x.shape[3]
    return x if times == 1 else array_module(x).repeat(x, times, axis=3)


def _blocks(x: Array) -> list[slice]:
    each = x.size // max(1, len(x))
    return parallel.blocks(len(x), each, BLOCK)


def correlate(x: Array, w: Array, out: Sequence[int], stride: int, padding: int) -> Array:
    """Return the convolution (N, *out, O) of images (N, H, W, C)."""
    xp, rows, x = array_module(x), _rows(w, out[1]), _repeated(x, len(w))
    y = xp.empty((len(x), *out, x.shape[3]), x.dtype)

    def task(part: slice) -> None:
        images, total = padded(x[part], padding), y[part]
        product = xp.empty_like(total)
        for tap, window in _taps(rows.shape, stride, out):
            first = tap == (0, 0)
            xp.multiply(images[window], rows[tap], out=total if first else product)
            if not first:
                total += product

    run(task, _blocks(y), x)
    return y


def spread(
    g: Array, w: Array, channels: int, size: Sequence[int], stride: int, padding: int
) -> Array:
    """Return the adjoint (N, *size, C) in the images of `g` (N, OH, OW, O)."""
    xp, rows, (n, oh, ow, count) = array_module(g), _rows(w, g.shape[2]), g.shape
    height, width = size
    x = xp.empty((n, height, width, count), g.dtype)

    def task(part: slice) -> None:
        scores = g[part]
        sides = (height + 2 * padding, width + 2 * padding)
        total, product = xp.zeros((len(scores), *sides, count), g.dtype), xp.empty_like(scores)
        for tap, window in _taps(rows.shape, stride, (oh, ow)):
            xp.multiply(scores, rows[tap], out=product)
            total[window] += product
        x[part] = total[:, padding : padding + height, padding : padding + width]

    run(task, _blocks(g), g)
    return x if count == channels else x.reshape(n, height, width, channels, -1).sum(axis=4)


def weights(x: Array, g: Array, kernel: Sequence[int], stride: int, padding: int) -> Array:
    """Return the adjoint (O, KH, KW, 1) in the kernels, from images and scores (N, OH, OW, O)."""
    xp, (_, oh, ow, channels), x = array_module(x), g.shape, _repeated(x, g.shape[3])

    def task(part: slice) -> Array:
        images, scores = padded(x[part], padding), g[part]
        product, found = xp.empty_like(scores), xp.empty((*kernel, channels), g.dtype)
        ones = xp.ones(scores.size // channels, g.dtype)
        for tap, window in _taps(kernel, stride, (oh, ow)):
            xp.multiply(images[window], scores, out=product)
            found[tap] = ones @ product.reshape(-1, channels)
        return found

    total = parallel.added(run(task, _blocks(g), g))
    return total[..., None].transpose(2, 0, 1, 3)
