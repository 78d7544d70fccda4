"""The statistics of a tournament: how sure a ranking is, given scores by contestant and seed.

Seeds are paired: seed 3 gives every contestant the same first weights, batches and latents, so what
a seed does to all of them cancels in differences. Lower scores are better; a run that failed scores
infinity.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness

RESAMPLES = 100_000
SPLITS = 2000  # at most, of seeds into halves; up to 10 seeds have fewer, and all are taken
ALL = 10

Numbers = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """One contestant against another: `difference` is the mean over seeds of first less second."""

    first: str
    second: str
    difference: float | None  # None where no seed let both end well
    interval: Interval | None
    seeds: int  # that let both end well
    flips: float | None


@dataclass(frozen=True)
class Standings:
    """Who is how good on average, the best first, and what other seeds would make of it."""

    order: list[str]
    means: dict[str, float | None]  # over the seeds that ended well
    intervals: dict[str, Interval | None]
    pairs: list[Pair]  # each with each, the better one first
    winner_changes: float | None
    order_changes: float | None


def interval(values: Numbers, level: float = 0.95) -> Interval | None:
    """Return a bootstrap interval for the mean that values (n,) scatter about; None for one value.

    Means of n values drawn with repeats, 100,000 times; the interval runs between their quantiles
    q and 1 - q with q = Phi(-sqrt(n / (n - 1)) t), t being the upper (1 - level) / 2 point of
    Student's t with n - 1 degrees of freedom (the expanded percentile interval, Hesterberg 2015,
    The American Statistician 69(4)). Plain percentiles are too narrow for few values: at n = 5 they
    hold the mean of a normal distribution 84 times in 100 instead of 95; these hold it 93 times. It
    never leaves the range of the values, so with n = 2 it holds it half the time.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        return None
    t = float(stdtrit(n - 1, (1 + level) / 2))
    below = NormalDist().cdf(-math.sqrt(n / (n - 1)) * t)
    low, high = np.quantile(values[_resamples(n, RESAMPLES)].mean(axis=1), [below, 1 - below])
    return float(low), float(high)


@functools.lru_cache(maxsize=4)
def _resamples(n: int, count: int) -> NDArray[np.int64]:
    return randomness.integers(0, "resamples of seeds", 0, count * n, n).reshape(-1, n)


def splits(seeds: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield pairs of sets of floor(seeds / 2) seeds that share none; all pairs up to 10 seeds."""
    half = seeds // 2
    if not half:
        return
    if seeds > ALL:
        for i in range(SPLITS):
            order = randomness.permutation(0, "halves of seeds", i, seeds).tolist()
            yield order[:half], order[half : 2 * half]
        return
    for one in itertools.combinations(range(seeds), half):
        rest = [seed for seed in range(seeds) if seed not in one]
        for other in itertools.combinations(rest, half):
            if one < other:
                yield list(one), list(other)


@dataclass(frozen=True)
class Flips:
    """How often two tournaments with other seeds disagree: on pairs, the winner, the order."""

    pairs: NDArray[np.float64]  # (m, m)
    winner: float
    order: float


def flips(scores: Numbers) -> Flips | None:
    """Return how often two tournaments rank contestants otherwise; None for fewer than two seeds.

    `scores` (m, n) are those of m contestants with n seeds. Two halves of the seeds that share
    none are two tournaments of floor(n / 2) seeds each, independent of each other. The mean over
    all splits of whether they disagree is a U-statistic (Hoeffding 1948), so it is unbiased, and
    needs no assumption on the distribution: of two contestants with one law it is 1/2 on average,
    of two whose differences are normal with mean d and deviation s it is 2 p (1 - p) with
    p = Phi(d sqrt(floor(n / 2)) / s). A tournament of all n seeds flips more rarely, so this is
    on the cautious side.
    """
    found = []
    for one, other in splits(scores.shape[1]):
        means = scores[:, one].mean(axis=1), scores[:, other].mean(axis=1)
        # By comparisons: infinity less infinity would be no number.
        signs = [(m[:, None] > m[None]).astype(int) - (m[:, None] < m[None]) for m in means]
        apart = signs[0] * signs[1] < 0
        found.append((apart, means[0].argmin() != means[1].argmin(), apart.any()))
    if not found:
        return None
    pairs, winner, order = (np.mean(part, axis=0) for part in zip(*found, strict=True))
    return Flips(pairs, float(winner), float(order))


def standings(scores: Mapping[str, Numbers]) -> Standings:
    """Rank contestants by their mean scores (n,), paired by seed; failures rank last."""
    names = sorted(scores, key=lambda name: (_failures(scores[name]), _mean(scores[name]) or 0.0))
    table = np.stack([scores[name] for name in names])
    found = flips(table)
    pairs = [
        _pair(names, table, i, j, found)
        for i, j in itertools.combinations(range(len(names)), 2)
    ]  # fmt: skip
    return Standings(
        order=names,
        means={name: _mean(scores[name]) for name in names},
        intervals={name: interval(_finite(scores[name])) for name in names},
        pairs=pairs,
        winner_changes=found.winner if found else None,
        order_changes=found.order if found else None,
    )


def _pair(names: list[str], table: Numbers, i: int, j: int, found: Flips | None) -> Pair:
    both = np.isfinite(table[i]) & np.isfinite(table[j])
    apart = table[i][both] - table[j][both]
    mean = float(apart.mean()) if len(apart) else None
    flip = float(found.pairs[i, j]) if found else None
    return Pair(names[i], names[j], mean, interval(apart), len(apart), flip)


def _finite(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]


def _failures(values: Numbers) -> int:
    return int((~np.isfinite(values)).sum())


def _mean(values: Numbers) -> float | None:
    good = _finite(values)
    return float(good.mean()) if len(good) else None
