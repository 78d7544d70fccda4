"""Convolution as three mutually adjoint primitives, each the gradient rule of the other two.

Arrays are (N, C, H, W) to their callers and channels-last in memory, weights (O, C, KH, KW)
likewise. Each primitive gathers patches and multiplies matrices, block by block on the engine's
threads: for the 64x64 DCGAN the gather costs as much as a fifth of the multiplication on one
thread and nearly nothing when the other thread multiplies meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganbaru.engines import sizes

from . import depthwise, parallel
from .autodiff import Array, array_module, primitive, rules
from .shape_ops import product, run

AddUp = Callable[[Array], Array]  # scores (N, OH, OW, O) to images (N, H, W, C)

# Elements of gathered patches in a block: 512k float32 are 2 MB. From 256k to 1M the times are
# within 5 %; smaller blocks lose in the multiplication, larger ones in the cache.
PATCHES = 1 << 19

# With at most so many channels, the runs of memory that a patch is made of are too short to copy
# one by one (16 bytes in a grey image); such images are gathered tap by tap, whole rows at a time.
FEW = 4

# Up to so many weights, a sum for each block of images costs less than a gather for each row.
FEW_WEIGHTS = 1 << 15


def channels_last(x: Array) -> Array:
    """Return (N, C, H, W) as contiguous (N, H, W, C); free when the memory is already so."""
    return array_module(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def _logical(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


def _gathered(x: Array, kernel: Sequence[int], stride: int, out: Sequence[int]) -> Array:
    """Copy the patches of padded (N, H, W, C) into a matrix (N OH OW, KH KW C)."""
    n, row, column, channel = x.strides
    (kh, kw), (oh, ow), (count, _, _, channels) = kernel, out, x.shape
    shape = (count, oh, ow, kh, kw, channels)
    strides = (n, row * stride, column * stride, row, column, channel)
    xp = array_module(x)
    patches = xp.lib.stride_tricks.as_strided(x, shape, strides)
    if channels > FEW:
        return patches.reshape(count * oh * ow, -1)
    by_tap = xp.ascontiguousarray(patches.transpose(3, 4, 5, 0, 1, 2))
    return by_tap.reshape(-1, count * oh * ow).T


def _by_tiles(kernels: Array, stride: int) -> AddUp:
    """Return what adds scores (N, OH, OW, O) times kernels (O, KH, KW, C) up in an image.

    A tile is `stride` neighbouring columns of a kernel's row: what a score adds to it is one run of
    memory. Each product is added while it is in the cache: a fifth to a third faster than
    all of them at once for up to 64 channels, a twentieth for 128.
    """
    xp, (count, kh, kw, channels) = array_module(kernels), kernels.shape
    tile, across = stride * channels, -(-kw // stride)
    by_row = kernels.reshape(count, kh, kw * channels)
    tiles = {
        (i, j): xp.ascontiguousarray(by_row[:, i, j * tile : (j + 1) * tile])
        for i in range(kh)
        for j in range(across)
    }

    def add_up(scores: Array) -> Array:
        n, oh, ow, _ = scores.shape
        rows = scores.reshape(-1, count)
        shape = (n, oh + (kh - 1) // stride, stride, ow + across - 1, tile)
        image = xp.zeros(shape, scores.dtype)
        for (i, j), matrix in tiles.items():
            part = (rows @ matrix).reshape(n, oh, ow, -1)
            down = slice(i // stride, i // stride + oh)
            image[:, down, i % stride, j : j + ow, : part.shape[3]] += part
        return image.reshape(n, shape[1] * stride, -1, channels)

    return add_up


def _by_taps(kernels: Array, stride: int) -> AddUp:
    """Return what does the same for images of few channels, one tap of one channel at a time."""
    xp, (count, kh, kw, channels) = array_module(kernels), kernels.shape
    matrix = kernels.reshape(count, -1).T

    def add_up(scores: Array) -> Array:
        n, oh, ow, _ = scores.shape
        spread = (matrix @ scores.reshape(-1, count).T).reshape(kh, kw, channels, n, oh, ow)
        shape = (n, stride * (oh - 1) + kh, stride * (ow - 1) + kw, channels)
        image = xp.zeros(shape, scores.dtype)
        for i in range(kh):
            rows = slice(i, i + stride * (oh - 1) + 1, stride)
            for j in range(kw):
                columns = slice(j, j + stride * (ow - 1) + 1, stride)
                for c in range(channels):
                    image[:, rows, columns, c] += spread[i, j, c]
        return image

    return add_up


def _cut(image: Array, size: Sequence[int], padding: int) -> Array:
    """Cut images (N, *size, C) out of what kernels reached; what none reached is zero."""
    height, width = size
    below, right = height + padding - image.shape[1], width + padding - image.shape[2]
    if below > 0 or right > 0:
        beyond = ((0, 0), (0, max(0, below)), (0, max(0, right)), (0, 0))
        image = array_module(image).pad(image, beyond)
    return image[:, padding : padding + height, padding : padding + width]


def _blocks(count: int, patches_of_one: int) -> list[slice]:
    """Cut `count` images into blocks: two at least, if that is worth waking a thread."""
    half = count * patches_of_one // 2
    whole = min(PATCHES, max(half, parallel.BLOCK))
    return parallel.blocks(count, patches_of_one, whole)


@primitive
def conv2d(x: Array, w: Array, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    images, kernels = channels_last(x), channels_last(w)
    out = sizes.conv_sides(x, w, stride, padding)
    if groups > 1 and w.shape[1] == 1:
        return _logical(depthwise.correlate(images, kernels, out, stride, padding))
    rule = lambda part, own: _correlated(part, own, out, stride, padding)  # noqa: E731
    return _logical(_by_groups(rule, images, kernels, groups, split=0, join=3))


def _correlated(
    images: Array, kernels: Array, sides: Sequence[int], stride: int, padding: int
) -> Array:
    xp, (count, kh, kw, channels), (oh, ow) = array_module(images), kernels.shape, sides
    n, matrix = len(images), kernels.reshape(count, -1).T
    out = xp.empty((n, oh, ow, count), images.dtype)

    def task(part: slice) -> None:
        gathered = _gathered(depthwise.padded(images[part], padding), (kh, kw), stride, (oh, ow))
        xp.matmul(gathered, matrix, out=out[part].reshape(-1, count))

    run(task, _blocks(n, oh * ow * kh * kw * channels), images)
    return out


@primitive
def conv2d_input_gradient(
    g: Array,
    w: Array,
    size: Sequence[int] = (),
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Array:
    """Spread scores (N, O, OH, OW) over images (N, C, *size): the adjoint of `conv2d` in `x`."""
    scores, kernels = channels_last(g), channels_last(w)
    if groups > 1 and w.shape[1] == 1:
        return _logical(depthwise.spread(scores, kernels, groups, size, stride, padding))
    rule = lambda part, own: _spread(part, own, size, stride, padding)  # noqa: E731
    return _logical(_by_groups(rule, scores, kernels, groups, split=0, join=3))


def _spread(scores: Array, kernels: Array, size: Sequence[int], stride: int, padding: int) -> Array:
    xp, (n, oh, ow, count) = array_module(scores), scores.shape
    _, kh, kw, channels = kernels.shape
    height, width = size
    if (oh, ow) == (1, 1) and (kh, kw) == (height, width) and not padding:  # a latent's first image
        flat = product(scores.reshape(n, count), kernels.reshape(count, -1))
        return flat.reshape(n, height, width, channels)
    out = xp.empty((n, height, width, channels), scores.dtype)

    add_up = (_by_tiles if channels > FEW else _by_taps)(kernels, stride)

    def task(part: slice) -> None:
        out[part] = _cut(add_up(scores[part]), size, padding)

    run(task, _blocks(n, oh * ow * kh * kw * channels), scores)
    return out


@primitive
def conv2d_weight_gradient(
    x: Array,
    g: Array,
    kernel: Sequence[int] = (),
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Array:
    """Correlate images (N, C, H, W) with scores (N, O, OH, OW): the adjoint of `conv2d` in `w`."""
    images, scores = channels_last(x), channels_last(g)
    if groups > 1 and images.shape[3] == groups:
        return _logical(depthwise.weights(images, scores, kernel, stride, padding))
    images = depthwise.padded(images, padding)
    rule = lambda part, own: _weights(part, own, kernel, stride)  # noqa: E731
    return _logical(_by_groups(rule, images, scores, groups, split=3, join=0))


def _weights(images: Array, scores: Array, kernel: Sequence[int], stride: int) -> Array:
    count, channels, (kh, kw) = scores.shape[3], images.shape[3], kernel
    by_row = count * kh * kw * channels > FEW_WEIGHTS
    of = _weights_by_row if by_row else _weights_by_block
    return of(images, scores, (kh, kw), stride).reshape(count, kh, kw, channels)


def _weights_by_row(images: Array, scores: Array, kernel: tuple[int, int], stride: int) -> Array:
    """Take one task for each kernel row: no two tasks add to the same numbers."""
    xp, (kh, kw), (n, oh, ow, count) = array_module(images), kernel, scores.shape
    out = xp.empty((count, kh, kw * images.shape[3]), images.dtype)
    parts = parallel.blocks(n, oh * ow * out.shape[2], PATCHES)

    def task(i: int) -> None:
        total = None
        for part in parts:
            rows = images[part, i : i + stride * (oh - 1) + 1]
            gathered = _gathered(rows, (1, kw), stride, (oh, ow))
            more = scores[part].reshape(-1, count).T @ gathered
            total = more if total is None else xp.add(total, more, out=total)
        out[:, i] = total

    run(task, range(kh), images)
    return out


def _weights_by_block(images: Array, scores: Array, kernel: tuple[int, int], stride: int) -> Array:
    """Take one task for each block of images and add the few weights up in block order."""
    n, oh, ow, count = scores.shape

    def task(part: slice) -> Array:
        gathered = _gathered(images[part], kernel, stride, (oh, ow))
        return scores[part].reshape(-1, count).T @ gathered

    parts = _blocks(n, oh * ow * kernel[0] * kernel[1] * images.shape[3])
    return parallel.added(run(task, parts, images))


def _by_groups(rule: Any, x: Array, y: Array, groups: int, split: int, join: int) -> Array:
    """Apply a rule to each group: channels of `x`, and entries of `y` along the axis `split`."""
    if groups == 1:
        return rule(x, y)
    xp = array_module(x)
    parts = zip(xp.split(x, groups, axis=3), xp.split(y, groups, axis=split), strict=True)
    found = [rule(*map(xp.ascontiguousarray, pair)) for pair in parts]
    return xp.concatenate(found, axis=join)


def conv_transpose2d(
    x: Any, w: Any, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Any:
    size = sizes.conv_transpose_sides(x, w, stride, padding, output_padding)
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
