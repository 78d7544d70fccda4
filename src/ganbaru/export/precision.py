"""Precisions of exported weights, and rounding that refuses overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError, pick

# The NumPy type, and the allowed difference from the NumPy engine relative to the largest output
# (at least 1): the largest seen, in residual networks of 64x64, is 9e-6 and 6e-3.
PRECISIONS: dict[str, tuple[type[np.floating], float]] = {
    "float32": (np.float32, 1e-4),
    "float16": (np.float16, 2e-2),
}


def bound(precision: str) -> float:
    """Return the allowed relative difference between a model and the NumPy engine."""
    return pick("precision", precision, PRECISIONS)[1]


def rounded(array: NDArray[Any], name: str, precision: str) -> NDArray[np.floating]:
    """Round floating-point numbers; raises InputError for an unknown precision or an overflow."""
    kind, _ = pick("precision", precision, PRECISIONS)
    with np.errstate(over="ignore"):
        found = np.asarray(array).astype(kind)
    if not np.isfinite(found).all():
        raise InputError(
            f"{name or 'A constant'} has a value of {np.abs(array).max():.3g}, and the maximum of "
            f"{precision} is {np.finfo(kind).max:.3g}: choose --precision float32."
        )
    return found
