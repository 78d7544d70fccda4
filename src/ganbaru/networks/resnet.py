"""The residual networks of SNGAN (Miyato et al. 2018, tables 3 and 4), for any DCGAN size.

With 64 base channels and 32x32 pixels they are the paper's CIFAR-10 networks: 256 feature maps in
the generator, 128 in the discriminator. Larger images get more blocks. For spectral norm see
--spectral-norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Size, exactly, plan
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

INITIALISATION = "glorot"
SAME: dict[str, Any] = {"padding": 1, "bias": True}
BRANCH: dict[str, Any] = {**SAME, "gain": 2**0.5}  # as in the published code
Resize = Callable[[Tensor], Tensor]


def _identity(x: Tensor) -> Tensor:
    return x


def _up_block(scope: Scope, x: Tensor, count: int) -> Tensor:
    """Norm, ReLU, upsampling, conv, norm, ReLU, conv; the shortcut: upsampling, 1x1 conv."""
    y = ops.leaky_relu(nn.norm(scope.child("norm1"), x))
    y = nn.conv(scope.child("conv1"), nn.upsample(y), count, (3, 3), **BRANCH)
    y = ops.leaky_relu(nn.norm(scope.child("norm2"), y))
    y = nn.conv(scope.child("conv2"), y, count, (3, 3), **BRANCH)
    return y + nn.conv(scope.child("shortcut"), nn.upsample(x), count, (1, 1), bias=True)


def _down_block(scope: Scope, x: Tensor, count: int, resize: Resize, first: bool) -> Tensor:
    """ReLU (not in the first block), conv, ReLU, conv, resize; the shortcut: 1x1 conv, resize."""
    y = x if first else ops.leaky_relu(x)
    y = ops.leaky_relu(nn.conv(scope.child("conv1"), y, count, (3, 3), **BRANCH))
    y = resize(nn.conv(scope.child("conv2"), y, count, (3, 3), **BRANCH))
    if resize is _identity and x.shape[1] == count:
        return y + x
    # A 1x1 convolution and an average commute: convolving the smaller image costs less.
    return y + nn.conv(scope.child("shortcut"), resize(x), count, (1, 1), bias=True)


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels, exactly)
    height, width = planned.inner
    x = nn.dense(scope.child("stem.dense"), latent, 4 * base_channels * height * width)
    x = ops.reshape(x, (-1, 4 * base_channels, height, width))
    for i in range(len(planned.maps)):
        x = _up_block(scope.child(f"up{i + 1}"), x, 4 * base_channels)
    x = ops.leaky_relu(nn.norm(scope.child("image.norm"), x))
    return ops.tanh(nn.conv(scope.child("image.conv"), x, channels, (3, 3), **SAME))


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    halvings = len(plan(image_size, base_channels, exactly).maps)
    resizes = [nn.downsample] * max(1, halvings - 1) + [_identity] * 2
    x = image
    for i, resize in enumerate(resizes):
        x = nn.features(scope, x) if i == len(resizes) - 1 else x
        x = _down_block(scope.child(f"block{i + 1}"), x, 2 * base_channels, resize, first=not i)
    return nn.scores(scope, ops.sum(ops.leaky_relu(x), axis=(2, 3)), nn.dense)
