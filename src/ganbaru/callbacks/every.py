"""When something is due that happens every so many images."""

from __future__ import annotations


class Every:
    """Detects that a count has passed a multiple of `interval`."""

    def __init__(self, interval: int, start: int = 0) -> None:
        self.interval, self.passed = interval, start // interval

    def due(self, count: int) -> bool:
        """Return whether a multiple was passed since the last call."""
        before, self.passed = self.passed, count // self.interval
        return self.passed > before
