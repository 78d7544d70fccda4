"""How many images are copies: counts calibrated on real images that cannot be, and exact tests.

The statistic of an image is its distance to the nearest training image over the mean of those to
the next five. It is far below 1 when one training image is much nearer than its neighbours are,
as for a copy. The plain distance will not do: blurred images lie near all others, and images of a
simple class near each other. Of 300 fresh MNIST ones, 5 % are nearer than the first percentile of
all fresh digits by the distance, and 1.0 to 2 % by the ratio. A ratio to the neighbourhood is
what Carlini et al. 2023 ("Extracting training data from diffusion models", section 4.2) use; the
comparison with held-out reals is that of Meehan et al. 2020 ("A non-parametric test to detect
data-copying in generative models").

The threshold is the r-th smallest ratio of m held-out reals, r being 0.5 % of m + 1 and 1 at least,
so that a fresh real image falls below it with probability r / (m + 1): the floor. If n images copy
nothing, that is if their ratios are distributed as those of fresh reals, then the number K below it
is exactly beta-binomial, K ~ BetaBin(n, r, m + 1 - r), whatever that distribution is, the chance in
the threshold included. The p-value is P(K >= k). With c copies among the n, all found,
K - c ~ BetaBin(n - c, r, m + 1 - r): the interval holds each c for which neither tail of that is
below 2.5 %. The estimate is (k / n - floor) / (1 - floor), and not below 0. Generators whose images
are smoother than real ones have next to none below the threshold by chance, so there it is too low
by up to the floor: that is why the floor is this small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError
from ganbaru.metrics.nearest import Nearest

FALSE = 0.005  # of fresh real images that are taken for copies
LEAST = 100  # images of each kind: with fewer held out, the floor would pass 1 %
AROUND = 5  # neighbours that the nearest is compared with

Ratios = NDArray[np.floating]


@dataclass(frozen=True)
class Copying:
    """What `copying` found; rates are shares of the images looked at, from 0 to 1."""

    rate: float  # of copies
    low: float  # of the 95 % interval
    high: float
    p: float  # the probability of as many as that, or more, if nothing is copied
    share: float  # below the threshold
    floor: float  # of fresh real images below it, expected
    threshold: float


def ratios(found: Nearest) -> Ratios:
    """Return the nearest distance over the mean of the next five, (N,), from 0 to 1."""
    near, around = found.distances[:, 0], found.distances[:, 1 : 1 + AROUND].mean(axis=1)
    # Where even the next five are at no distance, the place is crowded and says nothing.
    return np.where(around > 0, near / np.maximum(around, 1e-9), 1.0)


def copying(images: Ratios, held_out: Ratios) -> Copying:
    """Estimate how many images (N,) are copies, given the ratios of held-out reals (M,)."""
    n, m = len(images), len(held_out)
    if min(n, m) < LEAST:
        raise InputError(
            f"A copy rate needs {LEAST} images or more of each kind; here are {n} to look at and "
            f"{m} held-out real ones."
        )
    rank = int(FALSE * (m + 1)) or 1
    threshold, floor = float(np.sort(held_out)[rank - 1]), rank / (m + 1)
    below = int((images < threshold).sum())
    rate = max(0.0, (below / n - floor) / (1 - floor))
    low, high = _interval(below, n, rank, m)
    return Copying(
        rate, min(low / n, rate), max(high / n, rate), _upper(below, n, rank, m), below / n, floor,
        threshold,
    )  # fmt: skip


def _interval(below: int, n: int, rank: int, m: int) -> tuple[int, int]:
    """Return the least and the greatest number of copies that go with what was counted."""
    copies = range(below + 1)
    fits = [
        c for c in copies
        if _upper(below - c, n - c, rank, m) >= 0.025 and _lower(below - c, n - c, rank, m) >= 0.025
    ]  # fmt: skip
    return (fits[0], fits[-1]) if fits else (0, 0)


def _upper(k: int, n: int, rank: int, m: int) -> float:
    """Return P(K >= k) of K ~ BetaBin(n, rank, m + 1 - rank)."""
    return min(1.0, float(_masses(n, rank, m)[k:].sum()))


def _lower(k: int, n: int, rank: int, m: int) -> float:
    """Return P(K <= k)."""
    return min(1.0, float(_masses(n, rank, m)[: k + 1].sum()))


def _masses(n: int, rank: int, m: int) -> NDArray[np.float64]:
    """Return P(K = k) for k from 0 to n: C(k + r - 1, k) C(n - k + m - r, n - k) / C(n + m, n).

    Of all orders of n + m numbers, those with k of the n before the r-th of the m.
    """
    logs = np.cumsum(np.log(np.arange(1, n + m + 1)))
    factorial = np.concatenate([[0.0], logs])  # logarithms of 0! to (n + m)!

    def choose(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(factorial[a] - factorial[b] - factorial[a - b])

    k = np.arange(n + 1)
    whole = choose(np.array(n + m), np.array(n))
    return np.exp(choose(k + rank - 1, k) + choose(n - k + m - rank, n - k) - whole)
