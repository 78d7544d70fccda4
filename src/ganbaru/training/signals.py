"""Ctrl-C, SIGTERM and a closed terminal: the first asks a run to end, the second ends it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Request:
    """Whether a signal has asked to stop, and which: call it to ask."""

    signal: int | None = None

    def __call__(self) -> bool:
        """Say whether the run should end after this step."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that a signal ended: 128 and the signal's number."""
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def watched() -> Iterator[Request]:
    """Yield a request that signals fill in; signals come to the main thread only.

    A signal that is ignored stays so: that is how `nohup` and background jobs are meant.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def ask(number: int, frame: FrameType | None) -> None:
        request.signal = number
        restore()  # a second signal means it

    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        restore()
