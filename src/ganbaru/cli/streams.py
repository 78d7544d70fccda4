"""Standard output and error of a command: what cannot be written there never ends a run."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

from ganbaru.formatting import encodable, say

# Commands that go on when their output cannot be written, since their work is in files or requests.
GOES_ON = ("train", "compare", "serve")
CLOSED_PIPE = 141  # the shells' exit code of a command that SIGPIPE ended


class Output:
    """A text stream that escapes what its encoding lacks, and that drops text once it has failed.

    It fails when it is closed, as by `>&-`, when the reader of a pipe has exited, when the terminal
    has gone or the disk is full. `lost` is then called, once, and may raise SystemExit.
    """

    def __init__(
        self, stream: TextIO | None, lost: Callable[[OSError], object] = lambda error: None
    ) -> None:
        self._stream, self._lost = stream, lost
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        self._attempt(lambda stream: stream.write(encodable(text, stream)))
        return len(text)

    def flush(self) -> None:
        """Flush the stream, which is where most failures show."""
        if self._stream is not None:  # nothing is lost yet
            self._attempt(lambda stream: stream.flush())

    def _attempt(self, action: Callable[[TextIO], object]) -> None:
        if self.error:
            return
        try:
            if self._stream is None or self._stream.closed:
                raise OSError(errno.EBADF, "it is closed")
            action(self._stream)
        except OSError as error:
            self.error = error
            # What is left in its buffer is written at the process's exit, and must not fail.
            with (
                contextlib.suppress(OSError, AttributeError, ValueError),
                open(os.devnull, "wb") as nothing,
            ):
                os.dup2(nothing.fileno(), cast(TextIO, self._stream).fileno())
            self._lost(error)


def use_utf8() -> None:
    """Start the process again in UTF-8 mode where the locale has another encoding.

    There, a class or a folder that it cannot encode could be neither a file's name nor be written
    into one, such as under LC_ALL=C with PYTHONUTF8=0. The streams keep PYTHONIOENCODING.
    """
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


@contextlib.contextmanager
def safe(command: str) -> Iterator[Output]:
    """Replace both standard streams by an `Output` while a command runs; yields that of stdout.

    The loss of stdout ends a command that is not among `GOES_ON` with an exit code other than 0.
    """
    with contextlib.suppress(OSError):  # or the next file would be opened as standard output
        while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(opened, True)
        os.close(opened)

    def lost(error: OSError) -> None:
        goes_on = " The command goes on without it." * (command in GOES_ON)
        if goes_on or error.errno != errno.EPIPE:
            say(f"ganbaru: Cannot write the output: {error.strerror}.{goes_on}", file=sys.stderr)
        if not goes_on:
            raise SystemExit(exit_code(error))

    out, messages = Output(sys.stdout, lost), Output(sys.stderr)
    with (
        contextlib.redirect_stdout(cast(TextIO, out)),
        contextlib.redirect_stderr(cast(TextIO, messages)),
    ):
        yield out


def exit_code(error: OSError) -> int:
    """Return the exit code of a command whose output is lost."""
    return CLOSED_PIPE if error.errno == errno.EPIPE else 1
