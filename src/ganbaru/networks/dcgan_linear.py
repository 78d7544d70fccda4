"""DCGAN (Radford, Metz and Chintala 2016) whose first and last layers are linear, with bias.

The generator's linear layer is followed by neither normalisation nor activation.
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, grow, plan, shrink
from ganbaru.nn import Scope
from ganbaru.ops import Tensor


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels)
    (height, width), count = planned.inner, planned.maps[-1]
    x = nn.dense(scope.child("stem.dense"), latent, count * height * width)
    return grow(scope, ops.reshape(x, (-1, count, height, width)), planned, channels)


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    x = shrink(scope, image, plan(image_size, base_channels))
    return nn.scores(scope, ops.reshape(x, (x.shape[0], -1)), nn.dense)
