"""Scores you can trust: each with what it depends on, an interval, and what real images would get.

`evaluate` scores a run or a set of images. `evaluator_for` makes an `Evaluator` for many, like a
run's generator at each milestone. Each score is a pure function of features or labels in a file of
its own: `frechet`, `kernel`, `neighbours`, `sliced`, `counting`.
"""

from __future__ import annotations

from ganbaru.metrics.candidates import trained
from ganbaru.metrics.definitions import MEASURES
from ganbaru.metrics.evaluation import evaluate, evaluator_for
from ganbaru.metrics.evaluator import Evaluator, judge
from ganbaru.metrics.passport import (
    Evaluation,
    Passport,
    Score,
    check_comparable,
    differences,
    store,
    stored,
)

__all__ = [
    "MEASURES",
    "Evaluation",
    "Evaluator",
    "Passport",
    "Score",
    "check_comparable",
    "differences",
    "evaluate",
    "judge",
    "evaluator_for",
    "store",
    "stored",
    "trained",
]
