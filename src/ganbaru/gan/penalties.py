"""Penalties: what is added to the discriminator's loss to keep its slope in bounds.

A penalty is ``penalty(score_real, score_fake, real, fake, mix, *, gamma)``: the two functions map
images (N, C, H, W) to scores under the reals' and the fakes' labels, `mix` (N, 1, 1, 1) is uniform
in [0, 1). Slopes are taken with respect to images, so D's update differentiates a gradient.
"""

from __future__ import annotations

from collections.abc import Callable

from ganbaru.ops import Tensor, grad, mean, sqrt, sum

Score = Callable[[Tensor], Tensor]
Penalty = Callable[..., Tensor]

PENALTIES: dict[str, Penalty] = {}


def penalty(function: Penalty) -> Penalty:
    """Register a penalty under its name."""
    PENALTIES[function.__name__.replace("_", "-")] = function
    return function


def _squared_slopes(score: Score, images: Tensor) -> Tensor:
    """Return |d score / d image|², summed over pixels, for each image (N,)."""
    slopes = grad(lambda x: sum(score(x)), images)
    return sum(slopes * slopes, axis=(1, 2, 3))


@penalty
def r1(
    score_real: Score,
    score_fake: Score,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    gamma: float = 10.0,
) -> Tensor:
    """gamma/2 E |grad D(real)|² (Mescheder, Geiger and Nowozin 2018, eq. 9)."""
    return mean(_squared_slopes(score_real, real)) * (gamma / 2)


@penalty
def r2(
    score_real: Score,
    score_fake: Score,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    gamma: float = 10.0,
) -> Tensor:
    """gamma/2 E |grad D(fake)|² (Mescheder, Geiger and Nowozin 2018, eq. 10)."""
    return mean(_squared_slopes(score_fake, fake)) * (gamma / 2)


@penalty
def wgan_gp(
    score_real: Score,
    score_fake: Score,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    gamma: float = 10.0,
) -> Tensor:
    """gamma E (|grad D(mixed)| - 1)², mixed of real and fake (Gulrajani et al. 2017, eq. 3)."""
    mixed = real * mix + fake * (1.0 - mix)
    # 1e-12 keeps the root's own slope finite where D is flat; it moves the norm by at most 1e-6.
    norms = sqrt(_squared_slopes(score_real, mixed) + 1e-12)
    return mean((norms - 1.0) ** 2) * gamma
