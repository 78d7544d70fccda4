"""Learning-rate schedules: a factor, by the number of real images shown so far.

A schedule is ``schedule(images, *, start, end)``: 1 up to `start` images, then decreasing, to 0 at
`end`. Counts are absolute, so a resumed run has the same factors as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[..., float]


def _progress(images: int, start: float, end: float) -> float:
    """Return the fraction of the way from `start` to `end`, clipped to 0 to 1."""
    return min(1.0, max(0.0, (images - start) / max(1.0, end - start)))


def constant(images: int) -> float:
    """Return 1 throughout."""
    return 1.0


def linear(images: int, *, start: float = 0, end: float = 0) -> float:
    """Decrease along a straight line."""
    return 1.0 - _progress(images, start, end)


def cosine(images: int, *, start: float = 0, end: float = 0) -> float:
    """Decrease along half a cosine wave (Loshchilov and Hutter 2017, eq. 5)."""
    return (1.0 + math.cos(math.pi * _progress(images, start, end))) / 2


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}
