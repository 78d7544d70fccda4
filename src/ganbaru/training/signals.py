"""Ctrl-C, SIGTERM and a closed terminal: the first stops a run gracefully, the second at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from ganbaru import ranks

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

# A launcher passes its own Ctrl-C on to ranks that have had it from the terminal: for so many
# seconds that is no second one.
RELAYED = 5.0


class StopRequest:
    """Call it to learn whether a signal has requested a stop; `signal` is its number."""

    signal: int | None = None

    def __call__(self) -> bool:
        """Return whether the run should end after this step."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The shells' exit code of a command that a signal ended: 128 + the signal's number."""
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def graceful_stop() -> Iterator[StopRequest]:
    """Yield a request that the first signal sets; in other threads than the main one none comes.

    An ignored signal stays ignored, as `nohup` and background jobs need it.
    """
    request = StopRequest()
    began = 0.0
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = ((number, signal.getsignal(number)) for number in _SIGNALS)
    before = {number: handler for number, handler in handlers if handler != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal began
        alone, again = ranks.world().size == 1, request.signal is not None
        if again and time.monotonic() - began < RELAYED:
            return
        request.signal, began = number, time.monotonic()
        if alone or again:
            restore()  # the second signal ends the process
        if again:
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        restore()
