"""DCGAN (Radford, Metz and Chintala 2016), for any sides that are multiples of 4 from 16 to 256.

Both sides are halved while both are even and the half is at least 4; the first kernel of the
generator and the last of the discriminator cover what is left. Feature maps double at each halving
up to 8 times the width. Images (N, C, H, W) are in [-1, 1].
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.errors import InputError
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

LEAST, MOST = 16, 256
Size = tuple[int, int]


def plan(image_size: Size, width: int) -> tuple[Size, list[int]]:
    """Return the innermost size (h, w) and the feature maps after each halving, outermost first."""
    height, across = image_size
    for side in (height, across):
        if side % 4 or not LEAST <= side <= MOST:
            raise InputError(
                f"The dcgan architecture cannot build images of {height}x{across}: each side must "
                f"be a multiple of 4 from {LEAST} to {MOST}. "
                f"Try --image-size {_nearest(height)}x{_nearest(across)}."
            )
    maps: list[int] = []
    while height % 2 == 0 and across % 2 == 0 and min(height, across) >= 8:
        height, across = height // 2, across // 2
        maps.append(min(width * 2 ** len(maps), 8 * width))
    return (height, across), maps


def _nearest(side: int) -> int:
    return min(MOST, max(LEAST, 4 * round(side / 4)))


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn latents (N, Z) into images."""
    inner, maps = plan(image_size, width)
    x = ops.reshape(latent, (*latent.shape, 1, 1))
    x = nn.up_conv(scope.child("stem.conv"), x, maps[-1], inner)  # (N, 8 width, h, w)
    x = ops.leaky_relu(nn.norm(scope.child("stem.norm"), x))
    return grow(scope, x, maps, channels)


def grow(scope: Scope, x: Tensor, maps: list[int], channels: int) -> Tensor:
    """Double (N, 8 width, h, w) to the images' size, feature maps falling to the channels."""
    for i, count in enumerate(reversed(maps[:-1])):
        x = nn.up_conv(scope.child(f"up{i + 1}.conv"), x, count, (4, 4), stride=2, padding=1)
        x = ops.leaky_relu(nn.norm(scope.child(f"up{i + 1}.norm"), x))
    return ops.tanh(nn.up_conv(scope.child("image.conv"), x, channels, (4, 4), stride=2, padding=1))


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn images into scores (N,)."""
    inner, maps = plan(image_size, width)
    return nn.scores(scope, shrink(scope, image, maps), nn.conv, inner)


def shrink(scope: Scope, x: Tensor, maps: list[int], norm: nn.Norm = nn.norm) -> Tensor:
    """Halve images to (N, 8 width, h, w); all but the first layer are normalised."""
    for i, count in enumerate(maps):
        x = nn.conv(scope.child(f"down{i + 1}.conv"), x, count, (4, 4), stride=2, padding=1)
        x = norm(scope.child(f"down{i + 1}.norm"), x) if i else x
        x = ops.leaky_relu(x, 0.2)
    return x
