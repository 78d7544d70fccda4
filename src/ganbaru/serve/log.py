"""The log of the service, at stderr: requests cannot fill it, or write control characters."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable

LOGGERS = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
MOST, PERIOD = 10, 10.0  # lines of each level in so many seconds
CONTROL = re.compile(r"[^\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\U0010ffff]")  # and directions
_reported: dict[str, str] = {}


class Bounded(logging.Filter):
    """Passes the first lines of each period, and counts the others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._began = clock, clock()
        self._counts: Counter[int] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record may pass; its control characters are escaped."""
        self.report()
        self._counts[record.levelno] += 1
        if self._counts[record.levelno] > MOST:
            return False
        text = logging.Formatter().format(record)  # with the traceback
        record.msg = CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return True

    def report(self, *, end: bool = False) -> None:
        """Log how many lines were left out, once the period is over, or at the `end`."""
        if not end and self._clock() - self._began < PERIOD:
            return
        left_out = sum(max(0, count - MOST) for count in self._counts.values())
        self._counts.clear()
        self._began = self._clock()
        if left_out:
            LOGGERS[0].warning("%d more lines like these were left out.", left_out)
            self._counts.clear()


def problem(name: str, error: Exception) -> None:
    """Log what is wrong with a run, once until it changes."""
    text = f"{name}: {type(error).__name__}: {error}"
    if _reported.get(name) != text:
        _reported[name] = text
        LOGGERS[0].warning("%s", text)
