"""Tables on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def show(table: Table) -> None:
    """Print a table by our own means: rich ends the program when the reader has gone."""
    from rich.console import Console

    # What is not a terminal, such as a pipe, has no width of its own.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    with console.capture() as captured:
        console.print(table)
    print(captured.get(), end="", flush=True)
