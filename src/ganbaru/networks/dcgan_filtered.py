"""DCGAN whose images cannot have a checkerboard: the frequency of half a cycle a pixel both ways.

The generator's last layer makes one more pixel on each side, and a 3x3 filter takes the frequency
(pi, pi) out before tanh. Transposed convolutions of stride 2 leave it in early training (Odena,
Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts"). The filter's response is
1 - (1 - cos u)(1 - cos v) / 4: 0 at (pi, pi), 1 where u or v is 0, and 3/4 at (pi/2, pi/2).
Nearest-neighbour upsampling with 3x3 convolutions, and filters that take (pi, v) and (u, pi) out,
had no checkerboard either and worse scores (docs/performance.md).
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.networks import dcgan
from ganbaru.networks.dcgan import Size, grow, plan, stem
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

discriminator = dcgan.discriminator


def generator(
    scope: Scope, latent: Tensor, *, image_size: Size, channels: int, base_channels: int
) -> Tensor:
    """Map latents (N, Z) to images."""
    planned = plan(image_size, base_channels)
    return grow(scope, stem(scope, latent, planned), planned, channels, image=_image)


def _image(scope: Scope, x: Tensor, channels: int, kernel: Size) -> Tensor:
    return without_checkerboard(nn.up_conv(scope, x, channels, kernel, stride=2))


def without_checkerboard(x: Tensor) -> Tensor:
    """Filter (N, C, H + 2, W + 2) to (N, C, H, W), without the frequency (pi, pi)."""
    n, channels, height, width = x.shape
    inside = ops.slice(x, (0, 0, 1, 1), (n, channels, height - 1, width - 1))
    return inside - _second_difference(_second_difference(x, 2), 3) / 16


def _second_difference(x: Tensor, axis: int) -> Tensor:
    """Return 2 x(i) - x(i - 1) - x(i + 1) of what is inside an axis."""

    def moved(by: int) -> Tensor:
        starts, stops = [0] * 4, list(x.shape)
        starts[axis], stops[axis] = 1 + by, x.shape[axis] - 1 + by
        return ops.slice(x, starts, stops)

    return moved(0) * 2 - moved(-1) - moved(1)
