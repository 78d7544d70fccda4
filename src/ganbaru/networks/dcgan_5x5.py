"""DCGAN (Radford et al. 2016) with 5x5 kernels and a discriminator of two logits, fake and real.

For any sides that are multiples of 4. Batch norm has neither scale nor offset, so biases before it
have no effect; the first layer of D is normalised too. Use it with the objective `two-class`.
Padding 2 is TensorFlow's SAME, mirrored, for these kernels with stride 2.
"""

from __future__ import annotations

from typing import Any

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, plan
from ganbaru.nn import Scope, normalization
from ganbaru.ops import Tensor

LOGITS = 2
STRIDED: dict[str, Any] = {"kernel": (5, 5), "stride": 2, "padding": 2, "bias": True}


def _norm(scope: Scope, x: Tensor) -> Tensor:
    return nn.norm(scope, x, normalization.plain_batch_norm)


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    plan(image_size, base_channels)
    height, width, count = image_size[0] // 4, image_size[1] // 4, 2 * base_channels
    stem = scope.child("stem.dense")
    x = nn.dense(stem, latent, count * height * width, bias=False)
    x = nn.add_bias(stem, ops.reshape(x, (-1, count, height, width)), fan_in=latent.shape[1])
    x = ops.leaky_relu(_norm(scope.child("stem.norm"), x))
    x = nn.up_conv(scope.child("up1.conv"), x, base_channels, **STRIDED, output_padding=1)
    x = ops.leaky_relu(_norm(scope.child("up1.norm"), x))
    x = nn.up_conv(scope.child("image.conv"), x, channels, **STRIDED, output_padding=1)
    return ops.tanh(x * 0.5)  # 2 sigmoid(x) - 1, without its rounding near 0


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to logits (N, 2): for fake and for real."""
    x = image
    for i, count in enumerate((base_channels, 2 * base_channels)):
        x = nn.features(scope, x) if i else x
        x = nn.conv(scope.child(f"down{i + 1}.conv"), x, count, **STRIDED)
        x = ops.leaky_relu(_norm(scope.child(f"down{i + 1}.norm"), x), 0.2)
    return nn.scores(scope, ops.reshape(x, (x.shape[0], -1)), nn.dense, logits=LOGITS)
