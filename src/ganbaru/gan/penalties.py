"""Penalties: terms added to the discriminator's loss that keep its gradient in bounds.

A penalty is ``penalty(inputs, *, gamma)``. Gradients are taken with respect to images, so D's
update differentiates a gradient; `fd_r1` and `fd_r2` estimate theirs by a finite difference, which
costs one more pass over a part of the batch instead.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ganbaru.errors import InputError
from ganbaru.nn.scope import in_full_precision
from ganbaru.ops import Tensor, grad, mean, reshape, slice, sqrt, sum

Score = Callable[[Tensor], Tensor]
Penalty = Callable[..., Tensor]

PENALTIES: dict[str, Penalty] = {}


@dataclass(frozen=True)
class PenaltyInputs:
    """The inputs of a penalty: images (N, C, H, W), and D as a function of them.

    `score_real` and `score_fake` map images to scores (N, ...) under the labels of the reals and of
    the fakes, of the first images if there are fewer than N; `mix` (N, 1, 1, 1) is uniform in
    [0, 1). `noise` (M, C, H, W) is standard normal, for the first M images, where a penalty of
    `DIFFERENCES` is used. `real_scores` and `fake_scores` (N, ...) are D's scores of all, None
    where they are rounded to bf16.
    """

    score_real: Score
    score_fake: Score
    real: Tensor
    fake: Tensor
    mix: Tensor
    noise: Tensor | None = None
    real_scores: Tensor | None = None
    fake_scores: Tensor | None = None


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


# --- finite differences -----------------------------------------------------------------------

SIGMA = 0.01  # of the noise, in images that range from -1 to 1


def part_count(part: float, batch: int) -> int:
    """Return how many images of a batch are penalised: a part of it, rounded up."""
    return math.ceil(round(part * batch, 6))


def _squared_differences(
    score: Score, images: Tensor, scores: Tensor | None, noise: Tensor | None, part: float
) -> Tensor:
    """Return ((D(x + s e) - D(x)) / s)² of the first images (M,), s = 0.01 and e their noise.

    Its mean over e is |d score / d image|² + O(s²). Everything is in full precision: bf16's 8 bits
    would be larger than the difference. D(x) is taken from `scores` where it is known.
    """
    assert noise is not None  # drawn for every run with such a penalty
    count = part_count(part, images.shape[0])

    def first(x: Tensor) -> Tensor:
        return slice(x, (0,) * len(x.shape), (count, *x.shape[1:]))

    def flat(x: Tensor) -> Tensor:
        return mean(reshape(x, (x.shape[0], -1)), axis=1)

    still = first(images)
    moved = in_full_precision(still + first(noise) * SIGMA, score)
    known = in_full_precision(still, score) if scores is None else first(scores)
    difference = (flat(moved) - flat(known)) / SIGMA
    return difference * difference


@penalty
def fd_r1(inputs: PenaltyInputs, *, gamma: float = 10.0, part: float = 0.25) -> Tensor:
    """gamma/2 E ((D(real + s e) - D(real)) / s)², s = 0.01, e ~ N(0, 1).

    Lin et al. 2025 (arXiv:2501.08316), section 3; Hyun et al. 2025 (arXiv:2509.24935).
    R1 by a finite difference, on a part of the batch: no gradient of a gradient.
    """
    known, noise = inputs.real_scores, inputs.noise
    squares = _squared_differences(inputs.score_real, inputs.real, known, noise, part)
    return mean(squares) * (gamma / 2)


@penalty
def fd_r2(inputs: PenaltyInputs, *, gamma: float = 10.0, part: float = 0.25) -> Tensor:
    """gamma/2 E ((D(fake + s e) - D(fake)) / s)², s = 0.01, e ~ N(0, 1).

    Lin et al. 2025 (arXiv:2501.08316), section 3; Hyun et al. 2025 (arXiv:2509.24935).
    R2 by a finite difference, on a part of the batch, as `fd_r1`.
    """
    known, noise = inputs.fake_scores, inputs.noise
    squares = _squared_differences(inputs.score_fake, inputs.fake, known, noise, part)
    return mean(squares) * (gamma / 2)


# They compare D's score of an image in two batches: it may not depend on the other images.
DIFFERENCES = frozenset({fd_r1, fd_r2})


def noisy_parts(penalties: Sequence[Penalty]) -> list[float]:
    """Return the parts of a batch for which the penalties of `DIFFERENCES` need noise."""
    found = []
    for each in penalties:
        function: Any = getattr(each, "func", each)
        if function in DIFFERENCES:
            default = inspect.signature(function).parameters["part"].default
            found.append(getattr(each, "keywords", {}).get("part", default))
    return found


def noisy_images(penalties: Sequence[Penalty], batch: int) -> int:
    """Return for how many images of a batch they need noise."""
    return max((part_count(part, batch) for part in noisy_parts(penalties)), default=0)


# D scores their mixtures under the labels of the reals, so their fakes need the same labels.
MIXING = frozenset({wgan_gp})
