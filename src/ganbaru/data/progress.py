"""Progress of `load` and of scores: a bar in a terminal, or in the output of a notebook's cell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ganbaru.data import kernel
from ganbaru.data.source import Progress, silent
from ganbaru.formatting import Verbosity


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a function for ``load(progress=...)`` that shows bars if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Bars(
        console=console, transient=True, disable=not console.is_terminal or Verbosity.quiet
    ) as bars:

        def report(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def shown(progress: Progress | bool) -> Iterator[Progress]:
    """Yield the function that a call's `progress` stands for.

    True: bars, in a terminal or a kernel; False: none; or the caller's own function.
    """
    if callable(progress):
        yield progress
    elif progress and kernel.active():
        with kernel.progress_bar() as report:
            yield report
    elif progress and sys.stderr is not None and sys.stderr.isatty():
        with progress_bar() as report:
            yield report
    else:
        yield silent
