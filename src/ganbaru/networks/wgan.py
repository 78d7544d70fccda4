"""DCGAN's generator against a critic without normalisation (Gulrajani et al. 2017).

Batch norm ties the images of a batch together, which a penalty on each image's slope forbids
(Gulrajani et al. 2017, section 4).
"""

from __future__ import annotations

from ganbaru import nn
from ganbaru.networks import dcgan
from ganbaru.networks.dcgan import Size, plan, shrink
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

generator = dcgan.generator


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, width: int
) -> Tensor:
    """Turn images into scores (N,)."""
    planned = plan(image_size, width)
    features = shrink(scope, image, planned, norm=lambda layer, x: x)
    return nn.scores(scope, features, nn.conv, planned.inner)
