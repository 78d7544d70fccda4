"""Tournaments: presets or options compared under equal conditions, paired by seed, with intervals.

`compare` runs one. `contestants` are the configurations compared, `training` trains and scores one
run, `scheduling` all runs, `standings` is the statistics, `results` writes tables and the plot.
"""

from __future__ import annotations

from ganbaru.comparison.contestants import Budget
from ganbaru.comparison.results import Result
from ganbaru.comparison.tournament import compare, plan_tournament

__all__ = ["Budget", "Result", "compare", "plan_tournament"]
