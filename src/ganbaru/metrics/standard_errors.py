"""The standard error of each score, by the way that its metric declares."""

from __future__ import annotations

import numpy as np

from ganbaru.data import Progress
from ganbaru.metrics import intervals
from ganbaru.metrics.definitions import JACKKNIFED, METRICS, SUBSAMPLED, Values, compute_scores
from ganbaru.metrics.feature_sets import Comparison, Labels, comparisons


def standard_errors(compared: list[Comparison], seed: int, progress: Progress) -> Values:
    """Return the standard errors of the scores that have one, of the square of a root."""
    real, fake, classes = compared[0].real, compared[0].fake, compared[0].classes

    def score(names: list[str], reals: Labels, fakes: Labels) -> Values:
        # The kernel distance is unbiased at any size, so all of a subsample is its subset.
        whole = np.arange(min(len(reals), len(fakes)))
        parts = real.subset(reals), fake.subset(fakes)
        scores = compute_scores(comparisons(*parts, classes, [(whole, whole)]), names)[0]
        return {name: x**2 if METRICS[name].root else x for name, x in scores.items()}

    counts = len(real), len(fake)
    found = intervals.standard_errors(lambda *x: score(SUBSAMPLED, *x), *counts, seed, progress)
    found |= intervals.jackknife(lambda *x: score(JACKKNIFED, *x), *counts, seed)
    for name, metric in METRICS.items():
        error = metric.error(compared[0]) if metric.error else None
        if error is not None:
            found[name] = error
        elif metric.error_of:
            found[name] = found[metric.error_of]
        elif metric.least_error:
            least = [metric.least_error(x) for x in compared]
            found[name] = max(found[name], float(np.mean(least)))
    return found
