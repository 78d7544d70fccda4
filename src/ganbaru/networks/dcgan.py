"""DCGAN (Radford, Metz and Chintala 2016), for any sides that are multiples of 4 from 16 to 256.

Both sides are halved while both are even and the half is at least 4; the first kernel of the
generator and the last of the discriminator cover what is left. Feature maps double at each halving
up to 8 times the width. Images (N, C, H, W) are in [-1, 1].
"""

from __future__ import annotations

from ganbaru import nn, ops
from ganbaru.errors import InputError, unknown
from ganbaru.nn import Scope
from ganbaru.ops import Tensor

LEAST, MOST = 16, 256


def plan(image_size: tuple[int, int], width: int) -> tuple[tuple[int, int], list[int]]:
    """Return the innermost size (h, w) and the feature maps after each halving, outermost first."""
    height, across = image_size
    for side in (height, across):
        if side % 4 or not LEAST <= side <= MOST:
            raise InputError(
                f"The dcgan architecture cannot build images of {height}x{across}: each side must "
                f"be a multiple of 4 from {LEAST} to {MOST}. "
                f"Try --image-size {_nearest(height)}x{_nearest(across)}."
            )
    maps: list[int] = []
    while height % 2 == 0 and across % 2 == 0 and min(height, across) >= 8:
        height, across = height // 2, across // 2
        maps.append(min(width * 2 ** len(maps), 8 * width))
    return (height, across), maps


def _nearest(side: int) -> int:
    return min(MOST, max(LEAST, 4 * round(side / 4)))


def generator(
    scope: Scope,
    latent: Tensor,
    label: Tensor | None = None,
    *,
    image_size: tuple[int, int],
    channels: int,
    width: int,
    classes: int = 0,
    conditioning: str = "projection",
) -> Tensor:
    """Turn latents (N, Z), and labels (N,) joined to them as one-hot, into images."""
    inner, maps = plan(image_size, width)
    if classes:
        latent = ops.concat([latent, ops.one_hot(label, classes, like=latent)], axis=1)
    x = ops.reshape(latent, (*latent.shape, 1, 1))
    x = nn.up_conv(scope.child("stem.conv"), x, maps[-1], inner)  # (N, 8 width, h, w)
    x = ops.leaky_relu(nn.batch_norm(scope.child("stem.norm"), x))
    for i, count in enumerate(reversed(maps[:-1])):  # twice the size each time
        x = nn.up_conv(scope.child(f"up{i + 1}.conv"), x, count, (4, 4), stride=2, padding=1)
        x = ops.leaky_relu(nn.batch_norm(scope.child(f"up{i + 1}.norm"), x))
    x = nn.up_conv(scope.child("image.conv"), x, channels, (4, 4), stride=2, padding=1)
    return ops.tanh(x)


def discriminator(
    scope: Scope,
    image: Tensor,
    label: Tensor | None = None,
    *,
    image_size: tuple[int, int],
    channels: int,
    width: int,
    classes: int = 0,
    conditioning: str = "projection",
) -> Tensor:
    """Turn images, and labels (N,) by the conditioning chosen, into scores (N,)."""
    inner, maps = plan(image_size, width)
    joined, scored = _conditioning(conditioning) if classes else (_unjoined, _unscored)
    x = joined(image, label, classes)
    for i, count in enumerate(maps):  # half the size each time
        x = nn.conv(scope.child(f"down{i + 1}.conv"), x, count, (4, 4), stride=2, padding=1)
        x = nn.batch_norm(scope.child(f"down{i + 1}.norm"), x) if i else x
        x = ops.leaky_relu(x, 0.2)
    scores = ops.reshape(nn.conv(scope.child("score.conv"), x, 1, inner), (-1,))
    return scored(scope, scores, x, label, classes)


def _unjoined(image: Tensor, label: Tensor | None, classes: int) -> Tensor:
    return image


def _planes(image: Tensor, label: Tensor, classes: int) -> Tensor:
    """Join the label to the image as one-hot planes (Mirza and Osindero 2014)."""
    n, _, height, width = image.shape
    planes = ops.reshape(ops.one_hot(label, classes, like=image), (n, classes, 1, 1))
    return ops.concat([image, ops.broadcast_to(planes, (n, classes, height, width))], axis=1)


def _unscored(
    scope: Scope, scores: Tensor, features: Tensor, label: Tensor, classes: int
) -> Tensor:
    return scores


def _projection(
    scope: Scope, scores: Tensor, features: Tensor, label: Tensor, classes: int
) -> Tensor:
    """Add <embedding(label), features> (Miyato and Koyama 2018, eq. 5).

    The features are those the score itself is linear in, all places of them: summed over places,
    as in networks that end in global pooling, labels are obeyed far less (79 % against 98 % on
    MNIST after 2 minutes). The products with all embeddings are one small convolution.
    """
    products = nn.conv(scope.child("label.conv"), features, classes, features.shape[2:])
    products = ops.reshape(products, (-1, classes))
    return scores + ops.sum(products * ops.one_hot(label, classes, like=scores), axis=1)


# How a label reaches the discriminator: what joins it to the image, what adds it to the score.
CONDITIONINGS = {"projection": (_unjoined, _projection), "planes": (_planes, _unscored)}


def _conditioning(name: str) -> tuple:
    if name not in CONDITIONINGS:
        raise unknown("conditioning", name, ["none", *CONDITIONINGS])
    return CONDITIONINGS[name]
