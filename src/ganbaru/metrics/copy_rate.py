"""The copy rate (memorization): how many images are copies of training images, with exact tests.

The statistic of an image is its distance to the nearest training image over the mean of those to
the next five. It is far below 1 when one training image is much nearer than its neighbours are,
as for a copy. The plain distance is a poor test: blurred images are near all others, and images of
a simple class near each other. Of 300 unseen MNIST images, 5 % are nearer than the first percentile
of all unseen digits by the distance, and 1.0 to 2 % by the ratio. A ratio to the neighbourhood is
what Carlini et al. 2023 ("Extracting training data from diffusion models", section 4.2) use; the
comparison with held-out reals is that of Meehan et al. 2020 ("A non-parametric test to detect
data-copying in generative models").

The threshold is the r-th smallest ratio of m held-out reals, r being 0.5 % of m + 1 and 1 at least,
so that an unseen real image is below it with probability r / (m + 1): the baseline. If n images
copy nothing, that is if their ratios are distributed as those of unseen reals, then the number K
below it is exactly beta-binomial, K ~ BetaBin(n, r, m + 1 - r), whatever that distribution is, the
chance in the threshold included. The p-value is P(K >= k). With c copies among the n, all found,
K - c ~ BetaBin(n - c, r, m + 1 - r): the interval holds each c for which neither tail of that is
below 2.5 %. The estimate is (k / n - baseline) / (1 - baseline), and not below 0. Generators with
smoother images than real ones have almost none below the threshold by chance, so the estimate is
then too low by up to the baseline: that is why the baseline is this small.

All this is of independent images. A collapsed generator makes a few images again and again, so one
that is near a training image by chance counts many times: of generators with 50 different images
that copy nothing, 23 % had p < 0.01. So p-value and interval are of one image of each group of
near-equal ones (`nearest.thinned`); the rate is of all images.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError
from ganbaru.metrics.nearest import Indices, Nearest

FALSE_POSITIVES = 0.005  # share of unseen real images below the threshold
MIN_IMAGES = 100  # of each kind: with fewer held out, the baseline would exceed 1 %
NEIGHBOURS = 5  # that the nearest is compared with

Ratios = NDArray[np.floating]


@dataclass(frozen=True)
class Copying:
    """The result of `copy_rate`; rates are shares of the examined images, from 0 to 1."""

    rate: float  # of copies
    low: float  # of the 95 % interval
    high: float
    p: float  # probability of as many images below the threshold, or more, without copies
    share: float  # below the threshold
    floor: float  # expected share of unseen real images below it: the baseline
    threshold: float
    independent: int | None = None  # images that p and interval are of, None if all


def distance_ratios(found: Nearest) -> Ratios:
    """Return the nearest distance over the mean of the next five, (N,), from 0 to 1."""
    near, around = found.distances[:, 0], found.distances[:, 1 : 1 + NEIGHBOURS].mean(axis=1)
    # Where even the next five are at distance 0, the ratio means nothing.
    return np.where(around > 0, near / np.maximum(around, 1e-9), 1.0)


def copy_rate(images: Ratios, held_out: Ratios, independent: Indices | None = None) -> Copying:
    """Return the copy rate of images, from their ratios (N,) and those of held-out reals (M,).

    `independent` are the indices of the images that represent groups of near-equal ones.
    """
    m = len(held_out)
    if min(len(images), m) < MIN_IMAGES:
        raise InputError(
            f"A copy rate needs {MIN_IMAGES} images or more of each kind, not {len(images)} to "
            f"examine and {m} held-out real ones."
        )
    rank = int(FALSE_POSITIVES * (m + 1)) or 1
    threshold, baseline = float(np.sort(held_out)[rank - 1]), rank / (m + 1)
    share = float((images < threshold).mean())
    rate = max(0.0, (share - baseline) / (1 - baseline))
    different = images if independent is None else images[independent]
    below, n = int((different < threshold).sum()), len(different)
    low, high = (count / n for count in _interval(below, n, rank, m))
    repeats = share * n / below if below else 1.0  # how many more images copies stand for
    return Copying(
        rate=rate,
        low=min(low * repeats, rate),
        high=min(1.0, max(high * repeats, rate)),
        p=_tails(below, n, rank, m)[0],
        share=share,
        floor=baseline,
        threshold=threshold,
        independent=n,
    )


def _interval(below: int, n: int, rank: int, m: int) -> tuple[int, int]:
    """Return the smallest and the largest number of copies that the count does not reject."""

    def tail(side: int, copies: int) -> float:
        return _tails(below - copies, n - copies, rank, m)[side]

    # The upper tail grows with the copies and the lower one falls, each by coupling of K.
    every = range(below + 1)
    low = bisect.bisect_left(every, 0.025, key=lambda c: tail(0, c))
    high = bisect.bisect_right(every, -0.025, key=lambda c: -tail(1, c)) - 1
    return (low, high) if high >= 0 else (0, 0)


def _tails(k: int, n: int, rank: int, m: int) -> tuple[float, float]:
    """Return P(K >= k) and P(K <= k) of K ~ BetaBin(n, rank, m + 1 - rank)."""
    masses = _masses(n, rank, m)
    return min(1.0, float(masses[k:].sum())), min(1.0, float(masses[: k + 1].sum()))


def _masses(n: int, rank: int, m: int) -> NDArray[np.float64]:
    """Return P(K = k) = C(n, k) B(k + r, n - k + m + 1 - r) / B(r, m + 1 - r) for k from 0 to n."""
    from scipy.special import betaln

    k, rest = np.arange(n + 1), m + 1 - rank
    choose = -betaln(k + 1, n - k + 1) - np.log(n + 1)
    return np.exp(choose + betaln(k + rank, n - k + rest) - betaln(rank, rest))
