"""Objectives: what each player minimises, given the scores of reals and fakes.

Scores are logits (N,) or score maps (N, ...). Both players see both; an objective declared
relativistic needs the reals' scores in the generator's turn too. Options are keyword arguments.
"""

# Classes bear the names that users type, and hold two plain functions.
# ruff: noqa: N801, N805

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganbaru.ops import Tensor, maximum, mean, one_hot, softplus, sum

Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Objective:
    """The two losses ``d(real, fake)`` and ``g(real, fake)``, and what they need.

    A relativistic g needs the reals' scores; `logits` is how many the discriminator gives for an
    image.
    """

    name: str
    d: Loss
    g: Loss
    relativistic: bool
    logits: int
    summary: str


OBJECTIVES: dict[str, Objective] = {}


def objective(relativistic: bool = False, logits: int = 1) -> Callable[[type], Objective]:
    """Register a class holding the functions `d` and `g` as an objective, under its name."""

    def register(players: Any) -> Objective:
        name = players.__name__.replace("_", "-")
        summary = inspect.cleandoc(players.__doc__ or "")
        found = Objective(name, players.d, players.g, relativistic, logits, summary)
        OBJECTIVES[name] = found
        return found

    return register


def _cross_entropy(scores: Tensor, target: float) -> Tensor:
    """Mean of -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x, s the logistic function."""
    return mean(softplus(scores) - scores * target)


def _squared(scores: Tensor, target: float) -> Tensor:
    return mean((scores - target) ** 2)


def _hinge(scores: Tensor) -> Tensor:
    return mean(maximum(scores * -1.0 + 1.0, 0.0))


@objective()
class non_saturating:
    """Cross-entropy; G maximises log D(G) (Goodfellow et al. 2014, section 3).

    D: -log s(real) - log(1 - s(fake)); G: -log s(fake). `real` and `fake` are D's targets: 0.9
    and 0 smooth one side (Salimans et al. 2016), 0.9 and 0.1 both; G's target is `real`. Targets
    between 0 and 1 leave floors: with 0.9 and 0.1 D cannot lose less than 0.650, nor G than 0.325.
    """

    def d(real_scores: Tensor, fake_scores: Tensor, real: float = 1.0, fake: float = 0.0) -> Tensor:
        return _cross_entropy(real_scores, real) + _cross_entropy(fake_scores, fake)

    def g(real_scores: Tensor, fake_scores: Tensor, real: float = 1.0, fake: float = 0.0) -> Tensor:
        return _cross_entropy(fake_scores, real)


def realness(scores: Tensor) -> Tensor:
    """Return how far two logits (N, 2) favour real, the second, over fake, the first: (N,)."""
    signs = one_hot([1], 2, scores) - one_hot([0], 2, scores)
    return sum(scores * signs, axis=1)


@objective(logits=2)
class two_class:
    """Softmax cross-entropy of two logits, fake and real (Salimans et al. 2016, section 5, K = 1).

    D: -log p(real | real image) - log p(fake | fake image); G: -log p(real | fake image). With two
    classes -log p is the softplus of the other logit less its own.
    """

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _cross_entropy(realness(real_scores), 1.0) + _cross_entropy(
            realness(fake_scores), 0.0
        )

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _cross_entropy(realness(fake_scores), 1.0)


@objective()
class least_squares:
    """Squared distance from 1 for real and 0 for fake (Mao et al. 2017, eq. 2, without the 1/2)."""

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _squared(real_scores, 1.0) + _squared(fake_scores, 0.0)

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _squared(fake_scores, 1.0)


@objective()
class hinge:
    """D: max(0, 1 - real) + max(0, 1 + fake); G: -fake (Miyato et al. 2018, eq. 16 and 17)."""

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _hinge(real_scores) + _hinge(-fake_scores)

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return -mean(fake_scores)


@objective()
class wgan:
    """D: fake - real; G: -fake (Arjovsky et al. 2017, algorithm 1); wants a penalty on D."""

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return mean(fake_scores) - mean(real_scores)

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return -mean(fake_scores)


@objective(relativistic=True)
class rsgan:
    """-log s(real - fake), pair by pair; G the reverse (Jolicoeur-Martineau 2019, eq. 4 and 5)."""

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _cross_entropy(real_scores - fake_scores, 1.0)

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return _cross_entropy(fake_scores - real_scores, 1.0)


def _against_averages(real_scores: Tensor, fake_scores: Tensor) -> tuple[Tensor, Tensor]:
    return real_scores - mean(fake_scores), fake_scores - mean(real_scores)


@objective(relativistic=True)
class rasgan:
    """Cross-entropy of each score less the other side's mean.

    D wants reals above the mean fake and fakes below the mean real, G the reverse
    (Jolicoeur-Martineau 2019, eq. 6 and 7).
    """

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)) / 2

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_cross_entropy(real, 0.0) + _cross_entropy(fake, 1.0)) / 2


@objective(relativistic=True)
class ralsgan:
    """Squared distance of each score less the other side's mean from 1 and -1.

    D wants reals at 1 and fakes at -1, G the reverse (Jolicoeur-Martineau 2019, appendix D).
    """

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_squared(real, 1.0) + _squared(fake, -1.0)) / 2

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_squared(real, -1.0) + _squared(fake, 1.0)) / 2


@objective(relativistic=True)
class rahinge:
    """Hinge of each score less the other side's mean.

    D wants reals 1 above the mean fake and fakes 1 below the mean real, G the reverse
    (Jolicoeur-Martineau 2019, appendix D).
    """

    def d(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_hinge(real) + _hinge(-fake)) / 2

    def g(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _against_averages(real_scores, fake_scores)
        return (_hinge(-real) + _hinge(fake)) / 2
