"""Tournaments: presets or options against each other, paired by seed, with intervals.

`compare` holds one. `contestants` says who plays, `playing` trains and scores one run, `scheduling`
all of them, `standings` is the statistics, `publishing` writes tables and the plot.
"""

from __future__ import annotations

from ganbaru.comparison.results import Result
from ganbaru.comparison.tournament import compare, planned

__all__ = ["Result", "compare", "planned"]
