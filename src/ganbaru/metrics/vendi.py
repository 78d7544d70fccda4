"""The Vendi score: the effective number of different images, which needs no reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics.checks import check_features

Features = NDArray[np.floating]


def vendi(features: Features, centre: NDArray[np.floating]) -> float:
    """Return the Vendi score of features (N, D), from 1 (all alike) to min(N, D + 1).

    The exponential of the entropy of the eigenvalues of K / N, K being the images' cosine
    similarities (Friedman and Dieng 2023, "The Vendi score", eq. 1). Features of a network are
    mostly positive, so that all are similar: they are taken from `centre` (D,), the mean of real
    ones. Images exactly there are like each other and no others.
    """
    check_features("A Vendi score", 1, features, centre[None])
    wide = features.astype(np.float64) - centre
    lengths = np.linalg.norm(wide, axis=1)
    unit = wide[lengths > 0] / lengths[lengths > 0, None]
    # The D x D matrix has the eigenvalues of the N x N one that are not 0.
    values = np.linalg.eigvalsh(unit.T @ unit / len(features))
    shares = np.append(values, (lengths == 0).mean())
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
