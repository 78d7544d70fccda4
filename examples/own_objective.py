"""A custom objective and penalty: plain functions of scores, on every engine.

python -m examples.own_objective [STEPS], or from this file's parent folder:
ganbaru train digits --objective examples.own_objective.paired_squares \
    --penalty examples.own_objective.drift:weight=0.01
"""

# ruff: noqa: N801, N805  the class name is the name that users type; its functions take scores

import sys

import ganbaru
from ganbaru import ops


@ganbaru.objective(relativistic=True)
class paired_squares:
    """Squared distance from 1 of real - fake for D, and of fake - real for G, pair by pair."""

    def d(real, fake):
        return ops.mean((real - fake - 1.0) ** 2)

    def g(real, fake):
        return ops.mean((fake - real - 1.0) ** 2)


@ganbaru.penalty
def drift(inputs, *, weight=0.001):
    """weight E[D(real)²] keeps scores near zero (Karras et al. 2018, appendix A.1)."""
    return ops.mean(inputs.score_real(inputs.real) ** 2) * weight


def main(steps: int = 1500) -> None:
    """Train on handwritten digits with both."""
    objective = "examples.own_objective.paired_squares"
    penalty = "r1:gamma=1+examples.own_objective.drift:weight=0.01"
    config = ganbaru.from_preset("digits", objective=objective, penalty=penalty, steps=steps)
    print(f"look at {ganbaru.train(config) / 'timelapse.gif'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
