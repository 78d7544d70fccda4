"""An objective and a penalty of one's own: plain functions of scores, on every engine.

python -m examples.own_objective [STEPS], or from this file's parent folder:
ganbaru train digits --objective examples.own_objective.ra_hinge \
    --penalty examples.own_objective.drift:weight=0.01
"""

# ruff: noqa: N801, N805  the class name is the name the user types; its functions take scores

import sys

import ganbaru
from ganbaru import ops


def hinge(scores):
    """Mean of max(0, 1 - scores)."""
    return ops.mean(ops.maximum(1.0 - scores, 0.0))


@ganbaru.objective(relativistic=True)
class ra_hinge:
    """Hinge of each score less the other side's mean (Jolicoeur-Martineau 2019, appendix D)."""

    def d(real, fake):
        return hinge(real - ops.mean(fake)) + hinge(ops.mean(real) - fake)

    def g(real, fake):
        return hinge(ops.mean(fake) - real) + hinge(fake - ops.mean(real))


@ganbaru.penalty
def drift(score_real, score_fake, real, fake, mix, *, weight=0.001):
    """weight E[D(real)²] keeps scores near zero (Karras et al. 2018, appendix A.1)."""
    return ops.mean(score_real(real) ** 2) * weight


def main(steps: int = 1500) -> None:
    """Train on handwritten digits with both."""
    objective = "examples.own_objective.ra_hinge"
    penalty = "r1:gamma=1+examples.own_objective.drift:weight=0.01"
    config = ganbaru.from_preset("digits", objective=objective, penalty=penalty, steps=steps)
    print(f"look at {ganbaru.train(config) / 'timelapse.gif'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
