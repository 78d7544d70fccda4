"""DCGAN's generator against a critic without normalisation (Gulrajani et al. 2017).

Batch norm makes the scores of a batch depend on each other, so that a penalty on the gradient of
each image's score is no longer valid (Gulrajani et al. 2017, section 4).
"""

from __future__ import annotations

from ganbaru import nn
from ganbaru.networks import dcgan
from ganbaru.networks.dcgan import Size, plan, shrink
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

generator = dcgan.generator


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned = plan(image_size, base_channels)
    features = shrink(scope, image, planned, norm=lambda scope, x: x)
    return nn.scores(scope, features, nn.conv, planned.inner)
