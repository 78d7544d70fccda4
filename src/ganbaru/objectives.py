"""Objectives: what each player minimises, given the scores of reals and fakes.

Scores are logits (N,) or score maps (N, ...). Both players see both; an objective declared
relativistic needs the reals' scores in the generator's turn too. Options are keyword arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganbaru.ops import Tensor, maximum, mean, softplus

Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Objective:
    """The two losses ``d(real, fake)`` and ``g(real, fake)``, and whether g needs the reals."""

    name: str
    d: Loss
    g: Loss
    relativistic: bool
    summary: str


OBJECTIVES: dict[str, Objective] = {}


def objective(relativistic: bool = False) -> Callable[[type], Objective]:
    """Register a class holding the functions `d` and `g` as an objective, under its name."""

    def register(players: Any) -> Objective:
        name = players.__name__.replace("_", "-")
        found = Objective(name, players.d, players.g, relativistic, (players.__doc__ or "").strip())
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
class non_saturating:  # noqa: N801  the class name is the name the user types
    """Cross-entropy; G maximises log D(G) (Goodfellow et al. 2014, section 3).

    D: -log s(real) - log(1 - s(fake)); G: -log s(fake). `real` and `fake` are D's targets: 0.9
    and 0 smooth one side (Salimans et al. 2016), 0.9 and 0.1 both; G's target is `real`.
    """

    def d(real_scores, fake_scores, real=1.0, fake=0.0):
        return _cross_entropy(real_scores, real) + _cross_entropy(fake_scores, fake)

    def g(real_scores, fake_scores, real=1.0, fake=0.0):
        return _cross_entropy(fake_scores, real)


@objective()
class least_squares:  # noqa: N801
    """Squared distance from 1 for real and 0 for fake (Mao et al. 2017, eq. 2, without the 1/2)."""

    def d(real_scores, fake_scores):
        return _squared(real_scores, 1.0) + _squared(fake_scores, 0.0)

    def g(real_scores, fake_scores):
        return _squared(fake_scores, 1.0)


@objective()
class hinge:  # noqa: N801
    """D: max(0, 1 - real) + max(0, 1 + fake); G: -fake (Lim and Ye 2017, Miyato et al. 2018)."""

    def d(real_scores, fake_scores):
        return _hinge(real_scores) + _hinge(-fake_scores)

    def g(real_scores, fake_scores):
        return -mean(fake_scores)


@objective()
class wgan:  # noqa: N801
    """D: fake - real; G: -fake (Arjovsky et al. 2017, algorithm 1); wants a penalty on D."""

    def d(real_scores, fake_scores):
        return mean(fake_scores) - mean(real_scores)

    def g(real_scores, fake_scores):
        return -mean(fake_scores)


@objective(relativistic=True)
class rsgan:  # noqa: N801
    """-log s(real - fake), pair by pair; G the reverse (Jolicoeur-Martineau 2019, eq. 4 and 5)."""

    def d(real_scores, fake_scores):
        return _cross_entropy(real_scores - fake_scores, 1.0)

    def g(real_scores, fake_scores):
        return _cross_entropy(fake_scores - real_scores, 1.0)


def _against_averages(real_scores: Tensor, fake_scores: Tensor) -> tuple[Tensor, Tensor]:
    return real_scores - mean(fake_scores), fake_scores - mean(real_scores)


@objective(relativistic=True)
class rasgan:  # noqa: N801
    """Cross-entropy of each score less the other side's mean (Jolicoeur-Martineau 2019, eq. 6, 7)."""

    def d(real_scores, fake_scores):
        real, fake = _against_averages(real_scores, fake_scores)
        return (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)) / 2

    def g(real_scores, fake_scores):
        real, fake = _against_averages(real_scores, fake_scores)
        return (_cross_entropy(real, 0.0) + _cross_entropy(fake, 1.0)) / 2


@objective(relativistic=True)
class ralsgan:  # noqa: N801
    """Squares of each score less the other side's mean, from +1 and -1 (ibid., appendix D)."""

    def d(real_scores, fake_scores):
        real, fake = _against_averages(real_scores, fake_scores)
        return (_squared(real, 1.0) + _squared(fake, -1.0)) / 2

    def g(real_scores, fake_scores):
        real, fake = _against_averages(real_scores, fake_scores)
        return (_squared(real, -1.0) + _squared(fake, 1.0)) / 2
