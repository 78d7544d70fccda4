"""Which contestants of a tournament differ: exact tests over seeds, adjusted for all pairs.

The test of one pair is exact: if two contestants are equal, the difference of their scores with
one seed is as likely as its negative, so each of the 2^n assignments of signs to the differences of
n seeds is equally likely (Fisher 1935, The Design of Experiments, section 21). Its statistic is
Student's t of the differences, which puts pairs of different spread on one scale.

The best contestant is chosen after its scores were seen, and m contestants make m (m - 1) / 2
pairs. So each p-value is that of the largest statistic over pairs, the same signs being assigned to
a seed's differences of all pairs, in steps from the largest down (Westfall and Young 1993,
Resampling-Based Multiple Testing, algorithm 2.8). Then the probability that any pair of equal
contestants has a p-value of at most 5 % is at most 5 %, whichever others differ. It is also never
larger than Holm's adjustment of the same tests, which could not reach 5 % with nine contestants
and 10 seeds (36 pairs times 2 / 2^10 = 7 %).
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness

LEVEL = 0.05  # adjusted p-values up to it are claims
EXACT = 14  # seeds up to which all assignments of signs are used: 16,384
SAMPLED = 20_000  # assignments above that
CHUNK = 1 << 22  # statistics at a time: 32 MB

Numbers = NDArray[np.float64]


def smallest_p(seeds: int) -> float:
    """Return the smallest p-value that any difference can reach with a number of seeds."""
    return min(1.0, 2.0 ** (1 - seeds)) if seeds <= EXACT else 1 / (SAMPLED + 1)


def seeds_needed(level: float = LEVEL) -> int:
    """Return the smallest number of seeds with which a p-value can reach a level."""
    return 1 + math.ceil(-math.log2(level))


def adjusted_p(differences: Numbers) -> Numbers:
    """Return the adjusted p-values (K,) of K pairs from their differences (K, n) over n seeds.

    Two-sided. All differences must be finite. A pair whose differences are all 0 has p = 1.
    """
    count, seeds = differences.shape
    if not count or seeds < 2:
        return np.ones(count)
    found = _statistics(differences, np.ones((1, seeds)))[:, 0]
    order = np.argsort(-found, kind="stable")
    exceeded = np.zeros(count)
    signs = _signs(seeds)
    for part in np.array_split(signs, math.ceil(len(signs) * count / CHUNK)):
        drawn = _statistics(differences[order], part)
        # From the last pair up: the largest statistic among a pair and all those after it.
        largest = np.maximum.accumulate(drawn[::-1], axis=0)[::-1]
        # Rounding must not make an assignment that repeats the data count as smaller.
        exceeded += (largest >= found[order, None] * (1 - 1e-9)).sum(axis=1)
    stepped = np.maximum.accumulate(exceeded / len(signs))
    return stepped[np.argsort(order)]


def _statistics(differences: Numbers, signs: Numbers) -> Numbers:
    """Return |t| / sqrt(n - 1 + t²) (K, S), 0 to 1, of differences (K, n) under signs (S, n).

    It increases with |t|, and is finite where all differences are equal: there it is 1.
    """
    lengths = np.linalg.norm(differences, axis=1, keepdims=True)
    unit = np.divide(differences, lengths, out=np.zeros_like(differences), where=lengths > 0)
    return np.abs(unit @ signs.T) / math.sqrt(differences.shape[1])


@functools.lru_cache(maxsize=2)
def _signs(seeds: int) -> Numbers:
    """Return assignments of signs (S, n): all up to 14 seeds, else 20,000 and the identity."""
    if seeds <= EXACT:
        return np.array(list(itertools.product((1.0, -1.0), repeat=seeds)))
    drawn = randomness.integers(0, "signs of seeds", 0, SAMPLED * seeds, 2).reshape(-1, seeds)
    return np.concatenate([np.ones((1, seeds)), 2.0 * drawn - 1])
