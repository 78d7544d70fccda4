"""The standard error of each score, by the way that its metric declares."""

from __future__ import annotations

import numpy as np

from ganbaru.data import Progress
from ganbaru.metrics import intervals
from ganbaru.metrics.definitions import JACKKNIFED, METRICS, SUBSAMPLED, Values, compute_scores
from ganbaru.metrics.feature_sets import Comparison, Labels, comparisons


def standard_errors(compared: list[Comparison], seed: int, progress: Progress) -> Values:
    """Return the standard errors of the scores that have one, of the square of a root.

    Those in closed form are means over the scorer's networks, at least the error of their mean.
    """
    real, fake, classes = compared[0].real, compared[0].fake, compared[0].classes

    def score(names: list[str], reals: Labels, fakes: Labels) -> Values:
        parts = real.subset(reals), fake.subset(fakes)
        return compute_scores(comparisons(*parts, classes), names)[0]

    counts = len(real), len(fake)
    found = intervals.standard_errors(lambda *x: score(SUBSAMPLED, *x), *counts, seed, progress)
    found |= intervals.jackknife(lambda *x: score(JACKKNIFED, *x), *counts, seed)
    for name, metric in METRICS.items():
        if metric.error:
            each = [metric.error(x) for x in (compared if metric.per_network else compared[:1])]
            found[name] = float(np.mean(each))
        elif metric.error_of:
            found[name] = found[metric.error_of]
    return found
