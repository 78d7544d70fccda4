"""The Fréchet distance between two sets of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.metrics.checks import check_features

SPLITS = 4  # with one, the deviation at equal distributions is a half larger

Features = NDArray[np.floating]


def frechet(real: Features, fake: Features) -> float:
    """Return the Fréchet distance of Gaussians fitted to features (N, D) and (M, D).

    |m1 - m2|² + tr(S1 + S2 - 2 (S1^½ S2 S1^½)^½), in squared units of the features; 0 is best
    (Dowson and Landau 1982; of networks' features: Heusel et al. 2017). The root's trace is the sum
    of the roots of the symmetric product's eigenvalues, in float64, tiny negative ones set to 0: a
    general matrix root of S1 S2 may be complex, or wrong by whole points.
    """
    check_features("A Fréchet distance", 2, real, fake)
    (mean1, cov1), (mean2, cov2) = moments(real), moments(fake)
    values, vectors = np.linalg.eigh(cov1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = root @ cov2 @ root
    shared = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(0)).sum()
    difference = mean1 - mean2
    distance = difference @ difference + np.trace(cov1) + np.trace(cov2) - 2 * shared
    return max(0.0, float(distance))


def frechet_at_infinity(real: Features, fake: Features) -> float:
    """Return the Fréchet distance that infinitely many images would have, estimated.

    The distance of n images is too large by about c / n on average, and that of their halves by
    2 c / n: 2 FD(n) - FD(n / 2), the latter averaged over both halves of four random splits of
    both sides (Chong and Forsyth 2020, section 3, extrapolate the fakes' side alone). With 64
    features and 2,000 images, 0.162 (simulated: 0.161, 20 times) where the plain distance is
    0.271. Unbiased, so it may be below 0.
    """
    check_features("A Fréchet distance at infinity", 4, real, fake)
    halves = []
    for i in range(SPLITS):
        parts = (
            np.array_split(randomness.permutation(0, f"halves of {name}", i, len(one)), 2)
            for name, one in (("reals", real), ("fakes", fake))
        )
        halves += [frechet(real[a], fake[b]) for a, b in zip(*parts, strict=True)]
    return 2 * frechet(real, fake) - float(np.mean(halves))


def moments(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (D,) and the unbiased covariance (D, D) of features (N, D)."""
    wide = features.astype(np.float64)
    mean = wide.mean(axis=0)
    centred = wide - mean
    return mean, centred.T @ centred / (len(wide) - 1)
