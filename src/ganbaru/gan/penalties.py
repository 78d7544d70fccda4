"""Penalties: terms added to the discriminator's loss that keep its gradient in bounds.

A penalty is ``penalty(inputs, *, gamma)``. Gradients are taken with respect to images, so D's
update differentiates a gradient.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

from ganbaru.errors import InputError
from ganbaru.ops import Tensor, grad, mean, sqrt, sum

Score = Callable[[Tensor], Tensor]
Penalty = Callable[..., Tensor]

PENALTIES: dict[str, Penalty] = {}


@dataclass(frozen=True)
class PenaltyInputs:
    """The inputs of a penalty: images (N, C, H, W), and D as a function of them.

    `score_real` and `score_fake` map images to scores (N, ...) under the labels of the reals and of
    the fakes; `mix` (N, 1, 1, 1) is uniform in [0, 1).
    """

    score_real: Score
    score_fake: Score
    real: Tensor
    fake: Tensor
    mix: Tensor


def penalty(function: Penalty) -> Penalty:
    """Register a penalty under its name."""
    check_signature(function)
    PENALTIES[function.__name__.replace("_", "-")] = function
    return function


def check_signature(function: Penalty) -> None:
    """Raise InputError unless a penalty takes one argument besides its options."""
    required = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is inspect.Parameter.empty
    ]
    if len(required) != 1:
        name = getattr(function, "__name__", str(function))
        raise InputError(
            f"The penalty {name} takes {len(required)} arguments without a default "
            f"({', '.join(required)}) and a penalty takes one: write {name}(inputs, *, gamma=1.0) "
            f"and use inputs.score_real, inputs.score_fake, inputs.real, inputs.fake, inputs.mix."
        )


def _squared_gradients(score: Score, images: Tensor) -> Tensor:
    """Return |d score / d image|², summed over pixels, for each image (N,).

    The score of an image is the mean of its patches' (N, P): their sum would have a slope P times
    as large, and the penalty P² times. An image's slope is found as that of the sum over images,
    which is its own only if no image enters another's score (`models.depends_on_batch`).
    """

    def total(x: Tensor) -> Tensor:
        scores = score(x)
        return sum(scores) / math.prod(scores.shape[1:])

    gradients = grad(total, images)
    return sum(gradients * gradients, axis=(1, 2, 3))


@penalty
def r1(inputs: PenaltyInputs, *, gamma: float = 10.0) -> Tensor:
    """gamma/2 E |grad D(real)|² (Mescheder, Geiger and Nowozin 2018, eq. 9)."""
    return mean(_squared_gradients(inputs.score_real, inputs.real)) * (gamma / 2)


@penalty
def r2(inputs: PenaltyInputs, *, gamma: float = 10.0) -> Tensor:
    """gamma/2 E |grad D(fake)|² (Mescheder, Geiger and Nowozin 2018, eq. 10)."""
    return mean(_squared_gradients(inputs.score_fake, inputs.fake)) * (gamma / 2)


@penalty
def wgan_gp(inputs: PenaltyInputs, *, gamma: float = 10.0) -> Tensor:
    """gamma E (|grad D(mixed)| - 1)², mixed of real and fake (Gulrajani et al. 2017, eq. 3)."""
    mixed = inputs.real * inputs.mix + inputs.fake * (1.0 - inputs.mix)
    # 1e-12 keeps the gradient of the root finite where D is flat; it moves the norm by <= 1e-6.
    norms = sqrt(_squared_gradients(inputs.score_real, mixed) + 1e-12)
    return mean((norms - 1.0) ** 2) * gamma


# D scores their mixtures under the labels of the reals, so their fakes need the same labels.
MIXING = frozenset({wgan_gp})
