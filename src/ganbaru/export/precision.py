"""In what precision weights leave: rounded once, and never to infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError, pick

# How far a model may be from the NumPy engine, of the largest number in what it gives, or of 1: the
# largest seen, in residual networks of 64x64, is 9e-6 and 6e-3.
PRECISIONS: dict[str, tuple[type[np.floating], float]] = {
    "float32": (np.float32, 1e-4),
    "float16": (np.float16, 2e-2),
}


def bound(precision: str) -> float:
    """Return how far a model of this precision may be from the NumPy engine."""
    return pick("precision", precision, PRECISIONS)[1]


def rounded(array: NDArray[Any], name: str, precision: str) -> NDArray[np.floating]:
    """Round floating numbers; raises InputError for an unknown precision or one too small."""
    kind, _ = pick("precision", precision, PRECISIONS)
    with np.errstate(over="ignore"):
        found = np.asarray(array).astype(kind)
    if not np.isfinite(found).all():
        raise InputError(
            f"{name or 'A constant'} has a number of {np.abs(array).max():.3g}, and {precision} "
            f"ends at {np.finfo(kind).max:.3g}: take --precision float32."
        )
    return found
