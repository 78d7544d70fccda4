"""Scores you can trust: each with what it depends on, an interval, and what real images would get.

`evaluate` scores a run or a set of images. `judge_for` makes a `Judge` that scores many, such as a
run's generator at each milestone. Each score is a pure function of features or labels in a file of
its own: `frechet`, `kernel`, `neighbours`, `sliced`, `counting`.
"""

from __future__ import annotations

from ganbaru.metrics.candidates import trained
from ganbaru.metrics.definitions import MEASURES
from ganbaru.metrics.evaluation import evaluate, judge_for
from ganbaru.metrics.evaluator import Judge, judge
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
    "Judge",
    "Passport",
    "Score",
    "check_comparable",
    "differences",
    "evaluate",
    "judge",
    "judge_for",
    "store",
    "stored",
    "trained",
]
