"""DCGAN's generator against a PatchGAN discriminator (Isola, Zhu, Zhou and Efros 2017).

Each score belongs to a patch; objectives average over the map. Instance norm, biases, and one row
and column of zeros above and left of the last layer, so that the map has the features' size.
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks import dcgan
from ganbaru.networks.dcgan import Size, plan
from ganbaru.nn import Scope, normalization
from ganbaru.ops import Tensor

generator = dcgan.generator


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N, P), one for each of P overlapping patches."""
    planned, x = plan(image_size, base_channels), image
    for i, (count, kernel) in enumerate(zip(planned.maps, planned.kernels, strict=True)):
        stage = scope.child(f"down{i + 1}")
        x = nn.features(scope, x) if i == len(planned.maps) - 1 else x
        x = nn.conv(stage.child("conv"), x, count, kernel, stride=2, padding=1, bias=True)
        x = nn.norm(stage.child("norm"), x, normalization.NORMS["instance"]) if i else x
        x = ops.leaky_relu(x, 0.2)
    x = ops.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0)))
    return nn.scores(scope, x, nn.conv, (4, 4), padding=1)
