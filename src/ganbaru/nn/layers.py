"""Layers: functions of a scope, a tensor and sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ganbaru import ops
from ganbaru.nn.initializers import Fans
from ganbaru.nn.scope import Scope, layer
from ganbaru.ops import Tensor


@layer
def dense(scope: Scope, x: Tensor, count: int, bias: bool = True) -> Tensor:
    """Map (N, K) to (N, count); weight (count, K) as in PyTorch."""
    y = ops.matmul(x, ops.transpose(scope.weight((count, x.shape[1])), (1, 0)))
    return y + scope.bias(count, x.shape[1]) if bias else y


@layer
def conv(
    scope: Scope,
    x: Tensor,
    count: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
    kind: str = "weight",
    groups: int = 1,
    gain: float = 1.0,
) -> Tensor:
    """Convolve (N, C, H, W) to `count` channels; weight (count, C / groups, KH, KW).

    `gain` is that of the first weights, under rules that know of no activation (`Fans`).
    """
    shape = (count, x.shape[1] // groups, *kernel)
    sides = zip(x.shape[2:], kernel, strict=True)
    out = math.prod((side + 2 * padding - k) // stride + 1 for side, k in sides)
    fans = Fans.of(shape, out / math.prod(x.shape[2:]) / groups, gain)
    weight = scope.weight(shape, kind, fans=fans)
    y = ops.conv2d(x, weight, stride=stride, padding=padding, groups=groups)
    return add_bias(scope, y, fans.axes) if bias else y


@layer
def up_conv(
    scope: Scope,
    x: Tensor,
    count: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
    output_padding: int = 0,
) -> Tensor:
    """Convolve (N, C, H, W), transposed, to `count` channels; weight (C, count, KH, KW)."""
    sides = zip(x.shape[2:], kernel, strict=True)
    out = math.prod((n - 1) * stride - 2 * padding + k + output_padding for n, k in sides)
    taps = math.prod(kernel)
    fans = Fans(x.shape[1] * taps * math.prod(x.shape[2:]) / out, count * taps, count * taps)
    weight = scope.weight((x.shape[1], count, *kernel), outputs=1, fans=fans)
    sizes = {"stride": stride, "padding": padding, "output_padding": output_padding}
    y = ops.conv_transpose2d(x, weight, **sizes)
    return add_bias(scope, y, fans.axes) if bias else y


def add_bias(scope: Scope, x: Tensor, fan_in: float) -> Tensor:
    """Add a bias to each channel of (N, C, H, W)."""
    return x + ops.reshape(scope.bias(x.shape[1], fan_in), (1, -1, 1, 1))


@ops.composed("upsample")
def upsample(x: Tensor) -> Tensor:
    """Double the sides of (N, C, H, W), each pixel becoming four (nearest neighbour)."""
    n, channels, height, width = x.shape
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), (n, height, 1, width, 1, channels))
    spread = ops.broadcast_to(last, (n, height, 2, width, 2, channels))
    return ops.transpose(ops.reshape(spread, (n, 2 * height, 2 * width, channels)), (0, 3, 1, 2))


@ops.composed("downsample")
def downsample(x: Tensor) -> Tensor:
    """Halve the sides of (N, C, H, W), four pixels becoming their mean."""
    n, channels, height, width = x.shape
    shape = (n, height // 2, 2, width // 2, 2, channels)
    last = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), shape)
    return ops.transpose(ops.mean(last, axis=(2, 4)), (0, 3, 1, 2))


@ops.composed("smooth")
def smooth(x: Tensor) -> Tensor:
    """Average each pixel of (N, C, H, W) with those above and left of it, zero outside: 2x2.

    After `upsample`, and before `downsample`, it makes them resize with the filter [1, 2, 1] in
    each direction (StyleGAN's bilinear sampling, Karras et al. 2019, section 2).
    """
    for widths in ((1, 0), (0, 0)), ((0, 0), (1, 0)):
        moved = ops.slice(ops.pad(x, ((0, 0), (0, 0), *widths)), (0, 0, 0, 0), x.shape)
        x = (x + moved) * 0.5
    return x


def features(scope: Scope, x: Tensor) -> Tensor:
    """Pass a discriminator's features through the hook `features`.

    For the input of its last layer that has a nonlinearity behind it: the last layer is linear, so
    what is joined to its input would be added to the score, whatever the image.
    """
    return scope.hooks.features(x)


_NAMES: dict[Callable[..., Tensor], str] = {conv: "conv", dense: "dense"}


def scores(
    scope: Scope,
    x: Tensor,
    layer: Callable[..., Tensor],
    *sizes: Any,
    logits: int = 1,
    name: str = "",
    **options: Any,
) -> Tensor:
    """Map features to a discriminator's scores by its last layer, `conv`, `dense` or another.

    Returns (N,), or (N, P) for P logits or a layer with P positions. The hook `score` acts here.
    `name` is the layer's below ``score``: "conv" or "dense" for these two.
    """
    below = name or _NAMES.get(layer, "layer")

    def last(name: str, outputs: int) -> Tensor:
        return layer(scope.child(f"{name}.{below}"), x, outputs, *sizes, **options)

    scored = scope.hooks.score(lambda: last("score", logits), last, logits)
    flat = ops.reshape(scored, (x.shape[0], -1))
    return ops.reshape(flat, (-1,)) if flat.shape[1] == 1 else flat
