"""The Vendi score: the effective number of different images, which needs no reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics.checks import check_features

TINY = 1e-12  # an eigenvalue that is 0 but for rounding
Features = NDArray[np.floating]


def vendi(features: Features, centre: NDArray[np.floating]) -> float:
    """Return the Vendi score of features (N, D), from 1 (all alike) to min(N, D + 1).

    The exponential of the entropy of the eigenvalues of K / N, K being the images' cosine
    similarities (Friedman and Dieng 2023, "The Vendi score", eq. 1). Features of a network are
    mostly positive, so that all are similar: they are taken from `centre` (D,), the mean of real
    ones. Images exactly there are like each other and no others.
    """
    values, _, _, alike = _spectrum(features, centre)
    shares = np.append(values, alike)
    shares = shares[shares > TINY]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def vendi_error(features: Features, centre: NDArray[np.floating]) -> float:
    """Return the standard error of the Vendi score if `centre` is exact, by the delta method.

    The entropy H of the matrix C = E uu' of unit vectors moves by -(u' log C u + H) / N for an
    image. Subsamples of a tenth make it a tenth too small where few images are different.
    """
    values, vectors, unit, alike = _spectrum(features, centre)
    logs = np.log(np.maximum(values, TINY))
    each = np.append(
        -((unit @ vectors) ** 2) @ logs, np.full(len(features) - len(unit), -np.log(alike or 1))
    )
    return vendi(features, centre) * float(each.std()) / np.sqrt(len(features))


def _spectrum(
    features: Features, centre: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Return eigenvalues and eigenvectors of C, the unit vectors, and the share at the centre."""
    check_features("A Vendi score", 1, features, centre[None])
    wide = features.astype(np.float64) - centre
    lengths = np.linalg.norm(wide, axis=1)
    unit = wide[lengths > 0] / lengths[lengths > 0, None]
    # The D x D matrix has the eigenvalues of the N x N one that are not 0.
    values, vectors = np.linalg.eigh(unit.T @ unit / len(features))
    return values, vectors, unit, float((lengths == 0).mean())
