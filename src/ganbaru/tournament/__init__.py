"""Tournaments: presets or options against each other, paired by seed, with intervals.

`compare` holds one. `contestants` says who plays, `playing` trains and scores one run, `scheduling`
all of them, `standings` is the statistics, `publishing` writes tables and the plot.
"""

from __future__ import annotations

from ganbaru.tournament.comparing import compare, planned
from ganbaru.tournament.publishing import Result

__all__ = ["Result", "compare", "planned"]
