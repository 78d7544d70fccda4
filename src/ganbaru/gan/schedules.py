"""Schedules: the factor on the learning rates, by the number of real images shown so far.

A schedule is ``schedule(images, *, start, end)``: 1 up to `start` images, then falling, to nothing
at `end`. Counts are absolute, so a run that goes on falls as an uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[..., float]

SCHEDULES: dict[str, Schedule] = {}


def schedule(function: Schedule) -> Schedule:
    """Register a schedule under its name."""
    SCHEDULES[function.__name__] = function
    return function


def _passed(images: int, start: float, end: float) -> float:
    """Return how much of the way from `start` to `end` is behind, from 0 to 1."""
    return min(1.0, max(0.0, (images - start) / max(1.0, end - start)))


@schedule
def constant(images: int) -> float:
    """Return 1 throughout."""
    return 1.0


@schedule
def linear(images: int, *, start: float = 0, end: float = 0) -> float:
    """Fall along a straight line."""
    return 1.0 - _passed(images, start, end)


@schedule
def cosine(images: int, *, start: float = 0, end: float = 0) -> float:
    """Fall along half a cosine wave (Loshchilov and Hutter 2017, eq. 5)."""
    return (1.0 + math.cos(math.pi * _passed(images, start, end))) / 2
