"""DCGAN with self-attention in both networks (Zhang, Goodfellow, Metaxas and Odena 2019).

Attention is applied at one size, the largest inside the networks of at most 32x32 positions: 32x32
for images of 64x64, 16x16 for 32x32. Use it with the objective `hinge`, --spectral-norm both and a
discriminator that learns four times as fast as the generator (section 4).
"""

from __future__ import annotations

from ganbaru import nn
from ganbaru.networks.dcgan import Block, Plan, Size, grow, plan, shrink, stem
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

MOST_POSITIONS = 32 * 32


def _attention(planned: Plan) -> Block:
    """Return self-attention for x (N, C, H, W) of one size, and the identity for others."""
    inside = planned.sizes[1:-1]
    small = (size for size in inside if size[0] * size[1] <= MOST_POSITIONS)
    chosen = next(small, inside[-1])

    def block(scope: Scope, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != chosen:
            return x
        return nn.self_attention(scope.child("attention"), x)

    return block


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels)
    return grow(scope, stem(scope, latent, planned), planned, channels, _attention(planned))


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned = plan(image_size, base_channels)
    x = shrink(scope, image, planned, block=_attention(planned))
    return nn.scores(scope, x, nn.conv, planned.inner)
