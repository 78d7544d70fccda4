"""R3GAN's residual networks (Huang et al. 2024, section 4) at small scale, without normalisation.

A block is 1x1, 3x3, 1x1 convolutions with leaky ReLUs between, the last one initialised to zero, so
that a block starts as the identity (Fixup, Zhang et al. 2019). Two blocks at each size. Simpler
than in the paper: dense 3x3 convolutions in a bottleneck in place of grouped ones, and
nearest-neighbour and mean resizing in place of bilinear. Use it with the objective `rsgan` and the
penalties r1 and r2.
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, exactly, plan
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

BLOCKS = 2


def _block(scope: Scope, x: Tensor) -> Tensor:
    """Add to x (N, C, H, W) a function of it with a bottleneck of C / 2 channels."""
    count, narrow = x.shape[1], max(1, x.shape[1] // 2)
    y = nn.conv(scope.child("narrow"), x, narrow, (1, 1), bias=True)
    y = nn.conv(scope.child("look"), ops.leaky_relu(y, 0.2), narrow, (3, 3), padding=1, bias=True)
    return x + nn.conv(scope.child("widen"), ops.leaky_relu(y, 0.2), count, (1, 1), kind="zero")


def _stage(scope: Scope, x: Tensor, count: int) -> Tensor:
    """Change to `count` channels by a 1x1 convolution if x has others, then apply the blocks."""
    x = x if x.shape[1] == count else nn.conv(scope.child("change"), x, count, (1, 1))
    for i in range(BLOCKS):
        x = _block(scope.child(f"block{i + 1}"), x)
    return x


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels, exactly)
    (height, width), maps = planned.inner, planned.maps
    x = nn.dense(scope.child("stem.dense"), latent, maps[-1] * height * width)
    x = _stage(scope.child("stage0"), ops.reshape(x, (-1, maps[-1], height, width)), maps[-1])
    for i, count in enumerate(reversed([maps[0], *maps[:-1]])):
        x = _stage(scope.child(f"stage{i + 1}"), nn.upsample(x), count)
    return ops.tanh(nn.conv(scope.child("image.conv"), x, channels, (1, 1), bias=True))


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned = plan(image_size, base_channels, exactly)
    maps = planned.maps
    x = nn.conv(scope.child("image.conv"), image, maps[0], (1, 1), bias=True)
    for i, count in enumerate(maps):
        x = nn.downsample(_stage(scope.child(f"stage{i}"), x, maps[max(0, i - 1)]))
        x = _stage(scope.child(f"after{i}"), x, count) if i == len(maps) - 1 else x
    return nn.scores(scope, x, nn.conv, planned.inner, bias=True)
