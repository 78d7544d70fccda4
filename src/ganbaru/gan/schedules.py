"""Schedules: a factor on the learning rates, and numbers that change during a run's burn-in.

A schedule is ``schedule(images, *, start, end, floor)``, by the number of real images shown so far:
1 up to `start` images, then decreasing, to `floor` at `end`. Counts are absolute, so a resumed run
has the same factors as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

Schedule = Callable[..., float]


def _progress(images: int, start: float, end: float) -> float:
    """Return the fraction of the way from `start` to `end`, clipped to 0 to 1."""
    return min(1.0, max(0.0, (images - start) / max(1.0, end - start)))


def constant(images: int) -> float:
    """Return 1 throughout."""
    return 1.0


def linear(images: int, *, start: float = 0, end: float = 0, floor: float = 0) -> float:
    """Decrease along a straight line."""
    return floor + (1.0 - floor) * (1.0 - _progress(images, start, end))


def cosine(images: int, *, start: float = 0, end: float = 0, floor: float = 0) -> float:
    """Decrease along half a cosine wave (Loshchilov and Hutter 2017, eq. 5)."""
    share = (1.0 + math.cos(math.pi * _progress(images, start, end))) / 2
    return floor + (1.0 - floor) * share


class Change(NamedTuple):
    """A number that changes from `start` to `end` along half a cosine wave."""

    start: float
    end: float

    def at(self, share: float) -> float:
        """Return the number at a share of the way, from 0 to 1."""
        return self.end + (self.start - self.end) * (1.0 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}
