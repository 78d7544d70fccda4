"""Layers: functions of a scope, a tensor and sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ganbaru import ops
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
) -> Tensor:
    """Convolve (N, C, H, W) to `count` channels; weight (count, C, KH, KW)."""
    weight = scope.weight((count, x.shape[1], *kernel), kind)
    y = ops.conv2d(x, weight, stride=stride, padding=padding)
    return add_bias(scope, y, math.prod(weight.shape[1:])) if bias else y


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
    weight = scope.weight((x.shape[1], count, *kernel), outputs=1)
    sizes = {"stride": stride, "padding": padding, "output_padding": output_padding}
    y = ops.conv_transpose2d(x, weight, **sizes)
    return add_bias(scope, y, math.prod(weight.shape[1:])) if bias else y


def add_bias(scope: Scope, x: Tensor, fan_in: int) -> Tensor:
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

    Returns (N,), or (N, P) for P logits or a layer with P positions. The hooks `features` and
    `score` act here. `name` is the layer's below ``score``: "conv" or "dense" for these two.
    """
    x = scope.hooks.features(x)
    below = name or _NAMES.get(layer, "layer")

    def last(name: str, outputs: int) -> Tensor:
        return layer(scope.child(f"{name}.{below}"), x, outputs, *sizes, **options)

    flat = ops.reshape(scope.hooks.score(last("score", logits), last), (x.shape[0], -1))
    return ops.reshape(flat, (-1,)) if flat.shape[1] == 1 else flat
