"""The log of a command, at stderr: -v and -q choose how much, --log-format its form."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

from ganbaru.errors import InputError
from ganbaru.formatting import LOG, Verbosity, say

FORMATS = ("text", "json")
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)  # without -v, with it, with two


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
            say(*f"ganbaru: {message}".split("\n"), file=sys.stderr)


HANDLER = Handler()


@contextlib.contextmanager
def configured() -> Iterator[None]:
    """Write the log of the library to stderr while a command runs: warnings and errors."""
    before = LOG.level
    HANDLER.form, Verbosity.quiet = "text", False
    LOG.setLevel(LEVELS[0])
    LOG.addHandler(HANDLER)
    try:
        yield
    finally:
        LOG.removeHandler(HANDLER)
        LOG.setLevel(before)
        Verbosity.quiet = False


class _Set(argparse.Action):
    """An option that takes effect at once and is no part of the parsed arguments."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **{**how, "default": argparse.SUPPRESS})

    def __call__(self, parser: Any, space: Any, value: Any, name: str | None = None) -> None:
        if self.dest == "verbose":
            LOG.setLevel(logging.DEBUG if LOG.level == logging.INFO else logging.INFO)
        elif self.dest == "quiet":
            Verbosity.quiet = True
        elif value in FORMATS:
            HANDLER.form = value
        else:
            raise InputError(f"--log-format {value} is unknown: give {' or '.join(FORMATS)}.")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -v, -q and --log-format."""
    text = "also write what is done to stderr; -v -v for details"
    parser.add_argument("-v", "--verbose", action=_Set, nargs=0, help=text)
    text = "no progress: only results, warnings and errors"
    parser.add_argument("-q", "--quiet", action=_Set, nargs=0, help=text)
    text = "of messages on stderr: text, or json for an object a line"
    parser.add_argument("--log-format", action=_Set, metavar="FORMAT", help=text)
