"""DCGAN (Radford, Metz and Chintala 2016) whose first and last layers are linear, with bias.

The generator's linear layer is followed by neither normalisation nor activation.
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, grow, plan, shrink
from ganbaru.nn import Scope
from ganbaru.ops import Tensor


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn latents (N, Z) into images."""
    (height, across), maps = plan(image_size, width)
    x = nn.dense(scope.child("stem.dense"), latent, maps[-1] * height * across)
    return grow(scope, ops.reshape(x, (-1, maps[-1], height, across)), maps, channels)


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn images into scores (N,)."""
    _, maps = plan(image_size, width)
    x = shrink(scope, image, maps)
    return nn.scores(scope, ops.reshape(x, (x.shape[0], -1)), nn.dense)
