"""Precision, recall, density, coverage and novelty, by balls around nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.engines.numpy import distances
from ganbaru.metrics.checks import check_features

NEAREST = 5
# A point at the edge of a ball counts as outside, as when fakes are copies of reals; without this
# factor rounding would decide.
BELOW = 1 - 1e-9

Features = NDArray[np.floating]


@dataclass(frozen=True)
class Neighbourhood:
    """Shares from 0 to 1, except density, which may exceed 1. Reals get about 1 in the first four.

    With B(x) the ball around x that reaches to its k-th nearest neighbour of its own kind:
    `precision`: fakes in the ball of some real; `recall`: reals in the ball of some fake
    (Kynkäänniemi et al. 2019). `density`: real balls that a fake is in, on average, over k;
    `coverage`: reals with a fake in their ball (Naeem et al. 2020). `novelty`: fakes farther from
    their nearest real than that real is from its own nearest real ("authenticity", Alaa et al.
    2022); 0 for copies, and a half or more for unseen reals: see the baseline. `least_errors`: the
    standard errors of density and coverage if the balls stayed as they are, each of two independent
    means (for coverage's fakes, the jackknife's). Subsamples of a tenth have larger balls: where
    fakes are concentrated, 95 % intervals by them alone held 67 and 83 %.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    novelty: float
    least_errors: Mapping[str, float]


def neighbourhood(real: Features, fake: Features, k: int = NEAREST) -> Neighbourhood:
    """Return the five scores of features (N, D) and (M, D), by distances in float64.

    Takes time as N² + M² + NM and memory as N + M.
    """
    check_features(f"Precision by the {k} nearest images", k + 1, real, fake)
    centre = real.mean(axis=0, dtype=np.float64)  # near 0, squares lose the fewest digits
    reals, fakes = real - centre, fake - centre  # float64
    own, fake_ball = (distances.of_nearest(x, k) for x in (reals, fakes))
    first, ball, fake_ball = own[:, 0], own[:, -1] * BELOW, fake_ball[:, -1] * BELOW
    inside, recalled = np.zeros(len(fakes)), np.zeros(len(reals), bool)
    novel = np.zeros(len(fakes), bool)
    filled, last = np.zeros((2, len(reals)), np.int64)  # fakes in each ball, and one of them
    for part in distances.blocks(fakes, reals):
        squares = distances.squares(fakes[part], reals)
        within = squares < ball
        inside[part] = within.sum(axis=1)
        found = within.sum(axis=0)
        filled += found
        last = np.where(found, within.argmax(axis=0) + part.start, last)
        recalled |= (squares < fake_ball[part, None]).any(axis=0)
        closest = squares.argmin(axis=1)
        novel[part] = squares[np.arange(len(closest)), closest] > first[closest]
    coverage = float((filled > 0).mean())
    return Neighbourhood(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / k),
        coverage=coverage,
        novelty=float(novel.mean()),
        least_errors={
            "density": math.hypot(
                np.std(inside / k) / math.sqrt(len(fakes)),
                np.std(filled / k) * math.sqrt(len(reals)) / len(fakes),
            ),
            "coverage": math.hypot(
                math.sqrt(coverage * (1 - coverage) / len(reals)),
                math.sqrt(len(fakes)) * np.std(_only(filled, last, len(fakes))) / len(reals),
            ),
        },
    )


def _only(filled: NDArray[np.int64], last: NDArray[np.int64], fakes: int) -> NDArray[np.int64]:
    """Return the number of balls (fakes,) that have no other fake: coverage's loss without it."""
    return np.bincount(last[filled == 1], minlength=fakes)
