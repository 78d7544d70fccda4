"""What the features of every metric are checked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError


def check_features(what: str, least: int, *sets: NDArray[Any]) -> None:
    """Raise InputError unless each set has `least` images (N, ...) or more, all finite.

    A NaN is neither near nor far: without this check, precision and recall of features with one
    were those of the others.
    """
    if (fewest := min(map(len, sets))) < least:
        raise InputError(f"{what} needs {least} images or more of each kind, not {fewest}.")
    for features in sets:
        bad = ~np.isfinite(features).reshape(len(features), -1).all(axis=1)
        if bad.any():
            raise InputError(
                f"{what} needs finite features, and those of {int(bad.sum())} of {len(bad)} images "
                f"are NaN or infinite: choose another --scorer, or check its network's input."
            )
