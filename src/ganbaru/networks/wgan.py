"""DCGAN's generator against a critic without normalisation (Gulrajani et al. 2017).

Batch norm makes the scores of a batch depend on each other, so that a penalty on the gradient of
each image's score is no longer valid (Gulrajani et al. 2017, section 4).
"""

from __future__ import annotations

from ganbaru import nn
from ganbaru.networks import dcgan
from ganbaru.networks.dcgan import Size, plan, shrink
from ganbaru.nn import Scope, normalization
from ganbaru.ops import Tensor

INITIALISATION = "he"  # without norms the scores of N(0, 0.02) are all but constant
generator = dcgan.generator


def _norm(scope: Scope, x: Tensor) -> Tensor:
    return nn.norm(scope, x, normalization.unchanged)


def discriminator(
    scope: Scope, image: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map images to scores (N,)."""
    planned = plan(image_size, base_channels)
    features = shrink(scope, image, planned, norm=_norm)
    return nn.scores(scope, features, nn.conv, planned.inner)
