"""A progress bar for `load` in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganbaru.data.source import Progress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a function for ``load(progress=...)`` that shows bars if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Bars(console=console, transient=True, disable=not console.is_terminal) as bars:

        def report(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield report
