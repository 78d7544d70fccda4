"""R3GAN's residual networks (Huang et al. 2024, section 4 and published code), of any width.

A block is 1x1, grouped 3x3 and 1x1 convolutions with twice the channels inside and 16 channels to a
group; its last one starts at zero, so that the block starts as the identity (Fixup, Zhang et al.
2019). Two blocks at each size, `base_channels` at every size. The generator begins with a learnt
picture of the innermost size, whose channels the latents scale, and the discriminator ends with a
depthwise kernel over it. Resizing is by the filter [1, 2, 1]. Images are the last convolution
itself, without bias and tanh; in inference they are clipped to [-1, 1]. Use it with the objective
`rsgan`, the penalties r1 and r2, and --conditioning embedding.
"""

from __future__ import annotations

from collections.abc import Callable

from ganbaru import nn, ops
from ganbaru.networks.dcgan import Plan, Size, exactly, plan
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

INITIALISATION = "lecun"
BLOCKS = 2  # at each size
EXPANSION = 2
GROUP = 16  # channels: 96 groups of 1,536 in the published networks
Resize = Callable[[Tensor], Tensor]


def _groups(count: int) -> int:
    """Return the largest number of groups, of 16 channels or more, that divides `count`."""
    return max(n for n in range(1, max(1, count // GROUP) + 1) if count % n == 0)


@nn.layer
def _picture(scope: Scope, scales: Tensor, size: Size) -> Tensor:
    """Scale the channels of a learnt picture (C, h, w) by numbers (N, C)."""
    picture = scope.parameter("weight", (scales.shape[1], *size), "weight")
    return ops.reshape(scales, (*scales.shape, 1, 1)) * ops.reshape(picture, (1, *picture.shape))


def _block(scope: Scope, x: Tensor, gain: float) -> Tensor:
    """Add to x (N, C, H, W) a function of it through 2 C channels."""
    count, wide = x.shape[1], EXPANSION * x.shape[1]
    groups = _groups(wide)
    y = nn.conv(scope.child("widen"), x, wide, (1, 1), bias=True, gain=gain)
    y = ops.leaky_relu(y, 0.2)
    look = scope.child("look")
    y = nn.conv(look, y, wide, (3, 3), padding=1, bias=True, groups=groups, gain=gain)
    return x + nn.conv(scope.child("narrow"), ops.leaky_relu(y, 0.2), count, (1, 1), kind="zero")


def _gain(planned: Plan) -> float:
    """Return a branch's gain: leaky ReLU's, by the number of blocks to the power of -1/4.

    He et al. 2015, eq. 14; Zhang et al. 2019, section 2: L^(-1 / (2 m - 2)) for m = 3 layers.
    """
    return float((2 / (1 + 0.2**2)) ** 0.5 * (BLOCKS * len(planned.sizes)) ** -0.25)


def _stage(scope: Scope, x: Tensor, planned: Plan) -> Tensor:
    for i in range(BLOCKS):
        x = _block(scope.child(f"block{i + 1}"), x, _gain(planned))
    return x


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images, in [-1, 1] in inference."""
    planned, count = plan(image_size, base_channels, exactly), base_channels
    scales = nn.dense(scope.child("stem.dense"), latent, count, bias=False)
    x = _picture(scope.child("stem.picture"), scales, planned.inner)
    x = _stage(scope.child("stage0"), x, planned)
    for i in range(len(planned.maps)):
        x = _stage(scope.child(f"stage{i + 1}"), nn.smooth(nn.upsample(x)), planned)
    images = nn.conv(scope.child("image.conv"), x, channels, (1, 1))
    # Pictures have a range; in training the published code has none, and D limits it.
    return images if scope.training else ops.maximum(ops.maximum(images, -1.0) * -1.0, -1.0) * -1.0


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned, count = plan(image_size, base_channels, exactly), base_channels
    x = nn.conv(scope.child("image.conv"), image, count, (1, 1))
    for i in range(len(planned.maps)):
        x = nn.downsample(nn.smooth(_stage(scope.child(f"stage{i}"), x, planned)))
    x = nn.features(scope, x)
    if x.shape[1] != count:  # with the minibatch deviation
        x = nn.conv(scope.child("change"), x, count, (1, 1))
    x = _stage(scope.child(f"stage{len(planned.maps)}"), x, planned)
    x = nn.conv(scope.child("basis"), x, count, planned.inner, groups=count)
    return nn.scores(scope, ops.reshape(x, (-1, count)), nn.dense, bias=False)
