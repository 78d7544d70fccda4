"""The log of a command, at stderr: -v and -q choose how much, --log-format its form."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator

from ganbaru.errors import InputError
from ganbaru.formatting import LOG, Verbosity, say

FORMATS = ("text", "json")


class Handler(logging.Handler):
    """Writes a line for each record: ``ganbaru: MESSAGE``, or a JSON object."""

    form = "text"

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; standard error may have been replaced since the start."""
        message = record.getMessage()
        if self.form == "json":
            content = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": message,
            }
            say(json.dumps(content, ensure_ascii=False), file=sys.stderr)
        else:
            say(f"ganbaru: {message}", file=sys.stderr)  # a name's newline would forge a line


HANDLER = Handler()


@contextlib.contextmanager
def configured() -> Iterator[None]:
    """Write the log of the library to stderr while a command runs: warnings and errors."""
    before = LOG.level
    HANDLER.form, Verbosity.quiet = "text", False
    LOG.setLevel(logging.WARNING)
    LOG.addHandler(HANDLER)
    try:
        yield
    finally:
        LOG.removeHandler(HANDLER)
        LOG.setLevel(before)
        Verbosity.quiet = False


def choose(option: str, value: str) -> None:
    """Apply an option of `OPTIONS`; raises InputError for an unknown form."""
    if option == "verbose":
        LOG.setLevel(logging.DEBUG if LOG.level == logging.INFO else logging.INFO)
    elif option == "quiet":
        Verbosity.quiet = True
    elif value in FORMATS:
        HANDLER.form = value
    else:
        raise InputError(f"--log-format {value} is unknown: give {' or '.join(FORMATS)}.")


# Flags, whether a value follows, and the help sentence.
OPTIONS = (
    ("-v --verbose", False, "also write what is done to stderr; -v -v for details"),
    ("-q --quiet", False, "no progress: only results, warnings and errors"),
    ("--log-format", True, "of messages on stderr: text, or json for an object a line"),
)
