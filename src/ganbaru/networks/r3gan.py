"""R3GAN's residual networks (Huang et al. 2024, section 4) at small scale, without normalisation.

A block is 1x1, 3x3, 1x1 convolutions with leaky ReLUs between, the last one starting at zero, so
that a network starts as a straight line (Fixup, Zhang et al. 2019). Two blocks at each size. What
is simpler than in the paper: dense 3x3 convolutions in a bottleneck in place of grouped ones, and
nearest-neighbour and mean resizing in place of bilinear. Goes with the objective `rsgan` and the
penalties r1 and r2.
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, exactly, plan
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

BLOCKS = 2


def _block(scope: Scope, x: Tensor) -> Tensor:
    """Add to x (N, C, H, W) what its bottleneck of C / 2 makes of it."""
    count = x.shape[1]
    y = nn.conv(scope.child("narrow"), x, count // 2, (1, 1), bias=True)
    y = nn.conv(
        scope.child("look"), ops.leaky_relu(y, 0.2), count // 2, (3, 3), padding=1, bias=True
    )
    return x + nn.conv(scope.child("widen"), ops.leaky_relu(y, 0.2), count, (1, 1), kind="closed")


def _stage(scope: Scope, x: Tensor, count: int) -> Tensor:
    """Change to `count` channels where need be, then apply the blocks."""
    x = x if x.shape[1] == count else nn.conv(scope.child("change"), x, count, (1, 1))
    for i in range(BLOCKS):
        x = _block(scope.child(f"block{i + 1}"), x)
    return x


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn latents (N, Z) into images."""
    planned = plan(image_size, width, exactly)
    (height, across), maps = planned.inner, planned.maps
    x = nn.dense(scope.child("stem.dense"), latent, maps[-1] * height * across)
    x = _stage(scope.child("stage0"), ops.reshape(x, (-1, maps[-1], height, across)), maps[-1])
    for i, count in enumerate(reversed([maps[0], *maps[:-1]])):
        x = _stage(scope.child(f"stage{i + 1}"), nn.upsample(x), count)
    return ops.tanh(nn.conv(scope.child("image.conv"), x, channels, (1, 1), bias=True))


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn images into scores (N,)."""
    planned = plan(image_size, width, exactly)
    maps = planned.maps
    x = nn.conv(scope.child("image.conv"), image, maps[0], (1, 1), bias=True)
    for i, count in enumerate(maps):
        x = nn.downsample(_stage(scope.child(f"stage{i}"), x, maps[max(0, i - 1)]))
        x = _stage(scope.child(f"after{i}"), x, count) if i == len(maps) - 1 else x
    return nn.scores(scope, x, nn.conv, planned.inner, bias=True)
