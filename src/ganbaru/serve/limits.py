"""The limits of a service, and the count of images that wait."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ganbaru.serve.problems import ProblemError


@dataclass(frozen=True)
class Limits:
    """The limits of one service."""

    images: int = 256  # of a request
    frames: int = 240  # of a film
    side: int = 512  # pixels of a film's longer side
    body: int = 2**20  # bytes of a request's body
    queue: int = 1024  # images and frames that wait or are being made
    seconds: float = 30.0  # that a request may wait, or a response remain unread
    arriving: float = 10.0  # seconds in which a request must have arrived
    head: int = 2**16  # bytes of a request before its body
    projections: int = 4  # pictures that wait or are searched for
    streams: int = 64  # event streams open at once
    connections: int = 1024


class Admission:
    """Counts the images that wait, and refuses requests when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = 0
        self._made, self._since = 0, time.monotonic()
        self._rate = 100.0  # images a second, until it is measured

    @contextlib.contextmanager
    def place(self, count: int) -> Iterator[float]:
        """Reserve `count` places in the queue; yields the deadline, in monotonic seconds."""
        if self.waiting and self.waiting + count > self.limits.queue:
            raise ProblemError(
                429,
                f"The queue is full: {self.waiting} images are waiting, and {count} more would "
                f"exceed the limit of {self.limits.queue}. Try again later.",
                {"Retry-After": str(self.seconds_left())},
            )
        if not self.waiting:  # the rate counts working time only, not the idle time before
            self._made, self._since = 0, time.monotonic()
        self.waiting += count
        try:
            yield time.monotonic() + self.limits.seconds
        finally:
            self.waiting -= count
            self._count(count)

    def seconds_left(self) -> int:
        """Estimate the whole seconds until the queue is empty, at the recent rate (1 to 60)."""
        return max(1, min(60, math.ceil(self.waiting / self._rate)))

    def _count(self, count: int) -> None:
        self._made += count
        now = time.monotonic()
        if now - self._since > 0.2:
            self._rate = max(1.0, self._made / (now - self._since))
            self._made, self._since = 0, now
