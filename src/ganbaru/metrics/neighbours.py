"""Precision, recall, density, coverage and novelty, by balls around nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.engines.numpy import distances
from ganbaru.errors import InputError

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
    2022); 0 for copies, and a half or more for unseen reals: see the baseline.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    novelty: float


def neighbourhood(real: Features, fake: Features, k: int = NEAREST) -> Neighbourhood:
    """Return the five scores of features (N, D) and (M, D), by distances in float64.

    Takes time as N² + M² + NM and memory as N + M.
    """
    if min(len(real), len(fake)) <= k:
        raise InputError(
            f"Precision, recall, density and coverage use the {k} nearest images of each kind and "
            f"need {k + 1} or more of each, not {len(real)} real and {len(fake)} fake ones."
        )
    centre = real.mean(axis=0, dtype=np.float64)  # near 0, squares lose the fewest digits
    reals, fakes = real - centre, fake - centre  # float64
    own, fake_ball = (distances.of_nearest(x, k) for x in (reals, fakes))
    first, ball, fake_ball = own[:, 0], own[:, -1] * BELOW, fake_ball[:, -1] * BELOW
    inside, recalled = np.zeros(len(fakes)), np.zeros(len(reals), bool)
    covered, novel = np.zeros(len(reals), bool), np.zeros(len(fakes), bool)
    for part in distances.blocks(fakes, reals):
        squares = distances.squares(fakes[part], reals)
        within = squares < ball
        inside[part] = within.sum(axis=1)
        covered |= within.any(axis=0)
        recalled |= (squares < fake_ball[part, None]).any(axis=0)
        closest = squares.argmin(axis=1)
        novel[part] = squares[np.arange(len(closest)), closest] > first[closest]
    return Neighbourhood(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / k),
        coverage=float(covered.mean()),
        novelty=float(novel.mean()),
    )
