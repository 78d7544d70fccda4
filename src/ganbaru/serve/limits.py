"""How much may be asked at once, and of whom it is refused: numbers in one place."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ganbaru.serve.responses import ProblemError


@dataclass(frozen=True)
class Limits:
    """The bounds of one service."""

    images: int = 256  # of a request
    frames: int = 240  # of a film
    side: int = 512  # pixels of a film's longer side
    body: int = 2**20  # bytes of a request
    queue: int = 1024  # images and frames that wait or are being made
    seconds: float = 30.0  # that a request may wait, a reply may lie unread
    arriving: float = 10.0  # seconds in which a request must have arrived
    head: int = 2**16  # bytes of a request before its body
    streams: int = 64  # pages that follow a run
    connections: int = 1024


class Admission:
    """Counts the images that wait, and turns requests away when they are too many."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = 0
        self._made, self._since = 0, time.monotonic()
        self._rate = 100.0  # images a second, until it is known

    @contextlib.contextmanager
    def place(self, count: int) -> Iterator[float]:
        """Hold the place of `count` images and yield until when they must be done."""
        if self.waiting and self.waiting + count > self.limits.queue:
            raise ProblemError(
                429,
                f"The service is busy: {self.waiting} images are waiting, and {count} more would "
                f"be over the {self.limits.queue} that may. Ask again later.",
                {"Retry-After": str(self.seconds_left())},
            )
        if not self.waiting:  # the pace is that of working, not of waiting for work
            self._made, self._since = 0, time.monotonic()
        self.waiting += count
        try:
            yield time.monotonic() + self.limits.seconds
        finally:
            self.waiting -= count
            self._count(count)

    def seconds_left(self) -> int:
        """Estimate in how many whole seconds what waits will be done, at the recent pace."""
        return max(1, min(60, math.ceil(self.waiting / self._rate)))

    def _count(self, count: int) -> None:
        self._made += count
        now = time.monotonic()
        if now - self._since > 0.2:
            self._rate = max(1.0, self._made / (now - self._since))
            self._made, self._since = 0, now
