"""Objectives: the loss of each player, as functions of the scores of reals and fakes.

Scores are logits (N,) or score maps (N, ...). Both losses get both scores; an objective registered
as relativistic needs those of the reals in the generator's update too. Options are keyword
arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganbaru import ranks
from ganbaru.errors import InputError
from ganbaru.ops import Tensor, maximum, mean, one_hot, softplus, sum

Loss = Callable[..., Tensor]
Realness = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """The losses ``d(real_scores, fake_scores)`` and ``g(real_scores, fake_scores)``.

    `logits` is the number that the discriminator gives for an image; `realness` maps logits
    (N, logits) to scores (N,), the higher the more real, for penalties and the mean scores.
    """

    name: str
    summary: str
    d: Loss
    g: Loss
    relativistic: bool
    logits: int
    realness: Realness


OBJECTIVES: dict[str, Objective] = {}


def register(
    name: str,
    summary: str,
    d: Loss,
    g: Loss,
    relativistic: bool = False,
    logits: int = 1,
    realness: Realness | None = None,
) -> Objective:
    """Register two losses as the objective `name`; more than two logits need a `realness`."""
    if realness is None and logits not in REALNESS:
        raise InputError(
            f"The objective {name} takes {logits} logits for an image and does not say how real "
            f"they are: give objective(logits={logits}, realness=...) a function of logits "
            f"(N, {logits}) that returns scores (N,)."
        )
    made = Objective(
        name, inspect.cleandoc(summary), d, g, relativistic, logits, realness or REALNESS[logits]
    )
    OBJECTIVES[name] = made
    return made


def objective(
    relativistic: bool = False, logits: int = 1, realness: Realness | None = None
) -> Callable[[type], Objective]:
    """Register a class with the functions `d` and `g`, which take no self, under its name."""

    def decorate(losses: Any) -> Objective:
        name, summary = losses.__name__.replace("_", "-"), losses.__doc__ or ""
        return register(name, summary, losses.d, losses.g, relativistic, logits, realness)

    return decorate


def class_difference(logits: Tensor) -> Tensor:
    """Return the logit of real, the second of (N, 2), less that of fake, the first: (N,)."""
    signs = one_hot([1], 2, logits) - one_hot([0], 2, logits)
    return sum(logits * signs, axis=1)


# How real an image is, by how many logits D gives for it.
REALNESS: dict[int, Realness] = {1: lambda scores: scores, 2: class_difference}


def _cross_entropy(scores: Tensor, target: float) -> Tensor:
    """Mean of -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x, s the logistic function."""
    return mean(softplus(scores) - scores * target)


def _squared(scores: Tensor, target: float) -> Tensor:
    return mean((scores - target) ** 2)


def _hinge(scores: Tensor) -> Tensor:
    return mean(maximum(scores * -1.0 + 1.0, 0.0))


def _non_saturating_d(
    real_scores: Tensor, fake_scores: Tensor, real: float = 1.0, fake: float = 0.0
) -> Tensor:
    return _cross_entropy(real_scores, real) + _cross_entropy(fake_scores, fake)


def _non_saturating_g(
    real_scores: Tensor, fake_scores: Tensor, real: float = 1.0, fake: float = 0.0
) -> Tensor:
    return _cross_entropy(fake_scores, real)


register(
    "non-saturating",
    """Cross-entropy; G maximises log D(G) (Goodfellow et al. 2014, section 3).

    D: -log s(real) - log(1 - s(fake)); G: -log s(fake). `real` and `fake` are D's targets: 0.9
    and 0 smooth one side (Salimans et al. 2016), 0.9 and 0.1 both; G's target is `real`. Targets
    between 0 and 1 leave a minimum: with 0.9 and 0.1 it is 0.650 for D and 0.325 for G.""",
    _non_saturating_d,
    _non_saturating_g,
)
register(
    "two-class",
    """Softmax cross-entropy of two logits, fake and real (Salimans et al. 2016, section 5, K = 1).

    D: -log p(real | real image) - log p(fake | fake image); G: -log p(real | fake image). With two
    classes -log p is the softplus of the other logit less its own.""",
    lambda real, fake: _non_saturating_d(class_difference(real), class_difference(fake)),
    lambda real, fake: _cross_entropy(class_difference(fake), 1.0),
    logits=2,
)
register(
    "least-squares",
    "Squared distance from 1 for real and 0 for fake (Mao et al. 2017, eq. 2, without the 1/2).",
    lambda real, fake: _squared(real, 1.0) + _squared(fake, 0.0),
    lambda real, fake: _squared(fake, 1.0),
)
register(
    "hinge",
    "D: max(0, 1 - real) + max(0, 1 + fake); G: -fake (Miyato et al. 2018, eq. 16 and 17).",
    lambda real, fake: _hinge(real) + _hinge(-fake),
    lambda real, fake: -mean(fake),
)
register(
    "wgan",
    "D: fake - real; G: -fake (Arjovsky et al. 2017, algorithm 1); needs a penalty or clipping.",
    lambda real, fake: mean(fake) - mean(real),
    lambda real, fake: -mean(fake),
)
register(
    "rsgan",
    "-log s(real - fake), pair by pair; G the reverse (Jolicoeur-Martineau 2019, eq. 4 and 5).",
    lambda real, fake: _cross_entropy(real - fake, 1.0),
    lambda real, fake: _cross_entropy(fake - real, 1.0),
    relativistic=True,
)


def _averaged(loss_of_high: Loss, loss_of_low: Loss) -> tuple[Loss, Loss]:
    """Return D's and G's losses of each score less the other side's mean, halved.

    D wants reals high and fakes low, G the reverse. The means are of the global batch.
    """

    def high_low(high: Tensor, low: Tensor) -> Tensor:
        above, below = ranks.means(high, low)
        return (loss_of_high(high - below) + loss_of_low(low - above)) / 2

    return high_low, lambda real, fake: high_low(fake, real)


register(
    "rasgan",
    """Cross-entropy of each score less the other side's mean.

    D wants reals above the mean fake and fakes below the mean real, G the reverse
    (Jolicoeur-Martineau 2019, eq. 6 and 7).""",
    *_averaged(lambda x: _cross_entropy(x, 1.0), lambda x: _cross_entropy(x, 0.0)),
    relativistic=True,
)
register(
    "ralsgan",
    """Squared distance of each score less the other side's mean from 1 and -1.

    D wants reals at 1 and fakes at -1, G the reverse (Jolicoeur-Martineau 2019, appendix D).""",
    *_averaged(lambda x: _squared(x, 1.0), lambda x: _squared(x, -1.0)),
    relativistic=True,
)
register(
    "rahinge",
    """Hinge of each score less the other side's mean.

    D wants reals 1 above the mean fake and fakes 1 below the mean real, G the reverse
    (Jolicoeur-Martineau 2019, appendix D).""",
    *_averaged(_hinge, lambda x: _hinge(-x)),
    relativistic=True,
)
