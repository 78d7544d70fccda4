"""The convolutional networks of SNGAN (Miyato et al. 2018, section C.1), as StudioGAN has them.

StudioGAN (Kang et al. 2023) calls them deep_conv. The generator's linear layer has neither norm nor
activation; the discriminator has a 3x3 convolution at each size, a 4x4 one to the next size, and
sums its last features over positions. It has no norm, for --spectral-norm d; with --norm batch, and
no spectral norm, it is StudioGAN's DCGAN. With 64 base channels and 32x32 pixels the parameters are
StudioGAN's: 3.81 and 2.93 million.
"""

from __future__ import annotations

from typing import Any

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Plan, Size, exactly, plan
from ganbaru.nn import Scope, normalization
from ganbaru.ops import Tensor

INITIALISATION = "orthogonal"
SAME: dict[str, Any] = {"kernel": (3, 3), "padding": 1, "bias": True}
HALVING: dict[str, Any] = {"kernel": (4, 4), "stride": 2, "padding": 1, "bias": True}


def _innermost(planned: Plan, base_channels: int) -> int:
    """Return the channels at the smallest size."""
    return min(2 * planned.maps[-1], 8 * base_channels)


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels, exactly)
    (height, width), count = planned.inner, _innermost(planned, base_channels)
    x = nn.dense(scope.child("stem.dense"), latent, count * height * width)
    x = ops.reshape(x, (-1, count, height, width))
    for i, count in enumerate(reversed(planned.maps)):
        stage = scope.child(f"up{i + 1}")
        x = nn.up_conv(stage.child("conv"), x, count, **HALVING)
        x = ops.leaky_relu(nn.norm(stage.child("norm"), x))
    return ops.tanh(nn.conv(scope.child("image.conv"), x, channels, **SAME))


def _layer(scope: Scope, x: Tensor, count: int, how: dict[str, Any]) -> Tensor:
    """Convolve, normalise if --norm says so, and apply a leaky ReLU of slope 0.1."""
    x = nn.conv(scope.child("conv"), x, count, **how)
    return ops.leaky_relu(nn.norm(scope.child("norm"), x, normalization.unchanged), 0.1)


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned, x = plan(image_size, base_channels, exactly), image
    for i, count in enumerate(planned.maps):
        x = _layer(scope.child(f"look{i + 1}"), x, count, SAME)
        x = _layer(scope.child(f"down{i + 1}"), x, count, HALVING)
    count = _innermost(planned, base_channels)
    x = _layer(scope.child("last"), nn.features(scope, x), count, SAME)
    return nn.scores(scope, ops.sum(x, axis=(2, 3)), nn.dense)
