"""The statistics of a tournament: how certain a ranking is, from scores by contestant and seed.

Seeds are paired: seed 3 gives every contestant the same first weights, batches and latents, so the
effect of a seed on all of them cancels in differences. Lower scores are better; a failed run scores
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
from ganbaru.comparison import significance

RESAMPLES = 100_000
SPLITS = 2000  # random splits of seeds into halves; all splits up to 10 seeds
MAX_ENUMERATED = 10

Numbers = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """Two contestants: `difference` is the mean over seeds of the first less the second."""

    first: str
    second: str
    difference: float | None  # None if both succeeded with no seed
    interval: Interval | None
    seeds: int  # with which both succeeded
    flips: float | None
    p: float | None = None  # adjusted for all pairs; None if one of them failed with a seed


@dataclass(frozen=True)
class Standings:
    """The ranking by mean score, best first, and how often other seeds would change it."""

    order: list[str]
    means: dict[str, float | None]  # over the seeds that succeeded
    intervals: dict[str, Interval | None]
    pairs: list[Pair]  # all, the better contestant first
    winner_changes: float | None
    order_changes: float | None


def interval(values: Numbers, level: float = 0.95) -> Interval | None:
    """Return a bootstrap interval for the mean that values (n,) scatter about; None for one value.

    Means of n values drawn with repeats, 100,000 times; the interval runs between their quantiles
    q and 1 - q with q = Phi(-sqrt(n / (n - 1)) t), t being the upper (1 - level) / 2 point of
    Student's t with n - 1 degrees of freedom (the expanded percentile interval, Hesterberg 2015,
    The American Statistician 69(4)). Plain percentiles are too narrow for few values: at n = 5 they
    cover the mean of a normal distribution 84 times in 100 instead of 95; these cover it 93 times.
    An interval is within the range of the values, so with n = 2 it covers the mean half the time.
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
    """Yield pairs of disjoint sets of floor(seeds / 2) seeds; all pairs up to 10 seeds."""
    half = seeds // 2
    if seeds > MAX_ENUMERATED:
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
    """Return how often two tournaments disagree on the ranking; None for fewer than two seeds.

    `scores` (m, n) are those of m contestants with n seeds. Two disjoint halves of the seeds are
    two independent tournaments of floor(n / 2) seeds each. The mean over all splits of whether they
    disagree is a U-statistic (Hoeffding 1948), so it is unbiased and needs no assumption on the
    distribution: for two contestants of one distribution it is 1/2 on average, for two whose
    differences are normal with mean d and deviation s it is 2 p (1 - p) with
    p = Phi(d sqrt(floor(n / 2)) / s). A tournament of all n seeds flips more rarely, so this is
    conservative.
    """
    found = []
    for one, other in splits(scores.shape[1]):
        means = scores[:, one].mean(axis=1), scores[:, other].mean(axis=1)
        # By comparisons, since infinity less infinity is NaN.
        signs = [(m[:, None] > m[None]).astype(int) - (m[:, None] < m[None]) for m in means]
        flipped = signs[0] * signs[1] < 0
        found.append((flipped, means[0].argmin() != means[1].argmin(), flipped.any()))
    if not found:
        return None
    pairs, winner, order = (np.mean(part, axis=0) for part in zip(*found, strict=True))
    return Flips(pairs, float(winner), float(order))


def standings(scores: Mapping[str, Numbers]) -> Standings:
    """Rank contestants by the mean of their scores (n,), paired by seed; failures rank last."""
    keys = {name: ((~np.isfinite(each)).sum(), _mean(each) or 0.0) for name, each in scores.items()}
    names = sorted(scores, key=lambda name: keys[name])
    table = np.stack([scores[name] for name in names])
    found = flips(table)
    indices = list(itertools.combinations(range(len(names)), 2))
    chances = _chances(table, indices)
    pairs = [_pair(names, table, i, j, found, chances.get((i, j))) for i, j in indices]
    return Standings(
        order=names,
        means={name: _mean(scores[name]) for name in names},
        intervals={name: interval(_finite(scores[name])) for name in names},
        pairs=pairs,
        winner_changes=found.winner if found else None,
        order_changes=found.order if found else None,
    )


def _chances(table: Numbers, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """Return the adjusted p-values of the pairs of contestants that succeeded with every seed."""
    whole = [pair for pair in pairs if np.isfinite(table[list(pair)]).all()]
    if not whole or table.shape[1] < 2:
        return {}
    found = significance.adjusted_p(np.stack([table[i] - table[j] for i, j in whole]))
    return dict(zip(whole, found.tolist(), strict=True))


def _pair(
    names: list[str], table: Numbers, i: int, j: int, found: Flips | None, p: float | None
) -> Pair:
    both = np.isfinite(table[i]) & np.isfinite(table[j])
    differences = table[i][both] - table[j][both]
    flip = float(found.pairs[i, j]) if found else None
    between = interval(differences)
    return Pair(names[i], names[j], _mean(differences), between, len(differences), flip, p)


def _finite(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]


def _mean(values: Numbers) -> float | None:
    good = _finite(values)
    return float(good.mean()) if len(good) else None
