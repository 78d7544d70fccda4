"""Precision, recall, density, coverage and novelty, by balls around nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    2022); 0 for copies, and a half or more for unseen reals: see the baseline. `errors`: the
    standard errors of density and coverage. Density's is the jackknife's, each image left out in
    turn: without a real, the balls that it is in grow to their next neighbour. On average that is
    not too small (Efron and Stein 1981). For coverage's reals it would be twice too large: they
    count as independent, with their balls as they are.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    novelty: float
    errors: Mapping[str, float]


def neighbourhood(real: Features, fake: Features, k: int = NEAREST) -> Neighbourhood:
    """Return the five scores of features (N, D) and (M, D), by distances in float64.

    Takes time as N² + M² + NM and memory as N + M.
    """
    check_features(f"Precision by the {k} nearest images", k + 1, real, fake)
    centre = real.mean(axis=0, dtype=np.float64)  # near 0, squares lose the fewest digits
    reals, fakes = real - centre, fake - centre  # float64
    own, near = distances.of_nearest(reals, min(k + 1, len(reals) - 1))
    first, ball, larger = own[:, 0], own[:, k - 1] * BELOW, own[:, -1] * BELOW
    fake_ball = distances.of_nearest(fakes, k)[0][:, -1] * BELOW
    inside, recalled = np.zeros(len(fakes)), np.zeros(len(reals), bool)
    novel = np.zeros(len(fakes), bool)
    # Fakes in each ball and in the larger one, and one of those in the ball.
    filled, more, last = np.zeros((3, len(reals)), np.int64)
    for part in distances.blocks(fakes, reals):
        squares = distances.squares(fakes[part], reals)
        within = squares < ball
        inside[part] = within.sum(axis=1)
        found = within.sum(axis=0)
        filled += found
        more += (squares < larger).sum(axis=0)
        last = np.where(found, within.argmax(axis=0) + part.start, last)
        recalled |= (squares < fake_ball[part, None]).any(axis=0)
        closest = squares.argmin(axis=1)
        novel[part] = squares[np.arange(len(closest)), closest] > first[closest]
    coverage = float((filled > 0).mean())
    alone = np.bincount(last[filled == 1], minlength=len(fakes))  # balls with no other fake
    # What the sum over balls loses without each real: its own, less the growth of others.
    growth = np.repeat((more - filled).astype(np.float64), k)
    lost = filled - np.bincount(near[:, :k].ravel(), growth, len(reals))
    return Neighbourhood(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / k),
        coverage=coverage,
        novelty=float(novel.mean()),
        errors={
            "density": math.hypot(_error(inside), _error(lost) * len(reals) / len(fakes)) / k,
            "coverage": math.hypot(_error(filled > 0), _error(alone) * len(fakes) / len(reals)),
        },
    )


def _error(losses: NDArray[Any]) -> float:
    """Return the jackknife's standard error of a mean, given what its sum loses without each."""
    return float(np.std(losses)) / math.sqrt(len(losses))
