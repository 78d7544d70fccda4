"""Scores that state what they depend on, with a confidence interval and a real-image baseline.

`evaluate` scores a run or a set of images; `evaluator_for` makes an `Evaluator` that scores many,
such as a run's generator at each milestone. `METRICS` is the registry; each metric is a pure
function of features or labels in a file of its own. `memorization` looks for copies of training
images.
"""

from __future__ import annotations

from ganbaru.metrics.definitions import METRICS
from ganbaru.metrics.evaluation import evaluate, evaluator_for
from ganbaru.metrics.evaluator import Evaluator, make_evaluator
from ganbaru.metrics.passport import (
    Evaluation,
    Passport,
    Score,
    check_comparable,
    differences,
    stored,
)

__all__ = [
    "METRICS",
    "Evaluation",
    "Evaluator",
    "Passport",
    "Score",
    "check_comparable",
    "differences",
    "evaluate",
    "evaluator_for",
    "make_evaluator",
    "stored",
]
