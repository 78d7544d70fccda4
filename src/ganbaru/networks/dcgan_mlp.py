"""Two linear and two convolutional layers on each side, as in InfoGAN (Chen et al. 2016, table 1).

For any sides that are multiples of 4. The hidden linear layers have 16 `base_channels`. The
generator ends in a sigmoid, rescaled to [-1, 1] by writing it as a tanh of half its input.
"""

from __future__ import annotations

from typing import Any

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, plan
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

STRIDED: dict[str, Any] = {"stride": 2, "padding": 1, "bias": True}


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    plan(image_size, base_channels)
    height, width = image_size[0] // 4, image_size[1] // 4
    x = nn.dense(scope.child("stem.dense"), latent, 16 * base_channels)
    x = ops.leaky_relu(nn.norm(scope.child("stem.norm"), x))
    x = nn.dense(scope.child("spread.dense"), x, 2 * base_channels * height * width)
    x = ops.leaky_relu(nn.norm(scope.child("spread.norm"), x))
    x = ops.reshape(x, (-1, 2 * base_channels, height, width))
    x = nn.up_conv(scope.child("up1.conv"), x, base_channels, (4, 4), **STRIDED)
    x = ops.leaky_relu(nn.norm(scope.child("up1.norm"), x))
    x = nn.up_conv(scope.child("image.conv"), x, channels, (4, 4), **STRIDED)
    return ops.tanh(x * 0.5)  # 2 sigmoid(x) - 1, without its rounding near 0


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    x = ops.leaky_relu(
        nn.conv(scope.child("down1.conv"), image, base_channels, (4, 4), **STRIDED), 0.2
    )
    x = nn.conv(scope.child("down2.conv"), x, 2 * base_channels, (4, 4), **STRIDED)
    x = ops.leaky_relu(nn.norm(scope.child("down2.norm"), x), 0.2)
    x = ops.reshape(nn.features(scope, x), (x.shape[0], -1))
    x = nn.dense(scope.child("gather.dense"), x, 16 * base_channels)
    x = ops.leaky_relu(nn.norm(scope.child("gather.norm"), x), 0.2)
    return nn.scores(scope, x, nn.dense)
